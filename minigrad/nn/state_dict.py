"""The methods `state_dict` and `load_state_dict`: a module's tensors by name."""

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
    """The place of a state's tensor in the tree of modules."""

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
    self._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in self._modules.items():
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    return destination


def save_own_state(self: Tree, destination: dict[str, Tensor], prefix: str, keep_vars: bool) -> None:
    """`_save_to_state_dict`: what `state_dict` holds of this module alone. A subclass may override it."""
    for name, (table, own_name) in _places(self):
        tensor = table[own_name]
        destination[prefix + name] = tensor if keep_vars else tensor.detach()


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
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    loads: list[tuple[_Place, Tensor]] = []

    def collect(module: Tree, below: dict[str, Tensor], prefix: str) -> None:
        metadata = {"assign_to_params_buffers": assign, "loads": loads}
        module._load_from_state_dict(below, prefix, metadata, True, missing, unexpected, errors)
        for name, child in module._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                collect(child, {key: value for key, value in below.items() if key.startswith(path)}, path)

    collect(self, dict(state_dict), "")
    if strict and unexpected:
        errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
    if strict and missing:
        errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}.")
    if errors:
        raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}: {' '.join(errors)}")
    with no_grad():
        for place, value in loads:
            current = place.table[place.name]
            if not assign:
                current.copy_(value)
            elif isinstance(current, Parameter):
                place.table[place.name] = Parameter(value, requires_grad=current.requires_grad)
            else:
                place.table[place.name] = value
    return IncompatibleKeys(missing, unexpected)


def load_own_state(
    self: Tree,
    state_dict: dict[str, Tensor],
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """`_load_from_state_dict`: find what `load_state_dict` is to load into this module alone.

    A subclass may override it, say to give the keys of older files their names of today, and then call this one.

    Args:
        state_dict: the tensors of this module and of those below it, which may be changed.
        prefix: what the keys of this module begin with.
        local_metadata: its entry "loads" takes the pairs of place and value; they are loaded when all is checked.
        strict: whether to note the keys that are missing or unexpected.
        missing_keys, unexpected_keys, error_msgs: what is wrong is added to these.
    """
    own = dict(_places(self))
    for name, place in own.items():
        key, current = prefix + name, place.table[place.name]
        if key not in state_dict:
            if strict and name not in self._optional_in_state:
                missing_keys.append(key)
            continue
        value = _as_now(state_dict[key], current)
        if not isinstance(value, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected minigrad.Tensor from checkpoint '
                f"but received {type(value).__name__}."
            )
        elif value.shape != current.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {current.shape}."
            )
        else:
            local_metadata["loads"].append((place, value))
    for key in state_dict if strict else ():
        name, dot, _ = key.removeprefix(prefix).partition(".")
        if key.startswith(prefix) and (self._modules.get(name) is None if dot else name not in own):
            unexpected_keys.append(key)


def _as_now(value: Any, current: Tensor) -> Any:
    """What a file of PyTorch below 0.4, which had no 0-d tensors, holds as (1,), in the shape of today."""
    return value[0] if isinstance(value, Tensor) and value.shape == (1,) and current.shape == () else value


def _places(module: Tree) -> Iterator[tuple[str, _Place]]:
    """The parameters, then the persistent buffers, of this module alone."""
    for table in (module._parameters, module._buffers):
        for name, tensor in table.items():
            if tensor is not None and name not in module._non_persistent_buffers:
                yield name, _Place(table, name)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
