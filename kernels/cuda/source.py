"""A kernel's .cu file: its text with headers included, its variants, and its hash.

- Headers (`#include "ptx.cuh"`) are pasted into the text, each once, from the file's own folder or from this one: the
  caches of compiled kernels know a file by its text, and would run old code after a header changed.
- A file is compiled once for each set of defines its launcher uses. It says which in comments at its top, one line a
  group, where `|` separates the choices and the groups of a file are united:

      // variants: REAL=float|double RELU=0|1
      // variants: REAL=float BM=128 BN=64|128 arch=sm_80

  `arch` is the oldest GPU whose instructions the group needs (sm_75 if it says nothing). A file without such a line has
  the variants REAL=float and REAL=double if it speaks of REAL, and otherwise the one without defines.
  The compile gate builds every variant; the simulator refuses to launch one that is not listed.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .errors import KernelError

KERNELS = Path(__file__).resolve().parent.parent
Defines = tuple[tuple[str, str], ...]

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"[^\n]*$', re.M)
_PRAGMA_ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once[^\n]*$", re.M)
_VARIANTS = re.compile(r"^//[ \t]*variants:([^\n]*)$", re.M)
_FUNCTION = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)')


@dataclass(frozen=True)
class Source:
    """A .cu file ready to compile: its path below kernels/, and its text with the headers pasted in."""

    file: str
    text: str

    @property
    def digest(self) -> str:
        """What the record of verified kernels knows this text by."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def functions(self) -> list[str]:
        """The names of the `extern "C"` kernels."""
        return _FUNCTION.findall(self.text)

    @property
    def variants(self) -> list[tuple[Defines, str]]:
        """Every set of defines that the launchers use, with the oldest architecture it compiles for."""
        groups = _VARIANTS.findall(self.text)
        if not groups:
            groups = ["REAL=float|double"] if re.search(r"\bREAL\b", self.text) else [""]
        found = {}
        for group in groups:
            names = [assignment.partition("=")[0] for assignment in group.split()]
            choices = [assignment.partition("=")[2].split("|") for assignment in group.split()]
            for values in itertools.product(*choices):
                defines = dict(zip(names, values, strict=True))
                arch = defines.pop("arch", "sm_75")
                found[tuple(sorted(defines.items()))] = arch
        return list(found.items())


def normalise(defines: Any) -> Defines:
    """Defines in one order and as text, so that equal sets are one variant."""
    return tuple(sorted((str(name), str(value)) for name, value in dict(defines).items()))


@cache
def load(file: str) -> Source:
    """The kernel file `file`, a path below kernels/ such as "max_pool2d/max_pool2d.cu"."""
    path = KERNELS / file
    if not path.is_file():
        raise FileNotFoundError(f"launch: there is no kernel file {file!r} below {KERNELS}")
    return Source(file, expand(path.read_text(), path.parent, file))


def check_variant(file: str, defines: tuple[Any, ...]) -> None:
    """KernelError if the file does not say that it is compiled with these defines."""
    if normalise(defines) not in (variant for variant, _ in load(file).variants):
        wanted = " ".join(f"{name}={value}" for name, value in defines)
        raise KernelError(f"{file}: the variant {wanted!r} is not listed in it; add to its top:  // variants: {wanted}")


def expand(text: str, folder: Path, name: str, seen: set[str] | None = None) -> str:
    """`text` with its headers pasted in; `#line` keeps the compiler's messages at the right file and line."""
    seen = set() if seen is None else seen

    def paste(match: re.Match[str]) -> str:
        header = match[1]
        line = text.count("\n", 0, match.start()) + 2
        if header in seen:
            return ""
        seen.add(header)
        for place in (folder, KERNELS / "cuda"):
            if (place / header).is_file():
                body = expand((place / header).read_text(), place, header, seen)
                return f'#line 1 "{header}"\n{body}\n#line {line} "{name}"'
        raise FileNotFoundError(f"{name}: the header {header!r} is neither beside it nor in kernels/cuda")

    return _INCLUDE.sub(paste, _PRAGMA_ONCE.sub("", text))


def all_files() -> list[str]:
    """Every .cu file below kernels/."""
    return sorted(path.relative_to(KERNELS).as_posix() for path in KERNELS.rglob("*.cu"))
