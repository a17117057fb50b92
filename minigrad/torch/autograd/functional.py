"""`torch.autograd.functional`: derivatives of functions of tensors, each by passes of `autograd.grad`.

A function of one tensor has one derivative, that of a tuple of tensors a tuple of them; so with what it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import minigrad as mg
from minigrad.autograd import grad
from minigrad.tensor import Tensor
from minigrad.torch.facade import face

Tensors = tuple[Tensor, ...]


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """func(inputs), and the product v^T J with its Jacobian J; `v` may be left out where the result is one number."""
    with mg.enable_grad():
        given = _tracked(inputs, create_graph)
        outputs = func(*given)
        results = _as_tuple("vjp", "outputs of func", outputs)
        weights = _weights("vjp", v, results, "outputs of func")
        products = _gradients("vjp", results, given, weights, create_graph, strict)
    return _handed_on(results, outputs, create_graph), _handed_on(products, inputs, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """func(inputs), and the product J v with its Jacobian J; `v` may be left out where the input is one number.

    u^T J is linear in u, and its derivative by u, weighted with v, is J v: two backward passes.
    """
    with mg.enable_grad():
        given = _tracked(inputs, create_graph)
        weights = _weights("jvp", v, given, "inputs")
        outputs = func(*given)
        results = _as_tuple("jvp", "outputs of func", outputs)
        u = tuple([mg.zeros_like(result, requires_grad=True) for result in results])
        linear = _gradients("jvp", results, given, u, True, strict)
        products = _gradients("jvp", linear, u, weights, create_graph, False)
    return _handed_on(results, outputs, create_graph), _handed_on(products, outputs, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of every element of func(inputs) by every element of the inputs, one backward pass for each row.

    For an output of shape (*O) and an input of shape (*I) it is of shape (*O, *I). `vectorize` and `strategy` choose
    in PyTorch how it is computed, and change nothing here.
    """
    with mg.enable_grad():
        given = _tracked(inputs, create_graph)
        outputs = func(*given)
        rows = []
        for result in _as_tuple("jacobian", "outputs of func", outputs):
            passes = [
                _gradients("jacobian", (element,), given, (mg.ones_like(element),), create_graph, strict)
                for element in result.reshape(-1).unbind()
            ]
            blocks = [
                mg.stack(of_one).reshape(*result.shape, *x.shape) if passes else x.new_zeros(*result.shape, *x.shape)
                for x, of_one in zip(given, zip(*passes, strict=True) if passes else [()] * len(given), strict=True)
            ]
            rows.append(_handed_on(tuple(blocks), inputs, create_graph))
    return tuple(rows) if isinstance(outputs, tuple) else rows[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function whose result is one number: the Jacobian of its gradient."""

    def gradient(*given: Tensor) -> Any:
        result = _one_number("hessian", func(*given))
        products = _gradients("hessian", (result,), given, (mg.ones_like(result),), True, strict)
        return products if isinstance(inputs, tuple) else products[0]

    return jacobian(gradient, inputs, create_graph, strict)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """func(inputs), which is one number, and the product v^T H with its matrix H of second derivatives."""
    with mg.enable_grad():
        given = _tracked(inputs, create_graph)
        weights = _weights("vhp", v, given, "inputs")
        result = _one_number("vhp", func(*given))
        first = _gradients("vhp", (result,), given, (mg.ones_like(result),), True, strict)
        products = _gradients("vhp", first, given, weights, create_graph, strict)
    return _handed_on((result,), result, create_graph), _handed_on(products, inputs, create_graph)


hvp = vhp  # H is symmetric


def _as_tuple(operation: str, what: str, value: Any) -> Tensors:
    """`value` as a tuple of tensors; TypeError where it is neither one nor that."""
    values = value if isinstance(value, tuple) else (value,)
    for one in values:
        if not isinstance(one, Tensor):
            raise TypeError(f"{operation}: {what}: expected a tensor or a tuple of tensors, got {type(one).__name__}")
    return values


def _tracked(inputs: Any, create_graph: bool) -> Tensors:
    """Tensors to differentiate by: with the inputs' history, or leaves of their own."""
    values = tuple(inputs) if isinstance(inputs, list) else inputs
    return tuple([
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
        for x in _as_tuple("autograd.functional", "inputs", values)
    ])  # fmt: skip


def _weights(operation: str, v: Any, tensors: Tensors, what: str) -> Tensors:
    """`v` as a tuple that fits `tensors`, or 1 for the only number there is."""
    if v is None:
        if len(tensors) != 1 or tensors[0].numel() != 1:
            raise RuntimeError(f"{operation}: v can only be left out where the {what} are one number")
        return (mg.ones_like(tensors[0]),)
    weights = _as_tuple(operation, "v", tuple(v) if isinstance(v, list) else v)
    if [w.shape for w in weights] != [t.shape for t in tensors]:
        given, wanted = ([list(t.shape) for t in some] for some in (weights, tensors))
        raise RuntimeError(f"{operation}: v has shapes {given}, but the {what} have {wanted}")
    return weights


def _one_number(operation: str, result: Any) -> Tensor:
    if not isinstance(result, Tensor) or result.numel() != 1:
        shape = list(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise RuntimeError(f"{operation}: func must return one number, got {shape}")
    return result


def _gradients(
    operation: str, outputs: Sequence[Tensor], inputs: Tensors, weights: Tensors, create_graph: bool, strict: bool
) -> Tensors:
    """Weighted gradients; those of inputs that nothing depends on are zeros, or with `strict` an error."""
    dependent = [(output, weight) for output, weight in zip(outputs, weights, strict=True) if output.requires_grad]
    found: tuple[Tensor | None, ...] = (None,) * len(inputs)
    if dependent:
        roots, factors = zip(*dependent, strict=True)
        found = grad(roots, inputs, factors, retain_graph=True, create_graph=create_graph, allow_unused=True)
    if strict and (None in [g if g is None else 0 for g in found] or len(dependent) < len(outputs)):
        raise RuntimeError(f"{operation}: strict: a result does not depend on an input")
    return tuple([mg.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)])


def _handed_on(values: Tensors, like: Any, create_graph: bool) -> Any:
    """A tuple or its only tensor, as `like` is; without history unless one is wanted."""
    values = values if create_graph else tuple([value.detach() for value in values])
    return values if isinstance(like, tuple | list) else values[0]


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
__getattr__, __dir__ = face(__name__)
