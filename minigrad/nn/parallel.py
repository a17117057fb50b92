"""DistributedDataParallel: each process has a copy of the model and a part of the batch; gradients are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.autograd import is_grad_enabled, no_grad
from minigrad.autograd.backward import queue_callback
from minigrad.distributed import DistributedError
from minigrad.distributed.communicator import Work
from minigrad.distributed.group import process_group
from minigrad.nn.module import Module
from minigrad.tensor import Tensor, from_array

__all__ = ["DistributedDataParallel"]

ALIGNED = 64  # bytes: each gradient begins at a cache line


class DistributedDataParallel(Module):
    """A model whose backward pass leaves the same gradients in all processes: the mean of theirs.

    Weights and buffers become those of process 0. Where all have batches of one size, the gradient is that of the mean
    loss of all their samples. A parameter that no process has used keeps no gradient. Gradients travel in buckets: one
    is sent as soon as the backward pass has filled it, while the pass goes on with the layers before. `.grad` lies in
    a bucket, which the next backward pass overwrites.

    Args:
        module: the model, the same in all processes; it stands under `.module`.
        broadcast_buffers: before each forward pass in training, buffers (running means) become those of process 0.
        bucket_cap_mb: how much is sent at a time, in MiB. On a network of 1 Gbit/s 4 was the best of 1, 4, 8 and 25.
        device_ids, output_device, find_unused_parameters, gradient_as_bucket_view: taken for PyTorch's sake; unused
            parameters are always found.

    Raises:
        RuntimeError: there is no process group, no parameter requires a gradient, or one is not on the CPU.
        DistributedError: the models differ; says in which parameter and process.

    Source: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training" (VLDB 2020).

    Examples:
        >>> mg.distributed.init_process_group()
        >>> model = nn.parallel.DistributedDataParallel(nn.Linear(3, 2))
        >>> model(mg.ones(4, 3)).sum().backward()
        >>> model.module.bias.grad
        tensor([4., 4.])
        >>> mg.distributed.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        *,
        broadcast_buffers: bool = True,
        bucket_cap_mb: float = 4.0,
        find_unused_parameters: bool = False,
        gradient_as_bucket_view: bool = False,
    ):
        super().__init__()
        self.module = module
        self._group = process_group().duplicate()
        self._synchronizes, self._expects, self._broken = True, False, False
        self._broadcast_buffers = broadcast_buffers
        trained = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        if not trained:
            raise RuntimeError("DistributedDataParallel: no parameter of the module requires a gradient")
        for name, parameter in module.named_parameters():
            if not isinstance(parameter.array, np.ndarray):
                raise RuntimeError(
                    f"DistributedDataParallel: parameter {name} is on {parameter.device}, not on the cpu"
                )
        self._check_alike(_described(module))
        self._names = {id(p): name for name, p in trained}
        for parameter in module.parameters():
            self._group.broadcast(parameter.array, 0).wait()
            parameter._bump_version()
        self._synchronize_buffers()
        self._buckets = _buckets([p for _, p in trained], bucket_cap_mb * 2**20)
        self._sent = 0
        for bucket in self._buckets:
            for index, leaf in enumerate(bucket.parameters):
                leaf.register_post_accumulate_grad_hook(self._arrival(bucket, index))

    def _check_alike(self, described: list[tuple[Any, ...]]) -> None:
        for rank, other in enumerate(self._group.all_gather_object(described)):
            for here, there in zip(described, other, strict=False):
                if here != there:
                    raise DistributedError(
                        f"DistributedDataParallel: {here} in process {self._group.rank} is {there} in "
                        f"process {rank}; all processes must build the same model"
                    )
            if len(described) != len(other):
                raise DistributedError(
                    f"DistributedDataParallel: the model has {len(described)} parameters and buffers in process "
                    f"{self._group.rank} and {len(other)} in process {rank}; all processes must build the same model"
                )

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Call the module, with the buffers of process 0 in training.

        Args:
            inputs: what the module takes.

        Raises:
            DistributedError: an error has broken off the backward pass before.
        """
        if self._broken:
            raise DistributedError("DistributedDataParallel: a backward pass was broken off, and its gradients with it")
        self._expects = self._synchronizes and is_grad_enabled() and self._group.size > 1
        if self._expects and self.training and self._broadcast_buffers:
            self._synchronize_buffers()
        return self.module(*inputs, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Let backward passes of what is computed within add up gradients in this process alone.

        The first one after it sends the sum: so are gradients of several small batches accumulated.

        Examples:
            >>> mg.distributed.init_process_group()
            >>> model = nn.parallel.DistributedDataParallel(nn.Linear(3, 2))
            >>> with model.no_sync():
            ...     model(mg.ones(4, 3)).sum().backward()
            >>> model(mg.ones(4, 3)).sum().backward()
            >>> model.module.bias.grad
            tensor([8., 8.])
            >>> mg.distributed.destroy_process_group()
        """
        before, self._synchronizes = self._synchronizes, False
        try:
            yield
        finally:
            self._synchronizes = before

    @no_grad()
    def _synchronize_buffers(self) -> None:
        """Let the buffers of all processes be those of process 0: one message for each dtype."""
        alike: dict[Any, list[Tensor]] = {}
        for buffer in self.module.buffers():
            alike.setdefault(buffer.dtype, []).append(buffer)
        for buffers in alike.values():
            joined = np.concatenate([buffer.array.ravel() for buffer in buffers])
            self._group.broadcast(joined, 0).wait()
            start = 0
            for buffer in buffers:
                buffer.array[...] = joined[start : start + buffer.numel()].reshape(buffer.shape)
                buffer._bump_version()
                start += buffer.numel()

    def _arrival(self, bucket: _Bucket, index: int) -> Callable[[Tensor], None]:
        def arrived(parameter: Tensor) -> None:
            if not self._expects:
                return
            if not self._broken:  # the first of this backward pass
                self._broken = True
                queue_callback(self._finish)
            if index not in bucket.missing:
                raise DistributedError(
                    f"DistributedDataParallel: parameter {self._names[id(parameter)]} got its gradient in two parts in "
                    "one backward pass (two parts under checkpoint() use it?); run that pass within no_sync(), and "
                    "another one after it"
                )
            bucket.take(index, 1 / self._group.size)
            self._send()

        return arrived

    def _send(self) -> None:
        """Send the buckets that are full, in their order: all processes must send the same one."""
        while self._sent < len(self._buckets) and not self._buckets[self._sent].missing:
            bucket = self._buckets[self._sent]
            bucket.work = self._group.all_reduce(bucket.array, background=True)
            self._sent += 1

    def _finish(self) -> None:
        """The backward pass has ended: send the rest, and wait for all.

        What this pass has not used may have a gradient of one within `no_sync`; if not, zeros are sent.
        """
        for bucket in self._buckets:
            for index in sorted(bucket.missing):
                bucket.take(index, 1 / self._group.size)
        self._send()
        for bucket in self._buckets:
            assert bucket.work is not None
            bucket.work.wait()
            used = (bucket.marks != 0).tolist()
            for parameter, view, anywhere in zip(bucket.parameters, bucket.views, used, strict=True):
                parameter.grad = from_array(view) if anywhere else None
            bucket.begin()
        self._sent, self._broken = 0, False


