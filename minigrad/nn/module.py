"""Module: a tree of submodules with named parameters and buffers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Self

from minigrad.autograd import no_grad
from minigrad.autograd.hooks import RemovableHandle
from minigrad.autograd.numpy_warnings import ignored_warnings
from minigrad.autograd.observer import observers, observing
from minigrad.nn.display import module_html
from minigrad.nn.hooks import Hook, call_with_hooks, register
from minigrad.nn.parameter import Parameter
from minigrad.nn.registry import Registry
from minigrad.nn.state_dict import load_own_state, load_state_dict, save_own_state, state_dict
from minigrad.ops.creation import empty
from minigrad.pending import pending, postponing
from minigrad.tensor import Tensor

__all__ = ["Module"]


class Module(Registry):
    """Base class of all layers and models.

    A subclass calls `super().__init__()`, assigns parameters and submodules as attributes, and defines
    `forward`. Assignment registers: a `Parameter` is found by `parameters()`, and so trained; a `Module` becomes a
    child. The order is that of assignment.

    Examples:
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.conv = nn.Conv2d(1, 6, 5)
        ...         self.head = nn.Linear(6, 10)
        ...
        ...     def forward(self, x):
        ...         return self.head(F.relu(self.conv(x)).mean(dim=(2, 3)))
        >>> net = Net()
        >>> net(mg.zeros(2, 1, 28, 28)).shape
        (2, 10)
        >>> [name for name, _ in net.named_parameters()]
        ['conv.weight', 'conv.bias', 'head.weight', 'head.bias']
    """

    training: bool
    # Buffers that files written before the buffer existed lack: loading them is no error.
    _optional_in_state: frozenset[str] = frozenset()

    def __init__(self) -> None:
        # Past __setattr__, which needs these to be there.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers=set(),
            _modules={},
            _forward_pre_hooks=OrderedDict(),
            _forward_hooks=OrderedDict(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
        )

    def forward(self, *input: Any) -> Any:
        """Compute the output from `input`. Every subclass defines this.

        Raises:
            NotImplementedError: the subclass does not.
        """
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if pending.results is None:  # not within the call of another module
            with ignored_warnings(), postponing():
                return Module.__call__(self, *args, **kwargs)
        if observers and (observer := observing()) is not None:
            observer.enter(self)
            try:
                return call_with_hooks(self, args, kwargs)
            finally:
                observer.leave()
        if self._forward_pre_hooks or self._forward_hooks or self._backward_pre_hooks or self._backward_hooks:
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    # Hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; a result that is not None replaces the arguments.

        Args:
            hook: the function.
            prepend: call it before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs)``, which returns both or None.
        """
        return register(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; a result that is not None replaces the output.

        Args:
            hook: the function.
            prepend: call it before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: call it even after forward has raised.
        """
        return register(self._forward_hooks, Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; a returned tuple replaces `grad_output`.

        Args:
            hook: the function.
            prepend: call it before the hooks that are there already.
        """
        return register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` in backward; a returned tuple replaces `grad_input`.

        Both are tuples over the positional inputs and the outputs, None where there is no gradient.

        Args:
            hook: the function.
            prepend: call it before the hooks that are there already.
        """
        return register(self._backward_hooks, hook, prepend)

    # The tree

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Iterate over this module and all below it with their dotted names, parents first.

        Args:
            memo: the ids of modules to skip.
            prefix: put in front of the names.
            remove_duplicate: list a module that is shared once only.
        """
        memo = set() if memo is None else memo
        if remove_duplicate and id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Iterate over this module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Iterate over the direct children with their names, each once."""
        seen = set()
        for name, child in self._modules.items():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Iterate over the direct children, each once."""
        for _, child in self.named_children():
            yield child

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        seen = set()
        for path, module in modules:
            for name, member in getattr(module, table).items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield _join(path, name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Iterate over the parameters with their dotted names, in the order of assignment.

        Args:
            prefix: put in front of the names.
            recurse: include those of the modules below.
            remove_duplicate: list a parameter that is shared once only.
        """
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Iterate over the parameters, as an optimizer takes them; with `recurse` those of the modules below too."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Iterate over the buffers with their dotted names.

        Args:
            prefix: put in front of the names.
            recurse: include those of the modules below.
            remove_duplicate: list a buffer that is shared once only.
        """
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Iterate over the buffers; with `recurse` those of the modules below too."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """Return the module at the dotted path `target`; the empty path is this module.

        Raises:
            AttributeError: there is none.
        """
        module: Any = self
        for name in target.split(".") if target else []:
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at the dotted path `target`.

        Raises:
            AttributeError: there is none.
        """
        return self._get_member("_parameters", target, "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at the dotted path `target`.

        Raises:
            AttributeError: there is none.
        """
        return self._get_member("_buffers", target, "a buffer")

    def _get_member(self, table: str, target: str, kind: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in getattr(module, table):
            raise AttributeError(f"`{name}` is not {kind}")
        return getattr(module, table)[name]

    # What is done to the whole tree

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call `fn` on every module below, children first, then on this one: for an initialisation of one's own."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode, which dropout and batch normalisation depend on, for this module and all below.

        Args:
            mode: False for evaluation mode.

        Raises:
            ValueError: `mode` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train: training mode is expected to be boolean, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Record gradients for all parameters, or, with `requires_grad` False, freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or, with `set_to_none` False, to zeros."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
                continue
            if parameter.grad.requires_grad:
                parameter.grad = parameter.grad.detach()
            parameter.grad.zero_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Set parameters, their gradients and buffers to `fn` of them; a parameter stays the same object.

        All that moves or casts a module comes here, and goes on to the `_apply` of each child.
        """
        if recurse:
            for child in self.children():
                child._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with no_grad():
                gradient = None if parameter.grad is None else fn(parameter.grad)
                parameter.grad = None  # the old gradient would not fit the new values
                parameter.data = fn(parameter.data)
                parameter.grad = gradient
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._apply(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._apply(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def cpu(self) -> Self:
        """Move parameters and buffers to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Move parameters and buffers to the GPU `device`, a number or a `device`."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, cast to a floating-point dtype, or both, as `Tensor.to`.

        Buffers of integers are moved and keep their dtype.

        Raises:
            TypeError: the dtype is not floating-point.
        """
        memory_format = kwargs.pop("memory_format", None)
        if not empty(0).to(*args, **kwargs).is_floating_point():
            raise TypeError(f"to: nn.Module.to only accepts floating point dtypes, but got {args or kwargs}")

        def convert(tensor: Tensor) -> Tensor:
            moved = tensor.to(*args, **kwargs)
            if moved.dtype != tensor.dtype and not tensor.is_floating_point():
                moved = tensor.to(moved.device)
            if memory_format is not None and tensor.ndim == 4:
                moved = moved.contiguous(memory_format=memory_format)
            return moved

        return self._apply(convert)

    state_dict = state_dict
    load_state_dict = load_state_dict
    _save_to_state_dict = save_own_state
    _load_from_state_dict = load_own_state
    _repr_html_ = module_html

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """The settings that the repr shows between parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {repr(child)}".replace("\n", "\n  ") for name, child in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join(lines + children)
        return f"{self._get_name()}(\n  {body}\n)"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
