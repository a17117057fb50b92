"""What a step frees is kept for the next one, unless the user does not want it."""

import os
import platform
import subprocess
import sys

import pytest

# Arrays of 3 MB, for which NumPy does not ask for huge pages, all freed after each step.
FAULTS = """
import resource
import numpy as np
import minigrad

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.full(3_000_000, 1, np.uint8) for _ in range(20)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(*[faults() for _ in range(4)])
"""


def faults(**environment: str) -> list[int]:
    """The page faults of the second, third and fourth step."""
    result = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return list(map(int, result.stdout.split()))[1:]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do as they think best")
def test_steps_after_the_first_cause_no_page_faults_unless_switched_off():
    assert max(faults()) < 100
    assert min(faults(MINIGRAD_KEEP_MEMORY="0")) > 1000
