"""PyTorch's files: zip (since 1.6) read and written, legacy (before) read; PyTorch itself is not needed.

A file is a pickle in which each tensor is a call of `_rebuild_tensor_v2(storage, offset, size, stride, ...)`,
and the storages, flat runs of numbers that tensors may share, lie beside it: as members `data/0`, `data/1`,
... of a zip archive, or one after another behind the pickle (legacy).
"""

from __future__ import annotations

import io
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad import dtypes
from minigrad.device import device, to_device
from minigrad.nn.parameter import Parameter
from minigrad.serialize import pickle_writer, plain_classes, plain_pickle
from minigrad.serialize.plain_pickle import Global, Skipped
from minigrad.serialize.safetensors import widen_bfloat16
from minigrad.storage import address
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
DTYPES = {str(dtype): dtype for dtype in dtypes.SUPPORTED}
# Of what minigrad has no dtype for, only the size is known: it can be left out, in old files too.
UNREADABLE_STORAGES = {
    "ComplexDoubleStorage": 16, "ComplexFloatStorage": 8,
    "QInt32Storage": 4, "QInt8Storage": 1, "QUInt8Storage": 1, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1,
}  # fmt: skip
STORAGE_NAMES = {dtype: name for name, dtype in STORAGES.items()}
LEGACY_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MOST_UNPACKED = 32  # times the size of an archive: weights that were zipped again are not smaller than a tenth

# `map_location` as a function of a storage's location in the file, such as "cuda:0", and its numbers; None: the CPU.
Place = Callable[[np.ndarray, str], "device | str | None"]


@dataclass
class Reading:
    """How a file is to be read: what `load` was asked for, and what had to be left out."""

    source: str
    place: Place
    weights_only: bool = True
    skip_unknown: bool = False
    skipped: dict[str, None] = field(default_factory=dict)

    def find_global(self, module: str, name: str) -> Any:
        """What the pickle may use under that name; an object that `weights_only` cannot read is skipped or refused."""
        found = _of_pytorch(module, name) or plain_classes.find(module, name)
        if found is not None:
            return found
        wanted = f"{module}.{name}"
        if not wanted.isprintable() or len(wanted) > 200:  # a stranger's text: no line breaks, no terminal's codes
            wanted = repr(wanted[:200])
        if self.skip_unknown:
            self.skipped[wanted] = None
            return Skipped(wanted)
        if module.partition(".")[0] in ("torch", "torchvision"):
            raise RefusedGlobal(f"holds PyTorch's {wanted}; save the model's state_dict() instead{SKIP}")
        raise RefusedGlobal(f"asks for {wanted}, and only tensors and plain values can be read{SKIP}{RUN}")

    def unpickle(self, file: BinaryIO, persistent_load: Callable[[Any], Any]) -> Any:
        """The value of the next pickle in the file."""
        if self.weights_only or self.skip_unknown:
            return plain_pickle.read(file, self.find_global, persistent_load)
        return _Unpickler(file, persistent_load).load()


SKIP = "; load(..., skip_unknown=True) leaves out what is not"
RUN = ", weights_only=False runs the code of a file that you trust"


class RefusedGlobal(Exception):
    """A pickle named something that is neither a tensor nor a plain value."""


class _Unpickler(pickle.Unpickler):
    """Python's own, which runs what the file names; what it takes for PyTorch's is ours."""

    def __init__(self, file: BinaryIO, persistent_load: Callable[[Any], Any]):
        super().__init__(file)
        self.persistent_load = persistent_load  # type: ignore[method-assign]

    def find_class(self, module: str, name: str) -> Any:
        found = _of_pytorch(module, name)
        if isinstance(found, Global):
            return found.build or found
        if found is None and module.partition(".")[0] in ("torch", "torchvision"):
            raise RefusedGlobal(f"holds PyTorch's {module}.{name}; save the model's state_dict() instead{SKIP}")
        return super().find_class(module, name) if found is None else found


def read_zip(content: bytes, reading: Reading) -> Any:
    """The value in a zip archive written by `torch.save` or `write`."""
    with _named_errors(reading):
        archive = zipfile.ZipFile(io.BytesIO(content))
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("it is a zip archive, but not one that torch.save wrote")
        _check_size(archive, len(content))
        folder = names[0].removesuffix("data.pkl")
        little = f"{folder}byteorder" not in archive.namelist() or archive.read(f"{folder}byteorder") == b"little"
        storages: dict[str, _Storage] = {}

        def persistent_load(key: Any) -> Any:
            kind, name, count, location = _storage_key(key)
            if isinstance(key[1], Skipped):
                return key[1]
            if name not in storages:
                numbers = _numbers(archive.read(f"{folder}data/{name}"), kind, count, little)
                storages[name] = _Storage(numbers, reading.place(numbers, location))
            return storages[name]

        return reading.unpickle(io.BytesIO(archive.read(names[0])), persistent_load)


