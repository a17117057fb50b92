"""Marks for tests that need what not every system has."""

import os

import pytest

from minigrad.kernels.cuda.simulator.compiler import compiler

HANGS = 600  # seconds after which a process is said to hang, on a machine however busy


def _missing(find) -> str:
    """Why `find` finds nothing; empty if it does."""
    try:
        find()
    except RuntimeError as error:
        return str(error)
    return ""


posix_signals = pytest.mark.skipif(os.name != "posix", reason="elsewhere os.kill ends a process instead of signalling")
symbolic_links = pytest.mark.skipif(os.name != "posix", reason="elsewhere making links is a privilege")
simulator = pytest.mark.skipif(bool(_missing(compiler)), reason=_missing(compiler) or "the CUDA simulator is there")
