"""PyTorch's files: zip (since 1.6) read and written, legacy (before) read; PyTorch itself is not needed.

A file is a pickle in which each tensor is a call of `_rebuild_tensor_v2(storage, offset, size, stride, ...)`,
and the storages, flat runs of numbers that tensors may share, lie beside it: as members `data/0`, `data/1`,
... of a zip archive, or one after another behind the pickle (legacy).
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.device import to_device
from minigrad.serialize import plain_pickle
from minigrad.serialize.plain_pickle import Global
from minigrad.serialize.safetensors import widen_bfloat16
from minigrad.tensor import Tensor, from_array

STORAGES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}
STORAGE_NAMES = {dtype: name for name, dtype in STORAGES.items()}
LEGACY_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


def read_zip(content: bytes, source: str) -> Any:
    """The value in a zip archive written by `torch.save` or `write`."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("it is a zip archive, but not one that torch.save wrote")
        folder = names[0].removesuffix("data.pkl")
        little = f"{folder}byteorder" not in archive.namelist() or archive.read(f"{folder}byteorder") == b"little"
        storages: dict[str, np.ndarray] = {}

        def persistent_load(key: Any) -> np.ndarray:
            kind, name, count = _storage_key(key)
            if name not in storages:
                storages[name] = _storage(archive.read(f"{folder}data/{name}"), kind, count, little)
            return storages[name]

        return plain_pickle.read(io.BytesIO(archive.read(names[0])), _find_global, persistent_load)
    except RefusedGlobal as error:
        raise RuntimeError(f"load: {source} {error}") from None
    except Exception as error:  # broken bytes can fail anywhere in the zip, the pickle or a tensor's geometry
        raise RuntimeError(f"load: {source} is broken or truncated: {_first_line(error)}") from None


def read_legacy(content: bytes, source: str) -> Any:
    """The value in a file of PyTorch's old format: five pickles, then the storages' numbers."""
    file = io.BytesIO(content)

    def nothing_outside(key: Any) -> Any:
        raise ValueError("a storage stands where none can be")

    def next_pickle(persistent_load: Callable[[Any], Any] = nothing_outside) -> Any:
        return plain_pickle.read(file, _find_global, persistent_load)

    try:
        if next_pickle() != LEGACY_MAGIC_NUMBER or next_pickle() != LEGACY_PROTOCOL:
            raise ValueError("it is a pickle, but not one that torch.save wrote")
        little = next_pickle()["little_endian"]

        # the numbers follow the pickle, so it is read twice: for the storages it wants, then for its value
        start = file.tell()
        wanted: dict[str, tuple[str, int]] = {}

        def note(key: Any) -> None:
            kind, name, count = _storage_key(key)
            wanted[name] = kind, count

        plain_pickle.read(file, lambda *name: _without_result(_find_global(*name)), note)
        storages: dict[str, np.ndarray] = {}
        for name in next_pickle():
            kind, count = wanted[name]
            file.seek(8, io.SEEK_CUR)  # the count again
            storages[name] = _storage(file.read(count * _item_size(kind)), kind, count, little)

        def persistent_load(key: Any) -> np.ndarray:
            storage = storages[_storage_key(key)[1]]
            if len(key) > 5 and key[5] is not None:  # a storage that is a window on another
                _, offset, count = key[5]
                return storage[offset : offset + count]
            return storage

        file.seek(start)
        return next_pickle(persistent_load)
    except RefusedGlobal as error:
        raise RuntimeError(f"load: {source} {error}") from None
    except Exception as error:
        raise RuntimeError(f"load: {source} is broken or truncated: {_first_line(error)}") from None


class RefusedGlobal(Exception):
    """A pickle named something that is neither a tensor nor a plain container."""


def _find_global(module: str, name: str) -> Global:
    if module in ("torch", "torch.cuda") and name in (*STORAGES, "BFloat16Storage"):
        return Global(name)
    if (module, name) in CONSTRUCTIBLE:
        return Global(name, CONSTRUCTIBLE[module, name])
    raise RefusedGlobal(
        f"asks for {module}.{name}, and only tensors and plain containers can be read "
        "(where it holds a whole model, save the model's state_dict() instead)"
    )


def _without_result(found: Global) -> Global:
    return Global(found.name, (lambda *arguments: None) if found.name.startswith("_rebuild") else found.build)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _storage_key(key: Any) -> tuple[str, str, int]:
    """(kind of storage, its name, how many numbers) from a pickle's persistent id."""
    if key[0] == "module":
        raise RefusedGlobal("holds a whole model, which is code; save the model's state_dict() instead")
    label, kind, name, _, count = key[:5]
    if label != "storage" or not isinstance(kind, Global) or not isinstance(count, int) or count < 0:
        raise ValueError(f"{key!r} is not a storage")
    return kind.name, str(name), count


def _item_size(kind: str) -> int:
    return 2 if kind == "BFloat16Storage" else STORAGES[kind].itemsize


def _storage(content: bytes, kind: str, count: int, little: bool) -> np.ndarray:
    """The numbers of a storage, as a flat array of the machine's own byte order that may be written to."""
    if len(content) != count * _item_size(kind):
        raise ValueError(f"a storage of {count * _item_size(kind)} bytes has only {len(content)}")
    dtype = np.dtype(np.uint16) if kind == "BFloat16Storage" else STORAGES[kind]
    array = np.frombuffer(bytearray(content), dtype.newbyteorder("<" if little else ">")).astype(dtype, copy=False)
    return widen_bfloat16(array) if kind == "BFloat16Storage" else array


