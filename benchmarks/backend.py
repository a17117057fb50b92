"""The one switch: a measured program imports `torch`, `nn` and `F` from here and is the same for both libraries."""

import os

if os.environ["BENCHMARK_LIBRARY"] == "torch":
    import torch
    from torch import nn
    from torch.nn import functional as F
else:
    import minigrad as torch
    from minigrad import nn
    from minigrad.nn import functional as F

__all__ = ["F", "nn", "torch"]
