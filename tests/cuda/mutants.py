"""Faults planted in the kernels, one at a time, and small cases that must notice each.

    python tests/cuda/mutants.py CASE [FIRST]     prints a line of JSON for each fault of the case's kernels

A kernel file is compiled once, with every fault in it behind a switch, `planted == number`:
- a __syncthreads() or a cp_async_wait is left out,
- a bounds check, `if (i >= n) return;` or `continue`, is dropped,
- a store goes to the next element, or a load comes from there.
A fault is known by where it stands, so that one in a header counts as noticed if any case notices it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace

os.environ["MINIGRAD_CUDA_SIMULATOR"] = "1"

import numpy as np
from mutant_cases import CASES, rng

from minigrad.kernels.cuda import source
from minigrad.kernels.cuda.device import backend
from minigrad.kernels.cuda.simulator import backend as simulator_backend
from minigrad.kernels.cuda.simulator import simulate

# Stores to memory: one past the end of a local array is undefined, and the compiler need not do it.
_POINTER = re.compile(r"\*\s*(?:__restrict__\s+)?(\w+)\s*[,)=]")
_SHARED = re.compile(r"__shared__[^;\[]*?(\w+)\[")
_LINE = re.compile(r'^#line (\d+) "([^"]*)"')
_ELEMENT = r"(\b\w+(?:\[[^\[\]]*\])*)\[((?:[^\[\];=]|\[[^\[\]]*\])*)\]"
_ARRAY = re.compile(r"(?!return|else)(?:const )?[\w:]+(?:<[^>]*>)? \w+\[")  # its declaration
_DECLARATION = ("const", "float", "int")  # with a value: no store
_PATTERNS = [
    ("no barrier", re.compile(r"__syncthreads\(\);"), "if (planted != {n}) __syncthreads();"),
    ("no wait", re.compile(r"(cp_async_wait<[^;]*>\(\);)"), "if (planted != {n}) {0}"),
    ("no check", re.compile(r"if \(([^;{}]*>=[^;{}]*)\) (return|continue);"), "if (planted != {n} && ({0})) {1};"),
    ("no check", re.compile(r"if \(((?:(?!planted)[^;{}])* < [^;{}]*)\) (?=\w+\[)"), "if (planted == {n} || ({0})) "),
    ("stores to the next", re.compile(_ELEMENT + r" (\+?=) (?!\{)"), "{0}[({1}) + (planted == {n})] {2} "),
    ("reads the next", re.compile(_ELEMENT + r"(?! \+?= )"), "{0}[({1}) + (planted == {n})]"),
]


def plant(text: str, file: str, first: int) -> tuple[str, list[tuple[str, str]]]:
    """The text with all faults behind switches numbered from `first`, and each one's place and kind."""
    faults: list[tuple[str, str]] = []
    memory = set(_POINTER.findall(text)) | set(_SHARED.findall(text))
    lines, name, number = [], file, 0
    for line in text.split("\n"):
        number += 1
        marker = _LINE.match(line)
        if marker:
            number, name = int(marker[1]) - 1, marker[2]
        code, comment, rest = line.partition("//")
        start = code.lstrip()
        for kind, pattern, planted in _PATTERNS:
            # ptx.cuh has a test of its own
            if marker or name == "ptx.cuh" or start.startswith(("#", "asm", "__shared__", "extern", "template")):
                break
            if kind.endswith("next") and _ARRAY.match(start):
                continue
            if kind == "stores to the next" and start.startswith(_DECLARATION):
                continue
            place = 0
            while match := pattern.search(code, place):
                local = kind.endswith("next") and match[1].partition("[")[0] not in memory
                if local or (kind == "reads the next" and match[2].isdecimal()):
                    place = match.start(2)
                    continue
                switched = planted.format(*match.groups(), n=first + len(faults)).replace("[", "\0").replace(";", "\1")
                code = code[: match.start()] + switched + code[match.end() :]
                place = match.start() + len(switched)
                faults.append((f"{name}:{number}: {line.strip()}", kind))
        lines.append(code.replace("\0", "[").replace("\1", ";") + comment + rest)
    return f'extern "C" {{ int planted = -1; }}\n#line 1 "{file}"\n' + "\n".join(lines), faults


def run(name: str, start: int) -> Iterator[dict]:
    """Plant each fault of a case from number `start` on; number -1 is the kernel as it is."""
    case, files = CASES[name]
    places: list[tuple[str, str]] = []
    planted: dict[str, source.Source] = {}
    for file in files:
        text, found = plant(source.load(file).text, file, len(places))
        planted[file] = replace(source.load(file), text=text)
        places += found
    simulator_backend.load = lambda file: planted.get(file) or source.load(file)  # type: ignore[attr-defined]
    with simulate(mode="check"):
        for number in range(start, len(places)):
            rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
            for module in backend()._modules.values():  # type: ignore[attr-defined]
                if module.file in planted:
                    ctypes.c_int.in_dll(module.compiled, "planted").value = number
            try:
                case()
                noticed = ""
            except Exception as error:
                noticed = (str(error).strip() or repr(error)).splitlines()[0]
            place, kind = places[number] if number >= 0 else ("", "")
            yield {"number": number, "place": place, "kind": kind, "noticed": noticed}


if __name__ == "__main__":
    for report in run(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else -1):
        print(json.dumps(report), flush=True)
