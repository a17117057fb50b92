"""Losses that fewer networks use, those of pairs and triplets among them."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.loss import Loss
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "MarginRankingLoss",
    "PairwiseDistance",
    "PoissonNLLLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
]


class HuberLoss(Loss):
    """Measure a squared error that grows linearly from `delta` on.

    Args:
        reduction: "mean", "sum", or "none" for a loss per element.
        delta: where the quadratic part ends, more than 0.

    Raises:
        ValueError: `reduction` is none of the three.

    Shapes:
        input and target of one shape.

    Source: Huber, "Robust estimation of a location parameter" (1964).

    Examples:
        >>> nn.HuberLoss()(mg.tensor([1.0, 3.0]), mg.zeros(2))
        tensor(1.5000)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SoftMarginLoss(Loss):
    """Measure ``log(1 + exp(-target input))``, for targets of 1 and -1.

    Args:
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Shapes:
        input and target of one shape.

    Examples:
        >>> nn.SoftMarginLoss()(mg.zeros(2), mg.tensor([1.0, -1.0]))
        tensor(0.6931)
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class PoissonNLLLoss(Loss):
    """Measure the negative log-likelihood of counts under Poisson distributions.

    Args:
        log_input, full, eps: as for `functional.poisson_nll_loss`.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Shapes:
        input and target of one shape.

    Examples:
        >>> nn.PoissonNLLLoss()(mg.zeros(2), mg.tensor([1.0, 3.0]))
        tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class HingeEmbeddingLoss(Loss):
    """Measure a distance where the target is 1, and by how much it falls short of a margin where it is -1.

    Args:
        margin: how far apart pairs with target -1 should be.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Shapes:
        input and target of one shape.

    Source: Chopra, Hadsell and LeCun, "Learning a similarity metric discriminatively" (2005).

    Examples:
        >>> nn.HingeEmbeddingLoss()(mg.tensor([0.5, 0.25]), mg.tensor([1, -1]))
        tensor(0.6250)
    """

    def __init__(
        self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """Measure by how much two numbers miss their order.

    Args:
        margin: by how much they should differ.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Shapes:
        inputs and target of one shape.

    Examples:
        >>> nn.MarginRankingLoss()(mg.tensor([1.0]), mg.tensor([3.0]), mg.tensor([1.0]))
        tensor(2.)
    """

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Loss):
    """Measure ``1 - cos`` of pairs with target 1, and ``max(0, cos - margin)`` of those with -1.

    Args:
        margin: the cosine that unlike pairs may have, from -1 to 1.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Shapes:
        inputs (N, D), target (N,).

    Examples:
        >>> nn.CosineEmbeddingLoss()(mg.ones(1, 2), mg.ones(1, 2), mg.tensor([-1]))
        tensor(1.)
    """

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Loss):
    """Measure by how much an anchor is nearer to a positive than to a negative.

    Args:
        margin, p, eps, swap: as for `functional.triplet_margin_loss`.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three, or the margin is not more than 0.

    Shapes:
        anchor, positive and negative (N, D).

    Source: Schroff et al., "FaceNet" (2015).

    Examples:
        >>> nn.TripletMarginLoss(margin=2.0)(mg.zeros(1, 2), mg.zeros(1, 2), mg.ones(1, 2))
        tensor(0.5858)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class CosineSimilarity(Module):
    """Measure the cosine of the angle between vectors.

    Args:
        dim: the dimension along which a vector lies.
        eps: the least that a length counts for.

    Shapes:
        inputs that broadcast, (..., D, ...); the output lacks the dimension `dim`.

    Examples:
        >>> nn.CosineSimilarity()(mg.tensor([[1.0, 0.0]]), mg.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """Measure the distance of vectors: a norm of their difference.

    Args:
        p: the order of the norm.
        eps: added to every difference, so that the derivative at 0 exists.
        keepdim: keep the last dimension with size 1.

    Shapes:
        inputs (N, D) or (D,), output (N,), or (N, 1) with `keepdim`.

    Examples:
        >>> nn.PairwiseDistance()(mg.tensor([[3.0, 4.0]]), mg.zeros(1, 2))
        tensor([5.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