def _rebuild_tensor(
    storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...],
    requires_grad: bool = False, backward_hooks: Any = None, metadata: Any = None,
) -> Tensor:  # fmt: skip
    """The tensor at `offset` of its storage; sizes and strides count numbers, not bytes."""
    if not isinstance(storage, np.ndarray) or len(size) != len(stride) or min((offset, *size, *stride)) < 0:
        raise ValueError(f"a tensor of size {size}, stride {stride} and offset {offset} cannot be")
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    if offset > len(storage) or (0 not in size and reach > len(storage)):
        raise ValueError(f"a tensor of size {size} reaches behind the end of its storage of {len(storage)}")
    array = as_strided(storage[offset:], size, [step * storage.itemsize for step in stride])
    tensor = from_array(array)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Tensor:
    data.requires_grad = bool(requires_grad)
    return data


def _encode_text(text: str, encoding: str) -> bytes:
    """What protocol 2 writes for bytes: a call of `_codecs.encode`, whose only honest encoding is latin1."""
    if encoding != "latin1":
        raise ValueError(f"bytes are written as latin1, not {encoding!r}")
    return text.encode("latin1")


CONSTRUCTIBLE: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): tuple,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode_text,
}


def write(obj: Any, file: BinaryIO) -> None:
    """Write `obj` as the zip archive that `torch.load(file, weights_only=True)` reads.

    Strides are kept, and tensors whose memory overlaps share one storage, as PyTorch's do; only what PyTorch
    cannot have (negative strides) is copied first.
    """
    tensors = {id(tensor): tensor for tensor in _tensors(obj, ())}
    arrays = {key: _storable(to_device(tensor.array, "cpu")) for key, tensor in tensors.items()}
    places, storages = _share_storages(arrays)

    def encode_other(value: Any, place: str) -> bytes:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"save: obj{place} is a {type(value).__name__}; .pt holds tensors, dicts, lists, "
                f"tuples, numbers, strings, bytes and None{_hint(value)}"
            )
        return _tensor_instructions(arrays[id(value)], *places[id(value)], value.requires_grad)

    program = plain_pickle.write(obj, encode_other)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), program)
        archive.writestr(zipfile.ZipInfo("archive/byteorder"), sys.byteorder)
        for index, storage in enumerate(storages):
            member = zipfile.ZipInfo(f"archive/data/{index}")
            with archive.open(member, "w", force_zip64=storage.nbytes >= 2**31) as target:
                target.write(storage.data)
        archive.writestr(zipfile.ZipInfo("archive/version"), "3\n")


def _hint(value: Any) -> str:
    if hasattr(value, "state_dict"):
        return "; pass its state_dict()"
    return "; turn it into a tensor first" if isinstance(value, np.ndarray) else ""


def _tensors(obj: Any, inside: tuple[int, ...]) -> Iterator[Tensor]:
    if isinstance(obj, Tensor):
        yield obj
    elif isinstance(obj, (dict, list, tuple)) and id(obj) not in inside:
        for value in obj.values() if isinstance(obj, dict) else obj:
            yield from _tensors(value, (*inside, id(obj)))


def _storable(array: np.ndarray) -> np.ndarray:
    if array.dtype not in STORAGE_NAMES:
        raise TypeError(f"save: a tensor of dtype {array.dtype} has no place in PyTorch's format")
    if any(stride < 0 or stride % array.itemsize for stride in array.strides):
        return array.copy(order="C")
    return array


def _share_storages(
    arrays: dict[int, np.ndarray],
) -> tuple[dict[int, tuple[int, int, int]], list[np.ndarray]]:
    """Lay arrays into storages: arrays of one dtype whose memory overlaps get one together.

    Returns ({key: (storage, its length, offset in it)}, the storages as flat arrays).
    """
    start = {key: array.__array_interface__["data"][0] for key, array in arrays.items()}

    def end(key: int) -> int:
        array = arrays[key]
        last = sum((n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True))
        return start[key] + (last + array.itemsize if array.size else 0)

    groups: list[list[int]] = []
    stop = 0
    for key in sorted(arrays, key=lambda key: (arrays[key].dtype.str, start[key], end(key))):
        head = groups[-1][0] if groups else key
        distance = start[key] - start[head]
        same_dtype = arrays[key].dtype == arrays[head].dtype
        if groups and same_dtype and start[key] < stop and distance % arrays[key].itemsize == 0:
            groups[-1].append(key)
            stop = max(stop, end(key))
        else:
            groups.append([key])
            stop = end(key)

    places, storages = {}, []
    for index, group in enumerate(groups):
        first = arrays[group[0]]
        length = (max(map(end, group)) - start[group[0]]) // first.itemsize
        storages.append(as_strided(first, (length,), (first.itemsize,)))
        for key in group:
            places[key] = index, length, (start[key] - start[group[0]]) // first.itemsize
    return places, storages


def _tensor_instructions(array: np.ndarray, storage: int, length: int, offset: int, requires_grad: bool) -> bytes:
    plain = plain_pickle.instructions
    persistent_id = (
        b"(" + plain("storage") + plain_pickle.refer("torch", STORAGE_NAMES[array.dtype])
        + plain(str(storage)) + plain("cpu") + plain(length) + b"tQ"
    )  # fmt: skip
    stride = tuple(step // array.itemsize for step in array.strides)
    geometry = plain(offset) + plain(array.shape) + plain(stride) + plain(requires_grad)
    hooks = plain_pickle.call("collections", "OrderedDict", ())
    return plain_pickle.refer("torch._utils", "_rebuild_tensor_v2") + b"(" + persistent_id + geometry + hooks + b"tR"
