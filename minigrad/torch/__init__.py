"""`torch` for programs written for PyTorch: the engine's names, and the old ones that it does not have itself.

`minigrad run program.py` puts this package in the place of `torch`; `from minigrad import torch` uses it by hand.
Every module here has the names of the engine's module beside those that stand in it; nothing of the engine knows it.
"""

import minigrad as _engine
from minigrad.torch import (
    accelerator,
    autograd,
    backends,
    cuda,
    func,
    linalg,
    nn,
    onnx,
    optim,
    random,
    testing,
    utils,
    version,
)
from minigrad.torch.cuda import amp
from minigrad.torch.decompositions import cholesky, det, logdet, matrix_exp, qr, slogdet
from minigrad.torch.decompositions import old_svd as svd
from minigrad.torch.decompositions import pinv as pinverse
from minigrad.torch.equations import inv as inverse
from minigrad.torch.facade import face
from minigrad.torch.flags import (
    are_deterministic_algorithms_enabled,
    compile,
    get_default_device,
    get_num_interop_threads,
    set_default_device,
    set_flush_denormal,
    set_num_interop_threads,
    use_deterministic_algorithms,
)
from minigrad.torch.func import vmap
from minigrad.torch.linalg import matrix_power
from minigrad.torch.names import FUNCTIONS
from minigrad.torch.numbers import NAMES
from minigrad.torch.old import TYPES, set_default_tensor_type
from minigrad.torch.version import __version__

globals().update(TYPES)
globals().update(FUNCTIONS)
globals().update(NAMES)  # some hide Python's own: nothing below may use those

__getattr__, __dir__ = face(__name__, _engine)
