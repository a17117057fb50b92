"""Every kernel file on odd sizes: on a GPU, or in every mode of the simulator with the threads in three orders."""

from __future__ import annotations

import numpy as np
import pytest
from mutant_cases import CASES, rng
from programs import simulator_only

from minigrad.kernels.conv2d import cuda as conv2d
from minigrad.kernels.cuda import simulated, source
from minigrad.kernels.cuda.precision import set_allow_tf32
from minigrad.kernels.cuda.simulator import simulate, trace_launches


@pytest.fixture(autouse=True)
def switches():
    yield
    set_allow_tf32("matmul", False)


@pytest.mark.parametrize("mode, order", [("fast", 1), ("check", 5), ("ubsan", 0)])
@pytest.mark.parametrize("name", CASES)
def test_right_in_every_mode(xp, name, mode, order):
    if mode != "fast" and not simulated():
        pytest.skip("a mode of the simulator")
    case, files = CASES[name]
    rng.bit_generator.state = np.random.default_rng(order).bit_generator.state
    with simulate(mode=mode, order=order), trace_launches() as events:
        case()
    assert not simulated() or set(files) <= {event.name.partition(":")[0] for event in events if event.kind == "launch"}


def test_two_runs_are_equal_bit_for_bit(xp):
    """Whatever the order of the threads: with float sums in an order of their own, results would differ."""
    x, weight = (xp.asarray(rng.standard_normal(shape).astype(np.float32)) for shape in ((2, 8, 6, 5), (33, 8, 3, 3)))
    results = []
    for order in (0, 1, 7):
        with simulate(order=order):
            results.append(conv2d.forward(x, weight, None, (1, 1), (1, 1), (1, 1), 1).get())
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


def test_every_kernel_file_is_run():
    assert set(source.all_files()) == {file for _, files in CASES.values() for file in files}


@simulator_only
def test_an_older_gpu_gets_a_kernel_it_can_run(xp):
    x, weight = xp.ones((1, 8, 5, 5), np.float32), xp.ones((8, 8, 3, 3), np.float32)
    for capability, file in (((9, 0), "conv2d/tensor_cores.cu"), ((7, 5), "conv2d/exact.cu")):
        with simulate(capability=capability), trace_launches() as events:
            y = conv2d.forward(x, weight, None, (1, 1), (1, 1), (1, 1), 1)
        assert file in {event.name.partition(":")[0] for event in events}
        assert y.get()[0, 0, 2, 2] == 72
