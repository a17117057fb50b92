"""Capture on CuPy, with a stand-in for it: whose stream and memory are used, and how a capture ends that fails."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from fake_cupy import CUDARuntimeError, FakeCupy

import minigrad.kernels.cuda.device as device
from minigrad.kernels.cuda import CaptureError


class Pool:
    """`cupy.cuda.MemoryPool`."""

    def __init__(self):
        self.size = 0

    def malloc(self, size: int):
        self.size += size
        return SimpleNamespace(mem=SimpleNamespace(ptr=id(self) + self.size))

    def total_bytes(self) -> int:
        return self.size


class Stream:
    """`cupy.cuda.Stream`: what was asked of it."""

    calls: list[str]
    broken = False

    def __init__(self, non_blocking=False):
        assert non_blocking, "with the default stream's work going on, CUDA would refuse the capture"
        Stream.calls, Stream.broken = [], False

    def __enter__(self):
        self.calls.append("current")

    def __exit__(self, *exc_info):
        self.calls.append("no longer")

    def begin_capture(self):
        self.calls.append("begin")

    def end_capture(self):
        self.calls.append("end")
        if self.broken:
            raise CUDARuntimeError(901, "cudaErrorStreamCaptureInvalidated")
        return SimpleNamespace(launch=lambda: self.calls.append("launch"))


@pytest.fixture
def cupy(monkeypatch):
    fake = FakeCupy()

    @contextmanager
    def using_allocator(allocator):
        before, fake.allocator = fake.allocator, allocator
        yield
        fake.allocator = before

    fake.cuda.Stream, fake.cuda.MemoryPool, fake.cuda.using_allocator = Stream, Pool, using_allocator
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setenv("MINIGRAD_CUDA_SIMULATOR", "0")
    device.backend.cache_clear()
    yield fake
    device.backend.cache_clear()


def test_a_capture_has_a_stream_and_memory_of_its_own(cupy):
    backend = device.backend()
    with backend.capture() as graph:
        assert Stream.calls == ["current", "begin"]
        mine = cupy.allocator(512)
    assert Stream.calls[2:] == ["end", "no longer"]
    assert graph.own == {mine.mem.ptr}
    assert backend.memory_allocated() == backend.max_memory_allocated() == 512
    cupy.allocator(1000)
    assert backend.memory_allocated() == 1512
    graph.launch()
    graph.launch()
    assert Stream.calls[-2:] == ["launch", "launch"]
    del graph
    assert backend.memory_allocated() == 1000


def test_what_kernels_were_given_is_held_unless_it_is_the_graphs_own(cupy):
    class Array:
        def __init__(self, memory):
            self.data = SimpleNamespace(mem=memory)

    with device.backend().capture() as graph:
        mine, other = cupy.allocator(512).mem, SimpleNamespace(ptr=7)
        graph.keep((Array(mine), np.int32(1), None, Array(other)), Array)
    assert list(graph._kept.values()) == [other]


@pytest.mark.parametrize("broken", [False, True], ids=["sound", "invalidated"])
def test_a_capture_ends_after_an_error(cupy, broken):
    backend = device.backend()
    with pytest.raises(KeyError), backend.capture():
        Stream.broken = broken
        raise KeyError("a mistake in the step")
    assert Stream.calls == ["current", "begin", "end", "no longer"]
    with backend.capture(), pytest.raises(CaptureError, match="is being captured already"), backend.capture():
        pass
    assert not backend.refused_capture(KeyError())


def test_waits_and_copies_are_refused(cupy):
    backend = device.backend()
    host = np.ones(2)
    array = backend.upload(host)
    with backend.capture():
        for work, message in (
            (lambda: backend.upload(host), "cannot hold a copy from the host to the GPU"),
            (lambda: backend.download(array), "cannot hold a copy from the GPU to the host"),
            (backend.synchronize, "cannot hold a wait for the GPU"),
        ):
            with pytest.raises(CaptureError, match=message) as error:
                work()
            assert backend.refused_capture(error.value)
    np.testing.assert_array_equal(backend.download(array), host)


def test_errors_of_cuda_and_of_cupy_that_mean_a_capture_is_refused(cupy):
    backend = device.backend()
    assert backend.refused_capture(CUDARuntimeError(900, "cudaErrorStreamCaptureUnsupported"))
    assert backend.refused_capture(
        NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    )
    assert backend.refused_capture(RuntimeError("the current stream is capturing, so H2D transfers are disallowed"))
    assert not backend.refused_capture(CUDARuntimeError(700, "cudaErrorIllegalAddress"))
    try:
        with backend._translating("copy"):
            raise CUDARuntimeError(906, "cudaErrorStreamCaptureImplicit")
    except RuntimeError as error:
        assert backend.refused_capture(error)
    with pytest.raises(CUDARuntimeError) as error, backend.capture():
        Stream.broken = True  # nobody noticed what broke it until the end
    assert backend.refused_capture(error.value)


def test_a_copy_to_the_host_without_waiting_goes_to_pinned_memory_that_is_held(cupy, monkeypatch):
    events = []

    class Event:
        done = False

        def __init__(self, disable_timing):
            events.append(self)

        def record(self):
            self.recorded = True

    class Array:
        shape, dtype = (2,), np.dtype(np.float32)

        def get(self, out, blocking):
            assert not blocking
            out[...] = 3

    cupy.cuda.Event = Event
    backend = device.backend()
    monkeypatch.setattr(backend, "pinned", np.empty)
    first = backend.download(Array(), non_blocking=True)
    assert events[0].recorded and first.tolist() == [3, 3]
    second = backend.download(Array(), non_blocking=True)
    assert [host is mine for (_, host), mine in zip(backend._copying, (first, second), strict=True)] == [True, True]
    events[0].done = events[1].done = True
    third = backend.download(Array(), non_blocking=True)
    assert len(backend._copying) == 1 and backend._copying[0][1] is third
