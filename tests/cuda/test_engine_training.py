"""Training on the device: LeNet's steps equal the CPU's, and nothing is read back on the way."""

from __future__ import annotations

import numpy as np
import pytest
from programs import simulator_only

import minigrad as mg
from minigrad.data import DataLoader, TensorDataset
from minigrad.kernels.cuda.simulator.trace import trace_launches

nn, F = mg.nn, mg.nn.functional


@pytest.fixture
def exact_convolutions():
    """Without rounding to TF32, so that the CPU's numbers are the same to float32's last digits."""
    mg.backends.cuda.conv.allow_tf32 = False
    yield
    mg.backends.cuda.conv.allow_tf32 = True


def lenet() -> nn.Module:
    """LeNet-5 with batch-norm and dropout; a bias before batch-norm would have rounding errors for a gradient."""
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Dropout(0.3), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


OPTIMIZERS = {
    "SGD": lambda p: mg.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "Nesterov": lambda p: mg.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "Adam": lambda p: mg.optim.Adam(p, lr=1e-3, amsgrad=True),
    "AdamW": lambda p: mg.optim.AdamW(p, lr=1e-3),
    "NAdam": lambda p: mg.optim.NAdam(p, lr=1e-3),
    "RMSprop": lambda p: mg.optim.RMSprop(p, lr=1e-4, momentum=0.5, centered=True),
    "Adagrad": lambda p: mg.optim.Adagrad(p, lr=1e-3),
    "Adadelta": lambda p: mg.optim.Adadelta(p),
}


def train(device: str, optimizer, steps: int, clip: float | None = None) -> tuple[list[float], dict, list]:
    """The losses, the state at the end, and what each step asked of the device."""
    model = lenet().to(device)
    optimizer = optimizer(model.parameters())
    images, labels = mg.randn(3, 1, 28, 28).to(device), mg.tensor([3, 1, 9], device=device)
    losses, traces = [], []
    for _ in range(steps):
        with trace_launches() as events:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
        losses.append(loss.item())
        traces.append(events)
        del loss
    state = {name: value.cpu().numpy() for name, value in model.state_dict().items()}
    return losses, state, traces


def assert_alike(mine, other, atol: float) -> None:
    np.testing.assert_allclose(mine[0], other[0], atol=atol)
    for name, value in other[1].items():
        np.testing.assert_allclose(mine[1][name], value, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_equal_the_cpus(name, exact_convolutions):
    assert_alike(train("cuda", OPTIMIZERS[name], 4), train("cpu", OPTIMIZERS[name], 4), 2e-4)


def test_steps_on_tensor_cores_are_near_the_cpus():
    assert_alike(train("cuda", OPTIMIZERS["SGD"], 2), train("cpu", OPTIMIZERS["SGD"], 2), 1e-3)


@simulator_only  # which writes down what it is asked for
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_can_be_captured(name):
    """Nothing waits for the device, and nothing is copied; the third step asks for the same kernels as the fourth."""
    _, _, (*_, before, after) = train("cuda", OPTIMIZERS[name], 4, clip=1.0)
    assert not [event for event in after if not event.capturable]
    assert sum(event.kind == "launch" for event in after) > 40
    assert [(event.kind, event.name) for event in before] == [(event.kind, event.name) for event in after]


def put(x, mask, value):
    """x[mask] = value"""
    x[mask] = value
    return x


LOSSES = {
    "cross_entropy": lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1, ignore_index=2),
    "nll_loss": lambda x, y: F.nll_loss(F.log_softmax(x, 1), y),
    "weighted": lambda x, y: F.cross_entropy(x, y, weight=mg.ones(5, device=x.device)),
    "binary_cross_entropy": lambda x, y: F.binary_cross_entropy(x.sigmoid(), F.one_hot(y, 5).float()),
    "binary_cross_entropy_with_logits": lambda x, y: F.binary_cross_entropy_with_logits(x, F.one_hot(y, 5).float()),
    "mse_loss": lambda x, y: F.mse_loss(x, F.one_hot(y, 5).float()),
    "smooth_l1_loss": lambda x, y: F.smooth_l1_loss(x, F.one_hot(y, 5).float()),
    "adaptive pooling": lambda x, y: F.adaptive_avg_pool2d(x.reshape(1, 1, 3, 5), (2, 3)).sum(),
    "adaptive maximum": lambda x, y: F.adaptive_max_pool2d(x.reshape(1, 1, 3, 5), (2, 3)).sum(),
    "prod": lambda x, y: x.prod(1).sum(),
    "max": lambda x, y: x.max(1).values.sum(),
    "masked": lambda x, y: x.masked_fill(x > 0, 0).sum() + mg.where(x < 0, 0.0, x).sum() + x.clamp(0, 1).sum(),
    "norms": lambda x, y: F.layer_norm(x, (5,)).square().sum() + F.normalize(x).sum() + x.logsumexp(1).sum(),
    "activations": lambda x, y: (F.gelu(x) + F.silu(x) + F.elu(x) + F.hardswish(x) + F.softplus(x)).sum(),
    "padding": lambda x, y: F.pad(x.reshape(1, 1, 3, 5), (1, 1, 1, 1), mode="reflect").sum(),
    "dropout": lambda x, y: F.dropout2d(F.dropout(x, 0.5).reshape(1, 3, 5, 1)).sum(),
    "in place": lambda x, y: (x * 1).add_(x).mul_(2).clamp_(max=1).relu_().sum(),
    "mask": lambda x, y: put(x * 1, x > 0.5, 3.0).sum() + put(x * 1, x[:, 0] > 0.5, x[0, 0]).sum(),
    "parts": lambda x, y: mg.cat([x[1:], x[:, 1:3].T.flip(0).repeat(1, 2)[:, :5]]).sum() + x.tril().sum(),
    "concatenated": lambda x, y: mg.stack(x.unbind(0)).std(0).sum() + x.cumsum(1).sum(),
}


