"""minigrad: a deep-learning engine that reads like a textbook and trains like PyTorch.

The names are PyTorch's; old spellings and switches are in the facade `minigrad.torch`.
"""

from importlib.util import find_spec

from minigrad import autograd as autograd
from minigrad import cuda as cuda
from minigrad import memory
from minigrad.autograd.grad_mode import *
from minigrad.cuda import backends as backends
from minigrad.device import *
from minigrad.dtypes import *
from minigrad.generator import *
from minigrad.kernels import get_float32_matmul_precision as get_float32_matmul_precision
from minigrad.kernels import set_float32_matmul_precision as set_float32_matmul_precision
from minigrad.kernels import use_kernels as use_kernels
from minigrad.ops.activation import log_softmax as log_softmax
from minigrad.ops.activation import softmax as softmax
from minigrad.ops.arithmetic import *
from minigrad.ops.axes import *
from minigrad.ops.choice import *
from minigrad.ops.comparison import *
from minigrad.ops.contraction import *
from minigrad.ops.convert import *
from minigrad.ops.counting import *
from minigrad.ops.creation import *
from minigrad.ops.creation_like import *
from minigrad.ops.diagonal import *
from minigrad.ops.einsum import *
from minigrad.ops.elementwise import *
from minigrad.ops.expand import *
from minigrad.ops.gathering import *
from minigrad.ops.indexing import *
from minigrad.ops.joining import *
from minigrad.ops.linalg import *
from minigrad.ops.masking import *
from minigrad.ops.orientation import *
from minigrad.ops.pointwise import *
from minigrad.ops.questions import *
from minigrad.ops.random import *
from minigrad.ops.reduction import *
from minigrad.ops.replacing import *
from minigrad.ops.scan import *
from minigrad.ops.shape import *
from minigrad.ops.sorting import *
from minigrad.ops.statistics import *
from minigrad.ops.truth import *
from minigrad.ops.variance import *
from minigrad.printing import *
from minigrad.tensor import Tensor as Tensor

# Above the operations, which these stand on.
from minigrad import distributed as distributed  # isort: skip
from minigrad import data as data  # isort: skip
from minigrad import nn as nn  # isort: skip
from minigrad import optim as optim  # isort: skip
from minigrad import vision as vision  # isort: skip
from minigrad.nn.summary import summary as summary  # isort: skip
from minigrad.serialize import load as load  # isort: skip
from minigrad.serialize import save as save  # isort: skip

if find_spec("minigrad.fusion"):  # a layer on top, which may be left out
    from minigrad import fusion as fusion

# PyTorch's short names of the types. They hide Python's own here, so they come last.
half, float, double, int, long, bool = float16, float32, float64, int32, int64, bool_

__version__ = "0.2.0"

memory.keep_freed_memory()
