"""Tensor's methods and operators, bound in one place: each is the function of the same name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np

from minigrad import autograd, dtypes
from minigrad.autograd.hooks import register_hook, register_post_accumulate_grad_hook, retain_grad
from minigrad.autograd.inplace import check_writable, write
from minigrad.display import tensor_html
from minigrad.ops import (
    activation,
    arithmetic,
    axes,
    choice,
    comparison,
    contraction,
    convert,
    counting,
    creation,
    creation_like,
    diagonal,
    elementwise,
    expand,
    gathering,
    indexing,
    joining,
    linalg,
    masking,
    orientation,
    pointwise,
    random,
    random_in_place,
    reduction,
    replacing,
    reshape_in_place,
    scan,
    shape,
    sorting,
    statistics,
    truth,
    variance,
)
from minigrad.ops.arguments import broadcast_shapes, check_tensor, number
from minigrad.ops.keywords import with_numpy_names
from minigrad.printing import tensor_text
from minigrad.tensor import Tensor

# Of these families every function whose first argument is the tensor `input` is a method too.
FAMILIES = (
    arithmetic,
    axes,
    choice,
    comparison,
    contraction,
    counting,
    diagonal,
    elementwise,
    expand,
    gathering,
    indexing,
    joining,
    linalg,
    masking,
    orientation,
    pointwise,
    reduction,
    replacing,
    scan,
    shape,
    sorting,
    statistics,
    truth,
    variance,
)
# Besides: what is a method only, and what PyTorch has both ways in families that it has as functions only.
MORE_METHODS = {
    activation: "log_softmax softmax",
    convert: "to cpu cuda pin_memory is_pinned type_as clone contiguous is_contiguous",
    creation_like: "new_zeros new_ones new_empty new_full new_tensor",
    joining: "repeat split",
    axes: "unfold",
    reshape_in_place: "resize_ resize_as_ squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_",
    expand: "expand expand_as sum_to_size",
    random: "bernoulli multinomial",
    random_in_place: "bernoulli_ normal_ uniform_",
    shape: "reshape_as view view_as",
}


def methods() -> dict[str, Callable[..., Any]]:
    """The functions that are methods under their own name."""
    exported = {name: getattr(family, name) for family in FAMILIES for name in family.__all__}
    found = {name: f for name, f in exported.items() if next(iter(signature(f).parameters)) == "input"}
    return found | {name: getattr(module, name) for module, names in MORE_METHODS.items() for name in names.split()}


OPERANDS = Tensor, Real, np.ndarray
Binary = Callable[[Any, Any], Tensor]


def bind() -> None:
    """Give Tensor its methods and operators."""
    for name, method in methods().items():
        setattr(Tensor, name, with_numpy_names(method))
    for operator, function in OPERATORS.items():
        setattr(Tensor, f"__{operator}__", _operator(function))
    for operator in COMMUTATIVE:
        setattr(Tensor, f"__r{operator}__", getattr(Tensor, f"__{operator}__"))
    for operator, function in REFLECTED.items():
        setattr(Tensor, f"__r{operator}__", _reflected(function))
    for name in IN_PLACE:
        setattr(Tensor, f"{name}_", _in_place(getattr(Tensor, name), name))
    setattr(Tensor, "add_", _add_straight(getattr(Tensor, "add_")))  # noqa: B009, B010
    for operator, name in AUGMENTED.items():
        setattr(Tensor, f"__i{operator}__", _operator(getattr(Tensor, f"{name}_")))
    for name, dtype in CASTS.items():
        setattr(Tensor, name, _cast(name, dtype))
    for name, member in RENAMED.items():
        setattr(Tensor, name, member)


OPERATORS = {
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "truediv": elementwise.div,
    "pow": elementwise.pow,
    "matmul": linalg.matmul,
    "eq": comparison.eq,
    "ne": comparison.ne,
    "lt": comparison.lt,
    "le": comparison.le,
    "gt": comparison.gt,
    "ge": comparison.ge,
    "and": comparison.bitwise_and,
    "or": comparison.bitwise_or,
    "xor": comparison.bitwise_xor,
    "lshift": comparison.bitwise_left_shift,
    "rshift": comparison.bitwise_right_shift,
    "mod": arithmetic.remainder,
    "floordiv": arithmetic.floor_divide,
}
COMMUTATIVE = ("add", "mul", "and", "or", "xor")
REFLECTED = {name: OPERATORS[name] for name in ("sub", "truediv", "pow", "lshift", "rshift", "mod", "floordiv")}
AUGMENTED = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "pow": "pow",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
    "mod": "remainder",
    "floordiv": "floor_divide",
}
CASTS: dict[str, np.dtype[Any]] = {
    "byte": dtypes.uint8,
    "char": dtypes.int8,
    "short": dtypes.int16,
    "half": dtypes.float16,
    "float": dtypes.float32,
    "double": dtypes.float64,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "bool": dtypes.bool_,
}
# What is a method in place too, with the example of its docstring.
IN_PLACE = {
    **{name: f"mg.tensor([{x}]).{name}_() -> tensor([{y}])" for name, (_, x, y) in pointwise.DESCRIBED.items()},
    "add": "mg.tensor([1.0, 2.0]).add_(10) -> tensor([11., 12.])",
    "sub": "mg.tensor([1.0, 2.0]).sub_(10) -> tensor([-9., -8.])",
    "mul": "mg.tensor([1.0, 2.0]).mul_(10) -> tensor([10., 20.])",
    "div": "mg.tensor([1.0, 2.0]).div_(4) -> tensor([0.2500, 0.5000])",
    "pow": "mg.tensor([1.0, 2.0]).pow_(3) -> tensor([1., 8.])",
    "neg": "mg.tensor([1.0, -2.0]).neg_() -> tensor([-1.,  2.])",
    "clamp": "mg.tensor([-1.0, 2.0]).clamp_(min=0) -> tensor([0., 2.])",
    "round": "mg.tensor([0.4, 1.6]).round_() -> tensor([0., 2.])",
    "masked_fill": "mg.tensor([1.0, 2.0]).masked_fill_(mg.tensor([True, False]), 0) -> tensor([0., 2.])",
    "scatter": "mg.tensor([1.0, 2.0]).scatter_(0, mg.tensor([1]), 5.0) -> tensor([1., 5.])",
    "scatter_add": "mg.tensor([1.0, 2.0]).scatter_add_(0, mg.tensor([1]), mg.tensor([5.0])) -> tensor([1., 7.])",
    "index_add": "mg.tensor([1.0, 2.0]).index_add_(0, mg.tensor([1]), mg.tensor([5.0])) -> tensor([1., 7.])",
    "index_put": "mg.tensor([1.0, 2.0]).index_put_((mg.tensor([1]),), mg.tensor([5.0])) -> tensor([1., 5.])",
    "scatter_reduce": "mg.ones(2).scatter_reduce_(0, mg.tensor([1]), mg.tensor([5.0]), 'prod') -> tensor([1., 5.])",
    "index_copy": "mg.tensor([1.0, 2.0]).index_copy_(0, mg.tensor([1]), mg.tensor([5.0])) -> tensor([1., 5.])",
    "index_fill": "mg.tensor([1.0, 2.0]).index_fill_(0, mg.tensor([1]), 5) -> tensor([1., 5.])",
    "masked_scatter": "mg.ones(2).masked_scatter_(mg.tensor([True, False]), mg.tensor([5.0])) -> tensor([5., 1.])",
    "nan_to_num": "mg.tensor([1.0, float('nan')]).nan_to_num_() -> tensor([1., 0.])",
    "addmm": "mg.ones(1, 1).addmm_(mg.tensor([[2.0]]), mg.tensor([[3.0]])) -> tensor([[7.]])",
    "addmv": "mg.ones(1).addmv_(mg.tensor([[2.0]]), mg.tensor([3.0])) -> tensor([7.])",
    "baddbmm": "mg.ones(1, 1, 1).baddbmm_(mg.ones(1, 1, 2), mg.ones(1, 2, 1)) -> tensor([[[3.]]])",
    "tril": "mg.tensor([[1, 2], [3, 4]]).tril_() -> tensor([[1, 0],  [3, 4]])",
    "triu": "mg.tensor([[1, 2], [3, 4]]).triu_() -> tensor([[1, 2],  [0, 4]])",
    "clip": "mg.tensor([-1.0, 2.0]).clip_(min=0) -> tensor([0., 2.])",
    "clamp_min": "mg.tensor([-1.0, 2.0]).clamp_min_(0) -> tensor([0., 2.])",
    "clamp_max": "mg.tensor([-1.0, 2.0]).clamp_max_(0) -> tensor([-1.,  0.])",
    "subtract": "mg.tensor([1.0, 2.0]).subtract_(10) -> tensor([-9., -8.])",
    "multiply": "mg.tensor([1.0, 2.0]).multiply_(10) -> tensor([10., 20.])",
    "divide": "mg.tensor([1.0, 2.0]).divide_(4) -> tensor([0.2500, 0.5000])",
    "negative": "mg.tensor([1.0, -2.0]).negative_() -> tensor([-1.,  2.])",
    "absolute": "mg.tensor([1.0, -2.0]).absolute_() -> tensor([1., 2.])",
    "floor_divide": "mg.tensor([-3, 3]).floor_divide_(2) -> tensor([-2,  1])",
    "remainder": "mg.tensor([-3, 3]).remainder_(2) -> tensor([1, 1])",
    "fmod": "mg.tensor([-3, 3]).fmod_(2) -> tensor([-1,  1])",
    "atan2": "mg.tensor([1.0]).atan2_(mg.tensor([1.0])) -> tensor([0.7854])",
    "hypot": "mg.tensor([3.0]).hypot_(mg.tensor([4.0])) -> tensor([5.])",
    "xlogy": "mg.tensor([0.0, 2.0]).xlogy_(1) -> tensor([0., 0.])",
    "logit": "mg.tensor([0.5, 0.75]).logit_() -> tensor([0.0000, 1.0986])",
    "lerp": "mg.tensor([0.0, 10.0]).lerp_(mg.tensor([1.0, 20.0]), 0.5) -> tensor([ 0.5000, 15.0000])",
    "addcmul": "mg.ones(2).addcmul_(mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0])) -> tensor([4., 9.])",
    "addcdiv": "mg.ones(2).addcdiv_(mg.tensor([1.0, 2.0]), mg.tensor([4.0, 4.0])) -> tensor([1.2500, 1.5000])",
    "cumprod": "mg.tensor([2.0, 3.0]).cumprod_(0) -> tensor([2., 6.])",
    "cumsum": "mg.tensor([1.0, 2.0]).cumsum_(0) -> tensor([1., 3.])",
    "eq": "mg.tensor([1.0, 2.0]).eq_(2) -> tensor([0., 1.])",
    "ne": "mg.tensor([1.0, 2.0]).ne_(2) -> tensor([1., 0.])",
    "lt": "mg.tensor([1.0, 2.0]).lt_(2) -> tensor([1., 0.])",
    "le": "mg.tensor([1.0, 2.0]).le_(2) -> tensor([1., 1.])",
    "gt": "mg.tensor([1.0, 2.0]).gt_(1) -> tensor([0., 1.])",
    "ge": "mg.tensor([1.0, 2.0]).ge_(1) -> tensor([1., 1.])",
    "bitwise_and": "mg.tensor([1, 6]).bitwise_and_(3) -> tensor([1, 2])",
    "bitwise_or": "mg.tensor([1, 6]).bitwise_or_(3) -> tensor([3, 7])",
    "bitwise_xor": "mg.tensor([1, 6]).bitwise_xor_(3) -> tensor([2, 5])",
    "bitwise_not": "mg.tensor([1, 6]).bitwise_not_() -> tensor([-2, -7])",
    "bitwise_left_shift": "mg.tensor([1, 6]).bitwise_left_shift_(1) -> tensor([ 2, 12])",
    "bitwise_right_shift": "mg.tensor([1, 6]).bitwise_right_shift_(1) -> tensor([0, 3])",
    "logical_and": "mg.tensor([0.0, 2.0]).logical_and_(mg.tensor([1.0, 1.0])) -> tensor([0., 1.])",
    "logical_or": "mg.tensor([0.0, 2.0]).logical_or_(mg.tensor([0.0, 1.0])) -> tensor([0., 1.])",
    "logical_not": "mg.tensor([0.0, 2.0]).logical_not_() -> tensor([1., 0.])",
}


# Made of several operations, of which more than the last keep what is overwritten: they are given a copy.
COMPOSED = {"cumprod", "logit"}


def _operator(function: Binary) -> Binary:
    def operator(self: Tensor, other: Any) -> Tensor:
        # A type that we do not know may know us.
        if not isinstance(other, OPERANDS):
            return NotImplemented
        return function(self, other)

    return operator


def _reflected(function: Binary) -> Binary:
    def operator(self: Tensor, other: Any) -> Tensor:
        if not isinstance(other, OPERANDS):
            return NotImplemented
        return function(other, self)

    return operator


def _cast(name: str, dtype: np.dtype[Any]) -> Callable[..., Tensor]:
    def method(self: Tensor, memory_format: str = convert.preserve_format) -> Tensor:
        return convert.to(self, dtype, memory_format=memory_format)

    method.__name__ = name
    method.__doc__ = f"""Convert to {dtype}; gradients flow through and are converted back.

