"""A module as seen by its methods that are files of their own: `state_dict.py` and `display.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor


class Tree(Protocol):
    """Tensors and children by name, and the walks over all that is below."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers: set[str]
    _optional_in_state: frozenset[str]
    _modules: dict[str, Any]

    @property
    def _save_to_state_dict(self) -> Callable[..., None]: ...
    @property
    def _load_from_state_dict(self) -> Callable[..., None]: ...
    def modules(self) -> Iterable[Tree]: ...
    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tree]]: ...
    def parameters(self) -> Iterable[Parameter]: ...
    def extra_repr(self) -> str: ...
