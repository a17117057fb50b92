"""The safetensors format: a JSON header with names, dtypes and shapes, then the numbers; no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.device import to_device
from minigrad.tensor import Tensor, from_array

# the header's names for the dtypes that NumPy has too
DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def encode(state: Any) -> bytes:
    """The bytes of a flat dict {name: Tensor}; each tensor is written in C order."""
    from safetensors.numpy import save

    if not isinstance(state, Mapping):
        hint = "; pass its state_dict()" if hasattr(state, "state_dict") else "; use .pt for anything else"
        raise TypeError(f"save: .safetensors holds a dict of tensors, got {type(state).__name__}{hint}")
    arrays = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"save: .safetensors needs str keys, got {name!r}; use .pt for other keys")
        if not isinstance(value, Tensor):
            raise TypeError(
                f"save: .safetensors holds a flat dict of tensors, but key {name!r} is a "
                f"{type(value).__name__}; use .pt for nested or mixed values"
            )
        array = to_device(value.array, "cpu")
        if array.dtype not in DTYPES.values():
            raise TypeError(f"save: .safetensors has no dtype for key {name!r}, which is {array.dtype}")
        # order="C" of asarray, unlike ascontiguousarray, leaves a 0-d array 0-d
        arrays[name] = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    return save(arrays)


def decode(content: bytes, source: str) -> dict[str, Tensor]:
    """The dict of tensors in a file's bytes; bfloat16, which NumPy lacks, becomes float32."""
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(content)
    except SafetensorError as error:
        raise RuntimeError(f"load: {source} is not a sound safetensors file: {error}") from None
    return {name: from_array(_array(name, entry, source)) for name, entry in entries}


def _array(name: str, entry: dict[str, Any], source: str) -> np.ndarray:
    if entry["dtype"] == "BF16":
        return widen_bfloat16(np.frombuffer(entry["data"], np.uint16)).reshape(entry["shape"])
    if entry["dtype"] not in DTYPES:
        raise RuntimeError(f"load: {source}: tensor {name!r} has dtype {entry['dtype']}; minigrad has no such dtype")
    return np.frombuffer(entry["data"], DTYPES[entry["dtype"]]).reshape(entry["shape"])


def widen_bfloat16(bits: np.ndarray) -> np.ndarray:
    """float32 from the 16 bits of a bfloat16, which are the upper half of the same float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
