"""What the comparison with PyTorch leaves out on purpose, each with its reason; the report counts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Omitted(Exception):
    """This sample is left out; the text says why."""


# Arguments that cannot matter here: a sample that passes one is left out.
ARGUMENTS = {
    "out": "out=",
    "layout": "layouts other than strided",
    "pin_memory": "pinned memory",
    "names": "named tensors",
    "generator": "PyTorch's generators",
}

# Results that are random or uninitialised: shape and dtype are compared, values are not.
VALUES_DIFFER = frozenset(
    ["bernoulli", "empty", "empty_like", "multinomial", "new_empty", "nn.functional.dropout", "nn.functional.dropout2d", "normal", "normal/in_place", "normal/number_mean", "rand_like", "randint", "randn", "randn_like"]
)

# operation -> reason: entries of the database that are left out altogether.
OPERATIONS: dict[str, str] = {}

# (operation, which samples: f(input, args, kwargs), reason)
SAMPLES: list[tuple[str, Callable[[Any, tuple, dict], bool], str]] = []


def check_omitted(operation: str, input: Any, args: tuple, kwargs: dict) -> None:
    """Raise Omitted if this sample is left out."""
    for argument in kwargs:
        if argument in ARGUMENTS and kwargs[argument] is not None:
            raise Omitted(ARGUMENTS[argument])
    for name, applies, reason in SAMPLES:
        if name == operation and applies(input, args, kwargs):
            raise Omitted(reason)
