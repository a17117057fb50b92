"""The dtype (and the value) of every result, over all dtypes, all kinds of operands and all operations, as PyTorch's.

The table of operations below is multiplied by the table of operands, so nobody has to think of the case that is wrong.
Where PyTorch raises, minigrad may raise or compute; where PyTorch computes, minigrad must give the same.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import minigrad as mg

torch = pytest.importorskip("torch")

DTYPES = ["float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool"]
NUMBERS = (True, False, 0, 2, -1, 300, 2.5, -0.5, 0.0, float("inf"))
ENGINES = (mg, torch)

BINARY: dict[str, Callable] = {
    name: lambda lib, a, b, name=name: getattr(lib, name)(a, b)
    for name in [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "maximum",
        "minimum",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "logical_and",
        "logical_or",
        "remainder",
        "fmod",
        "floor_divide",
        "atan2",
        "hypot",
        "xlogy",
        "bitwise_left_shift",
        "bitwise_right_shift",
    ]
}
BINARY |= {
    f"operator {name}": lambda lib, a, b, name=name: getattr(operator, name)(a, b)
    for name in [
        "add",
        "sub",
        "mul",
        "truediv",
        "pow",
        "and_",
        "or_",
        "xor",
        "eq",
        "lt",
        "mod",
        "floordiv",
        "lshift",
        "rshift",
    ]
}
BINARY |= {
    "div floor": lambda lib, a, b: lib.div(a, b, rounding_mode="floor"),
    "div trunc": lambda lib, a, b: lib.div(a, b, rounding_mode="trunc"),
    "add alpha": lambda lib, a, b: lib.add(a, b, alpha=2),
    "add alpha fraction": lambda lib, a, b: lib.add(a, b, alpha=0.5),
    "add alpha bool": lambda lib, a, b: lib.add(a, b, alpha=True),
    "sub alpha": lambda lib, a, b: lib.sub(a, b, alpha=2),
    "where": lambda lib, a, b: lib.where(lib.tensor([True, False, True]), a, b),
    "where of a number": lambda lib, a, b: lib.where(lib.tensor(True), a, b),
}
# The first operand is a tensor: it is written into, or its method is called.
FIRST_A_TENSOR: dict[str, Callable] = {
    f"in place {name}": lambda lib, a, b, name=name: getattr(operator, name)(a, b)
    for name in [
        "iadd",
        "isub",
        "imul",
        "itruediv",
        "ipow",
        "imod",
        "ifloordiv",
        "iand",
        "ior",
        "ixor",
        "ilshift",
        "irshift",
    ]
}
FIRST_A_TENSOR |= {
    f"method {name}": lambda lib, a, b, name=name: getattr(a, name)(b)
    for name in ["clamp", "clamp_", "fill_", "type_as"]
}
FIRST_A_TENSOR |= {
    "clamp max": lambda lib, a, b: lib.clamp(a, max=b),
    "clamp both": lambda lib, a, b: lib.clamp(a, b, b),
    "masked_fill": lambda lib, a, b: a.masked_fill(lib.tensor([True, False, True]), b),
    "setitem": lambda lib, a, b: (operator.setitem(a, 0, b), a)[1],
    "full_like": lambda lib, a, b: lib.full_like(a, b),
    "new_full": lambda lib, a, b: a.new_full((2,), b),
    "cat": lambda lib, a, b: lib.cat([a, b]),
    "cat of three": lambda lib, a, b: lib.cat([a, b, lib.tensor([1])]),
    "stack": lambda lib, a, b: lib.stack([a, b]),
}


def tensor(lib, dtype: str, values):
    return lib.tensor(values, dtype=np.dtype(dtype) if lib is mg else getattr(torch, dtype))


def outcomes(call: Callable, make: Callable) -> list:
    """For both engines ``call(lib, *make(lib))``: (dtype, shape, values) of the tensors, or None if it raises."""
    return [_outcome(call, lib, make) for lib in ENGINES]


def _outcome(call: Callable, lib, make: Callable):
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = call(lib, *make(lib))
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None
    results = result if isinstance(result, (tuple, list)) else (result,)
    return [(str(r.dtype).removeprefix("torch."), tuple(r.shape), r.tolist()) for r in results]


def agree(ours, theirs, values: bool = True) -> bool:
    if theirs is None:
        return True
    if ours is None or len(ours) != len(theirs):
        return False
    for (dtype, shape, numbers), (wanted_dtype, wanted_shape, wanted) in zip(ours, theirs, strict=True):
        if dtype != wanted_dtype or shape != wanted_shape:
            return False
        a, b = np.array(numbers, np.float64), np.array(wanted, np.float64)
        if values and not np.allclose(a, b, rtol=2e-3 if dtype == "float16" else 1e-6, equal_nan=True):
            return False
    return True


def operand_pairs():
    """(what it is, make(lib) -> the two operands) for all dtypes, dimensions, and kinds of numbers."""
    tensors = [(dtype, values) for dtype in DTYPES for values in ([1, 2, 3], 2)]
    for first in tensors:
        for second in tensors:
            yield f"{first}, {second}", lambda lib, a=first, b=second: (tensor(lib, *a), tensor(lib, *b)), False
        for number in NUMBERS:
            yield f"{first}, {number}", lambda lib, a=first, b=number: (tensor(lib, *a), b), False
            yield f"{number}, {first}", lambda lib, a=number, b=first: (a, tensor(lib, *b)), True


@pytest.mark.parametrize("name", [*BINARY, *FIRST_A_TENSOR])
def test_two_operands(name):
    operation = BINARY.get(name) or FIRST_A_TENSOR[name]
    wrong = []
    for what, make, number_first in operand_pairs():
        if number_first and name in FIRST_A_TENSOR:
            continue
        ours, theirs = outcomes(operation, make)
        if not agree(ours, theirs):
            wrong.append(f"{what}: {ours} instead of {theirs}")
    assert not wrong, f"{len(wrong)} cases: " + "\n".join(wrong[:12])


NUMBER_AND_TENSOR = {"float": 2.5, "int": 3, "bool": True, "list": [1, 2.5], "ints": [1, 2], "bools": [True, False]}
ONE: dict[str, Callable] = {
    name: lambda lib, x, name=name: getattr(lib, name)(x)
    for name in [
        "sum",
        "mean",
        "prod",
        "std",
        "var",
        "norm",
        "amax",
        "amin",
        "max",
        "min",
        "argmax",
        "argmin",
        "any",
        "all",
        "count_nonzero",
        "abs",
        "neg",
        "sign",
        "exp",
        "expm1",
        "sqrt",
        "floor",
        "ceil",
        "round",
        "trunc",
        "square",
        "reciprocal",
        "sigmoid",
        "relu",
        "rsqrt",
        "log",
        "log1p",
        "log2",
        "sin",
        "cos",
        "tanh",
        "erf",
        "sort",
        "argsort",
        "zeros_like",
        "ones_like",
        "logical_not",
        "isnan",
        "isinf",
        "isfinite",
        "bitwise_not",
        "as_tensor",
        "bernoulli",
    ]
}
ONE |= {
    f"{name} over a dimension": lambda lib, x, name=name: getattr(lib, name)(x, 0)
    for name in [
        "sum",
        "mean",
        "prod",
        "std",
        "var",
        "cumsum",
        "logsumexp",
        "amax",
        "max",
        "min",
        "any",
        "all",
        "softmax",
        "log_softmax",
    ]
}
ONE |= {
    f"{name} in float64": lambda lib, x, name=name: getattr(lib, name)(x, 0, dtype=lib.float64)
    for name in ["sum", "mean", "prod", "cumsum", "softmax", "log_softmax"]
}
ONE |= {
    "topk": lambda lib, x: lib.topk(x, 2),
    "dot": lambda lib, x: lib.dot(x, x),
    "outer": lambda lib, x: lib.outer(x, x),
    "einsum": lambda lib, x: lib.einsum("i,j->ij", x, x),
    "norm 1": lambda lib, x: lib.norm(x, 1),
    "norm inf": lambda lib, x: lib.norm(x, float("inf")),
    "arange": lambda lib, x: lib.arange(x[0], x[2], x[0]),
    "linspace": lambda lib, x: lib.linspace(x[0], x[2], 3),
    "full": lambda lib, x: lib.full((2,), x[2]),
    "tensor of elements": lambda lib, x: lib.tensor([x[0], x[1]]),
    "scatter": lambda lib, x: x.scatter(0, lib.tensor([0]), 2),
    "index_add": lambda lib, x: x.index_add(0, lib.tensor([0]), x[:1]),
    "pad": lambda lib, x: lib.nn.functional.pad(x, (1, 1), value=2),
    "gelu": lambda lib, x: lib.nn.functional.gelu(x),
    "silu": lambda lib, x: lib.nn.functional.silu(x),
    "relu6": lambda lib, x: lib.nn.functional.relu6(x),
    "leaky_relu": lambda lib, x: lib.nn.functional.leaky_relu(x),
    "mse_loss": lambda lib, x: lib.nn.functional.mse_loss(x, lib.tensor([1.0, 2.0, 3.0])),
    "collate arrays": lambda lib, x: collate(lib)([x.numpy(), x.numpy()]),
    "collate scalars": lambda lib, x: collate(lib)(list(x.numpy())),
    "collate tensors": lambda lib, x: collate(lib)([x, x]),
}
ONE |= {
    f"{name} of {kind}": lambda lib, x, name=name, value=value: getattr(lib, name)(value)
    for name in ("tensor", "as_tensor")
    for kind, value in NUMBER_AND_TENSOR.items()
}
ONE |= {
    f"{name} of {value}": lambda lib, x, make=make, value=value: make(lib, x, value)
    for name, make in {
        "arange": lambda lib, x, value: lib.arange(value),
        "arange to 3": lambda lib, x, value: lib.arange(value, 3),
        "linspace": lambda lib, x, value: lib.linspace(value, 3, 4),
        "full": lambda lib, x, value: lib.full((2,), value),
        "new_tensor": lambda lib, x, value: x.new_tensor(value),
        "collate": lambda lib, x, value: collate(lib)([value, value]),
        "collate with 1.5": lambda lib, x, value: collate(lib)([value, 1.5]),
        "collate after 1": lambda lib, x, value: collate(lib)([1, value]),
    }.items()
    for value in (2, 2.5, True)
}


def collate(lib):
    return (mg.data if lib is mg else torch.utils.data).default_collate


@pytest.mark.parametrize("name", ONE)
def test_one_operand(name):
    wrong = []
    values = name != "bernoulli"
    for dtype in DTYPES:
        ours, theirs = outcomes(ONE[name], lambda lib, dtype=dtype: (tensor(lib, dtype, [1, 0, 1]),))
        if name == "argsort" or name == "sort":
            ours, theirs = [result and result[:1] for result in (ours, theirs)]
        if not agree(ours, theirs, values):
            wrong.append(f"{dtype}: {ours} instead of {theirs}")
    assert not wrong, "\n".join(wrong)


def test_the_default_dtype_counts():
    for lib in ENGINES:
        lib.set_default_dtype(lib.float64)
    try:
        for dtype in DTYPES:
            for number in NUMBERS:
                for name in ("mul", "div", "pow", "where"):
                    ours, theirs = outcomes(BINARY[name], lambda lib, d=dtype, n=number: (tensor(lib, d, [1, 2, 3]), n))
                    assert agree(ours, theirs), (dtype, number, name, ours, theirs)
    finally:
        for lib in ENGINES:
            lib.set_default_dtype(lib.float32)
