"""CUDA graphs: a step of a program is captured once, and then replayed by a single launch.

A training step of a small network is hundreds of launches, and Python takes longer to issue them than the GPU to run
them. In a capture the launches are recorded with their addresses and numbers instead of run; a replay issues all at
once, in some microseconds. So all arrays, inputs and outputs too, have the same memory at each replay, and nothing may
depend on a value that the host would have to read.

`make_graphed_step` does this for a training step; `CUDAGraph` and `graph` are its parts, as in PyTorch.
"""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minigrad.cuda.optimizers import captured_optimizers
from minigrad.device import cuda_backend
from minigrad.kernels import Capture, capturing, into
from minigrad.pending import finish
from minigrad.tensor import Tensor, from_array

MINIGRAD = Path(__file__).resolve().parents[1]


class CUDAGraph:
    """GPU work that `graph` captured, with the memory that it uses.

    Examples:
        >>> x = mg.ones(2, device="cuda")
        >>> y = x * 2  # once before: the kernel is compiled
        >>> work = mg.cuda.CUDAGraph()
        >>> with mg.cuda.graph(work):
        ...     y = x * 2
        >>> _ = x.fill_(5)
        >>> work.replay()
        >>> y.cpu()
        tensor([10., 10.])
    """

    def __init__(self) -> None:
        self._work: Any = None
        self._capture: Any = None

    def replay(self) -> None:
        """Do the work again, with the present learning rates and new random numbers; the host does not wait.

        Raises:
            RuntimeError: nothing was captured, or a parameter, state or setting of an optimizer was replaced since.
        """
        if self._work is None:
            raise RuntimeError("CUDAGraph.replay: nothing has been captured")
        if not self.fits():
            raise RuntimeError(
                "CUDAGraph.replay: since the capture a parameter, a state or a setting of an optimizer was replaced; "
                "the graph still has the old one: capture again"
            )
        self._capture.prepare()
        self._work.launch()
        self._capture.launched()

    def fits(self) -> bool:
        """Tell whether the optimizers in the graph still have the same memory and settings, but for lr and momentum."""
        return self._capture.fits()

    def reset(self) -> None:
        """Drop the work and free its memory."""
        self._work = self._capture = None


@contextmanager
def graph(cuda_graph: CUDAGraph) -> Iterator[None]:
    """Capture the GPU's work into a graph instead of doing it. A context manager.

    Run the same work once or twice before: kernels are compiled then, and an optimizer makes its state. Tensors made
    within get their values at each replay.

    Args:
        cuda_graph: the graph.

    Raises:
        CaptureError: something cannot be captured; the message says what and where, and nothing has changed.

    Examples:
        >>> x, work = mg.ones(2, device="cuda"), mg.cuda.CUDAGraph()
        >>> y = x + 1
        >>> with mg.cuda.graph(work):
        ...     y = x + 1
        >>> work.replay()
        >>> y.cpu()
        tensor([2., 2.])
    """
    outer = capturing()
    if outer is not None:
        outer.refuse("the capture of another graph")
    backend, capture = cuda_backend(), Capture()
    finish()
    collects = gc.isenabled()
    gc.collect()
    backend.empty_cache()  # the graph takes as much again as the steps before it, which will be run no more
    gc.disable()  # memory that it frees in mid-capture might be given back to CUDA, which refuses that
    try:
        with backend.capture() as work, into(capture), captured_optimizers(capture):
            try:
                yield
                finish()  # what was put off belongs to this work
            finally:
                capture.end()
    except Exception as error:
        if not backend.refused_capture(error):
            raise
        from minigrad.kernels import cuda

        known = isinstance(error, cuda.CaptureError)
        why = str(error) if known else f"a CUDA graph cannot hold this: {' '.join(str(error).split())}"
        raise cuda.CaptureError(f"{why}{_place(error)}") from error
    finally:
        if collects:
            gc.enable()
    cuda_graph._work, cuda_graph._capture = work, capture


def _place(error: Exception) -> str:
    """Where in the user's program an error came about, and the line there."""
    ours = f"{MINIGRAD}{os.sep}", f"{MINIGRAD.parent / 'kernels'}{os.sep}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(ours) and "site-packages" not in f.filename]
    return f", at {own[-1].filename}:{own[-1].lineno}: {own[-1].line}" if own else ""


