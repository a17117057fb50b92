"""The measuring programs run and write what they measured; how fast anything is is no matter of these tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import runner

pytest.importorskip("resource", reason="the peak of memory is asked of POSIX")

ROOT = Path(__file__).parents[1]


def start(module, *arguments):
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_cpu_measures_minigrad_alone(tmp_path):
    done = start("cpu", "lenet-64", "--quick", "--alone", "--threads", 1, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "cpu.json").read_text())
    assert results["machine"]["threads"] == 1 and results["machine"]["versions"]["numpy"]
    (case,) = results["cases"].values()
    figures = case["figures"]["minigrad"]
    assert set(figures) == {"training step", "inference", "inference, batch 1", "peak memory", "first step"}
    assert all(len(rounds) == 1 and rounds[0] > 0 for rounds in figures.values())
    assert figures["inference, batch 1"][0] < figures["first step"][0]
    assert 2**25 < figures["peak memory"][0] < 2**31
    for metric in figures:
        assert metric in done.stdout


def test_acting_as_another_processor_has_results_of_its_own(monkeypatch):
    before = dict(os.environ)
    monkeypatch.setattr(os, "environ", dict(before))
    assert runner.act_as("native", "cpu") == "cpu" and os.environ == before
    assert runner.act_as("avx2", "cpu") == "cpu-avx2"
    env = runner.environment("minigrad", 1)
    script = "from minigrad.kernels.cpu.tile import VECTOR_BYTES; print(VECTOR_BYTES)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.stdout == "32\n", done.stderr
    assert runner.describe_machine(1, with_limits=False)["instruction_set"] == "avx2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenat"], "no case begins with 'lenat'"),
        (["lenet", "--layers"], "name no case with them"),
        (["--threads", "0", "--alone"], "must be at least 1"),
    ],
)
def test_cpu_refuses_what_it_cannot_measure(arguments, words):
    done = start("cpu", *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_ratios_are_the_peers_figure_over_ours_round_by_round():
    from benchmarks.runner import alternate, ratios

    assert ratios([4.0, 9.0, 2.0], [2.0, 3.0, 2.0]) == {"median": 2.0, "least": 1.0, "most": 3.0}
    turns = list(alternate("ab", 2))
    assert turns == [(0, "a"), (0, "b"), (1, "b"), (1, "a")]


def test_chart_is_drawn_as_png_and_svg(tmp_path):
    from benchmarks.charts import PANELS, draw_ratios

    ratio = {"median": 2.0, "least": 1.5, "most": 2.5}
    row = {
        "title": "LeNet-5",
        "ratios": {p: dict.fromkeys(PANELS, ratio) for p in ("PyTorch", "PyTorch channels_last")},
    }
    machine = {"processor": "one", "threads": 2, "versions": {"torch": "2.13"}, "date": "2026-01-01"}
    draw_ratios({"cases": {"lenet": row}, "machine": machine, "rounds": 5}, tmp_path / "cpu")
    assert (tmp_path / "cpu.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "cpu.svg").read_text()


def test_fashion_mnist_summary_is_of_all_epochs():
    from benchmarks.fashion_mnist import summary

    epochs = [{"test_accuracy": a, "seconds": 2.0, "loss": 0.1, "peak memory": 5} for a in (0.8, 0.9, 0.85)]
    assert summary(epochs) == {"final_accuracy": 0.85, "best_accuracy": 0.9, "seconds": 6.0, "peak memory": 5}


def test_exactness_measures_gradients_against_float64(tmp_path):
    done = start("exactness", "lenet-64", "--alone", "--seeds", 1, "--threads", 1, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    (network,) = json.loads((tmp_path / "exactness.json").read_text())["networks"].values()
    (error,) = network["errors"]["minigrad"]
    assert 1e-8 < error < 2e-6
    assert f"{error:.1e}" in done.stdout


def test_error_leaves_out_gradients_that_are_zero_but_for_rounding():
    import numpy as np

    from benchmarks.exactness import error

    truth = {"a": np.array([3.0, 4.0]), "b": np.array([0.0, 2.0]), "zero": np.array([1e-12]), "loss": np.array(1.0)}
    found = {"a": np.array([3.0, 4.5]), "b": np.array([0.6, 2.0]), "zero": np.array([1.0]), "loss": np.array(9.0)}
    assert abs(error(found, truth) - 0.2) < 1e-12
