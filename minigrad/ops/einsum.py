"""Sums of products over named indices, in Einstein's notation."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

from minigrad import dtypes
from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.ops.arguments import check_same_device, check_tensor
from minigrad.ops.creation import eye, ones
from minigrad.tensor import Tensor, from_array

__all__ = ["einsum"]


class Einsum(Function):
    """The sum of products that an explicit equation names ("ij,jk->ik"), every index having one size.

    The derivative is such a sum again: the operand asked for changes places with the result, "ik,jk->ij". An
    index that the operand alone had was summed there, so all of its values share the gradient (a factor of
    ones); one that the operand had twice took its diagonal, which the gradient fills (an identity).
    """

    @staticmethod
    def forward(ctx: Context, equation: str, *operands: Tensor) -> Tensor:
        ctx.equation = equation
        ctx.save_for_backward(*operands)
        arrays = [operand.array for operand in operands]
        xp = array_module(arrays[0])
        result = xp.einsum(equation, *arrays, optimize=True)
        # Of one operand NumPy returns a view where nothing is summed.
        return from_array(result.copy() if xp.may_share_memory(result, arrays[0]) else result)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        operands = ctx.saved_tensors
        inputs, output = ctx.equation.split("->")
        terms = inputs.split(",")
        gradients = []
        for i, need in enumerate(ctx.needs_input_grad[1:]):
            others = [(term, operand) for j, (term, operand) in enumerate(zip(terms, operands, strict=True)) if j != i]
            others.append((output, grad_output))
            gradients.append(_operand_gradient(terms[i], operands[i], others) if need else None)
        return None, *gradients


def _operand_gradient(term: str, operand: Tensor, others: list[tuple[str, Tensor]]) -> Tensor:
    """The sum of products over the other operands and the result's gradient that has the indices `term`."""
    dtype, device = operand.dtype, operand.device
    known = "".join([other for other, _ in others])
    unused = iter([letter for letter in ascii_letters if letter not in known + term])
    result = ""
    for letter, size in zip(term, operand.shape, strict=True):
        if letter in result:
            twin = next(unused)
            others.append((letter + twin, eye(size, dtype=dtype, device=device)))
            letter = twin
        elif letter not in known:
            others.append((letter, ones(size, dtype=dtype, device=device)))
        result += letter
    return Einsum.apply(f"{','.join([other for other, _ in others])}->{result}", *[tensor for _, tensor in others])


def einsum(equation: str, *operands: Any) -> Tensor:
    """Sum products over indices, in Einstein's notation.

    "ij,jk->ik" is the matrix product, "ii->i" the diagonal, "bi,bj->bij" a batch of outer products. Indices that
    are missing in the result are summed over.

    Args:
        equation: one letter per dimension of each operand, separated by commas; "..." stands for any further
            dimensions. Without "->" the result has the indices that occur once, in alphabetical order.
        operands: the tensors. A dimension of size 1 is broadcast.

    Raises:
        ValueError: there is no operand.
        TypeError: the equation is not a string.
        RuntimeError: the equation cannot be parsed, or does not fit the operands' dimensions and sizes.

    Examples:
        >>> a, b = mg.tensor([[1.0, 2.0], [3.0, 4.0]]), mg.tensor([[1.0, 0.0], [0.0, 10.0]])
        >>> mg.einsum("ij,jk->ik", a, b)
        tensor([[ 1., 20.],
                [ 3., 40.]])
        >>> mg.einsum("ii", a)  # the trace
        tensor(5.)
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation must be a string, got {type(equation).__name__}")
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError("einsum: must specify the equation string and at least one operand")
    for operand in operands:
        check_tensor("einsum", "operands", operand)
    check_same_device("einsum", *operands)
    terms, output = _explicit(equation, [operand.ndim for operand in operands])
    sizes = _index_sizes(terms, operands)
    dtype = dtypes.result_type(*[operand.array for operand in operands])
    factors = []
    for i, operand in enumerate(operands):
        repeated = [d for d, letter in enumerate(terms[i]) if operand.shape[d] == 1 and sizes[letter] != 1]
        if repeated:
            operand = operand.squeeze(tuple(repeated))
            terms[i] = "".join([letter for d, letter in enumerate(terms[i]) if d not in repeated])
        factors.append(operand.to(dtype))
    return Einsum.apply(f"{','.join(terms)}->{output}", *factors)


def _explicit(equation: str, ndims: list[int]) -> tuple[list[str], str]:
    """The index letters of each operand and of the result, with letters for the ellipsis too."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: the equation {equation!r} has {len(terms)} operands, but {len(ndims)} were given")
    for term in [*terms, output]:
        letters = term.replace("...", "", 1)
        wrong = [letter for letter in letters if letter not in ascii_letters]
        if wrong:
            raise ValueError(f"einsum: invalid subscript {wrong[0]!r} in {equation!r}; subscripts must be in [a-zA-Z]")
    covered = [ndim - len(term.replace("...", "")) for term, ndim in zip(terms, ndims, strict=True)]
    for i, (term, extra) in enumerate(zip(terms, covered, strict=True)):
        if extra < 0 or (extra > 0 and "..." not in term):
            raise ValueError(
                f"einsum: the number of subscripts in {term!r} does not match the {ndims[i]} dimensions of "
                f"operand {i}{'' if '...' in term else ', and no ellipsis was given'}"
            )
    unused = [letter for letter in ascii_letters if letter not in equation]
    ellipsis = "".join(unused[: max(covered)])
    terms = [term.replace("...", ellipsis[len(ellipsis) - extra :]) for term, extra in zip(terms, covered, strict=True)]
    together = "".join(terms)
    if arrow:
        output = output.replace("...", ellipsis)
    else:
        output = ellipsis + "".join(sorted([c for c in set(together) - set(ellipsis) if together.count(c) == 1]))
    for letter in output:
        if output.count(letter) > 1:
            raise ValueError(f"einsum: output subscript {letter} appears more than once in {equation!r}")
        if letter not in together:
            raise ValueError(f"einsum: output subscript {letter} does not appear for any operand in {equation!r}")
    return terms, output


def _index_sizes(terms: list[str], operands: tuple[Tensor, ...]) -> dict[str, int]:
    """The size of each index; RuntimeError where two do not agree."""
    sizes: dict[str, int] = {}
    for i, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        own: dict[str, int] = {}
        for letter, size in zip(term, operand.shape, strict=True):
            if own.setdefault(letter, size) != size:
                raise RuntimeError(
                    f"einsum: subscript {letter} is repeated for operand {i} but the sizes don't match, "
                    f"{size} != {own[letter]}"
                )
        for letter, size in own.items():
            if sizes.get(letter, 1) == 1:
                sizes[letter] = size
            elif size not in (1, sizes[letter]):
                raise RuntimeError(
                    f"einsum: subscript {letter} has size {size} for operand {i}, which does not broadcast "
                    f"with size {sizes[letter]} seen before"
                )
    return sizes