def make_graphed_step(step: Callable[..., Any], num_warmup_iters: int = 2) -> GraphedStep:
    """Wrap a training step so that it is captured as a CUDA graph once, and then replayed.

    Call the result as you would call `step`, with tensors on the GPU. N calls compute, bit for bit, what N calls of
    `step` do: the first `num_warmup_iters` calls run it unchanged, the next one captures it (which changes nothing) and
    replays it, and so does each later one. A batch of another shape, such as an epoch's last, is run unchanged too.
    When an optimizer's memory or a fixed setting is replaced (`load_state_dict` does that), the step is warmed up and
    captured again.

    What may change from call to call: the inputs' values, learning rates, SGD's momentum and Adam's beta1 (as schedules
    change them), the numbers of generators, running statistics. What may not: other settings, train and eval mode, and
    whatever else Python decides, since Python does not run in a replay.

    The results are copies without history, which no later call overwrites. Reading one (`item`) waits for all queued
    work: add losses up on the GPU and read the sum now and then, or copy them with `non_blocking=True` and an `Event`.

    A graph cannot hold `item`, `print` or `if` on a value of the GPU, shapes that depend on values (x[x > 0], nonzero),
    batches copied from the host in the step, random numbers of the host, and optimizers other than SGD, Adam and AdamW.

    Args:
        step: a function of tensors that returns tensors, in tuples, lists or dictionaries if need be.
        num_warmup_iters: how many calls run it unchanged first.

    Raises:
        CaptureError: (by a call) the step does something that a graph cannot hold; the message says what and where,
            and no step has been taken.

    Examples:
        >>> model = nn.Linear(4, 2).cuda()
        >>> optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
        >>> def step(x, labels):
        ...     optimizer.zero_grad()
        ...     loss = F.cross_entropy(model(x), labels)
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> step = mg.cuda.make_graphed_step(step)
        >>> x, labels = mg.randn(8, 4).cuda(), mg.randint(0, 2, (8,)).cuda()
        >>> losses = [step(x, labels) for _ in range(5)]
        >>> losses[-1].item() < losses[0].item()
        True
    """
    return GraphedStep(step, num_warmup_iters)


class GraphedStep:
    """See `make_graphed_step`."""

    def __init__(self, step: Callable[..., Any], num_warmup_iters: int):
        if num_warmup_iters < 1:
            raise ValueError(f"make_graphed_step: num_warmup_iters must be at least 1, got {num_warmup_iters}")
        self._step, self._warmup = step, num_warmup_iters
        self._left = num_warmup_iters
        self._shapes: list[Any] | None = None
        self._graph: CUDAGraph | None = None
        self._inputs: list[Tensor] = []
        self._outputs: Any = None

    @property
    def graph(self) -> CUDAGraph | None:
        """The graph, once the step has been captured."""
        return self._graph

    def __call__(self, *inputs: Tensor) -> Any:
        shapes = [_check(i, tensor) for i, tensor in enumerate(inputs)]
        if self._shapes is None:
            self._shapes = shapes
        if self._graph is not None and not self._graph.fits():
            self._graph, self._outputs, self._left = None, None, self._warmup
        if shapes != self._shapes:
            return _each(self._step(*inputs), Tensor.detach)
        if self._graph is None:
            if self._left:
                self._left -= 1
                return _each(self._step(*inputs), Tensor.detach)
            self._capture(inputs)
        for tensor, new in zip(self._inputs, inputs, strict=True):
            tensor.array[...] = new.array
        assert self._graph is not None
        self._graph.replay()
        return _each(self._outputs, _copy)

    def _capture(self, inputs: tuple[Tensor, ...]) -> None:
        captured, self._inputs = CUDAGraph(), [_copy(tensor) for tensor in inputs]
        with graph(captured):
            self._outputs = _each(self._step(*self._inputs), Tensor.detach)
        self._graph = captured


def _check(i: int, tensor: Any) -> tuple[Any, ...]:
    """What an input must have in common with the one that the step was captured with."""
    if not isinstance(tensor, Tensor) or not tensor.is_cuda:
        found = tensor.device if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"make_graphed_step: input {i} of the step must be a tensor on the GPU, got {found}")
    return tensor.shape, tensor.dtype, tensor.device


def _copy(tensor: Tensor) -> Tensor:
    return from_array(tensor.array.copy())


def _each(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """`function` of every tensor in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: _each(item, function) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_each(item, function) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value
