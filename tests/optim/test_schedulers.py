"""Schedules against their closed forms and, step for step, against PyTorch."""

import copy
import math
import random

import numpy as np
import pytest

from minigrad.optim import SGD, Adam
from minigrad.optim import lr_scheduler as ours
from minigrad.tensor import from_array

STEPS = 60

# A sequence within a sequence is stepped once while both are made, as in PyTorch, which warns of it too.
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")


def optimizer(kind=SGD, **settings):
    """An optimizer of two groups, with learning rates 0.4 and 0.1."""
    params = [from_array(np.zeros(2, dtype=np.float32), requires_grad=True) for _ in range(2)]
    return kind([{"params": params[0], "lr": 0.4}, {"params": params[1]}], lr=0.1, **settings)


def torch_optimizer(kind="SGD", **settings):
    torch = pytest.importorskip("torch")
    params = [torch.zeros(2, requires_grad=True) for _ in range(2)]
    return getattr(torch.optim, kind)([{"params": params[0], "lr": 0.4}, {"params": params[1]}], lr=0.1, **settings)


def torch_schedulers():
    return pytest.importorskip("torch").optim.lr_scheduler


def sequence_of(library, optimizer):
    warm_up = library.LinearLR(optimizer, start_factor=0.1, total_iters=7)
    cosine = library.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    stairs = library.StepLR(optimizer, step_size=5, gamma=0.5)
    return library.SequentialLR(optimizer, [warm_up, cosine, stairs], milestones=[10, 35])


def nested_sequence_of(library, optimizer):
    inner = library.SequentialLR(
        optimizer,
        [library.LinearLR(optimizer, total_iters=3), library.ExponentialLR(optimizer, gamma=0.9)],
        milestones=[4],
    )
    restarts = library.CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=2)
    return library.SequentialLR(optimizer, [inner, restarts], milestones=[12])


# Each is made by a function of (the library's lr_scheduler module, an optimizer), so that both get the same.
SCHEDULERS = {
    "lambda": lambda lib, opt: lib.LambdaLR(opt, lambda epoch: 0.95**epoch),
    "lambda of each group": lambda lib, opt: lib.LambdaLR(opt, [lambda e: 1 / (1 + e), lambda e: 0.9**e]),
    "step": lambda lib, opt: lib.StepLR(opt, step_size=7, gamma=0.3),
    "multistep": lambda lib, opt: lib.MultiStepLR(opt, milestones=[5, 11, 11, 30], gamma=0.3),
    "exponential": lambda lib, opt: lib.ExponentialLR(opt, gamma=0.93),
    "linear": lambda lib, opt: lib.LinearLR(opt),
    "linear down": lambda lib, opt: lib.LinearLR(opt, start_factor=0.9, end_factor=0.0, total_iters=31),
    "cosine": lambda lib, opt: lib.CosineAnnealingLR(opt, T_max=50),
    "cosine beyond T_max": lambda lib, opt: lib.CosineAnnealingLR(opt, T_max=9, eta_min=0.02),
    "restarts": lambda lib, opt: lib.CosineAnnealingWarmRestarts(opt, T_0=7),
    "restarts, longer each time": lambda lib, opt: lib.CosineAnnealingWarmRestarts(opt, T_0=5, T_mult=2, eta_min=0.01),
    "one cycle": lambda lib, opt: lib.OneCycleLR(opt, max_lr=1.0, total_steps=60),
    "one cycle, linear": lambda lib, opt: lib.OneCycleLR(
        opt, max_lr=[1.0, 0.1], epochs=6, steps_per_epoch=10, pct_start=0.4, anneal_strategy="linear"
    ),
    "one cycle, three phases": lambda lib, opt: lib.OneCycleLR(
        opt,
        max_lr=1.0,
        total_steps=60,
        three_phase=True,
        base_momentum=0.7,
        div_factor=10,
        final_div_factor=100,
    ),
    "one cycle, no rise": lambda lib, opt: lib.OneCycleLR(
        opt, max_lr=1.0, total_steps=60, pct_start=0.0, cycle_momentum=False
    ),
    "sequence": sequence_of,
    "sequence of a sequence": nested_sequence_of,
}
each_scheduler = pytest.mark.parametrize("name", SCHEDULERS)


def trace(optimizer, scheduler, steps):
    """The settings of both groups before each of `steps` steps and after the last."""
    rows = []
    for step in range(steps + 1):
        groups = optimizer.param_groups
        assert scheduler.get_last_lr() == [group["lr"] for group in groups]
        rows.append([(group["lr"], group.get("momentum", 0), group.get("betas", (0, 0))[0]) for group in groups])
        if step < steps:
            optimizer.step()
            scheduler.step()
    return np.array(rows, dtype=np.float64)


