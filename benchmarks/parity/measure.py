"""Run PyTorch's samples of an operation through PyTorch and minigrad, and count where they agree."""

from __future__ import annotations

import linecache
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import minigrad as mg
from benchmarks.parity.omissions import OPERATIONS, VALUES_DIFFER, Omitted, check_omitted
from benchmarks.parity.translate import counterpart, engines_method, to_minigrad
from minigrad import autograd
from minigrad.tensor import Tensor

DTYPES = torch.float64, torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool
# Relative and absolute: those of torch.testing.
TOLERANCES = {"float64": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "float16": (1e-3, 1e-5)}
REFUSALS = ValueError, TypeError, IndexError, RuntimeError


@dataclass
class Figures:
    """What was counted for one operation."""

    operation: str
    in_place: bool = False
    samples: int = 0
    agreed: int = 0
    errors: int = 0
    refused: int = 0
    in_our_words: int = 0  # refused by a `raise` of minigrad's own
    omitted: Counter = field(default_factory=Counter)  # reason -> samples
    disagreements: list[str] = field(default_factory=list)


def measure(names: list[str] | None = None) -> list[Figures]:
    """The figures of every operation that both have (or of those named), in-place forms (``add_``) included."""
    results = []
    with warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore")  # PyTorch's samples include uses that it deprecates
        for op in op_db:
            if names is not None and op.name not in names:
                continue
            suffix = f"/{op.variant_test_name}" if op.variant_test_name else ""
            function = counterpart(op.name, op.variant_test_name)
            if function is not None:
                results.append(_measure_operation(op, op.name + suffix, op.op, function))
            in_place = engines_method(f"{op.name}_")
            if in_place is not None and op.inplace_variant is not None:
                theirs, ours = _on_a_copy(op.inplace_variant), _on_a_copy(in_place)
                results.append(_measure_operation(op, f"{op.name}_{suffix}", theirs, ours))
    return results


@contextmanager
def _one_thread() -> Iterator[None]:
    """The samples are tiny: threads would only wait for one another."""
    before = mg.get_num_threads(), torch.get_num_threads()
    mg.set_num_threads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        mg.set_num_threads(before[0])
        torch.set_num_threads(before[1])


def total(figures: list[Figures]) -> Figures:
    """The sums over operations."""
    whole = Figures("total")
    for row in figures:
        for name in "samples", "agreed", "errors", "refused", "in_our_words":
            setattr(whole, name, getattr(whole, name) + getattr(row, name))
        whole.omitted += row.omitted
        whole.disagreements += row.disagreements
    return whole


def _on_a_copy(in_place: Callable) -> Callable:
    # A leaf that requires grad must not be written into.
    return lambda input, *args, **kwargs: in_place(input.clone(), *args, **kwargs)


def _measure_operation(op, name: str, theirs: Callable, ours: Callable) -> Figures:
    figures = Figures(name, in_place=theirs is not op.op)
    if name in OPERATIONS:
        figures.omitted[OPERATIONS[name]] += 1
        return figures
    for seed in torch.manual_seed, np.random.seed, random.seed:  # all of them make samples
        seed(0)
    for sample in _samples(op):
        try:
            _count_sample(figures, theirs, ours, sample)
        except Omitted as reason:
            figures.omitted[str(reason)] += 1
    for error in op.error_inputs_func(op, "cpu") if op.error_inputs_func and not figures.in_place else ():
        try:
            _count_refusal(figures, ours, error.sample_input, str(error.error_regex))
        except Omitted as reason:
            figures.omitted[str(reason)] += 1
    return figures


def _samples(op) -> Iterator:
    """PyTorch's samples in every dtype; those in float64 once more with gaps between the elements."""
    for dtype in DTYPES:
        if op.supports_dtype(dtype, "cpu"):
            requires_grad = op.supports_autograd and dtype.is_floating_point
            # Not by `op.sample_inputs`, whose bookkeeping takes most of the time.
            for sample in op.sample_inputs_func(op, "cpu", dtype, requires_grad):
                yield sample
                if dtype == torch.float64 and isinstance(sample.input, torch.Tensor):
                    yield sample.noncontiguous()


def _count_sample(figures: Figures, theirs: Callable, ours: Callable, sample) -> None:
    args, kwargs = _arguments(figures.operation, sample)
    try:
        expected = theirs(sample.input, *sample.args, **sample.kwargs)
    except RuntimeError as error:
        # In place, the result may not fit into what is to hold it.
        _count_refusal(figures, ours, sample, str(error))
        return
    figures.samples += 1
    difference = _difference(figures.operation, expected, ours, args, kwargs, sample)
    if difference is None:
        figures.agreed += 1
    else:
        figures.disagreements.append(f"{figures.operation} {_text(sample)}: {difference}")


def _arguments(name: str, sample) -> tuple[list, dict]:
    check_omitted(name, sample.input, sample.args, sample.kwargs)
    return to_minigrad([sample.input, *sample.args]), to_minigrad(sample.kwargs)


