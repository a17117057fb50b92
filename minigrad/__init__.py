"""minigrad: a deep-learning engine that reads like a textbook and trains like PyTorch."""

from minigrad import autograd
from minigrad.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from minigrad.device import device
from minigrad.dtypes import (
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
from minigrad.kernels.dispatch import use_kernels
from minigrad.ops.comparison import *
from minigrad.ops.convert import channels_last, contiguous_format, preserve_format
from minigrad.ops.creation import *
from minigrad.ops.elementwise import *
from minigrad.ops.gathering import *
from minigrad.ops.indexing import *
from minigrad.ops.joining import *
from minigrad.ops.shape import *
from minigrad.tensor import Tensor
