"""What several processes compute is what one computes, and a bad day ends within seconds, with one clear line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minigrad as mg
from minigrad import distributed as dist
from minigrad import nn
from minigrad.data import DistributedSampler
from minigrad.distributed.launch import mpiexec

PROGRAMS = Path(__file__).with_name("programs.py")


def mpi_is_missing():
    try:
        import mpi4py  # noqa: F401

        mpiexec()
    except (ImportError, RuntimeError) as error:
        return str(error)
    return ""


needs_mpi = pytest.mark.skipif(bool(mpi_is_missing()), reason=f"no MPI: {mpi_is_missing()}")


def start(processes, *words, **environment):
    env = os.environ | {"NUMBA_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-m", "minigrad.distributed.launch", str(processes), *map(str, words)]
    begin = time.monotonic()
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=600
    )  # kernels may have to be compiled first
    return done, time.monotonic() - begin


GOOD = [
    "collectives",
    "gradients_are_those_of_the_joined_batch",
    "accumulated",
    "unused_and_frozen",
    "second_order",
    "other_models",
    "other_buffers",
    "unused_after_no_sync",
    "twice_in_one_pass",
    "numbers_that_mpi_lacks",
    "sync_batch_norm_with_uneven_batches",
]


@needs_mpi
@pytest.mark.parametrize("name", GOOD)
def test_two_processes(name):
    done, _ = start(2, PROGRAMS, name)
    assert done.returncode == 0 and "done 2" in done.stdout, done.stdout + done.stderr


@needs_mpi
@pytest.mark.nightly
@pytest.mark.parametrize("processes", [3, 4])
def test_more_processes(processes):
    for name in ("collectives", "gradients_are_those_of_the_joined_batch"):
        done, _ = start(processes, PROGRAMS, name)
        assert done.returncode == 0 and f"done {processes}" in done.stdout, done.stdout + done.stderr


@needs_mpi
def test_weights_have_the_same_bits_everywhere_and_in_every_run():
    runs = [start(2, PROGRAMS, "weights_stay_the_same")[0] for _ in range(2)]
    for done in runs:
        assert done.returncode == 0, done.stderr
    assert runs[0].stdout == runs[1].stdout and runs[0].stdout.count("weights") == 2


@needs_mpi
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kill", "KILLED BY SIGNAL: 9"),
        ("raises", "ValueError: on purpose\nminigrad: process 1 of 2 has failed; all are ended"),
        ("exits", "all_reduce: process 1 has ended and cannot take part (this is process 0 of 2)"),
        ("hangs", "minigrad: all_reduce: no answer from the others for 3 s (this is process 0 of 2); all are ended"),
        ("stops", "minigrad: all_reduce: no answer from the others for 3 s (this is process 0 of 2); all are ended"),
        ("others_hang_at_the_end", "minigrad: the others have not ended within 3 s of process 0 of 2; all are ended"),
    ],
)
def test_a_bad_day_ends_all(name, words):
    done, seconds = start(2, PROGRAMS, name)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and seconds < 30
    assert words in said or (name == "kill" and "signal 9" in said), said
    assert "done" not in done.stdout or name == "others_hang_at_the_end"
    assert ("Traceback" in said) is (name == "raises"), said


@needs_mpi
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_launcher_ends_all(number):
    command = [sys.executable, "-m", "minigrad.distributed.launch", "2", str(PROGRAMS), "waits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as started:
        assert started.stdout.readline() == "waiting\n"
        begin = time.monotonic()
        started.send_signal(number)
        assert "done" not in started.stdout.read()  # it ends when the last process has
        assert started.wait(30) != 0
        assert time.monotonic() - begin < 30


@needs_mpi
def test_a_program_for_pytorch(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import torch\nimport torch.distributed as dist\nfrom torch.nn.parallel import DistributedDataParallel as DDP\n"
        "from torch.utils.data.distributed import DistributedSampler\n"
        "dist.init_process_group('gloo')\n"
        "model = DDP(torch.nn.Linear(2, 1))\n"
        "model(torch.full((4, 2), float(dist.get_rank()))).sum().backward()\n"
        "with open(f'{dist.get_rank()}.txt', 'w') as file:  # what both print comes mixed\n"
        "    print(len(DistributedSampler(range(9))), model.module.weight.grad.tolist(), file=file)\n"
        "dist.destroy_process_group()\n"
    )
    command = [sys.executable, "-m", "minigrad", "run", "--processes", "2", str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    for rank in range(2):
        assert (tmp_path / f"{rank}.txt").read_text() == "5 [[2.0, 2.0]]\n", done.stdout + done.stderr


def test_an_mpiexec_that_does_not_fit_is_explained(monkeypatch):
    if mpi_is_missing():
        pytest.skip("no MPI")
    script = "from minigrad import distributed as dist; dist.init_process_group()"
    env = os.environ | {"MINIGRAD_PROCESSES": "2"}  # as if another MPI's mpiexec had started two worlds of one
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert "2 processes were started, but MPI knows of 1; mpiexec belongs to another MPI" in done.stderr


@pytest.fixture
def alone():
    dist.init_process_group()
    yield
    dist.destroy_process_group()


def test_a_program_that_no_launcher_started_is_alone(alone):
    assert (dist.get_rank(), dist.get_world_size(), dist.is_initialized()) == (0, 1, True)
    x = mg.ones(3)
    dist.all_reduce(x)
    dist.broadcast(x, 0)
    assert x.tolist() == [1, 1, 1]
    model = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
    assert isinstance(model[1], nn.SyncBatchNorm)
    together = nn.parallel.DistributedDataParallel(model)
    together(mg.randn(2, 1, 5, 5)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with pytest.raises(RuntimeError, match="initialize the default process group twice"):
        dist.init_process_group()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dist.all_reduce(mg.ones(2), op="mean"), "all_reduce: op must be one of ReduceOp's, got 'mean'"),
        (lambda: dist.all_reduce(mg.arange(2), op="avg"), "the mean needs a floating-point tensor"),
        (lambda: dist.all_reduce(3), "all_reduce: argument 'tensor' must be Tensor, not int"),
        (lambda: dist.all_reduce(mg.ones(1).expand(3)), r"the tensor is expanded or read-only; send its clone\(\)"),
        (lambda: dist.broadcast(mg.ones(2), 5), r"broadcast: src must lie in \[0, 0\], got 5"),
        (lambda: dist.all_gather([], mg.ones(2)), "expected 1 tensors, one for each process, got 0"),
        (lambda: dist.all_gather([mg.ones(3)], mg.ones(2)), r"expected tensors of shape \[2\], got \[3\]"),
        (lambda: dist.all_gather_object([], 1), "expected a list of 1, got 0"),
        (lambda: nn.parallel.DistributedDataParallel(nn.ReLU()), "no parameter of the module requires a gradient"),
        (lambda: DistributedSampler(range(3), 2, 2), r"rank must lie in \[0, 1\], got 2"),
    ],
)
def test_wrong_calls_are_refused(alone, call, words):
    with pytest.raises((RuntimeError, TypeError, ValueError), match=words):
        call()


def test_without_a_group_nothing_goes():
    for call in (dist.get_rank, dist.get_world_size, dist.barrier, lambda: DistributedSampler(range(3))):
        with pytest.raises(RuntimeError, match="Default process group has not been initialized"):
            call()
    with pytest.raises(ValueError, match="backend must be 'mpi'"):
        dist.init_process_group("nccl")
    with pytest.raises(ValueError, match="timeout must be positive"):
        dist.init_process_group(timeout=0)


@pytest.mark.parametrize("size", [0, 1, 7, 12])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_sampler_divides_as_pytorchs(size, drop_last, processes):
    torch = pytest.importorskip("torch")
    from torch.utils.data.distributed import DistributedSampler as Theirs

    assert torch
    for rank in range(processes):
        ours = DistributedSampler(range(size), processes, rank, shuffle=False, drop_last=drop_last)
        if size:
            theirs = Theirs(range(size), processes, rank, shuffle=False, drop_last=drop_last)
            assert (list(ours), len(ours)) == (list(theirs), len(theirs))
        else:
            assert (list(ours), len(ours)) == ([], 0)


def test_joined_batches_are_those_of_one_process():
    whole = [*DistributedSampler(range(24), 1, 0, seed=3)]
    parts = [[*DistributedSampler(range(24), 3, rank, seed=3)] for rank in range(3)]
    assert [index for together in zip(*parts, strict=True) for index in together] == whole
    sampler = DistributedSampler(range(24), 1, 0, seed=3)
    first, second = [*sampler], [*sampler]
    sampler.set_epoch(0)
    assert first == whole == [*sampler] and second != first


def test_the_launcher_says_what_it_needs():
    for words in ([], ["x", "program.py"], ["0", "program.py"], ["2"]):
        command = [sys.executable, "-m", "minigrad.distributed.launch", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr.startswith("usage: ")
    if shutil.which("mpiexec", path="/usr/bin:/bin") is None and not (Path(sys.executable).parent / "mpiexec").exists():
        done, _ = start(2, "program.py", PATH="/usr/bin:/bin")
        assert (
            done.stderr == "minigrad.distributed.launch: there is no mpiexec; pip install 'minigrad[mpi]' brings one\n"
        )
