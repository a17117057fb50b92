"""Saving and loading: safetensors, and PyTorch's own files read and written without PyTorch.

Neither format can run code when it is read: safetensors has none, and PyTorch's pickles are read here by an
interpreter that can build nothing but tensors and plain containers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from minigrad.device import device, to_device
from minigrad.serialize import pytorch, safetensors
from minigrad.serialize.files import atomic_write
from minigrad.tensor import Tensor, from_array

__all__ = ["load", "save"]


def save(obj: Any, f: str | os.PathLike[str] | BinaryIO) -> None:
    """Write `obj` to `f`, a path or an open binary file.

    The suffix says the format. `.safetensors` holds a flat dict of tensors (a model's `state_dict()`); `.pt`
    and `.pth` hold PyTorch's format, which also takes nested dicts, lists, tuples, numbers, strings, bytes
    and None (a checkpoint to resume from), and which `torch.load(f, weights_only=True)` reads. A file object
    without such a name gets PyTorch's format.

    A path is written atomically: the file that was there stays until the new one is whole.

    Errors: ValueError for another suffix, TypeError for what the format cannot hold, RuntimeError when the
    folder does not exist.
    """
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(f"save: f must be a path or a binary file, got {type(f).__name__}")
        name = getattr(f, "name", "")
        suffix = Path(name).suffix if isinstance(name, str) else ""
        if suffix == ".safetensors":
            f.write(safetensors.encode(obj))
        else:
            pytorch.write(obj, f)
        return
    path = Path(f)
    if path.suffix not in (".safetensors", ".pt", ".pth"):
        raise ValueError(
            f"save: {str(path)!r}: the suffix says the format; "
            "use .safetensors (a flat dict of tensors), or .pt or .pth (anything nested)"
        )
    if not path.parent.is_dir():
        raise RuntimeError(f"save: the folder {str(path.parent)!r} does not exist; make it first")
    with atomic_write(path) as file:
        if path.suffix == ".safetensors":
            file.write(safetensors.encode(obj))
        else:
            pytorch.write(obj, file)


def load(f: str | os.PathLike[str] | BinaryIO, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Read what `save`, `torch.save` or safetensors wrote: the content, not the suffix, says the format.

    Tensors come back on the CPU, or on `map_location` where one is given. bfloat16 becomes float32.
    PyTorch's files, zip and legacy, may hold tensors and plain containers only.

    Errors: FileNotFoundError, RuntimeError (one line) for a file that is truncated, corrupt, of another
    format, or that asks for any class or function beyond tensors and plain containers.
    """
    if not weights_only:
        raise ValueError("load: weights_only=False would run code from the file; only True is supported")
    if hasattr(f, "read"):
        content, source = f.read(), repr(getattr(f, "name", None) or type(f).__name__)
    else:
        if not isinstance(f, (str, os.PathLike)):
            raise TypeError(f"load: f must be a path or a binary file, got {type(f).__name__}")
        source = repr(os.fspath(f))
        if not Path(f).is_file():
            raise FileNotFoundError(f"load: no file {source}")
        content = Path(f).read_bytes()
    if not isinstance(content, bytes):
        raise TypeError(f"load: {source} is open in text mode; open it with 'rb'")
    obj = _decode(content, source)
    return obj if map_location is None else _to(obj, device(map_location))


def _decode(content: bytes, source: str) -> Any:
    if not content:
        raise RuntimeError(f"load: {source} is empty")
    if content.startswith(b"PK"):
        return pytorch.read_zip(content, source)
    if content.startswith(b"\x80"):
        return pytorch.read_legacy(content, source)
    if content[8:9] == b"{":  # safetensors: the header's length in 8 bytes, then the header, JSON
        return safetensors.decode(content, source)
    raise RuntimeError(f"load: {source} is neither a safetensors file nor one of PyTorch's")


def _to(obj: Any, where: device) -> Any:
    """`obj` with every tensor in it on the device `where`."""
    if isinstance(obj, Tensor):
        return from_array(to_device(obj.array, where), obj.requires_grad)
    if isinstance(obj, dict):
        return type(obj)((key, _to(value, where)) for key, value in obj.items())
    if isinstance(obj, (list, tuple)):
        return type(obj)(_to(value, where) for value in obj)
    return obj
