"""What the comparison with PyTorch leaves out on purpose, each with its reason; the report counts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Omitted(Exception):
    """This sample is left out; the text says why."""


# Arguments that cannot matter here: a sample that passes one is left out.
ARGUMENTS = {
    "layout": "layouts other than strided",
    "pin_memory": "pinned memory",
    "names": "named tensors",
    "generator": "PyTorch's generators",
}

# Random or uninitialised results: shape and dtype are compared. PyTorch records some of them with gradients of
# zero, so `requires_grad` is not.
VALUES_DIFFER = {
    "bernoulli",
    "bernoulli_",
    "empty",
    "empty_like",
    "multinomial",
    "new_empty",
    "nn.functional.dropout",
    "nn.functional.dropout2d",
    "normal",
    "normal/in_place",
    "normal/number_mean",
    "normal_",
    "normal_/in_place",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "uniform_",
}

# Entries of the database that are left out altogether.
OPERATIONS = {
    "bmm/triton_optimized": "an entry for PyTorch's compiler, and otherwise bmm once more",
    **dict.fromkeys(("acosh_", "asinh_", "atanh_"), "PyTorch has no derivative of the form in place"),
    "nn.functional.batch_norm/without_cudnn": "an entry for GPUs, and otherwise batch_norm once more",
    "nn.functional.silu/complex": "complex numbers",
    "norm/nuc": "the nuclear norm, which needs singular values",
}


def _is(*dtypes: torch.dtype) -> Callable:
    return lambda input, args, kwargs: isinstance(input, torch.Tensor) and input.dtype in dtypes


def _is_number(input: Any, args: tuple, kwargs: dict) -> bool:
    return isinstance(input, int)


def _is_long(input: Any, args: tuple, kwargs: dict) -> bool:
    return not input.dtype.is_floating_point and input.numel() > 1000 and not kwargs.get("stable")


INTEGER = _is(torch.int64, torch.int32, torch.uint8)
INTEGERS = "integers where only floating-point numbers can be meant"
TIES = "the order of equal elements, which PyTorch leaves open"
UNBOUND = "a number as the self of a method: a Python function does not look"


# operation -> which samples (of the input, args, kwargs of the call), and why they are left out.
SAMPLES: dict[str, tuple[Callable[[Any, tuple, dict], bool], str]] = {
    "nn.functional.avg_pool2d": (INTEGER, INTEGERS),
    "nn.functional.conv2d": (INTEGER, INTEGERS),
    "nn.functional.conv_transpose2d": (INTEGER, INTEGERS),
    "nn.functional.local_response_norm": (INTEGER, INTEGERS),
    "nn.functional.max_pool2d": (INTEGER, INTEGERS),
    "logsumexp": (
        lambda input, args, kwargs: input.dtype == torch.float32 and input.numel() > 0 and input.abs().max() > 1000,
        "logsumexp of large numbers, whose rounded result PyTorch takes for the gradient",
    ),
    "kthvalue": (INTEGER, TIES),
    "topk": (INTEGER, TIES),
    "sort": (_is_long, TIES),
    "argsort": (_is_long, TIES),
    "__radd__": (_is_number, UNBOUND),
    "__rmul__": (_is_number, UNBOUND),
    "__rand__": (_is_number, UNBOUND),
    "__ror__": (_is_number, UNBOUND),
    "__rxor__": (_is_number, UNBOUND),
    "__rpow__": (
        lambda input, args, kwargs: INTEGER(input, args, kwargs) and bool((input < 0).any()),
        "integers to negative integer powers, of which nearly all are cut off to 0",
    ),
    "nn.functional.layer_norm": (
        lambda input, args, kwargs: input.numel() == 1 and input.dtype == torch.float32,
        "one number minus its own mean: 0, where PyTorch has a rounding error times 1 / sqrt(eps)",
    ),
    "arange": (
        lambda input, args, kwargs: kwargs.get("dtype") in (torch.int32, torch.uint8),
        "arange of narrow integers with bounds between them, which PyTorch rounds otherwise than int64",
    ),
    "einsum": (
        lambda input, args, kwargs: input[0].dtype in (torch.int32, torch.uint8),
        "einsum of narrow integers, which PyTorch makes int64 where it sums, and not where it multiplies",
    ),
    "sum_to_size": (
        lambda input, args, kwargs: input.ndim == 0 and not input.dtype.is_floating_point,
        "a sum over no dimension, which PyTorch makes int64 for 0-d tensors only",
    ),
}


def _tensors(values: Any) -> list[torch.Tensor]:
    found = []
    for value in values:
        found += (
            [value] if isinstance(value, torch.Tensor) else _tensors(value) if isinstance(value, list | tuple) else []
        )
    return found


def _storages(values: Any) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in _tensors(values)}


def check_omitted(operation: str, input: Any, args: tuple, kwargs: dict) -> None:
    """Raise Omitted if this sample is left out."""
    for argument, value in kwargs.items():
        if argument in ARGUMENTS and value is not None:
            raise Omitted(ARGUMENTS[argument])
    out = _storages([kwargs.get("out")])
    if out & _storages([input, *args]):
        raise Omitted("an out= in the memory of an input, which tests/ops/test_keywords.py has: here each is copied")
    applies, reason = SAMPLES.get(operation, (None, ""))
    if applies is not None and applies(input, args, kwargs):
        raise Omitted(reason)
