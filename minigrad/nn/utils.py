"""Clipping gradients, and parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

from minigrad.autograd import no_grad
from minigrad.dtypes import float32, float64
from minigrad.kernels import implementation_on_gpu
from minigrad.ops.creation import tensor
from minigrad.ops.joining import cat
from minigrad.tensor import Tensor, from_array


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Compute the norm of all tensors as if they were one vector; the result is 0-d.

    Args:
        tensors: a tensor, or an iterable of them.
        norm_type: the exponent, a number or inf.
        error_if_nonfinite: raise if the norm is infinite or NaN.
        foreach: accepted for PyTorch's sake.

    Raises:
        RuntimeError: the norm is not finite and `error_if_nonfinite` is set.

    Examples:
        >>> nn.utils.get_total_norm([mg.tensor([3.0]), mg.tensor([4.0])])
        tensor(5.)
    """
    norm_type = float(norm_type)
    tensors = _as_list(tensors)
    if not tensors:
        return tensor(0.0)
    if norm_type == 2 and _fit_one_kernel(tensors):
        arrays = [t.array for t in tensors]
        total = from_array(implementation_on_gpu("optimizer").norm(arrays))
    else:
        norms = cat([t.norm(norm_type).reshape(1).to(tensors[0].device) for t in tensors])
        total = norms.norm(norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, "
            "set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiply the gradients by max_norm / total_norm, in place, where that is less than 1.

    Args:
        parameters: a tensor, or an iterable of them.
        max_norm: the largest norm allowed.
        total_norm: the gradients' norm, as `get_total_norm` returns it.
        foreach: accepted for PyTorch's sake.

    Raises:
        ValueError: `max_norm` is negative.

    Examples:
        >>> p = nn.Parameter(mg.zeros(1))
        >>> p.grad = mg.tensor([4.0])
        >>> nn.utils.clip_grads_with_norm_(p, 1.0, total_norm=mg.tensor(2.0))
        >>> p.grad
        tensor([2.0000])
    """
    if not float(max_norm) >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be at least 0, got {max_norm}")
    gradients = _gradients(parameters)
    if _fit_one_kernel([*gradients, total_norm]):
        arrays = [gradient.array for gradient in gradients]
        implementation_on_gpu("optimizer").clip(arrays, float(max_norm), total_norm.array)
        for gradient in gradients:
            gradient._bump_version()
        return
    # The small number keeps us from dividing by 0; clamping instead of `if` does not wait for a GPU.
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.to(gradient.device))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients in place so that their norm, taken together, is at most `max_norm`.

    Args:
        parameters: a tensor, or an iterable of them.
        max_norm: the largest norm allowed.
        norm_type: the exponent, a number or inf.
        error_if_nonfinite: raise if the norm is infinite or NaN.
        foreach: accepted for PyTorch's sake.

    Returns:
        The norm before, 0-d.

    Raises:
        ValueError: `max_norm` is negative.
        RuntimeError: the norm is not finite and `error_if_nonfinite` is set.

    Source: Pascanu et al., "On the difficulty of training recurrent neural networks" (ICML 2013).

    Examples:
        >>> p = nn.Parameter(mg.zeros(2))
        >>> p.grad = mg.tensor([3.0, 4.0])
        >>> nn.utils.clip_grad_norm_(p, max_norm=1.0)
        tensor(5.)
        >>> p.grad
        tensor([0.6000, 0.8000])
    """
    parameters = _as_list(parameters)  # may be a generator, and is read twice
    total_norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total_norm)
    return total_norm


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value], in place.

    Args:
        parameters: a tensor, or an iterable of them.
        clip_value: the limit.
        foreach: accepted for PyTorch's sake.

    Raises:
        ValueError: `clip_value` is negative.

    Examples:
        >>> p = nn.Parameter(mg.zeros(2))
        >>> p.grad = mg.tensor([0.5, -4.0])
        >>> nn.utils.clip_grad_value_(p, 1.0)
        >>> p.grad
        tensor([ 0.5000, -1.0000])
    """
    clip_value = float(clip_value)
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value must be at least 0, got {clip_value}")
    for gradient in _gradients(parameters):
        gradient.clamp_(min=-clip_value, max=clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Flatten and join all `parameters` into one vector, through which gradients flow.

    Examples:
        >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
        (8,)
    """
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set the parameters from one vector, in order; they share its memory, as in PyTorch.

    Args:
        vec: the vector.
        parameters: an iterable of tensors with as many elements in all.

    Raises:
        TypeError: `vec` is not a Tensor.
        ValueError: the numbers of elements differ.

    Examples:
        >>> layer = nn.Linear(1, 2)
        >>> nn.utils.vector_to_parameters(mg.tensor([1.0, 2.0, 3.0, 4.0]), layer.parameters())
        >>> layer.bias
        Parameter containing:
        tensor([3., 4.], requires_grad=True)
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    wanted = sum(parameter.numel() for parameter in parameters)
    if vec.numel() != wanted:
        raise ValueError(
            f"vector_to_parameters: the parameters have {wanted} elements, but the vector has {vec.numel()}"
        )
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = vec.detach()[start:end].reshape(parameter.shape)
        start = end


def _as_list(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _fit_one_kernel(tensors: list[Tensor]) -> bool:
    """Whether the tensors lie on one GPU and have one dtype that its kernels compute in."""
    first = tensors[0]
    alike = all(t.device == first.device and t.dtype == first.dtype for t in tensors)
    return alike and first.is_cuda and first.dtype in (float32, float64)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in _as_list(parameters) if parameter.grad is not None]
