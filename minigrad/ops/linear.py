"""The linear layer's operation: x W^T + b."""

from __future__ import annotations

from minigrad.autograd import Function
from minigrad.ops.arguments import check_tensor
from minigrad.ops.linalg import MatMul, check_factors, matmul, multiply, rows_and_columns
from minigrad.tensor import Tensor

__all__ = ["linear"]


class Linear(Function):
    """y = x W^T + b for each row x.

    With the gradient G of y, a row for each row of x: G W for x, G^T x for W (which so lies in memory as W
    does), and the sum of G's rows for b.
    """

    fresh_gradients = True

    @staticmethod
    def forward(ctx, x, weight, bias):
        need_x, need_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if need_weight else None, weight if need_x else None)
        a = x.array
        y = multiply(a.reshape(rows_and_columns(a.shape)), weight.array.T)
        if bias is not None:
            y += bias.array
        return Tensor(y.reshape(*a.shape[:-1], weight.array.shape[0]))

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        grad_x = None if weight is None else MatMul.apply(grad_output, weight)
        if grad_output.ndim > 2:
            grad_output = grad_output.reshape(rows_and_columns(grad_output.shape))
            x = x if x is None else x.reshape(rows_and_columns(x.shape))
        grad_weight = None if x is None else MatMul.apply(grad_output.mT, x)
        return grad_x, grad_weight, grad_output.sum(0) if ctx.needs_input_grad[2] else None


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input W^T + bias: (..., in) with a weight (out, in) and a bias (out,) gives (..., out)."""
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
        check_tensor("linear", "bias", bias)
        if bias.shape != weight.shape[:1]:
            raise RuntimeError(f"linear: expected a bias of shape {list(weight.shape[:1])}, got {list(bias.shape)}")
        if bias.dtype != input.dtype:
            raise RuntimeError(f"linear: expected a bias of dtype {input.dtype}, got {bias.dtype}")
    if input.ndim == 1:
        return Linear.apply(input.unsqueeze(0), weight, bias).squeeze(0)
    return Linear.apply(input, weight, bias)
