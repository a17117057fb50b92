"""The linear layer's operation: x W^T + b."""

from __future__ import annotations

from minigrad.autograd import FusedFunction
from minigrad.autograd.function import Context, Gradients
from minigrad.ops.arguments import check_same_device, check_tensor
from minigrad.ops.linalg import as_matrix, as_stack, check_factors, matmul, multiply, rows_and_columns
from minigrad.ops.reduction import sum_array
from minigrad.tensor import Tensor, from_array

__all__ = ["linear"]


class Linear(FusedFunction):
    """y = x W^T + b for each row x"""

    fresh_gradients = True

    @staticmethod
    def forward(ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        need_x, need_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if need_weight else None, weight if need_x else None)
        y = multiply(as_matrix(x.array), weight.array.T)
        if bias is not None:
            y += bias.array
        return from_array(as_stack(y, x.array))

    @staticmethod
    def definition(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = matmul(x, weight.mT)
        return y if bias is None else y + bias

    @staticmethod
    def fused_backward(ctx: Context, grad_output: Tensor) -> Gradients:
        """With the gradient G of y, a row for each row of x: G W for x, G^T x for W, the sum of G's rows for b."""
        x, weight = ctx.saved_tensors
        rows = as_matrix(grad_output.array)
        grad_x = grad_weight = grad_bias = None
        if weight is not None:
            grad_x = from_array(as_stack(multiply(rows, weight.array), grad_output.array))
        if x is not None:
            grad_weight = from_array(multiply(rows.T, as_matrix(x.array)))
        if ctx.needs_input_grad[2]:
            grad_bias = from_array(sum_array(rows, (0,)))
        return grad_x, grad_weight, grad_bias


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply an affine map to the last dimension: ``input @ weight.T + bias``.

    Args:
        input: (..., in).
        weight: (out, in).
        bias: (out,), or None. The result is (..., out).

    Raises:
        RuntimeError: the shapes do not fit, or dtypes or devices differ.

    Examples:
        >>> x, weight = mg.tensor([[1.0, 2.0]]), mg.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> F.linear(x, weight, mg.tensor([0.0, 0.0, 10.0]))
        tensor([[ 1.,  2., 13.]])
    """
    check_tensor("linear", "input", input)
    check_tensor("linear", "weight", weight)
    if input.ndim == 0 or weight.ndim not in (1, 2):
        raise RuntimeError(
            f"linear: expected an input (..., in) and a weight (out, in), got shapes {list(input.shape)} and "
            f"{list(weight.shape)}"
        )
    if weight.ndim == 1:  # one output, without a dimension of its own
        return matmul(input, weight) if bias is None else matmul(input, weight) + bias
    check_factors("linear", input, weight, (rows_and_columns(input.shape), weight.shape[::-1]))
    if bias is not None:
        check_same_device("linear", input, check_tensor("linear", "bias", bias))
        if bias.shape != weight.shape[:1]:
            raise RuntimeError(f"linear: expected a bias of shape {list(weight.shape[:1])}, got {list(bias.shape)}")
        if bias.dtype != input.dtype:
            raise RuntimeError(f"linear: expected a bias of dtype {input.dtype}, got {bias.dtype}")
    if input.ndim == 1:
        return Linear.apply(input.unsqueeze(0), weight, bias).squeeze(0)
    return Linear.apply(input, weight, bias)
