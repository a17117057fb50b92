"""How tensors print."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minigrad as mg


@pytest.fixture(autouse=True)
def _default_options():
    yield
    mg.set_printoptions(profile="default")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: mg.tensor([1.0, 2.0, -0.5]), "tensor([ 1.0000,  2.0000, -0.5000])"),
        (lambda: mg.tensor([1.0, 2.0], requires_grad=True), "tensor([1., 2.], requires_grad=True)"),
        (lambda: mg.tensor(3), "tensor(3)"),
        (lambda: mg.tensor([[True], [False]]), "tensor([[ True],\n        [False]])"),
        (lambda: mg.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (lambda: mg.zeros(0, 2), "tensor([], size=(0, 2))"),
        (lambda: mg.zeros(0, dtype=mg.int64), "tensor([], dtype=int64)"),
        (lambda: mg.ones(2, dtype=mg.float64), "tensor([1., 1.], dtype=float64)"),
        (lambda: mg.tensor([1.0], requires_grad=True) * 2, "tensor([2.], grad_fn=<MulBackward0>)"),
        (lambda: mg.tensor([float("nan"), float("inf"), 1.0]), "tensor([nan, inf, 1.])"),
        (lambda: mg.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    ],
)
def test_text(make, text):
    assert repr(make()) == text


def test_options():
    mg.set_printoptions(precision=2, sci_mode=True)
    assert repr(mg.tensor([1.5])) == "tensor([1.50e+00])"
    mg.set_printoptions(profile="short", threshold=4)
    assert repr(mg.arange(6.0)) == "tensor([0., 1.,  ..., 4., 5.])"
    with pytest.raises(ValueError, match="profile"):
        mg.set_printoptions(profile="long")


def test_text_is_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    shapes = [
        (),
        (1,),
        (7,),
        (30,),
        (1001,),
        (2, 3),
        (3, 1, 4),
        (0,),
        (2, 0, 3),
        (40, 30),
        (2, 3, 4, 2),
        (8, 2, 99),
    ]
    scales = [1, 1e-3, 1e-6, 1e3, 1e9, 1e30]
    for case in range(400):
        shape = shapes[case % len(shapes)]
        values = rng.standard_normal(shape) * scales[rng.integers(len(scales))]
        kind = rng.integers(6)
        if kind == 0:
            values = np.round(values)
        elif kind == 1:
            values = np.where(rng.random(shape) < 0.3, rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf]), values)
        elif kind == 2:
            values = values * 10.0 ** rng.integers(-5, 5, shape)
        dtype = str(rng.choice(["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]))
        with np.errstate(all="ignore"):
            array = np.asarray(np.nan_to_num(values) if dtype[0] not in "f" else values).clip(-1e35, 1e35).astype(dtype)
        ours, theirs = mg.tensor(array), torch.tensor(array)
        if dtype[0] == "f" and rng.random() < 0.3:
            ours.requires_grad_(), theirs.requires_grad_()
            if rng.random() < 0.5:
                ours, theirs = ours * 2, theirs * 2
        options = {}
        if rng.random() < 0.3:
            options = {
                "precision": int(rng.integers(0, 7)),
                "threshold": int(rng.choice([5, 1000])),
                "edgeitems": int(rng.integers(1, 5)),
                "linewidth": int(rng.choice([40, 80, 120])),
                "sci_mode": [None, True, False][rng.integers(3)],
            }
        mg.set_printoptions(profile="default", **options)
        torch.set_printoptions(profile="default", **options)
        try:
            expected = repr(theirs).replace("torch.", "")
        finally:
            torch.set_printoptions(profile="default")
        assert _joined(repr(ours)) == _joined(expected), (shape, dtype, options)


def _joined(text: str) -> str:
    """With all notes on one line: the shorter name of a dtype may leave room for one more."""
    return re.sub(r",\n {7}(?=[a-z])", ", ", text)
