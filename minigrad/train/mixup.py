"""Mixup: training on blends of two pictures."""

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
    """Blend each picture (N, ...) with another one of its batch, in a share drawn from Beta(alpha, alpha).

    Zhang et al., "mixup: beyond empirical risk minimization", 2018; one share for the batch, as in their code.
    """
    # NumPy has the beta distribution; its seed comes from our generator, which a checkpoint stores.
    seed = int(randint(0, 2**63 - 1, (1,)).item())
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    order = randperm(len(images), device=images.device)
    return Mixed(images * share + images[order] * (1 - share), targets, targets[order], share)
