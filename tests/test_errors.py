"""What cannot be meant is refused: by the exception that PyTorch raises, in one line that says what is wrong."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
from bad_calls import layers, tensors, training

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import data, nn, optim
from minigrad.optim import lr_scheduler

zeros = mg.zeros


def ints(*shape):
    return mg.zeros(*shape, dtype=mg.int64)


def doubles(*shape):
    return mg.zeros(*shape, dtype=mg.float64)


def leaf(*shape):
    return mg.zeros(*shape, requires_grad=True)


def sgd(**options):
    return optim.SGD([leaf(2)], **{"lr": 0.1, **options})


NAMES = {
    "mg": mg, "nn": nn, "F": F, "optim": optim, "lr_scheduler": lr_scheduler, "data": data, "np": np, "zeros": zeros,
    "ints": ints, "doubles": doubles, "leaf": leaf, "sgd": sgd,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two files that are no checkpoints, and an empty folder."""
    folder = tmp_path_factory.mktemp("errors")
    for name in ("junk.pt", "junk.safetensors"):
        (folder / name).write_bytes(b"nothing of the kind")
    (folder / "empty").mkdir()
    return folder


def check_refusal(call: str, error: type[Exception], words: str, folder) -> None:
    """The call raises the error, whose message is one line with the words in order ("..." between them)."""
    with pytest.raises(error) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        eval(call, NAMES | {"folder": folder})  # noqa: S307
    message = str(caught.value)
    assert message.strip() and "\n" not in message
    rest = message
    for part in words.split(" ... "):
        assert part in rest, f"{part!r} is not in {rest!r}"
        rest = rest.split(part, 1)[1]


def named(calls):
    return pytest.mark.parametrize(("call", "error", "words"), calls, ids=[call for call, _, _ in calls])


@named([*tensors.CALLS, *layers.CALLS, *training.CALLS])
def test_bad_call_is_refused_in_one_line(call, error, words, folder):
    check_refusal(call, error, words, folder)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
@named(training.WITHOUT_CUPY)
def test_cuda_without_cupy_names_what_to_install(call, error, words, folder):
    check_refusal(call, error, words, folder)


def test_refused_call_leaves_the_random_stream_alone():
    mg.manual_seed(1)
    expected = mg.rand(3).tolist()
    mg.manual_seed(1)
    for call in (lambda: mg.randperm(2.5), lambda: mg.rand(-1), lambda: mg.randn(2, dtype=mg.int64)):
        with pytest.raises((TypeError, RuntimeError)):
            call()
    assert mg.rand(3).tolist() == expected
