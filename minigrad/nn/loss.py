"""Loss layers.

`reduction` is "mean", "sum", or "none" for one loss per element. `size_average` and `reduce` are PyTorch's older form
of it: reduce=False is "none", size_average=False is "sum".
"""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.ops.loss import check_reduction
from minigrad.tensor import Tensor

__all__ = [
    "CrossEntropyLoss",
    "NLLLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "KLDivLoss",
]


class Loss(Module):
    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = check_reduction(type(self).__name__, size_average, reduce, reduction)


class _WeightedLoss(Loss):
    """A loss with a buffer `weight` that moves with the module: one weight for each class or element."""

    def __init__(self, weight: Tensor | None, size_average: bool | None, reduce: bool | None, reduction: str) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Measure how unlikely the target is under softmax(logits): what a classifier minimises.

    Args:
        weight: a factor per class, (C,); the mean is then divided by the sum of the targets' weights.
        size_average, reduce: deprecated; see `reduction`.
        ignore_index: a target of this value has loss 0 and is not counted in the mean.
        reduction: "mean", "sum", or "none" for a loss per example.
        label_smoothing: replace the target by (1 - s) target + s / C, with s in [0, 1].

    The call takes logits (N, C), (N, C, d1, ...) or (C,), and as target int64 classes of that shape without C, or
    probabilities of that shape; `functional.cross_entropy` lists its errors.

    Raises:
        ValueError: `reduction` is none of the three.

    Source: Szegedy et al., "Rethinking the Inception architecture" (CVPR 2016), for label smoothing.

    Examples:
        >>> logits = mg.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
        >>> nn.CrossEntropyLoss()(logits, mg.tensor([0, 2]))
        tensor(1.2395)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """Measure the negative log-likelihood ``-input[target]`` of log-probabilities.

    The shape of input and target is as for CrossEntropyLoss with classes.

    Args:
        weight, size_average, ignore_index, reduce, reduction: as for CrossEntropyLoss.

    Raises:
        ValueError: `reduction` is none of "mean", "sum" and "none".

    Examples:
        >>> nn.NLLLoss()(mg.tensor([[0.25, 0.75]]).log(), mg.tensor([1]))
        tensor(0.2877)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """Measure ``-(y log x + (1 - y) log(1 - x))`` for probabilities x and targets y of one shape.

    The logarithms are limited to -100 from below: a loss is at most 100 and never infinite.

    Args:
        weight: a factor per element, which broadcasts.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Examples:
        >>> nn.BCELoss()(mg.tensor([0.9, 0.5]), mg.tensor([1.0, 0.0]))
        tensor(0.3993)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Measure BCELoss of sigmoid(x), computed so that large logits x do not overflow; x and y have one shape.

    Args:
        weight: a factor per element, which broadcasts.
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.
        pos_weight: a factor for the loss of positive targets, which broadcasts.

    Raises:
        ValueError: `reduction` is none of the three.

    Examples:
        >>> nn.BCEWithLogitsLoss(reduction="none")(mg.tensor([0.0, 200.0]), mg.tensor([1.0, 0.0]))
        tensor([  0.6931, 200.0000])
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class MSELoss(Loss):
    """Measure the squared error ``(x - y)^2`` of predictions x and targets y of one shape.

    Args:
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Examples:
        >>> nn.MSELoss()(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 4.0]))
        tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """Measure the absolute error ``|x - y|`` of predictions x and targets y of one shape.

    Args:
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.

    Raises:
        ValueError: `reduction` is none of the three.

    Examples:
        >>> nn.L1Loss()(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 4.0]))
        tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """Measure a squared error that grows linearly from `beta` on, for predictions and targets of one shape.

    With d = |x - y| the loss is ``d^2 / (2 beta)`` where d < beta, else ``d - beta / 2``.

    Args:
        size_average, reduce: deprecated; see `reduction`.
        reduction: "mean", "sum", or "none" for a loss per element.
        beta: where the quadratic part ends; 0 gives the absolute error.

    Raises:
        ValueError: `reduction` is none of the three.

    Source: Girshick, "Fast R-CNN" (2015).

    Examples:
        >>> nn.SmoothL1Loss(reduction="none")(mg.tensor([0.5, 3.0]), mg.zeros(2))
        tensor([0.1250, 2.5000])
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class KLDivLoss(Loss):
    """Measure the Kullback-Leibler divergence from log-probabilities to a target distribution of the same shape.

    Args:
        size_average, reduce: deprecated; see `reduction`.
        reduction: "batchmean" (the divergence of the definition), "mean", "sum" or "none".
        log_target: the target holds logarithms of probabilities.

    Raises:
        ValueError: `reduction` is none of the four.

    Examples:
        >>> p = mg.tensor([[0.5, 0.5]])
        >>> nn.KLDivLoss(reduction="batchmean")(p.log(), p)
        tensor(0.)
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, "sum" if reduction == "batchmean" else reduction)
        self.reduction = "batchmean" if reduction == "batchmean" else self.reduction
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
