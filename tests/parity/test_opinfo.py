"""Every operation beside PyTorch's, on the samples and error inputs of PyTorch's own database."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's database imports it

import minigrad as mg  # noqa: E402
from benchmarks.parity import translate  # noqa: E402
from benchmarks.parity.measure import Figures, measure, total  # noqa: E402
from benchmarks.parity.omissions import OPERATIONS  # noqa: E402


@pytest.fixture(scope="module")
def figures() -> list[Figures]:
    return measure()


def listed(figures: list[Figures]) -> str:
    return "\n".join(total(figures).disagreements[:20])


def test_samples_agree(figures):
    whole = total(figures)
    assert whole.samples > 15_000
    assert whole.agreed >= 0.99 * whole.samples, listed(figures)


def test_error_inputs_are_refused_in_our_own_words(figures):
    pytorchs_own = total([row for row in figures if not row.in_place])
    assert pytorchs_own.errors > 180
    assert pytorchs_own.refused >= 0.95 * pytorchs_own.errors, listed(figures)
    assert pytorchs_own.in_our_words >= 0.95 * pytorchs_own.errors, listed(figures)


def test_in_place_forms_refuse_what_pytorch_refuses(figures):
    in_place = total([row for row in figures if row.in_place])
    assert in_place.errors > 200
    assert in_place.refused >= 0.95 * in_place.errors, listed(figures)


def test_no_operation_is_left_out_unsaid(figures):
    assert len(figures) > 240
    assert {row.operation for row in figures if not row.samples} == OPERATIONS.keys()


BROKEN = {
    "value": lambda x: mg.sin(x) + 1e-4,
    "shape": lambda x: mg.sin(x)[None],
    "dtype": lambda x: mg.sin(x).half(),
    "requires_grad": lambda x: mg.sin(x).detach(),
    "gradient": lambda x: mg.sin(x) * (1 + (x - x.detach())),
    "argument": lambda x: (mg.sin(x), x.data.mul_(2))[0],
    "exception": lambda x: mg.sin(x, 1),
}


@pytest.mark.parametrize("defect", BROKEN)
def test_a_defect_is_noticed(defect, monkeypatch):
    monkeypatch.setitem(translate.ADAPTED, "sin", BROKEN[defect])
    row, _ = measure(["sin"])  # and of the form in place
    assert row.agreed < row.samples
    assert {"value": "values", "exception": "TypeError"}.get(defect, defect) in row.disagreements[0]


def test_an_accepted_error_is_noticed(monkeypatch):
    monkeypatch.setitem(translate.ADAPTED, "roll", lambda x, *args, **kwargs: x)
    (row,) = measure(["roll"])
    assert row.errors > row.refused
    assert any("accepted" in line for line in row.disagreements)
