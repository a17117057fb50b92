"""A fault planted in a kernel is noticed: each barrier, each wait, each bounds check and each store, one at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mutant_cases import CASES
from programs import simulator_only

pytestmark = simulator_only
PROGRAM = Path(__file__).parent / "mutants.py"

# The kernel is right all the same: what follows checks each element, and the check only saves work; or any value of a
# channel will do, as what its deviations are counted from.
HARMLESS = {
    "batch_norm/batch_norm.cu: const REAL value = x[rows.place(first * channels + blockIdx.x, 0)];",
    "conv2d/exact.cu: if (task.m0 >= windows.pixels) return;",
    "conv2d/tensor_cores.cu: if (task.m0 >= windows.pixels) return;",
    "dropout/dropout.cu: if (first >= n) return;",
    "dropout/dropout.cu: if (thread >= (long long)quads * channels) return;",
    "philox/philox.cu: if (block * VEC >= n) return;",
}


def reports(name: str) -> list[dict]:
    """Of all faults of a case; one that ends the process was noticed too, and the next process goes on after it."""
    found: list[dict] = []
    while True:
        first = found[-1]["number"] + 1 if found else -1
        command = [sys.executable, str(PROGRAM), name, str(first)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        found += map(json.loads, result.stdout.splitlines())
        if result.returncode == 0:
            return found
        number = found[-1]["number"] + 1 if found else -1
        assert number >= 0, result.stderr
        found.append({"number": number, "place": f"#{number}", "kind": "", "noticed": "the process ended"})


@pytest.fixture(scope="module")
def noticed() -> dict[str, bool]:
    """For each fault, by its place, whether a case noticed it; filled by the tests of the cases."""
    return {}


@pytest.mark.parametrize("name", CASES)
def test_the_case_is_right_and_notices_faults(name, noticed):
    kernel, *faults = reports(name)
    assert kernel["noticed"] == "", "the kernel as it is"
    for fault in faults:
        place = f"{fault['place']} ({fault['kind']})"
        noticed[place] = noticed.get(place, False) or fault["noticed"] != ""


def test_every_fault_is_noticed(noticed):
    def harmless(place: str) -> bool:
        file, _, code = place.split(":", 2)
        return f"{file}:{code.partition('//')[0].rpartition(';')[0]};" in HARMLESS

    if len(noticed) < 80:  # of more than 100
        pytest.skip("needs the tests of all cases")
    missed = [place for place, seen in noticed.items() if not seen and not harmless(place)]
    assert not missed, "\n".join(["not noticed:", *missed])
