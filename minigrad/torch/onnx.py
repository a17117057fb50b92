"""`torch.onnx`: minigrad.onnx."""

from minigrad import onnx as _engine
from minigrad.torch.facade import face

__getattr__, __dir__ = face(__name__, _engine)
