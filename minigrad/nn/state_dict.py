"""A module's tensors by name, out of it and into it: the methods `state_dict` and `load_state_dict`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from minigrad.autograd import no_grad
from minigrad.nn.parameter import Parameter
from minigrad.nn.tree import Tree
from minigrad.tensor import Tensor


class IncompatibleKeys(NamedTuple):
    """The names that `load_state_dict` found on one side only."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class _Place(NamedTuple):
    """Where a tensor of the state lies in the tree."""

    module: Tree
    table: dict[str, Any]
    name: str


def state_dict(
    self: Tree, *, destination: dict[str, Tensor] | None = None, prefix: str = "", keep_vars: bool = False
) -> dict[str, Tensor]:
    """Every parameter and persistent buffer by its dotted name, in order; PyTorch's keys.

    The tensors share memory with the module: clone what must not change. They are detached from the graph
    unless `keep_vars`. `destination` and `prefix` let a module add itself to a larger dictionary.
    """
    destination = {} if destination is None else destination
    for name, (_, table, own_name) in _places(self):
        tensor = table[own_name]
        destination[prefix + name] = tensor if keep_vars else tensor.detach()
    for name, child in self._modules.items():
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    return destination


def load_state_dict(
    self: Tree, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
) -> IncompatibleKeys:
    """Copy the tensors of `state_dict` into the parameters and buffers of the same names.

    Names must match exactly unless `strict` is false; shapes always. Values are cast to the module's dtype
    and device. With `assign` the module takes the given tensors themselves, with their dtype and device,
    instead of copying; optimisers made before then hold the old ones. Everything is checked before anything
    is changed, and a RuntimeError lists all that does not fit.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict: Expected state_dict to be dict-like, got {type(state_dict).__name__}.")
    places = dict(_all_places(self))
    unexpected = [key for key in state_dict if key not in places]
    missing = [
        key
        for key, place in places.items()
        if key not in state_dict and place.name not in place.module._optional_in_state
    ]
    errors = []
    if strict and missing:
        errors.append(f"Missing key(s) in state_dict: {_quoted(missing)}.")
    if strict and unexpected:
        errors.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
    loads = [(key, place, _as_now(state_dict[key], place)) for key, place in places.items() if key in state_dict]
    for key, place, value in loads:
        current = place.table[place.name]
        if not isinstance(value, Tensor):
            errors.append(
                f'While copying the parameter named "{key}", expected minigrad.Tensor from checkpoint '
                f"but received {type(value).__name__}."
            )
        elif value.shape != current.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {current.shape}."
            )
    if errors:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}: {' '.join(errors)}")
    with no_grad():
        for _, place, value in loads:
            current = place.table[place.name]
            if not assign:
                current.copy_(value)
            elif isinstance(current, Parameter):
                place.table[place.name] = Parameter(value, requires_grad=current.requires_grad)
            else:
                place.table[place.name] = value
    return IncompatibleKeys(missing, unexpected)


def _as_now(value: Any, place: _Place) -> Any:
    """What a file of PyTorch below 0.4, which had no 0-d tensors, holds as (1,), in the shape of today."""
    if isinstance(value, Tensor) and value.shape == (1,) and place.table[place.name].shape == ():
        return value[0]
    return value


def _places(module: Tree) -> Iterator[tuple[str, _Place]]:
    """The parameters, then the persistent buffers, of this module alone."""
    for table in (module._parameters, module._buffers):
        for name, tensor in table.items():
            if tensor is not None and name not in module._non_persistent_buffers:
                yield name, _Place(module, table, name)


def _all_places(module: Tree) -> Iterator[tuple[str, _Place]]:
    for path, submodule in module.named_modules(remove_duplicate=False):
        for name, place in _places(submodule):
            yield f"{path}.{name}" if path else name, place


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
