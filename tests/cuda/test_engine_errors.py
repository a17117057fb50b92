"""What goes wrong on the device is said: tensors of two devices, values out of range, what the host cannot read."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

import minigrad as mg

F = mg.nn.functional
HERE = mg.rand(3, 4).add(0.1)
THERE = None  # made by the fixture: the device is there only inside this package's tests


@pytest.fixture(autouse=True, scope="module")
def there(device):
    global THERE
    THERE = HERE.cuda()
    yield
    THERE = None


@pytest.fixture(autouse=True)
def nothing_noted():
    yield
    mg.cuda.synchronize()


def labels(device="cpu"):
    return mg.tensor([0, 1, 2], device=device)


MIXED = {
    "add": lambda: THERE + HERE,
    "sub": lambda: HERE - THERE,
    "mul": lambda: THERE * HERE,
    "div": lambda: HERE / THERE,
    "pow": lambda: THERE**HERE,
    "maximum": lambda: mg.maximum(THERE, HERE),
    "minimum": lambda: mg.minimum(THERE, HERE),
    "clamp": lambda: THERE.clamp(HERE),
    "eq": lambda: THERE == HERE,
    "lt": lambda: HERE < THERE,
    "bitwise_and": lambda: (THERE > 0) & (HERE > 0),
    "equal": lambda: mg.equal(THERE, HERE),
    "allclose": lambda: mg.allclose(THERE, HERE),
    "isclose": lambda: mg.isclose(THERE, HERE),
    "where": lambda: mg.where(HERE > 0, THERE, 0.0),
    "masked_fill": lambda: THERE.masked_fill(HERE > 0, 0.0),
    "masked_select": lambda: THERE.masked_select(HERE > 0),
    "matmul": lambda: THERE @ HERE.T,
    "mm": lambda: THERE.mm(HERE.T),
    "bmm": lambda: THERE[None].bmm(HERE.T[None]),
    "dot": lambda: THERE[0].dot(HERE[0]),
    "linear": lambda: F.linear(THERE, HERE),
    "linear ": lambda: F.linear(THERE, THERE, HERE[:, 0]),
    "einsum": lambda: mg.einsum("ij,ij->i", THERE, HERE),
    "cat": lambda: mg.cat([THERE, HERE]),
    "stack": lambda: mg.stack([HERE, THERE]),
    "gather": lambda: THERE.gather(1, labels()[:, None]),
    "scatter": lambda: THERE.scatter(1, labels("cuda")[:, None], HERE),
    "scatter_add": lambda: THERE.scatter_add(1, labels("cuda")[:, None], HERE),
    "index_select": lambda: THERE.index_select(0, labels()),
    "index_add": lambda: THERE.index_add(0, labels("cuda"), HERE),
    "index_put": lambda: THERE.index_put((labels("cuda"),), HERE),
    "take_along_dim": lambda: mg.take_along_dim(THERE, labels()[:, None], 1),
    "setitem": lambda: THERE.__setitem__([0, 1], HERE[:2]),
    "indices should be": lambda: HERE[labels("cuda")],
    "conv2d": lambda: F.conv2d(mg.ones(1, 1, 3, 3, device="cuda"), mg.ones(1, 1, 2, 2)),
    "conv2d ": lambda: F.conv2d(*[mg.ones(1, 1, 3, 3, device="cuda")] * 2, mg.ones(1)),
    "batch_norm": lambda: F.batch_norm(THERE, mg.zeros(4), mg.ones(4)),
    "layer_norm": lambda: F.layer_norm(THERE, (4,), mg.ones(4)),
    "group_norm": lambda: F.group_norm(THERE, 2, bias=mg.ones(4)),
    "cross_entropy": lambda: F.cross_entropy(THERE, labels()),
    "cross_entropy ": lambda: F.cross_entropy(THERE, labels("cuda"), mg.ones(4)),
    "cross_entropy  ": lambda: F.cross_entropy(THERE, HERE),
    "nll_loss": lambda: F.nll_loss(THERE, labels()),
    "binary_cross_entropy": lambda: F.binary_cross_entropy(THERE.sigmoid(), HERE.sigmoid()),
    "binary_cross_entropy_with_logits": lambda: F.binary_cross_entropy_with_logits(THERE, HERE),
    "mse_loss": lambda: F.mse_loss(THERE, HERE),
    "l1_loss": lambda: F.l1_loss(THERE, HERE),
    "smooth_l1_loss": lambda: F.smooth_l1_loss(THERE, HERE),
    "normal": lambda: mg.normal(THERE, HERE),
    "add_": lambda: THERE.add_(HERE),
    "mul_": lambda: HERE.clone().mul_(THERE),
    "relu after add_": lambda: THERE.relu().add_(HERE),
}


@pytest.mark.parametrize("name", MIXED)
def test_devices_do_not_mix(name):
    operation = {"add_": "add", "mul_": "mul", "relu after add_": "add"}.get(name, name.strip())
    with pytest.raises(RuntimeError, match=f"^{operation}.* on the same device") as error:
        MIXED[name]()
    assert "cuda:0" in str(error.value) and "cpu" in str(error.value)


def test_optimizers_and_gradients_name_both_devices():
    parameter = mg.ones(3, device="cuda", requires_grad=True)
    with pytest.raises(RuntimeError, match="assigned grad lies on cpu; expected cuda:0"):
        parameter.grad = mg.ones(3)
    with pytest.raises(RuntimeError, match="backward: gradient 0 lies on cpu; expected cuda:0"):
        (parameter * 2).backward(mg.ones(3))
    parameter.grad = mg.ones(3, device="cuda")
    parameter.data = mg.ones(3)
    with pytest.raises(RuntimeError, match="SGD: expected all tensors .*, got a parameter on cpu and its .* cuda:0"):
        mg.optim.SGD([parameter]).step()


def test_a_number_of_the_cpu_goes_along():
    number = mg.tensor(2.0, requires_grad=True)
    for result in (THERE * number, number + THERE, mg.where(THERE > 0, THERE, number.detach()), number < THERE):
        assert result.is_cuda
    (THERE * number).sum().backward()
    assert not number.grad.is_cuda and abs(number.grad.item() - HERE.sum().item()) < 1e-4
    written = THERE.clone()
    written[0] = mg.tensor(3.0)
    written[1:] = HERE[1:]
    assert written[0].tolist() == [3.0] * 4 and mg.equal(written[1:].cpu(), HERE[1:])


NOTED = {
    "cross_entropy: Target": (IndexError, lambda: F.cross_entropy(THERE, mg.tensor([0, 1, 4], device="cuda"))),
    "nll_loss: Target": (IndexError, lambda: F.nll_loss(THERE, mg.tensor([0, -1, 1], device="cuda"))),
    "binary_cross_entropy: all elements of input should be between 0 and 1": (
        RuntimeError, lambda: F.binary_cross_entropy(THERE + 1, THERE)),
    "one_hot: Class values": (RuntimeError, lambda: F.one_hot(mg.tensor([5], device="cuda"), 3)),
    "bernoulli: expected probabilities between 0 and 1": (RuntimeError, lambda: mg.bernoulli(THERE + 1)),
    "normal: expects std >= 0": (RuntimeError, lambda: mg.normal(0.0, -THERE)),
    "div: integer division by zero": (
        RuntimeError, lambda: mg.ones(2, dtype=mg.int64, device="cuda").div(labels("cuda")[:2], rounding_mode="floor")),
    "ntegers to negative integer powers": ((RuntimeError, ValueError), lambda: labels("cuda") ** -labels("cuda")),
    "index": (IndexError, lambda: THERE[mg.tensor([0, 3], device="cuda")]),
    "gather: index|index": (IndexError, lambda: THERE.gather(1, mg.tensor([[9]], device="cuda"))),
}  # fmt: skip


@pytest.mark.parametrize("message", NOTED)
def test_wrong_values_are_noted_and_raised_when_the_host_waits(message):
    kind, call = NOTED[message]
    fine = mg.ones(2, device="cuda")
    with pytest.raises(kind, match=message):
        call()
        fine.sum().item()
    with suppress(IndexError, RuntimeError):  # what NumPy refuses, the simulator raises at once: it is still noted
        mg.cuda.synchronize()
    mg.cuda.synchronize()
    assert fine.sum().item() == 2  # the device goes on


def test_the_value_noted_is_named():
    F.one_hot(mg.tensor([0, -7, 1], device="cuda"), 2)
    with pytest.raises(RuntimeError, match=r"^one_hot: Class values must be .* num_classes=2, got -7\.$"):
        mg.cuda.synchronize()
    F.one_hot(mg.tensor([[0, 2], [5, 3]], device="cuda"), 2)
    with pytest.raises(RuntimeError, match=r"got 5\.$"):
        mg.ones(1, device="cuda").item()
    F.cross_entropy(THERE, mg.tensor([0, -100, 3], device="cuda"))
    F.nll_loss(THERE, mg.tensor([0, 9, 3], device="cuda"), ignore_index=9)
    mg.cuda.synchronize()


def test_host_arrays_are_refused():
    with pytest.raises(RuntimeError, match="mul: expected all tensors to be on the same device, got cuda:0, cpu"):
        THERE * np.ones((3, 4), np.float32)
    assert (THERE * np.float32(2)).is_cuda and (np.float64(2) * THERE).dtype == mg.float32


def test_float16_is_for_storage():
    half = THERE.half()
    assert half.is_cuda and half.float().dtype == mg.float32 and half.sum().dtype == mg.float16
    with pytest.raises(RuntimeError, match="float16"):
        F.relu(half)


def test_precision_switches():
    for switch, default in ((mg.backends.cuda.matmul, False), (mg.backends.cuda.conv, True)):
        assert switch.allow_tf32 is default
        with pytest.raises(TypeError, match="allow_tf32"):
            switch.allow_tf32 = "yes"
        switch.allow_tf32 = not default
        assert switch.allow_tf32 is not default
        switch.allow_tf32 = default


def test_the_device_tells_of_itself():
    cuda = mg.cuda
    assert cuda.is_available() and cuda.device_count() >= 1 and cuda.current_device() == 0
    assert cuda.get_device_name() == cuda.get_device_name("cuda:0") and cuda.get_device_capability() >= (7, 5)
    before = cuda.memory_allocated()
    x = mg.zeros(1 << 18, device="cuda")
    assert cuda.memory_allocated() - before >= x.nbytes
    assert cuda.max_memory_allocated() >= cuda.memory_allocated() and cuda.memory_reserved() >= cuda.memory_allocated()
    del x
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() == cuda.memory_allocated()
    cuda.empty_cache()
    cuda.synchronize("cuda")
    with pytest.raises(RuntimeError, match="'cuda:3' is not the current GPU"):
        cuda.memory_allocated(3)
    with pytest.raises(ValueError, match="expected a cuda device, but got: cpu"):
        cuda.synchronize("cpu")
