"""CUDA C++ compiled for a GPU by NVRTC, and kept on disk.

The call is our own: CuPy's adds ``-ftz=true``, which flushes subnormal numbers to zero in every float32 operation, so
that a kernel would round otherwise than on the CPU and than in the tests. A file is known by everything that it depends
on: the text with its headers, the options, and NVRTC's version.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from .errors import KernelCompileError, keep_log
from .source import Source, normalise


def cache_folder(name: str) -> Path:
    """The folder `name` in the user's cache: compiled kernels and logs never lie in the source tree."""
    base = os.environ.get("MINIGRAD_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "minigrad" / name


def compiled(nvrtc: Any, source: Source, defines: tuple[Any, ...], capability: tuple[int, int]) -> Path:
    """The file to load a kernel file from on a GPU of `capability`, compiled now if it is not there.

    A cubin holds the instructions of one generation of GPUs. For one that is newer than NVRTC the file is PTX, which
    the driver translates. `nvrtc` is CuPy's binding. KernelCompileError, in one line, if NVRTC refuses the text or no
    longer knows the GPU; its own errors if NVRTC itself is missing.
    """
    wanted = capability[0] * 10 + capability[1]
    known = nvrtc.getSupportedArchs()
    newest = max((arch for arch in known if arch <= wanted), default=None)
    if newest is None:
        version = ".".join(map(str, nvrtc.getVersion()))
        raise KernelCompileError(
            f"{source.file}: NVRTC {version} compiles for sm_{min(known)} and newer, this GPU is sm_{wanted}; an older "
            "CUDA may know it: pip install 'minigrad[cuda12]'"
        )
    kind, target = ("cubin", f"sm_{newest}") if newest == wanted else ("ptx", f"compute_{newest}")
    options = ("--std=c++17", "-lineinfo", f"-arch={target}", *(f"-D{k}={v}" for k, v in normalise(defines)))
    key = hashlib.sha256("\0".join((source.text, *options, repr(nvrtc.getVersion()))).encode()).hexdigest()
    path = cache_folder("kernels") / f"{Path(source.file).stem}-{key[:20]}.{kind}"
    if not path.is_file():
        binary = _compile(nvrtc, source, options, kind)
        try:
            _keep(path, binary)
        except OSError as error:  # a full disk, a folder of another user's: a training goes on without the cache
            why = f"{path.parent}: {error.strerror or error}"
            words = f"compiled kernels cannot be kept in {why}; the next start compiles them again"
            warnings.warn(words, stacklevel=2)
            path = Path(_scratch().name) / path.name
            path.write_bytes(binary)
    return path


def _keep(path: Path, binary: bytes) -> None:
    """Write a file whole or not at all; another process may have written it meanwhile: the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        partial.write_bytes(binary)
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process, which goes with it."""
    return tempfile.TemporaryDirectory(prefix="minigrad-")


def _compile(nvrtc: Any, source: Source, options: tuple[str, ...], kind: str) -> bytes:
    program = nvrtc.createProgram(source.text, source.file, (), ())
    try:
        nvrtc.compileProgram(program, options)
        return nvrtc.getCUBIN(program) if kind == "cubin" else nvrtc.getPTX(program).encode()
    except nvrtc.NVRTCError as error:
        said = nvrtc.getProgramLog(program)
        log = keep_log(source.file, f"{' '.join(options)}\n\n{said}")
        first = next((line for line in said.splitlines() if "error" in line), said.strip() or str(error))
        raise KernelCompileError(f"{source.file} does not compile: {first.strip()} (whole log: {log})") from error
    finally:
        nvrtc.destroyProgram(program)
