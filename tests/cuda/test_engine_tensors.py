"""Tensors on the device: made, moved, copied, printed, saved, indexed, written in place, checked."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import checkpoint, detect_anomaly, gradcheck, gradgradcheck

F = mg.nn.functional


@pytest.mark.parametrize(
    "make",
    [
        lambda **where: mg.zeros(2, 3, **where),
        lambda **where: mg.ones(2, 3, dtype=mg.int64, **where),
        lambda **where: mg.full((2,), 3.5, **where),
        lambda **where: mg.full((2,), -1, dtype=mg.uint8, **where),
        lambda **where: mg.eye(3, 4, **where),
        lambda **where: mg.arange(2, 9, 2, **where),
        lambda **where: mg.arange(0.5, 3, 0.25, **where),
        lambda **where: mg.linspace(0, 1, 7, **where),
        lambda **where: mg.linspace(0, 9, 4, dtype=mg.int64, **where),
        lambda **where: mg.tensor([[1, 2], [3, 4]], **where),
        lambda **where: mg.tensor(2.5, **where),
        lambda **where: mg.tensor(True, **where),
        lambda **where: mg.as_tensor(np.arange(3.0), **where),
        lambda **where: mg.zeros_like(mg.ones(2, 3), **where),
        lambda **where: mg.ones_like(mg.ones(2, 3), **where),
        lambda **where: mg.full_like(mg.ones(2, 3), 7, **where),
        lambda **where: mg.ones(2).new_zeros(3, **where),
        lambda **where: mg.ones(2).new_tensor([1, 2], **where),
        lambda **where: mg.rand(50, **where),
        lambda **where: mg.rand(5, dtype=mg.float64, **where),
        lambda **where: mg.randn(50, **where),
        lambda **where: mg.randint(-5, 9, (50,), **where),
        lambda **where: mg.randperm(50, **where),
        lambda **where: mg.rand_like(mg.ones(2, 3), **where),
        lambda **where: mg.randn_like(mg.ones(2, 3), **where),
        lambda **where: mg.normal(2.0, 3.0, (5,), **where),
        lambda **where: mg.bernoulli(mg.full((50,), 0.3, **where)),
        lambda **where: mg.multinomial(mg.full((9,), 0.3, **where), 4),
        lambda **where: mg.zeros(50, **where).uniform_(-1, 2),
        lambda **where: mg.zeros(50, **where).normal_(1, 2),
        lambda **where: mg.zeros(50, **where).bernoulli_(0.5),
        lambda **where: mg.nn.init.trunc_normal_(mg.zeros(50, **where)),
        lambda **where: mg.nn.init.orthogonal_(mg.zeros(4, 5, **where)),
        lambda **where: mg.nn.init.kaiming_uniform_(mg.zeros(4, 5, **where)),
        lambda **where: mg.nn.Linear(3, 4, **where).weight.detach(),
    ],
)
def test_tensors_are_made_where_it_is_said(make):
    made = []
    for device in ("cpu", "cuda"):
        mg.manual_seed(3)
        made.append(make(device=device))
    assert made[0].device == mg.device("cpu") and made[1].device == mg.device("cuda:0")
    assert made[0].dtype == made[1].dtype and made[0].shape == made[1].shape
    assert mg.equal(made[0], made[1].cpu())


def test_like_and_new_follow_the_device():
    x = mg.ones(2, 3, device="cuda")
    for like in (mg.zeros_like, mg.ones_like, mg.empty_like, mg.rand_like, mg.randn_like):
        assert like(x).is_cuda and not like(x, device="cpu").is_cuda
    assert x.new_ones(2).is_cuda and x.new_full((2,), 3).is_cuda and x.new_empty(2).is_cuda
    assert not x.new_zeros(2, device="cpu").is_cuda


def test_moving():
    x = mg.arange(6.0).reshape(2, 3)
    y = x.to("cuda")
    assert y.is_cuda and y.to("cuda") is y and y.to("cuda:0") is y and y.cuda() is y
    assert y.to(x).device == x.device and x.to(y).is_cuda
    assert y.to("cuda", mg.float64).dtype == mg.float64 and y.double().is_cuda
    assert mg.equal(y.cpu(), x) and y.cpu().numpy().base is not x.numpy()
    assert x.cuda(0).is_cuda and x.cuda("cuda").is_cuda and x.to(device="cuda", non_blocking=True).is_cuda
    with pytest.raises(RuntimeError, match="device 'cuda:7': there are only 1 GPUs"):
        x.to("cuda:7")


def test_memory_format_survives_the_journey():
    x = mg.rand(2, 3, 4, 5).contiguous(memory_format=mg.channels_last)
    y = x.cuda()
    assert y.is_contiguous(memory_format=mg.channels_last) and not y.is_contiguous()
    back = y.cpu()
    assert back.is_contiguous(memory_format=mg.channels_last) and mg.equal(back, x)
    transposed = mg.rand(3, 4).T
    assert transposed.cuda().stride() == transposed.stride()
    assert mg.equal(transposed[::2].cuda().cpu(), transposed[::2])
    assert mg.ones(1).expand(4, 3).cuda().sum().item() == 12


def test_pinned_memory():
    x = mg.arange(6.0).reshape(2, 3)
    pinned = x.pin_memory()  # in the simulator, ordinary memory
    assert not x.is_pinned() and not x.cuda().is_pinned() and mg.equal(pinned, x)
    assert mg.equal(pinned.to("cuda", non_blocking=True).cpu(), x)
    with pytest.raises(RuntimeError, match="pin_memory: only tensors of the CPU can be pinned, got one on cuda:0"):
        x.cuda().pin_memory()


def test_gradients_travel():
    x = mg.rand(3, requires_grad=True)
    (x.cuda() * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    y = mg.rand(3, device="cuda", requires_grad=True)
    (y.cpu() * 3).sum().backward()
    assert y.grad.is_cuda and y.grad.tolist() == [3, 3, 3]


def test_reading_values():
    x = mg.tensor([1.5], device="cuda")
    assert x.item() == 1.5 and float(x) == 1.5 and int(x) == 1 and bool(x) and x.tolist() == [1.5]
    assert [3, 4, 5][mg.tensor(1, device="cuda")] == 4
    assert f"{mg.tensor(0.25, device='cuda'):.3f}" == "0.250"
    assert repr(x) == "tensor([1.5000], device='cuda:0')"
    assert 1.5 in x and 2 not in x and len(x) == 1
    with pytest.raises(TypeError, match=r"can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu\(\)"):
        x.numpy()
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        np.asarray(x)
    assert x.requires_grad_().numpy(force=True).tolist() == [1.5]


def test_copies():
    x = mg.rand(2, 3, device="cuda", requires_grad=True)
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert again.is_cuda and again.requires_grad and mg.equal(again, x)
        with mg.no_grad():
            again.zero_()
        assert not mg.equal(again, x)
    y = mg.zeros(2, 3)
    assert mg.equal(y.copy_(x.detach()), x.detach().cpu())
    assert mg.equal(mg.zeros(2, 3, device="cuda").copy_(y).cpu(), y)
    assert {x: 1}[x] == 1 and x.clone().is_cuda


def test_saving_and_loading(tmp_path):
    model = mg.nn.Linear(3, 2).cuda()
    for name in ("model.pt", "model.safetensors"):
        mg.save(model.state_dict(), tmp_path / name)
        assert not mg.load(tmp_path / name)["weight"].is_cuda
        state = mg.load(tmp_path / name, map_location="cuda")
        assert state["weight"].is_cuda and mg.equal(state["weight"], model.weight.detach())
        other = mg.nn.Linear(3, 2).cuda()
        other.load_state_dict(mg.load(tmp_path / name))
        assert other.weight.is_cuda and mg.equal(other.weight, model.weight)
    file = io.BytesIO()
    mg.save({"x": mg.rand(2, 3, device="cuda").T}, file)
    assert mg.load(io.BytesIO(file.getvalue()))["x"].shape == (3, 2)


INDICES = [
    0, -1, slice(1, 3), (slice(None), 1), (Ellipsis, 0), None, (0, None, slice(None, None, 2)),
    [0, 2], ([0, 1], [1, 2]), (slice(None), [2, 0, 2]), np.array([1, 1, 0]), ([0, 1], slice(None), [1, 3]),
    mg.tensor([[0, 2], [1, 1]]), mg.tensor([True, False, True]), True, (Ellipsis, mg.tensor([3, 0])),
    (mg.tensor([True, False, True]), slice(1, 2)), mg.tensor(1), (1, mg.tensor([0, 2])), [-1, -3],
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("on_device", [False, True], ids=["index on the CPU", "on the device"])
def test_indexing(index, on_device):
    def moved(part):
        return part.cuda() if isinstance(part, mg.Tensor) else part

    x = mg.rand(3, 4, 4, dtype=mg.float64, requires_grad=True)
    y = x.detach().cuda().requires_grad_()
    there = index
    if on_device:
        there = tuple([moved(part) for part in index]) if isinstance(index, tuple) else moved(index)
    expected, result = x[index], y[there]
    assert mg.equal(result.cpu(), expected)
    weight = mg.rand(*expected.shape, dtype=mg.float64)
    (expected * weight).sum().backward()
    (result * weight.cuda()).sum().backward()
    np.testing.assert_allclose(y.grad.cpu().numpy(), x.grad.numpy(), atol=1e-14)
    places = mg.arange(x.numel()).reshape(x.shape)[index]
    once = len(np.unique(places.numpy())) == places.numel()  # of several values for one place any may stay
    for value in (7.0, weight) if once else (7.0,):
        expected, result = x.detach().clone(), y.detach().clone()
        expected[index] = value
        result[there] = value.cuda() if isinstance(value, mg.Tensor) else value
        assert result.is_cuda and mg.equal(result.cpu(), expected)


def test_views_and_writes_in_place():
    for device in ("cpu", "cuda"):
        x = mg.zeros(3, 4, device=device)
        x[1].add_(2)
        x.T[0].fill_(5)
        x.view(12)[-1] = mg.tensor(9.0)
        x.diagonal().mul_(3)
        x[:, 1:3].copy_(mg.ones(3, 2))
        x += 1
        assert x.tolist() == [[16, 2, 2, 1], [6, 2, 2, 3], [6, 2, 2, 10]]
    with pytest.raises(RuntimeError, match="more than one element"):
        mg.ones(1, device="cuda").expand(3).add_(1)
    leaf = mg.ones(2, device="cuda", requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.add_(1)
    y = leaf * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_hooks_and_retained_gradients():
    x = mg.ones(3, device="cuda", requires_grad=True)
    y = x * 2
    y.retain_grad()
    x.register_hook(lambda gradient: gradient * 10)
    (y * y).sum().backward()
    assert y.grad.tolist() == [4, 4, 4] and x.grad.tolist() == [80, 80, 80]
    with detect_anomaly(), pytest.raises(RuntimeError, match="returned nan"):
        (mg.zeros(1, device="cuda", requires_grad=True).sqrt() * 0).sum().backward()


def test_checkpoint_runs_again():
    results = []
    for wrap in (lambda f, x: f(x), checkpoint):
        mg.manual_seed(1)
        x = mg.ones(50, device="cuda", requires_grad=True)
        y = wrap(lambda x: F.dropout(x * x, 0.5), x)
        y.sum().backward()
        results.append((y.detach(), x.grad))
    assert mg.equal(results[0][0], results[1][0]) and mg.equal(results[0][1], results[1][1])


def double(*shape):
    return mg.rand(*shape, dtype=mg.float64, device="cuda", requires_grad=True)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), [(1, 2, 5, 4), (3, 2, 3, 3), (3,)]),
        (lambda x: F.max_pool2d(x, 2), [(1, 2, 4, 4)]),
        (lambda x: F.avg_pool2d(x, 3, 2, 1), [(1, 2, 5, 4)]),
        (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), [(1, 2, 5, 4)]),
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(3, 2, 2, 2), (2,), (2,)]),
        (lambda x, w, b: F.linear(x, w, b), [(3, 4), (2, 4), (2,)]),
        (lambda x: F.cross_entropy(x, mg.tensor([1, 0, 2], device="cuda"), label_smoothing=0.1), [(3, 4)]),
        (lambda x: F.relu(x - 0.5), [(3, 4)]),
        (lambda x, y: x @ y, [(2, 3, 4), (4, 2)]),
        (lambda x: F.softmax(x, 1), [(3, 4)]),
        (lambda x: x[mg.tensor([0, 2, 0], device="cuda")], [(3, 4)]),
    ],
)
def test_gradient_checks_run_on_the_device(function, shapes):
    mg.manual_seed(4)
    inputs = [double(*shape) for shape in shapes]
    assert gradcheck(function, inputs)
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True, atol=1e-4)


def test_a_wrong_gradient_is_found_on_the_device():
    class Wrong(mg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    with pytest.raises(mg.autograd.GradcheckError, match="Jacobian mismatch"):
        gradcheck(Wrong.apply, double(3))