Args:
    memory_format: as for `to`.

Examples:
    >>> mg.tensor([0, 1]).{name}().dtype
    {dtype!r}
"""
    return method


def _in_place(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    """``x.add_(y)``: computed as ``x.add(y)`` from x as it was, then written into x."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        original = self._alias() if autograd.is_grad_enabled() else self
        if name in COMPOSED and original.requires_grad:
            original = self.clone()
        result = function(original, *args, **kwargs)
        if result.shape != self.shape:
            raise RuntimeError(
                f"{name}_: output with shape {list(self.shape)} doesn't match the broadcast shape {list(result.shape)}"
            )
        if result.dtype.kind == "f" and self.dtype.kind != "f" or result.dtype.kind != "b" and self.dtype == bool:
            raise RuntimeError(
                f"{name}_: result type {result.dtype} can't be cast to the desired output type {self.dtype}"
            )
        if result._node is not None:
            result._node.keep_values(original)
        return write(self, result, computed=True)

    method.__name__ = f"{name}_"
    call, _, result = IN_PLACE[name].partition(" -> ")
    parameters = ", ".join([f"`{parameter}`" for parameter in list(signature(function).parameters)[1:]])
    see = f"; `{name}` describes {parameters}" if parameters else ""
    method.__doc__ = f"""Compute `{name}` and write the result into this tensor{see}.

Raises:
    RuntimeError: the result has another shape, its dtype cannot be cast to this tensor's, or this tensor cannot be
        written in place: a leaf that requires grad, or a view with overlapping elements.

Examples:
    >>> {call}
    {result}
"""
    return method


