"""A training step as one CUDA graph: N replays are N steps, bit for bit, and what cannot be captured says so."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad.device import array_module
from minigrad.kernels.cuda import CaptureError, simulated
from minigrad.kernels.cuda.simulator import trace_launches
from minigrad.tensor import from_array

nn, F = mg.nn, mg.nn.functional
STEPS = 6


def lenet() -> nn.Module:
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Dropout(0.3), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    ).cuda()  # fmt: skip


def training_step(model: nn.Module, optimizer: mg.optim.Optimizer, clip: float | None = None):
    def step(images, labels):
        optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return {"loss": loss, "logits": logits}

    return step


def batch(size: int = 3) -> tuple[mg.Tensor, mg.Tensor]:
    return mg.rand(size, 1, 28, 28, device="cuda"), mg.randint(0, 10, (size,), device="cuda")


def small() -> tuple[nn.Module, mg.optim.Optimizer]:
    """A model that takes no time, and its optimizer."""
    mg.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Dropout(0.5)).cuda()
    return model, mg.optim.SGD(model.parameters(), 0.1, momentum=0.9)


def outcome(model: nn.Module, optimizer: mg.optim.Optimizer, results: list) -> list[np.ndarray]:
    """All that a training leaves: results, weights, statistics, the optimizer's state, the generator's place."""
    found = [tensor.numpy(force=True) for result in results for tensor in result.values()]
    found += [value.cpu().numpy() for value in model.state_dict().values()]
    found += [value.cpu().numpy() for state in optimizer.state.values() for value in state.values()]
    return [*found, mg.get_rng_state().numpy()]


def assert_same(mine: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(mine) == len(other)
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_array_equal(a, b)


TRAININGS = {
    "SGD, cosine": (
        lambda p: mg.optim.SGD(p, lr=0.05),
        lambda o: mg.optim.lr_scheduler.CosineAnnealingLR(o, STEPS),
    ),
    "Nesterov, one cycle of lr and momentum": (
        lambda p: mg.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True),
        lambda o: mg.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=2 * STEPS),
    ),
    "Adam, one cycle of lr and beta1": (
        lambda p: mg.optim.Adam(p, lr=1e-3, amsgrad=True),
        lambda o: mg.optim.lr_scheduler.OneCycleLR(o, 0.01, total_steps=2 * STEPS),
    ),
    "AdamW in two groups, stairs": (
        lambda p: mg.optim.AdamW([{"params": list(p)[:4]}, {"params": list(p)[4:], "lr": 1e-4, "weight_decay": 0}]),
        lambda o: mg.optim.lr_scheduler.StepLR(o, 2, 0.5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAININGS)
def test_replays_are_steps_bit_for_bit(name):
    """LeNet with batch-norm and dropout; in the middle a smaller batch, and an evaluation that draws numbers."""
    make_optimizer, make_scheduler = TRAININGS[name]

    def train(graphed: bool) -> list[np.ndarray]:
        model = lenet()
        optimizer = make_optimizer(list(model.parameters()))
        scheduler = make_scheduler(optimizer)
        step = training_step(model, optimizer, clip=1.0)
        if graphed:
            step = mg.cuda.make_graphed_step(step)
        results = []
        for i in range(STEPS):
            results.append(step(*batch(2 if i == 4 else 3)))
            scheduler.step()
        assert not graphed or step.graph is not None
        return outcome(model, optimizer, results)

    assert_same(train(True), train(False))


def test_a_replay_launches_the_graph_and_copies_but_nothing_else():
    if not simulated():
        pytest.skip("only the simulator writes down what it was asked for")
    step = mg.cuda.make_graphed_step(training_step(*small()))
    inputs = batch()
    for _ in range(4):
        step(*inputs)
    traces = []
    for _ in range(2):
        with trace_launches() as events:
            result = step(*inputs)
        traces.append([event for event in events if event.kind != "allocate"])
        del result
    # Two inputs and two outputs, the numbers that changed, and the work itself.
    asked = [event for event in traces[0] if event.kind == "call"]
    assert [event.name for event in asked] == ["setitem", "setitem", "copy", "copy"]
    assert all(event.capturable for event in traces[0])
    assert [event.name for event in traces[0]] == [event.name for event in traces[1]]


def test_the_capture_itself_changes_nothing():
    model, optimizer = small()
    step, inputs = training_step(model, optimizer), batch()
    for _ in range(2):
        step(*inputs)
    before = outcome(model, optimizer, [])
    graph = mg.cuda.CUDAGraph()
    with mg.cuda.graph(graph):
        loss = step(*inputs)["loss"]
    assert_same(outcome(model, optimizer, []), before)
    graph.replay()
    expected = loss.item()
    graph.replay()
    assert loss.item() != expected  # the same memory, and other weights


def test_results_are_not_overwritten_and_have_no_history():
    step = mg.cuda.make_graphed_step(training_step(*small()), num_warmup_iters=1)
    results = [step(*batch()) for _ in range(4)]
    assert len({result["loss"].item() for result in results}) == 4
    assert not any(result["loss"].requires_grad for result in results)


def test_a_result_that_waits_for_the_next_operation_belongs_to_the_graph():
    conv, norm, x = nn.Conv2d(2, 2, 1).cuda(), nn.BatchNorm2d(2).cuda(), mg.rand(3, 2, 2, 2, device="cuda")
    with mg.no_grad():
        norm(conv(x))
        graph = mg.cuda.CUDAGraph()
        with mg.cuda.graph(graph):
            y = norm(conv(x))
        for _ in range(2):
            x.mul_(-3)
            graph.replay()
            assert mg.equal(y, norm(conv(x)))


def test_a_loss_is_read_while_later_steps_run():
    step = mg.cuda.make_graphed_step(training_step(*small()), 1)
    waiting, seen, expected = [], [], []
    for _ in range(4):
        loss = step(*batch())["loss"]
        copied = mg.cuda.Event()
        assert copied.query()  # as nothing was recorded
        copied.synchronize()
        waiting.append((loss.to("cpu", non_blocking=True), copied))
        copied.record()
        expected.append(loss)
        if len(waiting) > 1:
            host, event = waiting.pop(0)
            event.synchronize()
            assert event.query() and not host.is_cuda
            seen.append(host.item())
    assert seen == [loss.item() for loss in expected[:-1]]


def test_random_numbers_of_any_generator():
    """Each replay draws the next ones; the generator ends where the steps one by one would have left it."""
    mine = mg.Generator().manual_seed(3)

    def step(x):
        noise = mg.randn(4, generator=mine, device="cuda") + mg.rand(4, device="cuda").bernoulli_(0.5)
        return x + noise + mg.empty(4, device="cuda").normal_(generator=mine)

    def run(step) -> list[list[float]]:
        mg.manual_seed(5)
        mine.manual_seed(3)
        found = [step(mg.zeros(4, device="cuda")).tolist() for _ in range(5)]
        return [*found, mine.get_state().tolist(), mg.get_rng_state().tolist()]

    assert run(mg.cuda.make_graphed_step(step)) == run(step)


def test_a_new_state_is_captured_anew():
    """After `load_state_dict`, and after a setting was changed that the graph holds as a number."""

    def train(graphed: bool) -> list[np.ndarray]:
        model, optimizer = small()
        step = training_step(model, optimizer)
        if graphed:
            step = mg.cuda.make_graphed_step(step, 1)
        results = [step(*batch()) for _ in range(2)]
        saved = {name: value.clone() for name, value in model.state_dict().items()}, optimizer.state_dict()
        results += [step(*batch()) for _ in range(2)]
        model.load_state_dict(saved[0])
        optimizer.load_state_dict(saved[1])
        results += [step(*batch()) for _ in range(3)]
        optimizer.param_groups[0]["weight_decay"] = 0.1
        results += [step(*batch()) for _ in range(3)]
        return outcome(model, optimizer, results)

    assert_same(train(True), train(False))


def test_a_bare_graph_refuses_to_replay_with_another_state():
    model, optimizer = small()
    step, inputs = training_step(model, optimizer), batch()
    step(*inputs)
    graph = mg.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="nothing has been captured"):
        graph.replay()
    with mg.cuda.graph(graph):
        step(*inputs)
    graph.replay()
    optimizer.load_state_dict(optimizer.state_dict())
    with pytest.raises(RuntimeError, match="an optimizer was replaced; the graph still has the old one: capture again"):
        graph.replay()


@pytest.mark.parametrize("make", [mg.optim.SGD, mg.optim.Adam])
def test_an_optimizer_may_step_twice_in_a_graph_and_its_schedule_may_begin_at_zero(make):
    def train(graphed: bool) -> list[np.ndarray]:
        model, _ = small()
        optimizer = make(model.parameters(), lr=0)

        def step(images, labels):
            for _ in range(2):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
            return {"loss": loss}

        step = mg.cuda.make_graphed_step(step, 1) if graphed else step
        results = []
        for i in range(4):
            optimizer.param_groups[0]["lr"] = i / 10
            results.append(step(*batch()))
        assert not graphed or (step.graph is not None and optimizer.param_groups[0]["lr"] == 3 / 10)
        return outcome(model, optimizer, results)

    assert_same(train(True), train(False))


def test_an_optimizer_elsewhere_is_no_part_of_the_graph():
    """Another thread's steps go on as they are, while this one captures."""
    other, elsewhere = mg.zeros(2, requires_grad=True), mg.optim.RMSprop
    optimizer = elsewhere([other])

    def step_elsewhere() -> None:
        other.sum().backward()
        optimizer.step()

    x = mg.ones(2, device="cuda")
    x + 1
    with mg.cuda.graph(mg.cuda.CUDAGraph()):
        thread = threading.Thread(target=step_elsewhere)
        thread.start()
        thread.join()
        x + 1
    assert optimizer.state[other]["step"].item() == 1 and (other != 0).all()