def _check_size(archive: zipfile.ZipFile, size: int) -> None:
    """ValueError for an archive that would unpack to far more than its own `size`; PyTorch's are not compressed."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_UNPACKED * size + (1 << 20):
        raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}")


def read_legacy(content: bytes, reading: Reading) -> Any:
    """The value in a file of PyTorch's old format: five pickles, then the storages' numbers."""
    file = io.BytesIO(content)

    def nothing_outside(key: Any) -> Any:
        raise ValueError("a storage stands where none can be")

    def next_pickle() -> Any:
        return plain_pickle.read(file, reading.find_global, nothing_outside)

    with _named_errors(reading):
        if next_pickle() != LEGACY_MAGIC_NUMBER or next_pickle() != LEGACY_PROTOCOL:
            raise ValueError("it is a pickle, but not one that torch.save wrote")
        little = next_pickle()["little_endian"]

        # the numbers follow the pickle, so it is read twice: for the storages it wants, then for its value
        start = file.tell()
        wanted: dict[str, tuple[str, int, str]] = {}

        def note(key: Any) -> Any:
            if key[0] == "storage":
                kind, name, count, location = _storage_key(key)
                wanted[name] = kind, count, location
            return Skipped("storage")

        plain_pickle.read(file, lambda module, name: _of_pytorch(module, name, rebuild=False) or Skipped(name), note)
        storages: dict[str, _Storage] = {}
        for name in next_pickle():
            kind, count, location = wanted[name]
            file.seek(8, io.SEEK_CUR)  # the count again
            if kind in UNREADABLE_STORAGES:
                file.seek(count * _item_size(kind), io.SEEK_CUR)
                continue
            numbers = _numbers(file.read(count * _item_size(kind)), kind, count, little)
            storages[name] = _Storage(numbers, reading.place(numbers, location))

        def persistent_load(key: Any) -> Any:
            if key[0] == "module":  # (the class, the file that it stood in, its source)
                if reading.weights_only and not reading.skip_unknown:
                    raise RefusedGlobal(f"holds a whole model; save the model's state_dict() instead{SKIP}{RUN}")
                return key[1]
            if isinstance(key[1], Skipped):
                return key[1]
            storage = storages[_storage_key(key)[1]]
            if len(key) > 5 and key[5] is not None:  # a storage that is a window on another
                _, offset, count = key[5]
                return _Storage(storage.numbers[offset : offset + count], storage.place)
            return storage

        file.seek(start)
        return reading.unpickle(file, persistent_load)


@contextmanager
def _named_errors(reading: Reading) -> Iterator[None]:
    """Errors in one line with the file's name; and a warning of what was left out."""
    try:
        yield
    except RefusedGlobal as error:
        raise RuntimeError(f"load: {reading.source} {error}") from None
    except Exception as error:  # broken bytes can fail anywhere in the zip, the pickle or a tensor's geometry
        if not reading.weights_only and isinstance(error, (AttributeError, ImportError)):
            raise RuntimeError(f"load: {reading.source} holds a class that cannot be imported: {error}") from error
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RuntimeError(f"load: {reading.source} is broken or truncated: {line}") from None
    if reading.skipped:
        warnings.warn(f"load: {reading.source}: left out {', '.join(reading.skipped)}", stacklevel=5)


@dataclass
class _Storage:
    """A flat run of numbers, and the device that tensors on it are to lie on."""

    numbers: np.ndarray
    place: Any


def _storage_key(key: Any) -> tuple[str, str, int, str]:
    """(kind of storage, its name, how many numbers, where it lay) from a pickle's persistent id."""
    label, kind, name, location, count = key[:5]
    if label != "storage" or not isinstance(kind, (Global, Skipped)) or not isinstance(count, int) or count < 0:
        raise ValueError(f"{key!r} is not a storage")
    return kind.name.rpartition(".")[2], str(name), count, str(location)


def _item_size(kind: str) -> int:
    if kind in UNREADABLE_STORAGES:
        return UNREADABLE_STORAGES[kind]
    return 2 if kind == "BFloat16Storage" else STORAGES[kind].itemsize


def _numbers(content: bytes, kind: str, count: int, little: bool) -> np.ndarray:
    """The numbers of a storage, as a flat array of the machine's own byte order that may be written to."""
    if len(content) != count * _item_size(kind):
        raise ValueError(f"a storage of {count * _item_size(kind)} bytes has only {len(content)}")
    dtype = np.dtype(np.uint16) if kind == "BFloat16Storage" else STORAGES[kind]
    array = np.frombuffer(bytearray(content), dtype.newbyteorder("<" if little else ">")).astype(dtype, copy=False)
    return widen_bfloat16(array) if kind == "BFloat16Storage" else array


