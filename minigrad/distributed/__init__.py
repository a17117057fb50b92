"""Several processes that work on one model, on one machine or many: torch.distributed's names, on MPI.

Each process runs the same program on its part of the data; a launcher starts them, ``python -m
minigrad.distributed.launch N program.py`` or a cluster's own mpiexec. A program that none has started is a group of
one, which needs no MPI. `nn.parallel.DistributedDataParallel` averages gradients, `nn.SyncBatchNorm` shares statistics,
and `data.distributed.DistributedSampler` divides the samples.
"""

from minigrad.distributed.group import *
from minigrad.distributed.group import __all__ as __all__
