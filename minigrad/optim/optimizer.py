"""Optimizer: parameters in groups, a state for each, and the dictionary that saves both."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np

from minigrad.autograd import enable_grad
from minigrad.autograd.hooks import RemovableHandle
from minigrad.device import device_of, on_host, to_device
from minigrad.optim.hooks import with_hooks
from minigrad.pending import finish
from minigrad.tensor import Tensor, from_array


class Optimizer:
    """Base class: a subclass states its defaults, and defines `_update`, or `step` as in PyTorch.

    Args:
        params: an iterable of tensors, of (name, tensor) pairs, or of dictionaries, the parameter groups, whose entries
            override `defaults` for the tensors in their "params".
        defaults: the settings of groups that have none of their own.

    Attributes:
        param_groups: a list of dictionaries, "params" and the group's settings, which may be changed between steps,
            as schedulers do.
        state: a dictionary from each parameter to what the optimizer stores for it.

    Raises:
        TypeError: `params` is not such an iterable.
        ValueError: there are no parameters.

    Examples:
        The bias learns ten times as fast.

        >>> layer = nn.Linear(2, 2)
        >>> groups = [{"params": [layer.weight]}, {"params": [layer.bias], "lr": 0.1}]
        >>> optimizer = mg.optim.SGD(groups, lr=0.01)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.01, 0.1]
    """

    # The state entries that have their parameter's shape; `load_state_dict` refuses any other.
    _parameter_shaped: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"{type(self).__name__}: params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        self._step_pre_hooks: dict[int, Callable[..., Any]] = {}
        self._step_post_hooks: dict[int, Callable[..., Any]] = {}
        # A scheduler that is stepped first would skip its first value, so it looks here and warns.
        self._has_stepped = False

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group.

        Args:
            param_group: ``{"params": tensors, ...settings}``; defaults supply the settings that it leaves out.

        Raises:
            TypeError: it is not a dictionary, or "params" is a set or holds other things than tensors.
            ValueError: "params" is missing, holds a non-leaf or a parameter of another group, or only some have names.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"{type(self).__name__}: param_group must be a dict, but got {type(param_group).__name__}")
        if "params" not in param_group:
            raise ValueError(f"{type(self).__name__}: param_group must hold 'params', but has only {list(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [param[0] for param in params if isinstance(param, tuple)]
        if names and len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        params = [param[1] if isinstance(param, tuple) else param for param in params]

        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: optimizer can only optimize Tensors, but one of the params is "
                    f"{type(param).__name__}"
                )
            if not param.is_leaf:
                raise ValueError(
                    f"{type(self).__name__}: can't optimize a non-leaf Tensor (of shape {tuple(param.shape)})"
                )
        if len(params) != len({id(param) for param in params}):
            warnings.warn("optimizer contains a parameter group with duplicate parameters", stacklevel=2)
        taken = {id(param) for group in self.param_groups for param in group["params"]}
        if any(id(param) in taken for param in params):
            raise ValueError(f"{type(self).__name__}: some parameters appear in more than one parameter group")

        group = {**self.defaults, **param_group, "params": params}
        if names:
            group["param_names"] = names
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            given = "with" if names else "without"
            raise ValueError(
                f"all optimizer param groups should be with/without names. cannot add param group {given} "
                "names to the optimizer"
            )
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or, with `set_to_none` False, to zeros."""
        for param in chain.from_iterable(group["params"] for group in self.param_groups):
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                if param.grad.requires_grad:
                    param.grad = param.grad.detach()
                param.grad.array.fill(0)
                param.grad._bump_version()

    @with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        Args:
            closure: computes the loss and the gradients anew; its result is returned.

        Raises:
            RuntimeError: a gradient does not fit its parameter, or a parameter is neither float32 nor float64.
            NotImplementedError: a subclass defines neither `step` nor `_update`.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        finish()  # what reads the parameters as they are
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            for param in params:
                self._check_gradient(param)
                self._follow(param)
            self._update(params, group)
            for param in params:
                param._bump_version()
        self._has_stepped = True
        return loss

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        """Write the new values into `param.array` for each of `params`, all of which have a gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define _update or step")

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step.

        Args:
            hook: what it returns, if not None, is a pair (args, kwargs) that replaces those of `step`; `args` begins
                with the optimizer.
        """
        return RemovableHandle(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step.

        Args:
            hook: `args` begins with the optimizer; what the hook returns is ignored.
        """
        return RemovableHandle(self._step_post_hooks, hook)

    def _check_gradient(self, param: Tensor) -> None:
        if param.dtype not in (np.float32, np.float64):
            raise RuntimeError(
                f"{type(self).__name__}: can update float32 and float64 parameters, got one of dtype {param.dtype}"
            )
        grad = gradient(param)
        if grad.shape != param.array.shape or grad.dtype != param.array.dtype:
            raise RuntimeError(
                f"{type(self).__name__}: the gradient {grad.dtype}{list(grad.shape)} does not fit its "
                f"parameter {param.dtype}{list(param.array.shape)}"
            )

        if type(grad) is not type(param.array):
            raise RuntimeError(
                f"{type(self).__name__}: expected all tensors to be on the same device, got a parameter on "
                f"{param.device} and its gradient on {device_of(grad)}"
            )

    def _follow(self, param: Tensor) -> None:
        """Move the state of a parameter to the device that the parameter was moved to."""
        state = self.state.get(param, {})
        for name in self._parameter_shaped:
            entry = state.get(name)
            if entry is not None:
                if type(entry.array) is type(param.array):
                    return
                state[name] = from_array(to_device(entry.array, param.device))

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to resume, in PyTorch's layout.

        ``{"state": {0: {...}, 1: {...}}, "param_groups": [{"lr": ..., "params": [0, 1]}]}``: parameters are numbered
        through all groups. The state's tensors are the optimizer's own, not copies.
        """
        number: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                number.setdefault(id(param), len(number))
            groups.append({**group, "params": [number[id(param)] for param in group["params"]]})
        return {
            "state": {number[id(param)]: entries for param, entries in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a `state_dict` of this class, saved by minigrad or PyTorch.

        Values are copied, and cast to their parameter's dtype and device. Construct schedulers before: they set the
        learning rate when they are made.

        Args:
            state_dict: the dictionary.

        Raises:
            ValueError: groups, parameters or keys do not match.
        """
        if not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(
                f"{type(self).__name__}: a state dict holds 'state' and 'param_groups', but this one {list(state_dict)}"
            )
        saved_groups = copy.deepcopy(state_dict["param_groups"])
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(
                f"{type(self).__name__}: loaded state dict has a different number of parameter groups: "
                f"{len(saved_groups)}, the optimizer has {len(self.param_groups)}"
            )
        for i, (group, saved) in enumerate(zip(self.param_groups, saved_groups, strict=True)):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    f"{type(self).__name__}: loaded state dict contains a parameter group that doesn't match "
                    f"the size of optimizer's group: group {i} holds {len(saved['params'])} parameters, the "
                    f"optimizer's {len(group['params'])}"
                )
        param_of = {
            index: param
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
            for index, param in zip(saved["params"], group["params"], strict=True)
        }
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for index, entries in state_dict["state"].items():
            if index not in param_of:
                raise ValueError(f"loaded state dict has a state for parameter {index}, which is in no group")
            param = param_of[index]
            state[param] = {key: self._adopt(param, index, key, value) for key, value in entries.items()}
        self.state = state
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            # Entries that this group has and the saved one lacks keep their values (older or foreign files).
            group.update(saved, params=group["params"])

    def _adopt(self, param: Tensor, index: int, key: str, value: Any) -> Any:
        """A copy of a saved state entry that fits `param`."""
        if key == "step":
            return from_array(np.array(float(value), dtype=np.float32))
        if key in self._parameter_shaped and value is None:
            return None
        if not hasattr(value, "__array__"):
            return copy.deepcopy(value)
        array = on_host(value.array) if isinstance(value, Tensor) else np.asarray(value)
        if key in self._parameter_shaped and array.shape != param.array.shape:
            raise ValueError(
                f"loaded state dict: {key} of parameter {index} has shape {tuple(array.shape)}, "
                f"the parameter has {tuple(param.array.shape)}"
            )
        return from_array(to_device(array.astype(param.dtype), param.device))

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def gradient(param: Tensor) -> Any:
    """The array of the gradient that `param` has."""
    assert param.grad is not None
    return param.grad.array


def check_not_negative(optimizer: Optimizer, name: str, value: float) -> None:
    """Refuse a setting that is negative or NaN, in PyTorch's words."""
    if not isinstance(value, Real):
        raise TypeError(f"{type(optimizer).__name__}: {name} must be a number, got {type(value).__name__}")
    if not value >= 0:
        raise ValueError(f"{type(optimizer).__name__}: Invalid {name}: {value}; it must be at least 0")


def check_betas(optimizer: Optimizer, betas: tuple[float, float]) -> None:
    """Refuse what is not two decay rates of running averages, in [0, 1)."""
    if len(betas) != 2:
        raise ValueError(f"{type(optimizer).__name__}: betas must be two numbers, got {betas}")
    for i, beta in enumerate(betas):
        if not 0 <= beta < 1:
            raise ValueError(
                f"{type(optimizer).__name__}: Invalid beta parameter at index {i}: {beta}; it must be in [0, 1)"
            )


def alike(params: list[Tensor], key: Callable[[Tensor], Hashable]) -> list[list[Tensor]]:
    """`params` split into lists alike in dtype, device and `key`: each can go to a fused kernel whole."""
    parts: dict[Hashable, list[Tensor]] = {}
    for param in params:
        parts.setdefault((param.dtype, param.device, key(param)), []).append(param)
    return list(parts.values())