def _difference(name: str, theirs: Any, function: Callable, args: list, kwargs: dict, sample) -> str | None:
    """What differs between PyTorch's results and minigrad's; None if nothing does."""
    try:
        ours = function(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    expected, got = list(_leaves(theirs)), list(_leaves(ours))
    if len(expected) != len(got):
        return f"{len(got)} results, expected {len(expected)}"
    for a, b in zip(got, expected, strict=True):
        difference = _result_difference(a, b, values=name not in VALUES_DIFFER)
        if difference:
            return difference
    inputs = list(_leaves([sample.input, *sample.args, *sample.kwargs.values()]))
    our_inputs = list(_leaves([*args, *kwargs.values()]))
    for a, b in zip(our_inputs, inputs, strict=True):
        if isinstance(a, Tensor) and name not in VALUES_DIFFER and (difference := _result_difference(a, b)):
            return f"an argument after the call: {difference}"
    if name in VALUES_DIFFER:
        return None
    try:
        return _gradient_difference(expected, got, inputs, our_inputs)
    except REFUSALS as error:
        return f"gradient: {type(error).__name__}: {error}"


def _result_difference(ours: Any, theirs: Any, values: bool = True) -> str | None:
    if not isinstance(theirs, torch.Tensor):
        return None if ours == theirs or (ours != ours and theirs != theirs) else f"{ours!r}, expected {theirs!r}"
    if not isinstance(ours, Tensor):
        return f"{type(ours).__name__}, expected a Tensor"
    dtype = str(theirs.dtype).removeprefix("torch.")
    if str(ours.dtype) != dtype:
        return f"dtype {ours.dtype}, expected {dtype}"
    if ours.shape != tuple(theirs.shape):
        return f"shape {ours.shape}, expected {tuple(theirs.shape)}"
    if values and ours.requires_grad != theirs.requires_grad:
        return f"requires_grad {ours.requires_grad}, expected {theirs.requires_grad}"
    rtol, atol = TOLERANCES.get(dtype, (0, 0))
    expected = theirs.detach().numpy()
    # The rounding errors of a sum are in proportion to its largest terms, however small the sum.
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, finite.max(initial=0))
    if values and not np.allclose(ours.array, expected, rtol, atol * scale, equal_nan=True):
        return f"values {_short(ours.array)}, expected {_short(expected)}"
    return None


def _gradient_difference(expected: list, got: list, inputs: list, our_inputs: list) -> str | None:
    """Backward from the same random weights through both."""
    pairs = [(a, b) for a, b in zip(expected, got, strict=True) if isinstance(a, torch.Tensor) and a.requires_grad]
    leaves = [(a, b) for a, b in zip(inputs, our_inputs, strict=True) if isinstance(b, Tensor) and b.requires_grad]
    if not pairs or not leaves:
        return None
    weights = [torch.randn(a.shape, dtype=a.dtype) for a, _ in pairs]
    theirs = torch.autograd.grad([a for a, _ in pairs], [a for a, _ in leaves], weights, allow_unused=True)
    ours = autograd.grad([b for _, b in pairs], [b for _, b in leaves], to_minigrad(weights), allow_unused=True)
    for index, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        if a is None or b is None:
            # A gradient of zeros where PyTorch has none does no harm.
            if b is None and a is not None or b is not None and bool((b.array != 0).any()):
                return f"gradient {index}: {b}, expected {a}"
        elif difference := _result_difference(b, a):
            return f"gradient {index}: {difference}"
    return None


def _count_refusal(figures: Figures, function: Callable, sample, reason: str) -> None:
    args, kwargs = _arguments(figures.operation, sample)
    figures.errors += 1
    case = f"{figures.operation} {_text(sample)} (PyTorch: {reason[:90]!r})"
    try:
        function(*args, **kwargs)
    except REFUSALS as refusal:
        if "\n" in str(refusal):
            figures.disagreements.append(f"{case}: refused in more than one line: {str(refusal)!r}")
            return
        figures.refused += 1
        figures.in_our_words += _raised_by_us(refusal)
        if not _raised_by_us(refusal):
            figures.disagreements.append(f"{case}: refused in others' words: {type(refusal).__name__}: {refusal}")
    except Exception as refusal:
        figures.disagreements.append(f"{case}: {type(refusal).__name__}: {refusal}")
    else:
        figures.disagreements.append(f"{case}: accepted")


def _raised_by_us(error: Exception) -> bool:
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    line = linecache.getline(code.co_filename, trace.tb_lineno)
    return "numpy" not in code.co_filename and line.strip().startswith("raise ")


def _leaves(value: Any) -> Iterator[Any]:
    """The tensors and numbers in nested lists, tuples and dictionaries."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, dict):
        yield from _leaves(list(value.values()))
    else:
        yield value


def _text(sample) -> str:
    """The sample's arguments, tensors by their shapes."""
    arguments = [_short(a) for a in [sample.input, *sample.args]]
    return f"({', '.join(arguments + [f'{k}={_short(v)}' for k, v in sample.kwargs.items()])})"


def _short(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_short(part) for part in value)}]"
    return " ".join(str(value).split())[:120]
