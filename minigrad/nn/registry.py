"""Assignment registers: the part of Module that finds parameters, buffers and children among its attributes."""

from __future__ import annotations

from typing import Any

from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor


class Registry:
    """A module's tables of parameters, buffers and children, which are its attributes too."""

    # Attributes

    def __getattr__(self, name: str) -> Any:
        # Reached when normal lookup fails. Through __dict__, so that copy and pickle may ask an empty shell.
        members = self.__dict__
        for table in ("_modules", "_parameters", "_buffers"):
            if table in members and name in members[table]:
                return members[table][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if "_modules" not in self.__dict__:
            if isinstance(value, Parameter):
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            if isinstance(value, Registry):
                raise AttributeError("cannot assign module before Module.__init__() call")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._forget(name, except_in=self._parameters)
            self.register_parameter(name, value)
        elif name in self._parameters:
            self._expect_none(value, f"as parameter '{name}' (minigrad.nn.Parameter or None expected)")
            self._parameters[name] = None
        elif isinstance(value, Registry):
            self._forget(name, except_in=self._modules)
            self._modules[name] = value
        elif name in self._modules:
            self._expect_none(value, f"as child module '{name}' (minigrad.nn.Module or None expected)")
            self._modules[name] = None
        elif name in self._buffers:
            if not isinstance(value, Tensor):
                self._expect_none(value, f"as buffer '{name}' (minigrad.Tensor or None expected)")
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if any(name in table for table in (self._parameters, self._buffers, self._modules)):
            self._forget(name)
        else:
            object.__delattr__(self, name)

    def _forget(self, name: str, except_in: dict[str, Any] | None = None) -> None:
        """Drop every registration of `name`; the one in `except_in` keeps its place for the new value."""
        for table in (self.__dict__, self._parameters, self._buffers, self._modules):
            if table is not except_in:
                table.pop(name, None)
        self._non_persistent_buffers.discard(name)

    @staticmethod
    def _expect_none(value: Any, place: str) -> None:
        if value is not None:
            raise TypeError(f"cannot assign '{type(value).__name__}' {place}")

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[0].isdigit())  # "0" cannot be typed after a dot

    # Registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter.

        Args:
            name: its attribute name.
            param: the parameter; None keeps the name for a parameter that this instance lacks.

        Raises:
            TypeError: `param` is not a Parameter.
            ValueError: `param` was computed, and is no leaf.
            KeyError: the name is empty, has a dot, or is taken.
            AttributeError: `Module.__init__` has not been called.
        """
        self._check_name("parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(minigrad.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                f"explicitly. To express '{name}' as a function of another Tensor, compute the value in the "
                "forward() method."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but is not trained, such as a running mean; `to()` moves it.

        Args:
            name: its attribute name.
            tensor: the tensor, or None.
            persistent: include it in `state_dict()`.

        Raises:
            TypeError: `tensor` is not a Tensor.
            KeyError: the name is empty, has a dot, or is taken.
            AttributeError: `Module.__init__` has not been called.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (minigrad.Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers.discard(name)
        else:
            self._non_persistent_buffers.add(name)

    def add_module(self, name: str, module: Registry | None) -> None:
        """Add a child `module` under `name`.

        Raises:
            TypeError: `module` is not a Module.
            KeyError: the name is empty, has a dot, or is taken.
            AttributeError: `Module.__init__` has not been called.
        """
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"{type(self).__name__}: child {name!r}: {type(module).__name__} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = module

    def register_module(self, name: str, module: Registry | None) -> None:
        """Add a child `module` under `name`, as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: str, table: str) -> None:
        if table not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in getattr(self, table):
            raise KeyError(f"attribute '{name}' already exists")
