"""CUDA graphs: a step of a program is captured once, and then replayed by a single launch.

A training step of a small network is hundreds of launches, and Python takes longer to ask for them than the GPU to run
them. Captured, the launches are not run but written down, with their addresses and numbers; a replay asks for all at
once, in some microseconds. So everything lies in the same memory at each replay, inputs and outputs too, and nothing
may depend on a value that the host would have to look at.

`make_graphed_step` takes care of that for a training step; `CUDAGraph` and `graph` are its parts, as PyTorch has them.
"""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minigrad.autograd.deferred import settle
from minigrad.autograd.grad_mode import state
from minigrad.cuda.optimizers import captured_optimizers
from minigrad.device import cuda_backend
from minigrad.kernels import Capture, capturing, into
from minigrad.tensor import Tensor, from_array

MINIGRAD = Path(__file__).resolve().parents[1]


class CUDAGraph:
    """Work that `graph` captured; it holds the memory that this works in."""

    def __init__(self) -> None:
        self._work: Any = None
        self._capture: Any = None

    def replay(self) -> None:
        """Do the work again, with the learning rates and random numbers that are due now; the host does not wait."""
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
        """Whether the optimizers in the graph have the same memory and settings (but lr and momentum) as then."""
        return self._capture.fits()

    def reset(self) -> None:
        """Forget the work and give back its memory."""
        self._work = self._capture = None


@contextmanager
def graph(cuda_graph: CUDAGraph) -> Iterator[None]:
    """Within it the GPU's work is not done but captured into `cuda_graph`.

    Run the same work once or twice before: kernels are compiled then, and an optimizer makes its state. Tensors made
    within get their values at each replay. CaptureError says what cannot be captured, and where; nothing has changed.
    """
    outer = capturing()
    if outer is not None:
        outer.refuse("the capture of another graph")
    backend, capture = cuda_backend(), Capture()
    settle()
    collects = gc.isenabled()
    gc.collect()
    backend.empty_cache()  # the graph takes as much again as the steps before it, which will be run no more
    gc.disable()  # memory that it frees in mid-capture might be given back to CUDA, which refuses that
    try:
        with backend.capture() as work, into(capture), captured_optimizers(capture):
            try:
                yield
                settle()  # what waits for the next operation belongs to this work
            finally:
                capture.end()
    except Exception as error:
        state.deferred = None
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
    """`step`, which is captured as a CUDA graph and from then on replayed.

        def step(images, labels):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            return loss

        step = mg.cuda.make_graphed_step(step)
        for images, labels in loader:
            total += step(images.cuda(), labels.cuda())

    Call it as you would call `step`, with tensors on the GPU. Each call is one step, and N calls do, bit for bit, what
    N calls of `step` do: the first `num_warmup_iters` calls run it as it is, the next one captures it (which changes
    nothing) and replays it, and so does each later one. A batch of another shape, such as an epoch's last, is run as
    it is, too. After an optimizer's memory or a fixed setting was replaced (`load_state_dict` does that) the step is
    warmed up and captured anew.

    What may change from call to call: the inputs' values, the learning rates, SGD's momentum and Adam's beta1 (as
    schedulers change them), the numbers of generators, running statistics. What may not: other settings, model.train()
    and eval(), and whatever else Python decides, for Python does not run in a replay.

    The step returns tensors, in tuples, lists or dictionaries if need be. They are copies without history, which no
    later call overwrites. Reading one (`item`) waits for all that the GPU was asked for: add losses up on the GPU, and
    read the sum now and then. Or have it copied, and read the copy when later steps have been asked for:

        loss, copied = step(images, labels).to("cpu", non_blocking=True), mg.cuda.Event()
        copied.record()
        ...
        copied.synchronize()
        print(loss.item())

    What a graph cannot hold raises CaptureError, which says what it is and where; no step has been taken then. In
    particular: `item`, `print` or `if` on a value of the GPU, shapes that depend on values (x[x > 0], nonzero), batches
    copied from the host in the step, random numbers of the host, optimizers other than SGD, Adam and AdamW.
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
