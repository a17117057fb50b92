"""Comparison of gradients with finite differences, in float64.

The derivative along a direction u is (f(x + eps u) - f(x - eps u)) / (2 eps) up to O(eps^2): with eps = 1e-6 and
float64's 16 digits, about 9 digits are reliable. In float32 there would be none to spare, so it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.backward import grad
from minigrad.autograd.grad_mode import enable_grad, no_grad
from minigrad.device import to_device
from minigrad.tensor import Tensor, from_array


class GradcheckError(RuntimeError):
    """A gradient that finite differences contradict; the message shows the worst entry.

    Examples:
        >>> class Wrong(mg.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x * 2
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         return grad_output * 3
        >>> try:
        ...     mg.autograd.gradcheck(Wrong.apply, mg.ones(2, dtype=mg.float64, requires_grad=True))
        ... except mg.autograd.GradcheckError:
        ...     print("wrong")
        wrong
    """


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Compare the gradients of ``func(*inputs)`` with central differences.

    Args:
        func: a function of tensors.
        inputs: a tensor or a sequence; every tensor among them that requires grad is checked, for every floating-point
            output. They must be float64.
        eps: the step of the differences.
        atol, rtol: gradients may differ by atol + rtol |numeric|.
        raise_exception: False returns False instead of raising GradcheckError.
        fast_mode: check along one random direction of inputs and outputs instead of every entry of the Jacobian.

    Raises:
        GradcheckError: a gradient is wrong. An entry at a kink, where there is no derivative, is named as such.
        ValueError: no input requires grad, or one is not float64 or has elements that share memory.

    Examples:
        >>> x = mg.randn(3, 4, dtype=mg.float64, requires_grad=True)
        >>> mg.autograd.gradcheck(lambda x: x.exp().sum(1), x)
        True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: expects at least one input tensor to require gradient")
    for i, x in checked:
        if x.dtype != np.float64:
            raise ValueError(f"gradcheck: input {i} is {x.dtype}; finite differences need float64, use .double()")
        if 0 in x.array.strides and x.numel() > 1:
            raise ValueError(f"gradcheck: input {i} has elements that share memory; use .contiguous()")
    compare = _compare_along_direction if fast_mode else _compare_jacobians
    try:
        for index in range(len(_outputs(func, inputs))):
            compare(func, inputs, checked, index, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Compare second derivatives with central differences: `gradcheck` of the gradients themselves.

    Args:
        func, inputs, eps, atol, rtol, raise_exception, fast_mode: as for `gradcheck`.
        grad_outputs: the weights of the outputs, whose derivatives are checked too; random by default.

    Raises:
        GradcheckError: a derivative is wrong.
        ValueError: no output requires grad, or an input does not fit.

    Examples:
        >>> mg.autograd.gradgradcheck(mg.exp, mg.randn(3, dtype=mg.float64, requires_grad=True))
        True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [output for output in _outputs(func, inputs) if output.requires_grad]
    if not outputs:
        raise ValueError("gradgradcheck: no output of func requires grad")
    if grad_outputs is None:
        random = np.random.default_rng(0)
        grad_outputs = [
            from_array(to_device(np.asarray(random.standard_normal(o.shape)), o.device), requires_grad=True)
            for o in outputs
        ]
    grad_outputs = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)

    def first_derivatives(*arguments: Any) -> tuple[Tensor, ...]:
        arguments, weights = arguments[: len(inputs)], arguments[len(inputs) :]
        with enable_grad():
            results = [o for o in _outputs(func, arguments) if o.requires_grad]
            wanted = [a for a in arguments if isinstance(a, Tensor) and a.requires_grad]
            gradients = grad(results, wanted, weights, create_graph=True, allow_unused=True)
        return tuple([gradient for gradient in gradients if gradient is not None and gradient.requires_grad])

    return gradcheck(
        first_derivatives,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        fast_mode=fast_mode,
    )


def _outputs(func: Callable[..., Any], inputs: Sequence[Any]) -> tuple[Tensor, ...]:
    """The floating-point tensors that `func` returns."""
    result = func(*inputs)
    result = (result,) if isinstance(result, Tensor) else result
    outputs = tuple([r for r in result if isinstance(r, Tensor) and r.dtype.kind == "f"])
    if not outputs:
        raise ValueError("gradcheck: func returned no floating point tensor")
    return outputs


def _value(func: Callable[..., Any], inputs: Sequence[Any], index: int) -> np.ndarray:
    with no_grad():
        return _on_host(_outputs(func, inputs)[index].array)


def _on_host(array: Any) -> np.ndarray:
    """A copy of `array` in the host's memory, where all comparisons are made."""
    return np.array(to_device(array, "cpu"))


def _compare_jacobians(
    func: Callable[..., Any],
    inputs: Sequence[Any],
    checked: Sequence[tuple[int, Tensor]],
    index: int,
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    """The Jacobian of output `index`, by rows from backward passes and by columns from differences."""
    output = _outputs(func, inputs)[index]
    tensors = [x for _, x in checked]
    analytic = [np.zeros((output.numel(), x.numel())) for x in tensors]
    for row in range(output.numel()) if output.requires_grad else ():
        one = np.zeros(output.numel())
        one[row] = 1
        weight = from_array(to_device(one.reshape(output.shape).astype(output.dtype), output.device))
        gradients = grad(output, tensors, weight, retain_graph=True, allow_unused=True)
        for jacobian, gradient in zip(analytic, gradients, strict=True):
            if gradient is not None:
                jacobian[row] = _on_host(gradient.array).ravel()
    middle = _value(func, inputs, index)
    for (position, x), jacobian in zip(checked, analytic, strict=True):
        for column, entry in enumerate(np.ndindex(x.shape)):
            above, below = (_value_at(func, inputs, index, x, entry, step) for step in (eps, -eps))
            numeric = ((above - below) / (2 * eps)).ravel()
            wrong = ~(np.abs(jacobian[:, column] - numeric) <= atol + rtol * np.abs(numeric))
            if wrong.any():
                row = int(np.argmax(np.where(wrong, np.abs(jacobian[:, column] - numeric), -1)))
                sides = [((s - middle) / e).ravel()[row] for s, e in ((below, -eps), (above, eps))]
                place = tuple(map(int, np.unravel_index(row, output.shape)))
                raise GradcheckError(
                    f"gradcheck: Jacobian mismatch for output {index} with respect to input {position}: at output "
                    f"entry {place}, input entry {entry} (value {x.array[entry].item():.6g}) "
                    f"backward gives {jacobian[row, column]:.8g}, finite differences {numeric[row]:.8g}"
                    + _kink(sides, atol, rtol)
                )


def _value_at(
    func: Callable[..., Any], inputs: Sequence[Any], index: int, x: Tensor, entry: tuple[int, ...], step: float
) -> np.ndarray:
    """The output with one entry of the input `x` moved by `step`."""
    before = x.array[entry].item()
    x.array[entry] = before + step
    try:
        return _value(func, inputs, index)
    finally:
        x.array[entry] = before


def _kink(sides: Sequence[float], atol: float, rtol: float) -> str:
    """Words for the case that the slopes to the left and to the right differ, so that no derivative exists."""
    left, right = sides
    if abs(left - right) > 10 * (atol + rtol * max(abs(left), abs(right))):
        return (
            f"; this is a kink, the slope is {left:.4g} to the left and {right:.4g} to the right: "
            "move the input away from it"
        )
    return ""


def _compare_along_direction(
    func: Callable[..., Any],
    inputs: Sequence[Any],
    checked: Sequence[tuple[int, Tensor]],
    index: int,
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    """One number each: v^T J u for random unit directions u of all inputs and v of the output."""
    random = np.random.default_rng(0)
    output = _outputs(func, inputs)[index]
    v = _unit(random.standard_normal(output.shape))
    gradients: Sequence[Tensor | None] = [None] * len(checked)
    if output.requires_grad:
        weight = from_array(to_device(v.astype(output.dtype), output.device))
        gradients = grad(output, [x for _, x in checked], weight, allow_unused=True)
    for (position, x), gradient in zip(checked, gradients, strict=True):
        u = _unit(random.standard_normal(x.shape))
        before, direction = x.array.copy(), to_device(u, x.device)
        slopes = []
        try:
            for step in (-eps, 0.0, eps):
                x.array[...] = before + step * direction
                slopes.append((_value(func, inputs, index) * v).sum())
        finally:
            x.array[...] = before
        below, middle, above = slopes
        analytic = 0.0 if gradient is None else float((_on_host(gradient.array) * u).sum())
        numeric = (above - below) / (2 * eps)
        if not abs(analytic - numeric) <= atol + rtol * abs(numeric):
            raise GradcheckError(
                f"gradcheck: mismatch for output {index} with respect to input {position} along a random direction: "
                f"backward gives {analytic:.8g}, finite differences {numeric:.8g}"
                + _kink(((middle - below) / eps, (above - middle) / eps), atol, rtol)
            )


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / max(np.sqrt((vector * vector).sum()), 1e-300))