def _rebuild_tensor(
    storage: _Storage | Skipped, offset: int, size: tuple[int, ...], stride: tuple[int, ...],
    requires_grad: bool = False, backward_hooks: Any = None, metadata: Any = None,
) -> Tensor | Skipped:  # fmt: skip
    """The tensor at `offset` of its storage; sizes and strides count numbers, not bytes."""
    if isinstance(storage, Skipped):
        return storage
    if not isinstance(storage, _Storage) or len(size) != len(stride) or min((offset, *size, *stride)) < 0:
        raise ValueError(f"a tensor of size {size}, stride {stride} and offset {offset} cannot be")
    numbers = storage.numbers
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    if offset > len(numbers) or (0 not in size and reach > len(numbers)):
        raise ValueError(f"a tensor of size {size} reaches behind the end of its storage of {len(numbers)}")
    array = as_strided(numbers[offset:], size, [step * numbers.itemsize for step in stride])
    tensor = from_array(to_device(array, storage.place))
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def _rebuild_parameter(data: Any, requires_grad: bool, backward_hooks: Any, state: Any = None) -> Parameter | Skipped:
    return data if isinstance(data, Skipped) else Parameter(data, bool(requires_grad))


def _rebuild_from_type(rebuild: Any, kind: Any, arguments: tuple[Any, ...], state: Any) -> Any:
    """A tensor to which attributes were given, or of a class of its own: the tensor alone is read."""
    return plain_pickle.call(rebuild, arguments) if isinstance(rebuild, Global) else rebuild(*arguments)


def _from_numpy(array: np.ndarray, dtype: Any, place: str, requires_grad: bool) -> Tensor:
    return from_array(array.astype(dtype), requires_grad)


def _of_pytorch(module: str, name: str, rebuild: bool = True) -> Any:
    """PyTorch's class, function or dtype of that name, or None where there is none here; without `rebuild`, tensors
    become Skipped, for the storages are yet to be read."""
    if module in ("torch", "torch.cuda") and name in (*STORAGES, "BFloat16Storage"):
        return Global(name)
    if module == "torch" and name in DTYPES:
        return DTYPES[name]
    if (module, name) not in BUILD:
        return None
    return Global(name, BUILD[module, name]) if rebuild else Skipped(name)


BUILD: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("torch", "Size"): tuple,
    ("torch", "Tensor"): None,
    ("torch", "device"): device,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): _from_numpy,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch.nn.parameter", "Parameter"): Parameter,
    ("torch.serialization", "_get_layout"): str,
}


def write(obj: Any, file: BinaryIO) -> None:
    """Write `obj` as the zip archive that `torch.load` reads; with `weights_only=True` if it holds plain values only.

    Strides are kept, and tensors whose memory overlaps share one storage, as PyTorch's do; only what PyTorch
    cannot have (negative strides) is copied first.
    """
    program = pickle_writer.write(obj)
    tensors = [part for part in program if isinstance(part, Tensor)]
    arrays = {id(tensor): _storable(to_device(tensor.array, "cpu")) for tensor in tensors}
    places, storages = _share_storages(arrays)

    def instructions(part: bytes | Tensor) -> bytes:
        if isinstance(part, bytes):
            return part
        return _tensor_instructions(part, arrays[id(part)], *places[id(part)])

    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), b"".join(map(instructions, program)))
        archive.writestr(zipfile.ZipInfo("archive/byteorder"), sys.byteorder)
        for index, storage in enumerate(storages):
            member = zipfile.ZipInfo(f"archive/data/{index}")
            with archive.open(member, "w", force_zip64=storage.nbytes >= 2**31) as target:
                target.write(storage.data)
        archive.writestr(zipfile.ZipInfo("archive/version"), "3\n")


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
    start = {key: address(array) for key, array in arrays.items()}

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


def _tensor_instructions(tensor: Tensor, array: np.ndarray, storage: int, length: int, offset: int) -> bytes:
    plain, refer = pickle_writer.plain, pickle_writer.refer
    is_parameter = isinstance(tensor, Parameter)
    persistent_id = (
        b"(" + plain("storage") + refer("torch", STORAGE_NAMES[array.dtype])
        + plain(str(storage)) + plain("cpu") + plain(length) + b"tQ"
    )  # fmt: skip
    stride = tuple(step // array.itemsize for step in array.strides)
    requires_grad = plain(tensor.requires_grad)
    geometry = plain(offset) + plain(array.shape) + plain(stride)
    hooks = pickle_writer.call("collections", "OrderedDict", ())
    rebuild = refer("torch._utils", "_rebuild_tensor_v2") + b"(" + persistent_id + geometry
    if not is_parameter:
        return rebuild + requires_grad + hooks + b"tR"
    data = rebuild + plain(False) + hooks + b"tR"
    return refer("torch._utils", "_rebuild_parameter") + b"(" + data + requires_grad + hooks + b"tR"
