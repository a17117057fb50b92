"""Saving and loading: safetensors, and PyTorch's own files read and written without PyTorch.

No file can run code when it is read, unless `load` is told to with `weights_only=False`: safetensors has none, and
PyTorch's pickles are read here by an interpreter that can build nothing but tensors and plain values.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

from minigrad.device import device, to_device
from minigrad.serialize import pytorch, safetensors
from minigrad.serialize.files import atomic_write, read_bytes
from minigrad.serialize.plain_pickle import Skipped
from minigrad.tensor import from_array

__all__ = ["Skipped", "load", "save"]


def save(
    obj: Any,
    f: str | os.PathLike[str] | BinaryIO,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write an object to a file.

    A name that ends in `.safetensors` gets that format, which holds a flat dict of tensors (a model's
    `state_dict()`). Any other name, or none, gets PyTorch's. Tensors, dicts, lists, tuples, sets, numbers, strings,
    bytes and None (a checkpoint to resume from) are read back by `load` and by `torch.load(f, weights_only=True)`.
    Other objects are pickled, a whole module too: `load` then needs `weights_only=False` and the same classes; prefer
    the module's `state_dict()`, which any program reads.

    A path is written atomically: the file that was there stays until the new one is complete.

    Args:
        obj: the object.
        f: a path, or a binary file open for writing.
        pickle_module, pickle_protocol: accepted for PyTorch's sake.

    Raises:
        TypeError: `obj` holds what the format cannot (a lambda, an open file); the message names its place in `obj`.
        RuntimeError: the folder does not exist.
        OSError: the file cannot be written (a full disk, no permission); the one that was there stays.

    Examples:
        >>> mg.save({"weight": mg.ones(2), "epoch": 3}, "checkpoint.pt")
        >>> mg.load("checkpoint.pt")
        {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(f"save: f must be a path or a binary file, got {type(f).__name__}")
        if isinstance(f, io.TextIOBase):
            raise TypeError("save: f is open in text mode; open it with 'wb'")
        name = getattr(f, "name", "")
        whole = io.BytesIO()  # a compressed file, or a pipe, cannot go back to write an archive's sizes
        _write(obj, whole, Path(name).suffix if isinstance(name, str) else "")
        f.write(whole.getbuffer())
        return
    path = Path(f)
    if not path.parent.is_dir():
        raise RuntimeError(f"save: the folder {str(path.parent)!r} does not exist; make it first")
    with atomic_write(path) as file:
        _write(obj, file, path.suffix)


def _write(obj: Any, file: BinaryIO, suffix: str) -> None:
    if suffix == ".safetensors":
        file.write(safetensors.encode(obj))
    else:
        pytorch.write(obj, file)


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
    skip_unknown: bool = False,
) -> Any:
    """Read what `save`, `torch.save` or safetensors wrote; the content, not the name, decides the format.

    bfloat16 becomes float32. PyTorch's files, zip and legacy, may hold tensors and plain values: containers, numbers,
    strings, NumPy's arrays and numbers, dtypes, devices, paths, dates, `argparse.Namespace`.

    Args:
        f: a path, or a binary file open for reading.
        map_location: the device for the tensors; or a dict from devices in the file to others, or a function of a
            tensor and its device in the file that returns the tensor on the wanted device. None means the CPU.
        weights_only: False lets the file run code, as Python's pickles do, to build objects of any class: only for
            files from those whom you trust.
        skip_unknown: leave out objects of classes that cannot be read, with a warning that names them; a `Skipped`
            replaces each.
        pickle_module, mmap: accepted for PyTorch's sake.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file cannot be read (no permission, a failing disk).
        RuntimeError: the file is truncated, corrupt, of another format, or holds what cannot be read.
        TypeError: `f` is neither a path nor a binary file.

    Examples:
        >>> model = nn.Linear(2, 1)
        >>> mg.save(model.state_dict(), "model.safetensors")
        >>> model.load_state_dict(mg.load("model.safetensors"))
        <All keys matched successfully>
    """
    if hasattr(f, "read"):
        content, source = f.read(), repr(getattr(f, "name", None) or type(f).__name__)
    else:
        if not isinstance(f, (str, os.PathLike)):
            raise TypeError(f"load: f must be a path or a binary file, got {type(f).__name__}")
        source = repr(os.fspath(f))
        if not Path(f).is_file():
            raise FileNotFoundError(f"load: no file {source}")
        content = read_bytes(f, "load")
    if not isinstance(content, bytes):
        raise TypeError(f"load: {source} is open in text mode; open it with 'rb'")
    if not content:
        raise RuntimeError(f"load: {source} is empty, or was read to its end before")
    reading = pytorch.Reading(source, _place(map_location), weights_only, skip_unknown)
    if content.startswith(b"PK"):
        return pytorch.read_zip(content, reading)
    if content.startswith(b"\x80"):
        return pytorch.read_legacy(content, reading)
    if content[8:9] == b"{":  # safetensors: the header's length in 8 bytes, then the header, JSON
        tensors = safetensors.decode(content, source)
        return {name: from_array(to_device(t.array, reading.place(t.array, "cpu"))) for name, t in tensors.items()}
    raise RuntimeError(f"load: {source} is neither a safetensors file nor one of PyTorch's")


def _place(map_location: Any) -> pytorch.Place:
    """`map_location` in all its forms as a function of a storage's numbers and its device in the file."""
    if map_location is None:
        return lambda numbers, location: None
    if callable(map_location):
        return lambda numbers, location: getattr(map_location(from_array(numbers), location), "device", None)
    if isinstance(map_location, dict):
        mapped = {str(key): device(value) for key, value in map_location.items()}
        return lambda numbers, location: mapped.get(location)
    where = device(map_location)
    return lambda numbers, location: where
