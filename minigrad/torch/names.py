"""Functions and methods that PyTorch has under a second name or address: torch.sin_, torch.conv2d, x.arctan().

Importing this module also gives `Tensor` the methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import minigrad as mg
from minigrad.nn import functional
from minigrad.tensor import Tensor
from minigrad.torch import decompositions, equations, linalg

# What is in torch.nn.functional and in torch.
_OF_FUNCTIONAL = (
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "batch_norm", "bilinear",
    "binary_cross_entropy_with_logits", "celu", "channel_shuffle", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss", "cosine_similarity",
    "dropout", "embedding", "feature_alpha_dropout", "group_norm", "hardshrink", "hinge_embedding_loss",
    "instance_norm", "kl_div", "layer_norm", "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d",
    "pairwise_distance", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "rms_norm", "rrelu",
    "selu", "threshold", "triplet_margin_loss",
)  # fmt: skip
# What is an operation in place as a method and as a function.
_IN_PLACE = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "clip",
    "cos", "cosh", "erf", "exp", "exp2", "expm1", "floor", "frac", "log", "log10", "log1p", "log2", "logit", "neg",
    "negative", "reciprocal", "relu", "round", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "sqrt", "square", "tan",
    "tanh", "trunc", "zero", "detach", "index_put", "fill",
)  # fmt: skip


def _method(name: str) -> Callable[..., Any]:
    """A method of the engine, as one of the facade's."""
    engines = getattr(Tensor, name)

    @wraps(engines)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return engines(self, *args, **kwargs)

    method.__module__ = __name__
    return method


FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(functional, name) for name in _OF_FUNCTIONAL if hasattr(functional, name)
}
FUNCTIONS |= {f"{name}_": getattr(Tensor, f"{name}_") for name in _IN_PLACE if hasattr(Tensor, f"{name}_")}
FUNCTIONS |= {"detach": Tensor.detach, "concat": mg.cat, "concatenate": mg.cat, "row_stack": mg.vstack}
for _old, _new in {
    "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arccosh": "acosh", "arcsinh": "asinh", "arctanh": "atanh",
    "arctan2": "atan2", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne",
    "true_divide": "div", "fix": "trunc",
}.items():  # fmt: skip
    FUNCTIONS[_old] = getattr(mg, _new)
    setattr(Tensor, _old, _method(_new))
    if hasattr(Tensor, f"{_new}_"):
        setattr(Tensor, f"{_old}_", _method(f"{_new}_"))
# The engine does not know these; they are PyTorch's alone.
for _name in ("det", "slogdet", "cholesky", "qr", "matrix_power", "matrix_exp"):
    setattr(Tensor, _name, getattr(linalg, _name))
Tensor.inverse, Tensor.pinverse = equations.inv, decompositions.pinv  # type: ignore[attr-defined]
Tensor.svd, Tensor.logdet = decompositions.old_svd, decompositions.logdet  # type: ignore[attr-defined]
Tensor.ndimension, Tensor.is_cpu = _method("dim"), property(lambda self: not self.is_cuda)  # type: ignore[attr-defined]
Tensor.is_complex = Tensor.is_conj = lambda self: False  # type: ignore[attr-defined]
Tensor.is_signed = lambda self: self.dtype.kind in "fi"  # type: ignore[attr-defined]
Tensor.is_nonzero = lambda self: bool(self)  # type: ignore[attr-defined]
Tensor._is_view = lambda self: self._base is not None  # type: ignore[attr-defined]
Tensor.is_same_size = lambda self, other: self.shape == other.shape  # type: ignore[attr-defined]
