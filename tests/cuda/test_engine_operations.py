"""Every operation of the catalogue on the device gives what it gives on the CPU, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
from case import Case, leaves, outputs
from catalogue import CASES

import minigrad as mg

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def on_device(tensors: list) -> list:
    """The arguments of a call with their tensors copied to the device, as leaves."""

    def moved(value):
        if isinstance(value, list):
            return [moved(v) for v in value]
        return value.detach().cuda().requires_grad_(value.requires_grad) if isinstance(value, mg.Tensor) else value

    return [moved(value) for value in tensors]


def run(case: Case, tensors: list) -> tuple[list, list]:
    """What a call returns, and the gradients of its arguments with random weights on the results."""
    results = outputs(case.call(*tensors))
    roots = [r for r in results if r.requires_grad]
    if roots:
        random = np.random.default_rng(0)
        weights = [mg.tensor(random.standard_normal(r.shape), dtype=r.dtype, device=r.device) for r in roots]
        mg.autograd.backward(roots, weights)
    return results, [t.grad for t in leaves(tensors)]


@every_case
@pytest.mark.parametrize("view", [False, True], ids=["", "not contiguous"])
def test_device_equals_cpu(case, view):
    tensors = case.tensors(requires_grad=True, view=view)
    expected, expected_gradients = run(case, tensors)
    arguments = on_device(case.tensors(requires_grad=True, view=view))
    if view:  # a copy to the device has no gaps; here it shall
        arguments = [spread_out(a) for a in arguments]
    results, gradients = run(case, arguments)
    assert len(results) == len(expected)
    for mine, other in zip([*results, *gradients], [*expected, *expected_gradients], strict=True):
        assert (mine is None) == (other is None)
        if mine is None:
            continue
        assert mine.is_cuda and mine.dtype == other.dtype and mine.requires_grad == other.requires_grad
        scale = np.abs(np.nan_to_num(other.detach().numpy(), posinf=0, neginf=0)).max(initial=1)
        np.testing.assert_allclose(
            mine.detach().cpu().numpy(), other.detach().numpy(), rtol=1e-9, atol=1e-10 * scale, strict=True
        )


def spread_out(value):
    """A leaf whose array is a view of every other element of a larger one."""
    if not isinstance(value, mg.Tensor) or value.ndim == 0:
        return [spread_out(v) for v in value] if isinstance(value, list) else value
    room = mg.zeros(*[2 * size for size in value.shape], dtype=value.dtype, device="cuda")
    view = room[tuple([slice(None, None, 2)] * value.ndim)]
    view.copy_(value)
    return view.detach().requires_grad_(value.requires_grad)
