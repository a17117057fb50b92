"""The catalogue: an entry for every operation that minigrad exports, with an independent reference."""

from __future__ import annotations

from catalogue_maths import MATHS
from catalogue_nn import NEURAL

CASES = [*MATHS, *NEURAL]
