"""How alike two vectors are, and the losses of pairs and triplets of them."""

from __future__ import annotations

from minigrad.ops.arguments import (
    broadcast_shapes,
    check_floating,
    check_same_device,
    check_tensor,
    floating,
    in_float32,
)
from minigrad.ops.choice import clamp, minimum, where
from minigrad.ops.loss import check_reduction, reduced
from minigrad.ops.pointwise import sqrt
from minigrad.ops.reduction import norm, sum
from minigrad.tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "pairwise_distance",
    "triplet_margin_loss",
]


@in_float32
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Measure the cosine of the angle between vectors: ``x1 . x2 / (|x1| |x2|)``.

    Args:
        x1, x2: floating-point tensors of shapes that broadcast.
        dim: the dimension along which a vector lies; the result has it no more.
        eps: the least that a length counts for.

    Raises:
        RuntimeError: the inputs are not floating-point, or their shapes do not broadcast.
        IndexError: there is no dimension `dim`.

    Examples:
        >>> F.cosine_similarity(mg.tensor([[1.0, 0.0]]), mg.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """
    _check("cosine_similarity", x1=x1, x2=x2)
    shape = broadcast_shapes("cosine_similarity", x1.shape, x2.shape)
    x1, x2 = x1.expand(shape), x2.expand(shape)
    lengths = [clamp(norm(x, 2, dim, keepdim=True), min=eps) for x in (x1, x2)]
    return sum(x1 / lengths[0] * (x2 / lengths[1]), dim)


@in_float32
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Measure the distance of vectors: the p-norm of ``x1 - x2 + eps`` along the last dimension.

    Args:
        x1, x2: (N, D) or (D,), or other shapes that broadcast.
        p: the order of the norm.
        eps: added to every difference, so that the derivative at 0 exists.
        keepdim: keep the last dimension with size 1.

    Raises:
        RuntimeError: the shapes do not broadcast, or the devices differ.

    Examples:
        >>> F.pairwise_distance(mg.tensor([[3.0, 4.0]]), mg.zeros(1, 2))
        tensor([5.0000])
    """
    x1, x2 = floating("pairwise_distance", x1), floating("pairwise_distance", x2)
    check_same_device("pairwise_distance", x1, x2)
    broadcast_shapes("pairwise_distance", x1.shape, x2.shape)
    return norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


@in_float32
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure a distance where the target is 1, and by how much it falls short of a margin where it is -1.

    Args:
        input: distances, of any shape.
        target: 1 or -1 for each.
        margin: how far apart pairs with target -1 should be.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Source: Chopra, Hadsell and LeCun, "Learning a similarity metric discriminatively" (2005).

    Examples:
        >>> F.hinge_embedding_loss(mg.tensor([0.5, 0.25]), mg.tensor([1, -1]), reduction="none")
        tensor([0.5000, 0.7500])
    """
    reduction = check_reduction("hinge_embedding_loss", size_average, reduce, reduction)
    _check("hinge_embedding_loss", input=input)
    check_tensor("hinge_embedding_loss", "target", target)
    broadcast_shapes("hinge_embedding_loss", input.shape, target.shape)
    apart = where(target != 1, clamp(margin - input, min=0), 0.0)
    return reduced(apart + where(target != -1, input, 0.0), reduction)


@in_float32
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure by how much two numbers miss their order: ``max(0, -target (input1 - input2) + margin)``.

    Args:
        input1, input2: numbers to rank, of shapes that broadcast.
        target: 1 where `input1` should be larger, -1 where smaller.
        margin: by how much.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Examples:
        >>> F.margin_ranking_loss(mg.tensor([1.0]), mg.tensor([3.0]), mg.tensor([1.0]))
        tensor(2.)
    """
    reduction = check_reduction("margin_ranking_loss", size_average, reduce, reduction)
    for name, value in (("input1", input1), ("input2", input2), ("target", target)):
        check_tensor("margin_ranking_loss", name, value)
    check_same_device("margin_ranking_loss", input1, input2, target)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            f"margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{list(input1.shape)}, input2: {list(input2.shape)}, target: {list(target.shape)} "
        )
    return reduced(clamp(-target * (input1 - input2) + margin, min=0), reduction)


@in_float32
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure ``1 - cos`` of pairs with target 1, and ``max(0, cos - margin)`` of those with -1.

    Args:
        input1, input2: (N, D), or (D,) with a 0-d target.
        target: (N,), 1 or -1 for each pair.
        margin: the cosine that unlike pairs may have, from -1 to 1.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Examples:
        >>> x = mg.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> F.cosine_embedding_loss(x, x, mg.tensor([1, -1]), reduction="none")
        tensor([0., 1.])
    """
    reduction = check_reduction("cosine_embedding_loss", size_average, reduce, reduction)
    input1, input2 = floating("cosine_embedding_loss", input1), floating("cosine_embedding_loss", input2)
    check_same_device("cosine_embedding_loss", input1, input2, check_tensor("cosine_embedding_loss", "target", target))
    if target.ndim > 1 or not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"cosine_embedding_loss: expected inputs (N, D) with a target (N,), or (D,) with a 0-d one, got "
            f"{list(input1.shape)}, {list(input2.shape)} and {list(target.shape)}"
        )
    squares = [sum(x * x, -1) + 1e-12 for x in (input1, input2)]
    cosine = sum(input1 * input2, -1) / sqrt(squares[0] * squares[1])
    unlike = where(target == -1, clamp(cosine - margin, min=0), 0.0)
    return reduced(where(target == 1, 1 - cosine, 0.0) + unlike, reduction)


@in_float32
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measure by how much an anchor is nearer to a positive than to a negative: ``max(0, d(a, p) - d(a, n) + margin)``.

    Args:
        anchor, positive, negative: (N, D) or (D,).
        margin: by how much it should be; more than 0.
        p: the order of the distance's norm.
        eps: added to every difference.
        swap: take the negative's distance to the positive where that is smaller (Balntas et al. 2016).
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three, or the margin is not more than 0.
        RuntimeError: the shapes do not broadcast, or dtypes or devices do not fit.

    Source: Schroff et al., "FaceNet" (2015).

    Examples:
        >>> zero, one = mg.zeros(1, 2), mg.ones(1, 2)
        >>> F.triplet_margin_loss(zero, zero, one, margin=2.0)
        tensor(0.5858)
    """
    reduction = check_reduction("triplet_margin_loss", size_average, reduce, reduction)
    anchor, positive, negative = (floating("triplet_margin_loss", x) for x in (anchor, positive, negative))
    check_same_device("triplet_margin_loss", anchor, positive, negative)
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            f"triplet_margin_loss: The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D "
            "inputs"
        )
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(clamp(pairwise_distance(anchor, positive, p, eps) - far + margin, min=0), reduction)


def _check(operation: str, **inputs: Tensor) -> None:
    for name, value in inputs.items():
        check_floating(operation, name, value)
    check_same_device(operation, *inputs.values())
