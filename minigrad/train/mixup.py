"""Mixup: training on blends of two images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minigrad.ops.random import randint, randperm
from minigrad.tensor import Tensor


class Mixed(NamedTuple):
    """A batch of blends: share * own + (1 - share) * partner, of pictures and so of losses."""

    images: Tensor
    own: Tensor  # the labels of the pictures that were blended,
    partner: Tensor  # and of those they were blended with
    share: float


def mixup(images: Tensor, targets: Tensor, alpha: float) -> Mixed:
    """Blend each image with another one of its batch, in a share drawn from Beta(alpha, alpha).

    One share is drawn for the batch, as in the authors' code.

    Args:
        images: (N, ...).
        targets: their labels.
        alpha: the parameter of the distribution; the smaller, the nearer the shares are to 0 and 1.

    Source: Zhang et al., "mixup: beyond empirical risk minimization" (ICLR 2018).

    Examples:
        >>> from minigrad.train import mixup
        >>> mixed = mixup(mg.tensor([[0.0], [1.0]]), mg.tensor([0, 1]), alpha=1.0)
        >>> mixed.images.shape
        (2, 1)
    """
    # NumPy has the beta distribution; its seed comes from our generator, which a checkpoint stores.
    seed = int(randint(0, 2**63 - 1, (1,)).item())
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    order = randperm(len(images), device=images.device)
    return Mixed(images * share + images[order] * (1 - share), targets, targets[order], share)
