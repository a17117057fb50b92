"""Compiles a .cu file for the CPU with g++, once for each (text, defines, mode); kept in the user's cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from ..cubin import cache_folder
from ..errors import KernelCompileError, keep_log
from ..source import Defines, Source

HERE = Path(__file__).resolve().parent
HEADERS = ("abi.h", "device_api.h", "tensor_core.h")
RUNTIME = ("runtime.cpp", "checks.cpp", "profile.cpp", "runtime.h", "abi.h")
# no unique symbols: the shared memory of a template has the same name in two variants of a file, but not the same size
COMMON = ("-std=c++17", "-g1", "-fPIC", "-fno-strict-aliasing", "-fno-gnu-unique")


def _vector_flags() -> tuple[str, ...]:
    """Wide vectors and fused multiply-adds, where the processor has them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        words = set()
    return ("-march=x86-64-v3",) if {"avx2", "fma", "bmi2"} <= words else ()


# Errors end in a trap, not in a library's message: the runtime catches it, and the process lives on.
_TRAPPED = ("-O1", "-fsanitize-undefined-trap-on-error")
FLAGS = {
    "fast": ("-O2", *_vector_flags(), "-ffp-contract=fast"),
    # -O1 and no vectors: an access in the program is an access in the code. It may be made of smaller ones (a struct is
    # copied member by member), so the alignment of the whole is checked where the program asks for it.
    "check": (*_TRAPPED, "-fsanitize=thread,alignment", "-fno-tree-vectorize", "-fno-omit-frame-pointer"),
    "ubsan": (*_TRAPPED, "-fsanitize=undefined"),
}

_DYNAMIC_SHARED = re.compile(
    r"extern\s+__shared__\s+(?:__align__\s*\(\d+\)\s*)?([\w:][\w:\s]*?)\s+"
    r"(?:__align__\s*\(\d+\)\s*)?(\w+)\s*\[\s*\]\s*;"
)
_STATIC_SHARED = re.compile(r"\b__shared__\s([^;=]*);")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\(\s*([^,)]*)[^)]*\)\s+)?(\w+)')


@cache
def compiler() -> str:
    """The C++ compiler's path; RuntimeError, in one line, where the simulator cannot run."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise RuntimeError(
            "device 'cuda': the CUDA simulator (MINIGRAD_CUDA_SIMULATOR=1) runs on Linux on x86-64, not on "
            f"{platform.system()} on {platform.machine()}"
        )
    found = shutil.which(os.environ.get("CXX", "g++"))
    if found is None:
        raise RuntimeError(
            "device 'cuda': the CUDA simulator (MINIGRAD_CUDA_SIMULATOR=1) compiles kernels with g++, which is not "
            "installed (apt install g++), or not where CXX says"
        )
    return found


@cache
def runtime() -> ctypes.CDLL:
    """The runtime that all compiled kernels share, loaded so that they find it."""
    flags = ("-std=c++17", "-O2", "-g1", "-fPIC", "-shared")
    path = cache_folder("cuda-simulator") / f"runtime-{_digest(*map(_read, RUNTIME), *flags)}.so"
    _build(path, [*flags, *(str(HERE / name) for name in RUNTIME[:3])], "the simulator's runtime")
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    library.cudasim_error.restype = ctypes.c_char_p
    library.cudasim_error_pc.restype = ctypes.c_uint64
    library.cudasim_launch.argtypes = [ctypes.c_char_p] + [pointer] * 4 + [size, ctypes.c_uint, ctypes.c_int]
    library.cudasim_shared_bytes.restype = size
    library.cudasim_device_memory.argtypes = [size, size]
    library.cudasim_array.argtypes = [size, size, ctypes.c_int]
    return library


def compile(source: Source, defines: Defines, mode: str) -> Path:
    """The shared library of a kernel file."""
    text = program(source)
    options = [*COMMON, *FLAGS[mode], f"-I{HERE}", *(f"-D{name}={value}" for name, value in defines)]
    key = _digest(text, *map(_read, HEADERS), *options, source.file)
    library = cache_folder("cuda-simulator") / f"{Path(source.file).stem}-{mode}-{key}.so"
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    translated = library.with_suffix(f".{os.getpid()}.cpp")
    object_file = translated.with_suffix(".o")
    translated.write_text(text)
    try:
        # Compiled and linked apart: the link must not bring in libtsan, whose functions are ours.
        _build(object_file, [*options, "-c", str(translated)], source.file)
        _build(library, ["-shared", str(object_file)], source.file)
    finally:
        translated.unlink(missing_ok=True)
        object_file.unlink(missing_ok=True)
    return library


def program(source: Source) -> str:
    """The .cu text as C++, and an entry point for each kernel.

    Done here is what a macro cannot do: dynamic shared memory is a pointer, static shared memory is registered.
    """

    def register(match: re.Match[str]) -> str:
        names = re.findall(r"(\w+)\s*(?:\[[^\]]*\]\s*)*(?:,|$)", match[1].strip())
        return match[0] + "".join(f" cudasim::register_shared(&{name}, sizeof({name}));" for name in names)

    text = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), source.text)  # they speak of __shared__ too
    text = _DYNAMIC_SHARED.sub(r"\1* \2 = reinterpret_cast<\1*>(cudasim::dynamic_shared());", text)
    text = _STATIC_SHARED.sub(register, text)
    exports = [f"CUDASIM_EXPORT({name}, {bounds or 1024}, {name})" for bounds, name in _KERNEL.findall(source.text)]
    return "\n".join(['#include "device_api.h"', f'#line 1 "{source.file}"', text, *exports, ""])


def source_line(pc: int) -> str:
    """The line of a kernel that an instruction of this process belongs to, as FILE:LINE; "" if nothing tells."""
    tool = shutil.which("addr2line")
    maps: list[tuple[int, int, str]] = []
    with open("/proc/self/maps") as file:
        for line in file:
            first, _, last = line.split()[0].partition("-")
            maps.append((int(first, 16), int(last, 16), line.split()[-1]))
    library = next((path for start, end, path in maps if start <= pc < end), "")
    if tool is None or not library.endswith(".so"):
        return ""
    offset = pc - 1 - min(start for start, _, path in maps if path == library)
    # the instruction's own line first, then the lines it was inlined into
    found = subprocess.run([tool, "-i", "-e", library, hex(offset)], capture_output=True, text=True, check=False)
    here = f"{Path.cwd()}/"  # a name in #line is taken as relative to the folder of the compiler
    places = [line.split(" ")[0].removeprefix(here) for line in found.stdout.splitlines() if line[:1] != "?"]
    return next((place for place in places if not place.rpartition(":")[0].endswith(HEADERS)), "")


def _build(output: Path, arguments: list[str], what: str) -> None:
    if output.exists():
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_suffix(f"{output.suffix}.{os.getpid()}")
    command = [compiler(), *arguments, "-o", str(partial)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        log = keep_log(what, f"{' '.join(command)}\n\n{result.stderr}")
        first = next((line for line in result.stderr.splitlines() if "error" in line), result.stderr.strip()[:200])
        raise KernelCompileError(f"{what} does not compile for the simulator: {first} (whole log: {log})")
    os.replace(partial, output)  # another process may have built it meanwhile: the same


def _read(name: str) -> str:
    return (HERE / name).read_text()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