def _described(module: Module) -> list[tuple[Any, ...]]:
    """Of each parameter and buffer what it is, its name, dtype and shape."""
    parameters = [
        ("parameter" if p.requires_grad else "frozen parameter", name, str(p.dtype), tuple(p.shape))
        for name, p in module.named_parameters()
    ]
    return [*parameters, *[("buffer", name, str(b.dtype), tuple(b.shape)) for name, b in module.named_buffers()]]


class _Bucket:
    """Gradients that travel together: one array, a view of it for each parameter, and behind them a mark for each.

    The marks of the processes add up to how many of them have used the parameter.
    """

    def __init__(self, parameters: list[Tensor]):
        first = parameters[0].array
        step = ALIGNED // first.itemsize
        ends = np.cumsum([-(-p.numel() // step) * step for p in parameters]).tolist()
        self.parameters = parameters
        self.array = np.zeros(ends[-1] + len(parameters), first.dtype)
        self.marks = self.array[ends[-1] :]
        self.views = [
            _laid_out_as(p.array, self.array[start : start + p.numel()])
            for p, start in zip(parameters, [0, *ends], strict=False)
        ]
        self.work: Work | None = None
        self.begin()

    def begin(self) -> None:
        """Nothing has arrived."""
        self.missing = set(range(len(self.parameters)))
        self.marks[...] = 0

    def take(self, index: int, share: float) -> None:
        """A gradient has arrived: put `share` of it in its place."""
        gradient, view = self.parameters[index].grad, self.views[index]
        if gradient is None:  # not used, or another hook has used it up
            view[...] = 0
        else:
            np.multiply(gradient.array, view.dtype.type(share), out=view)
            self.marks[index] = share
        self.missing.discard(index)


def _laid_out_as(array: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """A view of `flat` with the shape of `array` and the same order of axes in memory (channels-last too)."""
    order = sorted(range(array.ndim), key=lambda dim: -abs(array.strides[dim]))
    return flat.reshape([array.shape[dim] for dim in order]).transpose(np.argsort(order).tolist())


def _buckets(parameters: list[Tensor], capacity: float) -> list[_Bucket]:
    """The parameters, last layer first, in buckets of one dtype and at most `capacity` bytes.

    The order is never that of arrival: sums of three and more depend, in their last bit, on the place in the bucket,
    and a resumed run is to be the same bit for bit.
    """
    groups: list[list[Tensor]] = []
    open_groups: dict[Any, tuple[list[Tensor], list[int]]] = {}
    for parameter in reversed(parameters):
        group, size = open_groups.get(parameter.dtype, (None, [0]))
        if group is None or size[0] + parameter.nbytes > capacity:
            group, size = open_groups[parameter.dtype] = [], [0]
            groups.append(group)
        group.append(parameter)
        size[0] += parameter.nbytes
    return [_Bucket(group) for group in groups]