def _add_straight(generic: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``x.add_(y)`` of large tensors without the second array that `_in_place` writes from."""

    def add_(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
        if alpha == 1 and elementwise.adds_in_place(self, other):
            check_writable(self)
            return elementwise.Add.apply(self, other, True)
        return generic(self, other, alpha=alpha)

    add_.__doc__ = generic.__doc__
    return add_


def _where(self: Tensor, condition: Tensor, other: Tensor | float) -> Tensor:
    """Choose element by element: this tensor where `condition` is true, `other` elsewhere.

    Examples:
        >>> x = mg.tensor([-1.0, 2.0])
        >>> x.where(x > 0, 0.0)
        tensor([0., 2.])
    """
    return choice.where(condition, self, other)


def _fill(self: Tensor, value: float) -> Tensor:
    """Set every element to `value`, a number or a 0-d tensor, in place.

    Raises:
        RuntimeError: `value` has dimensions, or does not fit the dtype.

    Examples:
        >>> mg.empty(2).fill_(3)
        tensor([3., 3.])
    """
    if isinstance(value, Tensor) and value.ndim > 0:
        raise RuntimeError(f"fill_: expected a number or a 0-d tensor, got a tensor of shape {list(value.shape)}")
    return write(self, value if isinstance(value, Tensor) else number("fill_", value, self.dtype))


def _zero(self: Tensor) -> Tensor:
    """Set every element to 0, in place.

    Raises:
        RuntimeError: the tensor cannot be written in place.

    Examples:
        >>> mg.ones(2).zero_()
        tensor([0., 0.])
    """
    return _fill(self, 0)


def _copy(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy the elements of another tensor into this one, in place.

    Args:
        src: the tensor; it is broadcast and cast.
        non_blocking: accepted for PyTorch's sake.

    Raises:
        RuntimeError: `src` does not broadcast to this tensor's shape.

    Examples:
        >>> mg.empty(2, 2).copy_(mg.tensor([1, 2]))
        tensor([[1., 2.],
                [1., 2.]])
    """
    check_tensor("copy_", "src", src)
    if broadcast_shapes("copy_", self.shape, src.shape) != self.shape:
        raise RuntimeError(f"copy_: a source of shape {list(src.shape)} does not fit into shape {list(self.shape)}")
    return write(self, src)


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add this tensor's derivative to the `grad` of every leaf that it was computed from.

    Args:
        gradient: the weight of each element; needed unless the tensor has one element.
        retain_graph: keep the saved values for another backward pass; None means only with `create_graph`.
        create_graph: record the backward pass, so that it can be differentiated in turn.
        inputs: the leaves whose gradients are wanted; None means all.

    Examples:
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """
    autograd.backward(self, gradient, retain_graph, create_graph, inputs)


def _nelement(self: Tensor) -> int:
    """Return the number of elements, as `numel` does.

    Examples:
        >>> mg.zeros(2, 3).nelement()
        6
    """
    return self.numel()


def _get_device(self: Tensor) -> int:
    """Return the index of the GPU that the tensor lies on; -1 for the CPU.

    Examples:
        >>> mg.zeros(2).get_device()
        -1
    """
    return self.device.index or 0 if self.is_cuda else -1


# Members whose name, or order of arguments, is not the function's.
RENAMED = {
    "__init__": creation.construct,
    "__abs__": pointwise.abs,
    "__contains__": indexing.contains,
    "__getitem__": indexing.getitem,
    "__invert__": comparison.bitwise_not,
    "__iter__": indexing.iterate,
    "__neg__": pointwise.neg,
    "__repr__": tensor_text,
    "_repr_html_": tensor_html,
    "__setitem__": indexing.setitem,
    "T": property(shape.reversed_dimensions),
    "mT": property(shape.matrix_transpose),
    "backward": _backward,
    "copy_": _copy,
    "fill_": _fill,
    "get_device": _get_device,
    "nelement": _nelement,
    "register_hook": register_hook,
    "register_post_accumulate_grad_hook": register_post_accumulate_grad_hook,
    "retain_grad": retain_grad,
    "where": _where,
    "zero_": _zero,
}
