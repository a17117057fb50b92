"""`torch.nn.parallel`: data parallelism over several processes, and over one device, which is the module itself."""

from typing import Any

from minigrad import nn
from minigrad.nn import parallel as _engine
from minigrad.torch.facade import face


class DataParallel(nn.Module):
    """The module, under `.module`: its state_dict's keys begin with "module.", as programs and checkpoints expect.

    Args:
        module: the module to call.
        device_ids, output_device, dim: taken for PyTorch's sake; there is one device.
    """

    def __init__(self, module: nn.Module, device_ids: Any = None, output_device: Any = None, dim: int = 0):
        super().__init__()
        self.module = module
        self.device_ids = [0]

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(module: nn.Module, inputs: Any, *_: Any, module_kwargs: Any = None, **__: Any) -> Any:
    """The module's output."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


__getattr__, __dir__ = face(__name__, _engine)