def test_a_failure_within_a_captured_step_leaves_the_optimizer_as_it_was():
    model, optimizer = small()
    step, inputs = training_step(model, optimizer), batch()
    step(*inputs)
    before, settings = outcome(model, optimizer, []), dict(optimizer.param_groups[0])
    handle = optimizer.register_step_post_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), mg.cuda.graph(mg.cuda.CUDAGraph()):
        step(*inputs)
    handle.remove()
    assert_same(outcome(model, optimizer, []), before)
    assert optimizer.param_groups[0] == settings
    assert {type(value) for name, value in optimizer.param_groups[0].items() if name in ("lr", "momentum")} == {float}


def test_a_wrong_label_is_noticed_in_a_replay():
    step = mg.cuda.make_graphed_step(training_step(*small()), 1)
    images, labels = batch()
    for _ in range(3):
        step(images, labels)
    step(images, labels + 20)
    with pytest.raises(IndexError, match="out of bounds"):
        mg.cuda.synchronize()
    step(images, labels)
    mg.cuda.synchronize()  # and it goes on


def waited_for(x: mg.Tensor) -> mg.Tensor:
    event = mg.cuda.Event()
    event.record()
    event.synchronize()
    return x


BAD = {
    "item": (lambda x: x * x.sum().item(), r"a copy from the GPU to the host, at .*test_graphs.py:\d+: .*item"),
    "a branch": (lambda x: x if x.sum() > 0 else -x, "a copy from the GPU|a wait for a value of the GPU"),
    "a shape that depends on values": (lambda x: x[x > 0], r"at .*test_graphs.py:\d+: .*x\[x > 0\]"),
    "nonzero": (lambda x: x.nonzero(), "a CUDA graph cannot hold .*nonzero"),
    "an upload": (lambda x: x + mg.tensor([1.0, 2.0]).cuda(), "a copy from the host to the GPU, at"),
    "random numbers of the host": (lambda x: x * mg.rand(2).sum().item(), "random numbers that the host draws"),
    "a wait for an event": (waited_for, "a CUDA graph cannot hold .*, at .*event.synchronize"),
    "a wait": (lambda x: mg.cuda.synchronize() or x, "a wait for the GPU|a copy from the GPU"),
    "a graph in a graph": (lambda x: mg.cuda.graph(mg.cuda.CUDAGraph()).__enter__(), "the capture of another graph"),
    "CuPy's own joining of many": (
        lambda x: from_array(array_module(x.array).concatenate([x.array] * 9)),
        "a copy from the host to the GPU, at .*concatenate",
    ),
    "a product by a library": (lambda x: from_array(x.array[:, None] @ x.array[None]), "cannot hold .*, at .*@"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_captured_says_so_and_the_stream_goes_on(name):
    work, message = BAD[name]
    x = mg.tensor([1.0, -2.0], device="cuda")
    mg.manual_seed(2)
    before = mg.get_rng_state().tolist()
    with pytest.raises(CaptureError, match=message) as error, mg.cuda.graph(mg.cuda.CUDAGraph()):
        mg.rand(2, device="cuda")
        work(x)
    assert "\n" not in str(error.value)
    assert mg.get_rng_state().tolist() == before
    assert gc.isenabled()
    assert (x * 2).tolist() == [2, -4]
    graph = mg.cuda.CUDAGraph()
    with mg.cuda.graph(graph):
        y = x * 3
    graph.replay()
    assert y.tolist() == [3, -6]


@pytest.mark.parametrize("join", [mg.cat, mg.stack, lambda tensors: mg.stack(tensors, -1)])
@pytest.mark.parametrize("count", [8, 9, 40])
def test_many_small_tensors_are_joined_in_a_graph(join, count):
    x = mg.rand(count, 3, 5, device="cuda")
    joined = mg.cuda.make_graphed_step(lambda x: join(list(x.unbind(0))))
    expected = join(list(x.cpu().unbind(0)))
    for _ in range(4):
        assert mg.equal(joined(x).cpu(), expected)


def test_other_errors_pass_through():
    x = mg.tensor([1.0, -2.0], device="cuda")
    with pytest.raises(RuntimeError, match="broadcast") as error, mg.cuda.graph(mg.cuda.CUDAGraph()):
        x + mg.zeros(3, device="cuda")
    assert not isinstance(error.value, CaptureError)
    assert (x + 1).tolist() == [2, -1]


@pytest.mark.parametrize(
    "make, message",
    [
        (mg.optim.RMSprop, "a step of RMSprop, whose numbers the host computes: take SGD, Adam or AdamW"),
        (mg.optim.NAdam, "a step of NAdam"),
        (mg.optim.Adagrad, "a step of Adagrad"),
        (mg.optim.Adadelta, "a step of Adadelta"),
    ],
)
def test_optimizers_that_compute_on_the_host_are_refused(make, message):
    model, _ = small()
    optimizer = make(model.parameters())
    step = mg.cuda.make_graphed_step(training_step(model, optimizer))
    for _ in range(2):
        step(*batch())
    before = outcome(model, optimizer, [])[:-1]
    with pytest.raises(CaptureError, match=message):
        step(*batch())
    assert_same(outcome(model, optimizer, [])[:-1], before)


def test_the_first_step_of_an_optimizer_is_refused():
    model, _ = small()
    for optimizer in (mg.optim.Adam(model.parameters()), mg.optim.SGD(model.parameters(), 0.1, momentum=0.5)):
        step, inputs = training_step(model, optimizer), batch()
        message = "the first step of .*, which makes its state"
        with pytest.raises(CaptureError, match=message), mg.cuda.graph(mg.cuda.CUDAGraph()):
            step(*inputs)
        assert not any(optimizer.state.values())
        step(*inputs)


def test_parameters_on_the_cpu_are_refused():
    weight = mg.ones(2, requires_grad=True)
    optimizer = mg.optim.SGD([weight], 0.1)
    weight.grad = mg.ones(2)
    with pytest.raises(CaptureError, match="SGD's parameters on the CPU"), mg.cuda.graph(mg.cuda.CUDAGraph()):
        optimizer.step()
    assert weight.tolist() == [1, 1]


def test_inputs_must_lie_on_the_gpu():
    step = mg.cuda.make_graphed_step(lambda x: x)
    with pytest.raises(TypeError, match="input 0 of the step must be a tensor on the GPU, got cpu"):
        step(mg.ones(2))
    with pytest.raises(TypeError, match="got int"):
        step(3)
    with pytest.raises(ValueError, match="num_warmup_iters must be at least 1, got 0"):
        mg.cuda.make_graphed_step(lambda x: x, 0)


def test_too_many_numbers_that_change():
    weights = [mg.ones(1, device="cuda", requires_grad=True) for _ in range(300)]
    optimizer = mg.optim.SGD([{"params": [weight], "lr": 0.1} for weight in weights])
    for weight in weights:
        weight.grad = mg.ones(1, device="cuda")
    message = "room for 256 numbers that change, and needs more"
    with pytest.raises(RuntimeError, match=message), mg.cuda.graph(mg.cuda.CUDAGraph()):
        optimizer.step()


def test_memory_of_a_graph_is_its_own_until_it_goes():
    """What is made between replays lies elsewhere; a graph that is gone gives its memory back."""
    x = mg.ones(1000, device="cuda")
    graph = mg.cuda.CUDAGraph()
    with mg.cuda.graph(graph):
        y = (x * 2 + 1).exp() - 1
    others = [mg.zeros(1000, device="cuda") for _ in range(4)]
    graph.replay()
    assert all(other.sum().item() == 0 for other in others)
    np.testing.assert_allclose(y.cpu().numpy(), np.expm1(3), rtol=1e-5)
    del y
    graph.reset()
    assert (mg.ones(1000, device="cuda") + 1).sum().item() == 2000
