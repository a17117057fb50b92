"""Start a program in several processes on this machine: ``python -m minigrad.distributed.launch N program.py ...``.

On several machines, or under Slurm, a cluster's own `mpiexec` or `srun` starts the processes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def mpiexec() -> str:
    """The mpiexec of the MPI that was installed beside Python (pip install mpich), or else the machine's.

    Raises:
        RuntimeError: there is none.
    """
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise RuntimeError("there is no mpiexec; pip install 'minigrad[mpi]' brings one")
    return found


def launch(processes: int, command: Sequence[str]) -> int:
    """Run Python with `command` in so many processes, each with its share of the cores; the exit code.

    On POSIX systems mpiexec takes the place of this process.

    Raises:
        RuntimeError: there is no mpiexec.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // processes))
    pools = "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"
    # Open MPI: containers run as root, tests start more processes than there are cores, and waiting gives way.
    allowed = "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_mpi_yield_when_idle"
    settings = {
        "MINIGRAD_PROCESSES": str(processes),
        **{name: os.environ.get(name, threads) for name in pools},
        **dict.fromkeys(allowed, "1"),
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
    words = [mpiexec(), "-n", str(processes), sys.executable, *command]
    if os.name == "posix":  # mpiexec takes this process's place, so that signals reach it
        sys.stdout.flush()
        os.execve(words[0], words, os.environ | settings)
    return subprocess.call(words, env=os.environ | settings)


def main() -> int:
    """The command line."""
    if len(sys.argv) < 3 or not sys.argv[1].isdigit() or int(sys.argv[1]) < 1:
        print("usage: python -m minigrad.distributed.launch N program.py [argument ...]", file=sys.stderr)
        return 2
    try:
        return launch(int(sys.argv[1]), sys.argv[2:])
    except RuntimeError as error:
        print(f"minigrad.distributed.launch: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
