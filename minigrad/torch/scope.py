"""What of PyTorch is out of minigrad's scope, and why: the one list, for errors and for `minigrad check`.

An entry stands for itself and for all below it: `torch.jit` for `torch.jit.script` too.
"""

from __future__ import annotations

RECURRENT = "recurrent networks"
ATTENTION = "attention and language models"
TORCHSCRIPT = "compilers of PyTorch's own; nn.Module code runs as it is"
PROCESSES = "several processes"
NUMBERS = "a kind of numbers that minigrad lacks"
DETECTION = "detection, segmentation and video"
DOWNLOADS = "programs and weights from PyTorch's hub"

OUT_OF_SCOPE = {
    **dict.fromkeys([f"torch.nn.{kind}{cell}" for kind in ("RNN", "LSTM", "GRU") for cell in ("", "Cell")], RECURRENT),
    "torch.nn.RNNBase": RECURRENT,
    "torch.nn.utils.rnn": RECURRENT,
    "torch.nn.Embedding": ATTENTION,
    "torch.nn.EmbeddingBag": ATTENTION,
    "torch.nn.MultiheadAttention": ATTENTION,
    "torch.nn.Transformer": ATTENTION,
    "torch.nn.TransformerDecoder": ATTENTION,
    "torch.nn.TransformerDecoderLayer": ATTENTION,
    "torch.nn.TransformerEncoder": ATTENTION,
    "torch.nn.TransformerEncoderLayer": ATTENTION,
    "torch.nn.attention": ATTENTION,
    "torch.nn.functional.embedding": ATTENTION,
    "torch.nn.functional.scaled_dot_product_attention": ATTENTION,
    "torch.jit": TORCHSCRIPT,
    "torch.fx": TORCHSCRIPT,
    "torch.export": TORCHSCRIPT,
    "torch.library": TORCHSCRIPT,
    "torch._C": TORCHSCRIPT,
    "torch._dynamo": TORCHSCRIPT,
    "torch.utils.cpp_extension": TORCHSCRIPT,
    "torch.ao": "quantisation",
    "torch.quantization": "quantisation",
    "torch.nn.quantized": "quantisation",
    "torch.nn.utils.prune": "pruning",
    "torch.multiprocessing": PROCESSES,
    "torch.distributions": "distributions",
    "torch.fft": NUMBERS,
    "torch.sparse": NUMBERS,
    "torch.complex": NUMBERS,
    "torch.complex64": NUMBERS,
    "torch.complex128": NUMBERS,
    "torch.bfloat16": NUMBERS,
    "torch.nested": NUMBERS,
    "torch.hub": DOWNLOADS,
    "torch.profiler": "PyTorch's profiler; study.trace() measures",
    "torch.autograd.profiler": "PyTorch's profiler; study.trace() measures",
    "torchvision.ops": DETECTION,
    "torchvision.models.detection": DETECTION,
    "torchvision.models.segmentation": DETECTION,
    "torchvision.models.video": DETECTION,
    "torchvision.models.quantization": "quantisation",
    "torchvision.models.optical_flow": DETECTION,
    "torchvision.io.read_video": DETECTION,
    "torchvision.datasets.CelebA": "data sets of other tasks",
    "torchvision.datasets.CocoDetection": DETECTION,
    "torchvision.datasets.LSUN": "data sets of other tasks",
    "torchvision.datasets.VOCDetection": DETECTION,
    "torchvision.datasets.VOCSegmentation": DETECTION,
    "torchaudio": "sound",
    "torchtext": ATTENTION,
}  # fmt: skip


def why_out_of_scope(name: str) -> str | None:
    """Why a full name is out of scope, or None where it is merely not there (yet)."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if why := OUT_OF_SCOPE.get(".".join(parts[:length])):
            return why
    return None
