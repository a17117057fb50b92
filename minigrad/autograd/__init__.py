"""Automatic differentiation: what the forward pass records, and the backward pass over it."""

from minigrad.autograd import graph
from minigrad.autograd.anomaly import detect_anomaly, set_detect_anomaly
from minigrad.autograd.backward import backward, grad
from minigrad.autograd.checkpoint import checkpoint
from minigrad.autograd.function import Function
from minigrad.autograd.fused import FusedFunction
from minigrad.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from minigrad.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = [
    "Function",
    "FusedFunction",
    "GradcheckError",
    "backward",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
