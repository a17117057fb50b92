"""PyTorch's own database of operations, its samples and error inputs, with our side on the device."""

from __future__ import annotations

from contextlib import suppress

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's database imports it

import minigrad as mg  # noqa: E402
from benchmarks.parity import measure, translate  # noqa: E402
from minigrad.device import on_host, to_device  # noqa: E402
from minigrad.tensor import from_array  # noqa: E402

DTYPES = torch.float64, torch.float32, torch.int64, torch.bool


@pytest.fixture
def on_the_device(monkeypatch):
    """Let the measuring of parity put every argument on the device, and compare a copy of what comes back."""
    to_tensor, difference, refusal = translate._tensor, measure._result_difference, measure._count_refusal

    def placed(tensor):
        ours = to_tensor(tensor)
        return from_array(to_device(ours.array, "cuda"), requires_grad=ours.requires_grad)

    def compared(ours, theirs, values=True):
        if isinstance(ours, mg.Tensor) and ours.is_cuda:
            copied = from_array(on_host(ours.array))
            copied._requires_grad = ours.requires_grad
            ours = copied
        return difference(ours, theirs, values)

    def refused(figures, function, sample, reason):
        def function_that_waits(*args, **kwargs):
            result = function(*args, **kwargs)
            mg.cuda.synchronize()  # where wrong values are raised
            return result

        refusal(figures, function_that_waits, sample, reason)
        for _ in range(2):  # the simulator refuses some values before what was noted of them is raised
            with suppress(RuntimeError, IndexError):
                mg.cuda.synchronize()

    monkeypatch.setattr(measure, "DTYPES", DTYPES)
    monkeypatch.setattr(translate, "_tensor", placed)
    monkeypatch.setattr(measure, "_result_difference", compared)
    monkeypatch.setattr(measure, "_count_refusal", refused)
    monkeypatch.setattr(mg.backends.cuda.conv, "allow_tf32", False)


def test_samples_agree_on_the_device(on_the_device):
    whole = measure.total(measure.measure())
    listed = "\n".join(whole.disagreements[:20])
    assert whole.samples > 14_000
    # What disagrees is to("cpu"), whose gradient the comparison puts on the device.
    assert whole.agreed >= 0.998 * whole.samples, listed
    assert whole.refused >= 0.95 * whole.errors > 300, listed
