"""The kernels as Numba makes them for processors other than this one, by the variables that it reads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOR = {  # NUMBA_CPU_NAME, NUMBA_CPU_FEATURES, and how many float32 a vector has
    "AVX2": ("haswell", "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe,+popcnt", 8),
    "SSE4.2": ("x86-64-v2", "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt", 4),
}

# What is written in LLVM's language by hand: the tile of convolutions, Winograd's transforms, a product's few rows.
COMPUTE = """
import numpy as np
from minigrad.kernels.conv2d import cpu, reference
from minigrad.kernels.cpu.tile import VECTOR_BYTES
from minigrad.kernels.matmul import cpu as matmul, skinny

assert VECTOR_BYTES == 4 * {lanes}, VECTOR_BYTES
rng = np.random.default_rng(0)

def close(actual, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4 * scale)

for shape, weight, stride, padding, groups in (
    ((2, 17, 9, 11), (19, 17, 3, 3), (2, 1), (1, 0), 1),
    ((2, 16, 12, 12), (24, 16, 3, 3), (1, 1), (1, 1), 1),
    ((2, 32, 7, 7), (48, 32, 1, 1), (2, 2), (0, 0), 1),
):
    x, w = rng.standard_normal(shape, np.float32), rng.standard_normal(weight, np.float32)
    geometry = stride, padding, (1, 1), groups
    y = reference.forward(x, w, None, *geometry)
    dy = rng.standard_normal(y.shape, np.float32)
    close(cpu.forward(x, w, None, *geometry), y)
    close(cpu.input_gradient(dy, w, x.shape, *geometry), reference.input_gradient(dy, w, x.shape, *geometry))
    close(cpu.weight_gradient(dy, x, weight[2:], *geometry), reference.weight_gradient(dy, x, weight[2:], *geometry))
a, b = rng.standard_normal((5, 700), np.float32), rng.standard_normal((700, 600), np.float32)
close(skinny.matmul(a, b), a @ b)
print("as they should be")
"""

# The same, lowered for a processor that is not here.
LOWER = """
import re
import llvmlite.binding as llvm
import numba
from minigrad.kernels.conv2d import winograd_transforms as winograd
from minigrad.kernels.cpu import tile, transpose

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
numbers, places, number = numba.float32[::1], numba.int64[::1], numba.int64


def lowered(function, *signature):
    dispatcher = numba.njit(error_model="numpy", nogil=True)(function)
    dispatcher.compile(signature)
    (text,) = dispatcher.inspect_llvm().values()
    text = re.sub('target triple = ".*"', 'target triple = "aarch64-unknown-linux-gnu"', text)
    text = re.sub('target datalayout = ".*"', "", text)
    text = re.sub(r"attributes #(\\d+) = \\{[^}]*\\}", r"attributes #\\1 = { nounwind }", text)
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(
        cpu="apple-m1", opt=3, features="+neon"
    )
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module)


def multiply(a, rows, depths, b, lines, start, starts, c, targets, vectors, valid):
    tile.multiply(a, rows, depths, b, lines, start, starts, c, targets, vectors, valid)


def square(a, b):
    transpose.transpose(a, 0, 8, 4, 4, b, 0, 8)


def transform(a, b, n):
    winograd.transform_input_4(a, (n, n, n, n, n, n, n, n), b, (n, n))


arguments = numbers, places, places, numbers, places, numbers, places, numbers, places, number, number
text = lowered(multiply, *arguments)
assert text.count("fmla") >= 16, text.count("fmla")  # sums are multiplied and added at once
assert "fmaf" not in text  # and not by a function of the C library
assert len(lowered(square, numbers, numbers)) > 100
assert len(lowered(transform, numbers, numbers, number)) > 100
print("as they should be")
"""


def run(program: str, cpu: str, features: str, cache: Path) -> str:
    environment = os.environ | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(cache)}
    if program is LOWER:
        environment["NUMBA_OPT"] = "0"  # the optimiser would bring in what only x86-64 has
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="instruction sets of x86-64")
@pytest.mark.parametrize("name", FOR)
def test_kernels_compute_for_it(name, tmp_path):
    cpu, features, lanes = FOR[name]
    assert "as they should be" in run(COMPUTE.replace("{lanes}", str(lanes)), cpu, features, tmp_path)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="made from the code for x86-64")
def test_kernels_lower_for_aarch64(tmp_path):
    cpu, features, _ = FOR["SSE4.2"]
    assert "as they should be" in run(LOWER, cpu, features, tmp_path)