@each_scheduler
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_equals_torch_step_for_step(name, kind):
    make, settings = SCHEDULERS[name], {"momentum": 0.9} if kind is SGD else {}
    mine = optimizer(kind, **settings)
    theirs = torch_optimizer(kind.__name__, **settings)
    library = torch_schedulers()
    rows = trace(mine, make(ours, mine), STEPS)
    expected = trace(theirs, make(library, theirs), STEPS)
    np.testing.assert_allclose(rows, expected, rtol=1e-12, atol=1e-15)


def one_cycle(progress, low, high):
    return high + (low - high) * (1 + math.cos(math.pi * progress)) / 2


CLOSED_FORMS = {
    "lambda": lambda e: 0.95**e,
    "step": lambda e: 0.3 ** (e // 7),
    "multistep": lambda e: 0.3 ** sum(e >= milestone for milestone in (5, 11, 11, 30)),
    "exponential": lambda e: 0.93**e,
    "linear": lambda e: 1 / 3 + 2 / 3 * min(e, 5) / 5,
    "linear down": lambda e: 0.9 - 0.9 * min(e, 31) / 31,
    "cosine": lambda e: (1 + math.cos(math.pi * e / 50)) / 2,
    "restarts": lambda e: (1 + math.cos(math.pi * (e % 7) / 7)) / 2,
    "one cycle": lambda e: (
        2.5 * one_cycle(e / 17, 1 / 25, 1) if e <= 17 else 2.5 * one_cycle((e - 17) / 42, 1, 1 / 25e4)
    ),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_equals_its_closed_form(name):
    mine = optimizer(momentum=0.9)
    rows = trace(mine, SCHEDULERS[name](ours, mine), 59)
    expected = [0.4 * CLOSED_FORMS[name](epoch) for epoch in range(60)]
    np.testing.assert_allclose(rows[:, 0, 0], expected, rtol=1e-9, atol=1e-12)


def test_cosine_has_a_lower_bound_and_rises_again():
    mine = optimizer()
    rows = trace(mine, SCHEDULERS["cosine beyond T_max"](ours, mine), STEPS)
    expected = [0.02 + 0.38 * (1 + math.cos(math.pi * epoch / 9)) / 2 for epoch in range(STEPS + 1)]
    np.testing.assert_allclose(rows[:, 0, 0], expected, rtol=1e-9)


def test_one_cycle_moves_the_momentum_against_the_learning_rate():
    for kind, column in ((SGD, 1), (Adam, 2)):
        mine = optimizer(kind)
        rows = trace(mine, ours.OneCycleLR(mine, max_lr=1.0, total_steps=60), 59)
        assert rows[0, 0, column] == 0.95
        assert rows[17, 0, column] == pytest.approx(0.85)
        assert rows[59, 0, column] == pytest.approx(0.95)
        if kind is Adam:
            assert mine.param_groups[0]["betas"][1] == 0.999


def test_one_cycle_with_a_rise_of_no_length():
    mine = optimizer()
    scheduler = ours.OneCycleLR(mine, max_lr=1.0, total_steps=10, pct_start=0.1)
    assert scheduler.get_last_lr() == [1.0, 1.0]


@each_scheduler
def test_resumes_exactly(name):
    make = SCHEDULERS[name]
    mine = optimizer(momentum=0.9)
    scheduler = make(ours, mine)
    trace(mine, scheduler, 13)
    saved = copy.deepcopy((mine.state_dict(), scheduler.state_dict()))
    expected = trace(mine, scheduler, 40)

    again = optimizer(momentum=0.9)
    resumed = make(ours, again)
    again.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    np.testing.assert_array_equal(trace(again, resumed, 40), expected)


@each_scheduler
def test_state_dict_goes_to_torch_and_back(name):
    library = torch_schedulers()
    make = SCHEDULERS[name]
    mine, theirs = optimizer(momentum=0.9), torch_optimizer(momentum=0.9)
    my_scheduler, their_scheduler = make(ours, mine), make(library, theirs)
    trace(theirs, their_scheduler, 13)
    my_scheduler.load_state_dict(copy.deepcopy(their_scheduler.state_dict()))
    mine.load_state_dict(theirs.state_dict())
    expected = trace(theirs, their_scheduler, 20)
    np.testing.assert_allclose(trace(mine, my_scheduler, 20), expected, rtol=1e-12)

    fresh = torch_optimizer(momentum=0.9)
    their_scheduler = make(library, fresh)
    their_scheduler.load_state_dict(copy.deepcopy(my_scheduler.state_dict()))
    fresh.load_state_dict(mine.state_dict())
    expected = trace(mine, my_scheduler, 20)
    np.testing.assert_allclose(trace(fresh, their_scheduler, 20), expected, rtol=1e-12)


def test_begins_again_at_a_given_epoch():
    for name, make in (
        ("step", lambda lib, opt, epoch: lib.StepLR(opt, 4, last_epoch=epoch)),
        ("cosine", lambda lib, opt, epoch: lib.CosineAnnealingLR(opt, 30, last_epoch=epoch)),
        ("restarts", lambda lib, opt, epoch: lib.CosineAnnealingWarmRestarts(opt, 8, last_epoch=epoch)),
        ("linear", lambda lib, opt, epoch: lib.LinearLR(opt, total_iters=30, last_epoch=epoch)),
    ):
        mine = optimizer()
        trace(mine, make(ours, mine, -1), 5)
        theirs = torch_optimizer()
        trace(theirs, make(torch_schedulers(), theirs, -1), 5)
        rows = trace(mine, make(ours, mine, 5), 10)
        expected = trace(theirs, make(torch_schedulers(), theirs, 5), 10)
        np.testing.assert_allclose(rows, expected, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("T_mult", [1, 2, 3])
def test_warm_restarts_take_fractions_of_an_epoch(T_mult):
    library = torch_schedulers()
    mine, theirs = optimizer(), torch_optimizer()
    my_scheduler = ours.CosineAnnealingWarmRestarts(mine, T_0=3, T_mult=T_mult, eta_min=0.01)
    their_scheduler = library.CosineAnnealingWarmRestarts(theirs, T_0=3, T_mult=T_mult, eta_min=0.01)
    for epoch in np.arange(0, 50, 0.37).tolist():
        my_scheduler.step(epoch)
        their_scheduler.step(epoch)
        np.testing.assert_allclose(my_scheduler.get_last_lr(), their_scheduler.get_last_lr(), rtol=1e-9)


def test_two_schedules_multiply():
    mine = optimizer()
    first, second = ours.ExponentialLR(mine, gamma=0.9), ours.StepLR(mine, step_size=3)
    for _ in range(7):
        mine.step()
        first.step()
        second.step()
    assert mine.param_groups[0]["lr"] == pytest.approx(0.4 * 0.9**7 * 0.1**2)


PLATEAUS = [
    {},
    {"patience": 2, "factor": 0.5},
    {"mode": "max", "patience": 1, "cooldown": 3},
    {"threshold_mode": "abs", "threshold": 0.05, "patience": 0, "min_lr": 0.02},
    {"mode": "max", "threshold_mode": "abs", "patience": 1, "min_lr": [0.01, 0.05], "eps": 1e-3},
]


@pytest.mark.parametrize("settings", PLATEAUS)
def test_plateau_equals_torch_and_resumes(settings):
    library = torch_schedulers()
    mine, theirs = optimizer(), torch_optimizer()
    my_scheduler = ours.ReduceLROnPlateau(mine, **settings)
    their_scheduler = library.ReduceLROnPlateau(theirs, **settings)
    metrics = random.Random(5)
    for step in range(80):
        metric = 1 / (1 + step / 10) + metrics.uniform(-0.1, 0.1) if step != 20 else math.nan
        my_scheduler.step(metric)
        their_scheduler.step(metric)
        assert my_scheduler.get_last_lr() == their_scheduler.get_last_lr()
        if step == 40:
            saved = copy.deepcopy(my_scheduler.state_dict())
            again = optimizer()
            again.load_state_dict(mine.state_dict())
            mine, my_scheduler = again, ours.ReduceLROnPlateau(again)
            my_scheduler.load_state_dict(saved)
    assert my_scheduler.state_dict() == their_scheduler.state_dict()


def test_plateau_without_torch():
    mine = optimizer()
    scheduler = ours.ReduceLROnPlateau(mine, factor=0.5, patience=2, cooldown=1)
    lrs = []
    for metric in [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1]:
        scheduler.step(metric)
        lrs.append(scheduler.get_last_lr()[0])
    assert lrs == [0.4] * 4 + [0.2] * 4 + [0.1] * 3


def test_plateau_notices_a_new_group():
    mine = optimizer()
    scheduler = ours.ReduceLROnPlateau(mine, patience=0, min_lr=[0.1, 0.1])
    mine.add_param_group({"params": from_array(np.zeros(1, dtype=np.float32))})
    scheduler.step(1.0)
    with pytest.raises(RuntimeError, match=r"number of param groups in the `optimizer` \(3\) differs"):
        scheduler.step(2.0)


def test_warns_when_stepped_before_the_optimizer():
    mine = optimizer()
    scheduler = ours.StepLR(mine, 3)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


def test_callable_objects_are_saved():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    first = ours.LambdaLR(optimizer(), Decay(0.5))
    second = ours.LambdaLR(optimizer(), Decay(0.9))
    second.load_state_dict(first.state_dict())
    assert second.lr_lambdas[0].rate == 0.5


REFUSED = [
    (lambda lib, opt: lib.StepLR(None, 3), TypeError, "is not an Optimizer"),
    (lambda lib, opt: lib.StepLR(opt, 3, last_epoch=4), KeyError, "initial_lr"),
    (lambda lib, opt: lib.LambdaLR(opt, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda lib, opt: lib.LinearLR(opt, start_factor=0), ValueError, "Starting multiplicative factor"),
    (lambda lib, opt: lib.LinearLR(opt, end_factor=1.1), ValueError, "Ending multiplicative factor"),
    (lambda lib, opt: lib.CosineAnnealingWarmRestarts(opt, 0), ValueError, "positive integer T_0"),
    (lambda lib, opt: lib.CosineAnnealingWarmRestarts(opt, 3, 0), ValueError, "integer T_mult >= 1"),
    (lambda lib, opt: lib.CosineAnnealingWarmRestarts(opt, 3).step(-1), ValueError, "non-negative epoch"),
    (lambda lib, opt: lib.OneCycleLR(opt, 1.0), ValueError, "must define either total_steps"),
    (lambda lib, opt: lib.OneCycleLR(opt, 1.0, 0), ValueError, "positive integer total_steps"),
    (lambda lib, opt: lib.OneCycleLR(opt, 1.0, epochs=2.5, steps_per_epoch=3), ValueError, "integer epochs"),
    (lambda lib, opt: lib.OneCycleLR(opt, 1.0, epochs=2, steps_per_epoch=-3), ValueError, "steps_per_epoch"),
    (lambda lib, opt: lib.OneCycleLR(opt, 1.0, 9, pct_start=1.5), ValueError, "between 0 and 1 pct_start"),
    (
        lambda lib, opt: lib.OneCycleLR(opt, 1.0, 9, anneal_strategy="up"),
        ValueError,
        "one of 'cos' or 'linear'",
    ),
    (lambda lib, opt: lib.OneCycleLR(opt, [1.0], 9), ValueError, "max_lr must have the same length"),
    (lambda lib, opt: lib.ReduceLROnPlateau(opt, "low"), ValueError, "mode low is unknown!"),
    (
        lambda lib, opt: lib.ReduceLROnPlateau(opt, threshold_mode="x"),
        ValueError,
        "threshold mode x is unknown!",
    ),
    (lambda lib, opt: lib.ReduceLROnPlateau(opt, factor=1.0), ValueError, "Factor should be < 1.0"),
    (lambda lib, opt: lib.ReduceLROnPlateau(opt, min_lr=[0.1]), ValueError, "expected 2 min_lrs, got 1"),
    (lambda lib, opt: lib.SequentialLR(opt, [], []), ValueError, "expects at least one scheduler"),
    (
        lambda lib, opt: lib.SequentialLR(opt, [lib.StepLR(opt, 1)], [3]),
        ValueError,
        "expects number of schedulers",
    ),
    (
        lambda lib, opt: lib.SequentialLR(opt, [lib.ReduceLROnPlateau(opt)], []),
        ValueError,
        "ReduceLROnPlateau",
    ),
    (lambda lib, opt: lib.SequentialLR(opt, [3], []), TypeError, "should have `optimizer`"),
]


@pytest.mark.parametrize("call, error, words", REFUSED)
def test_refuses_what_torch_refuses(call, error, words):
    with pytest.raises(error, match=words):
        call(ours, optimizer())
    library = torch_schedulers()
    with pytest.raises(error, match=words):
        call(library, torch_optimizer())


def test_refuses_what_cannot_be_meant():
    with pytest.raises(ValueError, match="Expected positive step_size, but got 0"):
        ours.StepLR(optimizer(), 0)
    with pytest.raises(ValueError, match="Expected positive T_max, but got 0"):
        ours.CosineAnnealingLR(optimizer(), 0)
    with pytest.raises(ValueError, match="Expected positive total_iters, but got 0"):
        ours.LinearLR(optimizer(), total_iters=0)
    with pytest.raises(ValueError, match="belong to the same optimizer"):
        ours.SequentialLR(optimizer(), [ours.StepLR(optimizer(), 1)], [])
    with pytest.raises(ValueError, match="Tried to step 4 times. The specified number of total steps is 3"):
        mine = optimizer()
        trace(mine, ours.OneCycleLR(mine, 1.0, 3), 4)


def test_one_cycle_needs_a_momentum_to_cycle():
    from minigrad.optim import Adagrad

    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        ours.OneCycleLR(optimizer(Adagrad), 1.0, 9)
    ours.OneCycleLR(optimizer(Adagrad), 1.0, 9, cycle_momentum=False)
