"""The GPU command, rehearsed on the simulator: it runs to its end, and what fails costs its own part only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import cases, suite
from benchmarks.gpu.turns import Lost, Program
from minigrad.kernels.cuda import source, tiling, verified

ROOT = Path(__file__).parents[2]
SIMULATED = {"MINIGRAD_CUDA_SIMULATOR": "1", "CUDA_VISIBLE_DEVICES": ""}

# A Python with little installed: not minigrad, and none of what only its CPU kernels, pictures and tables need.
BARE = """
import sys

missing = ["numba", "llvmlite", "scipy", "matplotlib", "rich", "hypothesis", "safetensors", "PIL", "threadpoolctl"]
sys.modules |= dict.fromkeys(missing)
sys.meta_path[:] = [finder for finder in sys.meta_path if "minigrad" not in getattr(finder, "__module__", "")]
"""


def start(*arguments, **environment):
    command = [sys.executable, "-m", "benchmarks.gpu", *map(str, arguments)]
    env = os.environ | environment
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


TABLES = [verified.RECORD, tiling.TABLE]


def test_rehearsal_of_the_tests_in_a_bare_python(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BARE)
    before = [table.read_bytes() for table in TABLES]
    # Hypothesis' plugin for pytest is there, since only Hypothesis itself is made to look missing.
    bare = {"PYTHONPATH": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = start("tests", "--dry", "--output", tmp_path / "results", **bare)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results" / "gpu-tests.json").read_text())
    assert results["rehearsal"] and results["machine"]["versions"]["numpy"]
    (file,) = results["tests"]["files"]
    assert file["ended"] == "ok" and file["passed"] >= 20 and not file["failed"]
    assert results["not_measured"]["sanitizer"] == "there is no compute-sanitizer"
    for words in (f"numpy: {np.__version__}", "Every kernel of these files passed", "Not done: sanitizer", "Written:"):
        assert words in done.stdout
    assert [table.read_bytes() for table in TABLES] == before  # the simulator is no GPU


def test_rehearsal_of_the_figures_in_a_bare_python(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BARE)
    before = [table.read_bytes() for table in TABLES]
    done = start("figures", "--dry", "--output", tmp_path / "results", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results" / "gpu.json").read_text())
    check_calibration(results["calibration"])
    for contender in ("minigrad", "minigrad graph"):
        figures = results["networks"]["lenet-256"]["figures"][contender]
        assert figures["training step"][0] > 0 and figures["inference"][0] > 0
    rows = results["layers"]["layers-vgg11-32"]["rows"]
    assert {row["pass"] for row in rows} == {"forward", "input gradient", "weight gradient"}
    rows += results["layers"]["bandwidth"]["rows"]
    assert all(row["seconds"]["minigrad"][0] > 0 and row["bytes"] > 0 for row in rows)
    profile = results["profiles"]["profile-resnet18-32"]
    assert profile["kernels"]["conv2d/tensor_cores.cu conv2d_forward"]["launches"] == 2
    assert 0 < sum(kernel["seconds"] for kernel in profile["kernels"].values()) < profile["seconds"]
    for words in ("LeNet-5, 1x28x28, batch 2", "3x3, 3x8x8 to 4", "batch norm, 8x8x8", "Written:"):
        assert words in done.stdout
    assert [table.read_bytes() for table in TABLES] == before
    assert len(list((tmp_path / "results").iterdir())) <= 4  # with those of the tests at most eight


def check_calibration(table: dict) -> None:
    """It has the fields of the table that is there, the same tiles, and a rate for each."""
    device, tiles = tiling.read(table)
    assert {kind: [(tile.rows, tile.columns, tile.step) for tile in row] for kind, row in tiles.items()} == {
        kind: [(tile.rows, tile.columns, tile.step) for tile in row] for kind, row in tiling.TILES.items()
    }
    assert all(tile.rate > 0 for row in tiles.values() for tile in row)
    assert min(device.launch, device.bytes_per_cycle, device.alone) > 0 and device.start >= 0


def test_rehearsal_beside_pytorch(tmp_path):
    pytest.importorskip("torch")
    done = start("figures", "lenet", "--dry", "--output", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "gpu.json").read_text())
    row = results["networks"]["lenet-256"]
    assert {"minigrad", "PyTorch", "PyTorch channels_last"} <= set(row["figures"])
    assert row["ratios"]["minigrad"]["PyTorch"]["training step"]["median"] > 0
    assert row["stopped"]["PyTorch graph"].endswith("PyTorch has no CUDA here")
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG") and (tmp_path / "gpu.svg").exists()


NO_GPU = "cupy: cannot be imported" if find_spec("cupy") is None else "--dry rehearses the command on the simulator"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: command"),
        (["figures", "--dry", "lenat"], "no case begins with 'lenat'"),
        (["tests", "--dry", "--minutes", "-1"], "must be more than 0"),
        (["tests"], NO_GPU),
        (["figures"], NO_GPU),
    ],
)
def test_refuses_what_it_cannot_do(arguments, words):
    if arguments and "--dry" not in arguments and os.environ.get("MINIGRAD_CUDA_SIMULATOR") == "0":
        pytest.skip("there is a GPU")
    done = start(*arguments, MINIGRAD_CUDA_SIMULATOR="0")
    assert done.returncode == 2
    assert words in done.stderr


def test_every_layer_is_one_of_its_network(monkeypatch):
    """The networks are built without memory, by PyTorch; the measured convolutions are theirs, and all of them."""
    torch = pytest.importorskip("torch")
    from test_models_like_torch import network

    def convolutions(name: str, size: int) -> set[cases.Convolution]:
        found = set()

        def note(layer, inputs, output):
            numbers = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            found.add(cases.Convolution(inputs[0].shape[1], inputs[0].shape[2], output.shape[1], *numbers))

        with torch.device("meta"):
            model = network("torch", name, 3, monkeypatch)
            for layer in model.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    layer.register_forward_hook(note)
            model(torch.empty(2, 3, size, size))
        return found

    assert convolutions("vgg11_bn_small", 32) == set(cases.VGG11_SMALL)
    assert convolutions("resnet18_small", 32) == set(cases.RESNET18_SMALL)
    assert convolutions("resnet50", 224) == set(cases.RESNET50)
    assert convolutions("vgg16", 224) == set(cases.VGG16)
    for part in cases.MEASURED.values():
        if isinstance(part, cases.Network):
            with torch.device("meta"):
                model = network("torch", part.case.model, part.case.channels, monkeypatch)
                logits = model(torch.empty(2, part.case.channels, part.case.size, part.case.size))
            assert logits.shape[1] in (10, 1000)


@pytest.fixture
def program():
    task = {"model": "lenet5", "batch": 2, "channels": 1, "size": 28, "conv_tf32": True, "matmul_tf32": False}
    program = Program("minigrad", "network", task, SIMULATED)
    yield program
    program.close()


def test_a_program_that_fails_says_why_and_goes_on(program):
    request = {"contender": "minigrad", "layout": "contiguous", "graph": False, "compiled": False}
    with pytest.raises(RuntimeError, match="TypeError: .*seconds"):
        program.ask(request, time.monotonic() + 60)
    assert program.ask(request | {"seconds": 0.0}, time.monotonic() + 60)["training step"] > 0


def test_a_program_that_dies_is_lost():
    program = Program("minigrad", "network", {"nothing": 1}, SIMULATED)
    with pytest.raises(Lost, match="exit status 1: TypeError"):
        program.ask({}, time.monotonic() + 60)
    with pytest.raises(Lost, match="exit status 1"):
        program.ask({}, time.monotonic() + 60)
    program.close()


def test_a_program_that_hangs_is_lost(program):
    with pytest.raises(Lost, match="out of time"):
        request = {"contender": "minigrad", "layout": "contiguous", "graph": False, "compiled": False, "seconds": 60.0}
        program.ask(request, time.monotonic())


TESTS = """
import os, time
import numpy as np
from minigrad.kernels.cuda import backend
from minigrad.kernels.reduction.cuda import sum_middle

