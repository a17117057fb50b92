"""Every kernel, in each variant its launcher uses, compiles with NVRTC for the GPUs it is for, without spills."""

from __future__ import annotations

import hashlib
import io
import re
from importlib import metadata
from pathlib import Path

import pytest

from minigrad.kernels.cuda import source
from minigrad.kernels.cuda.cubin import cache_folder
from minigrad.kernels.cuda.simulator.module import SHARED_MEMORY
from minigrad.kernels.cuda.tiling import TENSOR_CORES, ring_bytes

pytest.importorskip("cuda.core", reason="pip install cuda-core 'cuda-bindings==13.0.*' 'nvidia-cuda-nvrtc==13.0.*'")
from cuda.core import Program, ProgramOptions  # noqa: E402

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")  # Turing, Ampere's A100, Hopper
STATIC_SHARED = 48 * 1024  # bytes; more must be dynamic
_FUNCTION = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores.*?Used \d+ registers(?:[^\n]*?(\d+) bytes smem)?",
    re.S,
)


def compile_log(file: str, text: str, defines: source.Defines, arch: str) -> str:
    """What ptxas says; kept on disk, since a kernel takes NVRTC seconds."""
    key = hashlib.sha256("\0".join((metadata.version("nvidia-cuda-nvrtc"), file, text, repr(defines), arch)).encode())
    kept = cache_folder("cuda-simulator") / "gate" / f"{key.hexdigest()[:24]}.log"
    if not kept.exists():
        log = io.StringIO()
        options = ProgramOptions(
            arch=arch, std="c++17", name=file, define_macro=list(defines) or None, ptxas_options=["-v"]
        )
        Program(text, "c++", options).compile("cubin", logs=log)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(log.getvalue())
    return kept.read_text()


def kernels(log: str) -> list[tuple[str, int, int]]:
    """(name, bytes of registers spilled, bytes of static shared memory) of each kernel."""
    return [(name, int(spilled), int(shared or 0)) for name, spilled, shared in _FUNCTION.findall(log)]


def dynamic_shared(defines: source.Defines) -> int:
    """Bytes that the launchers ask for: only the rings of the tensor cores' tiles are dynamic."""
    sizes = {name: int(value) for name, value in defines if value.isdecimal()}
    tiles = [tile for tile in TENSOR_CORES if (tile.rows, tile.columns) == (sizes.get("BM"), sizes.get("BN"))]
    return max((ring_bytes(tile, sizes["CHUNK"]) for tile in tiles), default=0)


CASES = [
    pytest.param(file, defines, arch, id=" ".join([file.rpartition("tests/")[2], *map("=".join, defines), arch]))
    for file in [*source.all_files(), str(Path(__file__).parent / "ptx_selftest.cu")]
    for defines, oldest in source.load(file).variants
    for arch in ARCHITECTURES
    if int(arch[3:]) >= int(oldest[3:])
]


@pytest.mark.parametrize("file, defines, arch", CASES)
def test_compiles_without_spills(file, defines, arch):
    text = source.load(file).text
    found = kernels(compile_log(file, text, defines, arch))
    assert {name for name, _, _ in found} >= set(source.load(file).functions)
    for name, spilled, shared in found:
        assert spilled == 0, f"{name}: {spilled} bytes of registers spill to memory"
        assert shared <= STATIC_SHARED
        limit = SHARED_MEMORY[int(arch[3]), int(arch[4])]
        assert shared + dynamic_shared(defines) <= limit, f"{name}: too much shared memory for {arch}"


def test_dynamic_shared_memory_is_counted():
    assert dynamic_shared((("BM", "128"), ("BN", "128"), ("CHUNK", "4"))) > 64 * 1024


def test_the_gate_sees_a_spill():
    text = """extern "C" __global__ void __launch_bounds__(1024) f(float* x, int n) {
      float v[400];
      #pragma unroll
      for (int i = 0; i < 400; i++) v[i] = x[i * n];
      __syncthreads();
      #pragma unroll
      for (int i = 0; i < 400; i++) x[i * n] = v[i] * v[399 - i];
    }"""
    ((name, spilled, _),) = kernels(compile_log("spill.cu", text, (), "sm_90"))
    assert name == "f" and spilled > 0


@pytest.mark.parametrize(
    "text, says",
    [
        ('extern "C" __global__ void f(float* x) { x[0] = INFINITY; }', "undefined"),
        (
            'extern "C" __global__ void f(float* x) { __shared__ float s[13000]; s[threadIdx.x] = x[0]; x[1] = s[5]; }',
            "uses too much shared",
        ),
        ('#include <mma.h>\nextern "C" __global__ void f() {}', "could not open source file"),
    ],
    ids=["undefined in NVRTC", "too much shared memory", "a header of the host"],
)
def test_the_gate_sees_an_error(text, says):
    with pytest.raises(Exception, match=says):
        compile_log("wrong.cu", text, (), "sm_90")