@simulator_only
@pytest.mark.parametrize("name", LOSSES)
def test_losses_can_be_captured(name):
    x = mg.rand(3, 5, device="cuda", requires_grad=True)
    y = mg.tensor([1, 0, 4], device="cuda")
    LOSSES[name](x, y)  # the first time, constants may be copied
    with trace_launches() as events:
        LOSSES[name](x, y).backward()
    assert events and not [event for event in events if not event.capturable]
    assert np.isfinite(x.grad.cpu().numpy()).all()


def test_the_state_of_an_optimizer_follows_its_parameters():
    model = nn.Linear(3, 2)
    for make in (OPTIMIZERS["SGD"], OPTIMIZERS["Adam"]):
        optimizer = make(model.parameters())
        for device in ("cpu", "cuda", "cpu"):
            model.to(device)
            model(mg.ones(4, 3, device=device)).sum().backward()
            optimizer.step()
            for state in optimizer.state.values():
                assert all([value.device.type == device for key, value in state.items() if key != "step"])
    saved = optimizer.state_dict()
    model.cuda()
    optimizer.load_state_dict(saved)
    assert optimizer.state[model.weight]["exp_avg"].is_cuda
    restored = OPTIMIZERS["Adam"](nn.Linear(3, 2).parameters())
    restored.load_state_dict(optimizer.state_dict())


def test_modules_move():
    model = lenet()
    model(mg.rand(2, 1, 28, 28)).sum().backward()
    weight = model[0].weight
    for move in (lambda m: m.cuda(), lambda m: m.cpu(), lambda m: m.to("cuda:0"), lambda m: m.to(mg.device("cpu"))):
        move(model)
        everything = [*model.parameters(), *model.buffers(), *[p.grad for p in model.parameters()]]
        assert len({tensor.device for tensor in everything}) == 1
        assert model[0].weight is weight
    model.to("cuda", mg.float64)
    assert weight.is_cuda and weight.dtype == mg.float64 and model[1].num_batches_tracked.dtype == mg.int64
    assert model.eval()(mg.rand(2, 1, 28, 28, dtype=mg.float64, device="cuda")).is_cuda


@pytest.mark.parametrize("options", [{}, {"prefetch_factor": 2}, {"num_workers": 1}], ids=str)
def test_pinned_batches(options):
    data = TensorDataset(mg.arange(10.0), mg.arange(10))
    loader = DataLoader(data, batch_size=4, pin_memory=True, **options)
    seen = []
    for values, labels in loader:
        assert not values.is_cuda
        values, labels = values.to("cuda", non_blocking=True), labels.cuda(non_blocking=True)
        assert values.is_cuda and mg.equal(values.long(), labels)
        seen += labels.tolist()
    assert seen == list(range(10))
    for _ in loader:
        break


def test_batches_of_data_on_the_device():
    data = TensorDataset(mg.arange(10.0, device="cuda"), mg.arange(10, device="cuda"))
    for options in ({}, {"prefetch_factor": 2}, {"pin_memory": True}):
        batches = list(DataLoader(data, batch_size=4, shuffle=True, **options))
        assert all([values.is_cuda and mg.equal(values.long(), labels) for values, labels in batches])
        assert sorted(mg.cat([labels for _, labels in batches]).tolist()) == list(range(10))
    images = DataLoader([(mg.ones(2, device="cuda") * i, i) for i in range(4)], batch_size=2)
    assert [values.is_cuda and values[:, 0].tolist() == labels.tolist() for values, labels in images] == [True, True]


def test_pinning_keeps_containers():
    loader = DataLoader([{"x": mg.ones(2), "name": "a"}, {"x": mg.zeros(2), "name": "b"}], 2, pin_memory=True)
    (batch,) = loader
    assert batch["x"].tolist() == [[1, 1], [0, 0]] and batch["name"] == ["a", "b"]
    assert mg.equal(mg.ones(3).pin_memory(), mg.ones(3)) and not mg.ones(3).is_pinned()
    with pytest.raises(RuntimeError, match="only tensors of the CPU can be pinned"):
        mg.ones(3, device="cuda").pin_memory()