def test_good():
    sum_middle(backend().xp.ones((2, 3, 2), np.float32))
"""
ENDS = {
    "good": ("", "ok"),
    "bad": ("def test_bad(): assert False", "1 failed"),
    "dead": ("def test_dead(): os._exit(3)", "exit status 3 in test_dead.py::test_dead"),
    "slow": ("def test_slow(): time.sleep(60)", "out of time in test_slow.py::test_slow"),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_file_ends_as_it_ends(tmp_path, name):
    code, ended = ENDS[name]
    path = tmp_path / f"test_{name}.py"
    path.write_text(f"{TESTS}\n{code}\n")
    until = time.monotonic() + (8 if name == "slow" else 60)
    endings = []
    (outcome,) = suite.run_files([path], until, SIMULATED, endings.append)
    assert (
        endings == [outcome]
        and outcome.passed == 1
        and {file for file, _ in outcome.good} == {"reduction/reduction.cu"}
    )
    assert re.sub(r"in \S*/", "in ", outcome.ended) == ended  # pytest says where from its root folder on
    assert len(outcome.failed) == (name == "bad")
    assert suite.run_file(path, time.monotonic(), SIMULATED, tmp_path, (), ()).ended == "not run: out of time"


@pytest.mark.parametrize("where", ["in the file", "in a test"])
def test_what_needs_a_package_that_is_missing_is_skipped(tmp_path, where):
    need = "from nowhere_to_be_found import thing"
    code = need if where == "in the file" else f"def test_needs():\n    {need}"
    path = tmp_path / "test_needy.py"
    path.write_text(f"{TESTS}\n{code}\n")
    outcome = suite.run_file(path, time.monotonic() + 60, SIMULATED, tmp_path, (), ())
    assert outcome.ended == "ok" and outcome.passed == (where == "in a test")
    assert outcome.skipped == {"Skipped: nowhere_to_be_found is not installed": 1}


def test_a_kernel_file_is_verified_if_all_of_it_passed_and_nothing_of_it_failed():
    first, second, *_ = [file for file in source.all_files() if len(source.load(file).functions) > 1]
    kernels = {file: {(file, function) for function in source.load(file).functions} for file in (first, second)}
    good = suite.Outcome("test_a.py", good=kernels[first] | kernels[second])
    assert suite.verified_files([good]) == [first, second]
    bad = suite.Outcome("test_b.py", bad={min(kernels[first])})
    assert suite.verified_files([good, bad]) == [second]
    part = suite.Outcome("test_c.py", good=kernels[first] | set(list(kernels[second])[1:]))
    assert suite.verified_files([part]) == [first]
    assert suite.verified_files([]) == []


def test_after_a_crash_nobody_knows_which_kernel_was_wrong(tmp_path):
    log = tmp_path / "log"
    lines = [["began", "one"], ["passed", "one", "", [["a.cu", "f"]]], ["began", "two"]]
    log.write_text("\n".join(map(json.dumps, lines)))
    for status, ended, bad in ((-11, "exit status -11 in two", {("a.cu", "f")}), (None, "out of time in two", set())):
        outcome = suite.Outcome("test_a.py")
        suite.read_log(log, outcome, status)
        assert (outcome.ended, outcome.bad) == (ended, bad)
