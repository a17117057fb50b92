"""The functions that layers are made of, under PyTorch's names; they live in `minigrad.ops`."""

from minigrad.ops.activation import (
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    leaky_relu,
    log_softmax,
    relu,
    relu6,
    silu,
    softmax,
    softplus,
)
from minigrad.ops.conv import conv2d, conv_transpose2d
from minigrad.ops.distance import l1_loss, mse_loss, smooth_l1_loss
from minigrad.ops.dropout import dropout, dropout2d
from minigrad.ops.joining import pad
from minigrad.ops.linear import linear
from minigrad.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    nll_loss,
    one_hot,
)
from minigrad.ops.norm import batch_norm, group_norm, layer_norm, local_response_norm, normalize
from minigrad.ops.pointwise import sigmoid, tanh
from minigrad.ops.pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from minigrad.ops.unfold import fold, unfold

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "fold",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
]
