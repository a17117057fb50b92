"""For pytest: writes down, as it comes, which test passed and which kernels it launched, into MINIGRAD_TEST_LOG.

``pytest -p benchmarks.gpu.plugin`` is how the GPU command runs tests. What needs a package that is not installed is
skipped, and says so. What is expected is computed by the reference kernels: nothing waits for Numba.
"""

import json
import os
import sys
from importlib.util import find_spec
from types import ModuleType

import pytest

launched: set[tuple[str, str]] = set()


class _Anything:
    """Stands for whatever is asked of a module that is not there."""

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self

    def __iter__(self):
        return iter(())


def _given(*args, **kwargs):
    return pytest.mark.skip(reason="Hypothesis is not installed")


def _stand_in_for_hypothesis() -> None:
    hypothesis, extra = ModuleType("hypothesis"), ModuleType("hypothesis.extra")
    hypothesis.strategies = extra.numpy = anything = _Anything()
    hypothesis.given = _given
    hypothesis.settings = hypothesis.example = lambda *args, **kwargs: lambda test: test
    hypothesis.extra, hypothesis.HealthCheck = extra, anything
    hypothesis.assume = hypothesis.note = anything
    names = ("hypothesis", "hypothesis.strategies", "hypothesis.extra", "hypothesis.extra.numpy")
    sys.modules |= dict(zip(names, (hypothesis, anything, extra, anything), strict=True))


if find_spec("hypothesis") is None:
    _stand_in_for_hypothesis()


def _write(line: list) -> None:
    with open(os.environ["MINIGRAD_TEST_LOG"], "a") as log:
        log.write(json.dumps(line) + "\n")


def pytest_configure(config):
    import minigrad

    minigrad.use_kernels("reference")
    from minigrad.kernels.cuda import simulated

    if simulated():
        from minigrad.kernels.cuda.simulator.backend import SimulatorBackend as Backend
    else:
        from minigrad.kernels.cuda.cupy_backend import CupyBackend as Backend
    launch = Backend.launch

    def noted(self, file, function, *rest):
        launched.add((file, function))
        launch(self, file, function, *rest)

    Backend.launch = noted


def pytest_collectreport(report):
    if report.skipped:
        _write(["skipped", report.nodeid, report.longrepr[2], []])


def pytest_runtest_logstart(nodeid):
    _write(["began", nodeid])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _skipped_if_missing((yield), call.excinfo and call.excinfo.value, item.path)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    call = getattr(report, "call", None)
    return _skipped_if_missing(report, call and call.excinfo and call.excinfo.value, collector.path)


def _skipped_if_missing(report, error, path):
    """The report of a test, or of a file, that failed for want of a package: as if it had been skipped."""
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    package = (error and error.name or "").partition(".")[0]
    if report.outcome == "failed" and package and sys.modules.get(package) is None and not _installed(package):
        report.outcome, report.longrepr = "skipped", (str(path), 0, f"Skipped: {package} is not installed")
    return report


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # made to look missing
        return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if os.environ.get("MINIGRAD_TEST_WITHOUT_POOL"):
        from minigrad.kernels.cuda import backend

        # Each array in memory of its own, so that a memory checker sees where it ends.
        backend().xp.cuda.set_allocator(None)
    return (yield)


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        why = report.longrepr[2] if report.outcome == "skipped" and isinstance(report.longrepr, tuple) else ""
        _write([report.outcome, report.nodeid, why, sorted(launched)])
        launched.clear()


def pytest_sessionfinish(exitstatus):
    _write(["ended", int(exitstatus)])
