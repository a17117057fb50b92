"""minigrad: a deep-learning engine that reads like a textbook and trains like PyTorch.

The names are PyTorch's: ``import minigrad as torch`` runs a program for a small network.
"""

from importlib.util import find_spec

from minigrad import autograd, cuda
from minigrad.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from minigrad.cuda import backends
from minigrad.device import device, get_num_threads, set_num_threads
from minigrad.dtypes import (
    bool_,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from minigrad.generator import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from minigrad.kernels import use_kernels
from minigrad.ops.activation import log_softmax, softmax
from minigrad.ops.arithmetic import *
from minigrad.ops.comparison import *
from minigrad.ops.convert import *
from minigrad.ops.creation import *
from minigrad.ops.einsum import *
from minigrad.ops.elementwise import *
from minigrad.ops.gathering import *
from minigrad.ops.indexing import *
from minigrad.ops.joining import *
from minigrad.ops.linalg import *
from minigrad.ops.pointwise import *
from minigrad.ops.random import *
from minigrad.ops.reduction import *
from minigrad.ops.shape import *
from minigrad.ops.sorting import *
from minigrad.printing import set_printoptions
from minigrad.tensor import Tensor

# Above the operations, which these stand on.
from minigrad import data, nn, optim, vision  # isort: skip
from minigrad.nn.summary import summary  # isort: skip
from minigrad.serialize import load, save  # isort: skip

if find_spec("minigrad.fusion"):  # a layer on top, which may be left out
    from minigrad import fusion

# PyTorch's short names of the types. They hide Python's own here, so they come last.
half, float, double, int, long, bool = float16, float32, float64, int32, int64, bool_

__version__ = "0.2.0"
