"""Running a model for a tool and restoring it afterwards: buffers, modes and the random generator."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from minigrad.autograd import enable_grad
from minigrad.generator import default_generator
from minigrad.nn import Module
from minigrad.tensor import Tensor


@contextmanager
def restored(model: Module, training: bool | None = None) -> Iterator[None]:
    """Within the block the model runs on copies of its buffers, in `training` mode if that is given, and records.

    At its end, or at an error, the buffers themselves, the modes and the default generator are put back. A tool
    takes gradients with `autograd.grad`, which leaves every `.grad` alone.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module._buffers, dict(module._buffers)) for module in model.modules()]
    random = default_generator.get_state()
    try:
        for table, held in buffers:
            table.update({name: None if tensor is None else tensor.detach().clone() for name, tensor in held.items()})
        if training is not None:
            model.train(training)
        with enable_grad():
            yield
    finally:
        for table, held in buffers:
            table.clear()
            table.update(held)
        for module, mode in modes:
            module.training = mode
        default_generator.set_state(random)


@contextmanager
def forward_hooks(layers: dict[str, Module], see: Callable[[str, Module, tuple[Any, ...], Any], Any]) -> Iterator[None]:
    """Forward hooks on `layers` within the block: each call of one ends with ``see(name, layer, args, output)``.

    What it returns, if not None, is the output that the model goes on with.
    """
    handles = []
    try:
        for name, layer in layers.items():
            handles.append(
                layer.register_forward_hook(lambda layer, args, output, name=name: see(name, layer, args, output))
            )
        yield
    finally:
        for handle in handles:
            handle.remove()


def leaves(model: Module) -> dict[str, Module]:
    """The layers that consist of no others, by path."""
    return {name: module for name, module in model.named_modules() if not module._modules}


def chosen(operation: str, model: Module, layers: Sequence[str | Module]) -> dict[str, Module]:
    """The modules that paths name, or that are given themselves, by path."""
    known = dict(model.named_modules())
    paths = {id(module): name for name, module in known.items()}
    found = {}
    for layer in layers:
        name = layer if isinstance(layer, str) else paths.get(id(layer))
        if name is None:
            raise ValueError(f"{operation}: the given {type(layer).__name__} is not a part of the model")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise ValueError(f"{operation}: the model has no layer {name!r}{hint}")
        found[name] = known[name]
    return found


def pictures(operation: str, x: Tensor, most: int) -> Tensor:
    """`x` as a batch (N, C, H, W) of at most `most` pictures, a leaf of its own; one picture may be (C, H, W)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{operation}: x must be a Tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{operation}: x must be floating-point, as the model takes it, got {x.dtype}")
    batch = x.detach().unsqueeze(0) if x.ndim == 3 else x.detach()
    if batch.ndim != 4 or not 1 <= len(batch) <= most:
        count = "one picture" if most == 1 else f"1 to {most} pictures"
        raise ValueError(f"{operation}: x must be {count} (N, C, H, W) or (C, H, W), got shape {list(x.shape)}")
    return batch.clone()
