"""Making tensors: from data, and filled with constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad import dtypes
from minigrad.device import arrays_on, cuda_backend, on_host, to_device
from minigrad.device import device as Device
from minigrad.ops.arguments import check_number, number, sizes
from minigrad.tensor import Tensor, borrow, from_array

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "linspace",
    "ones",
    "tensor",
    "zeros",
]


def construct(self: Tensor, *data: Any, device: Device | str | None = None) -> None:
    """``Tensor(...)``, PyTorch's oldest constructor: numbers of the default dtype, whatever is given.

    ``Tensor()`` is empty, ``Tensor(2, 3)`` has that shape and values that were never set, ``Tensor([1, 2])`` and
    ``Tensor(array)`` take the numbers of nested sequences and of a NumPy array (whose memory is shared if the dtype
    fits), and ``Tensor(tensor)`` is another tensor of the same memory, dtype and history.

    Args:
        *data: nothing, integers, one sequence, one array, or one tensor.
        device: where the tensor is to lie; None for the host's memory.

    Raises:
        TypeError: for anything else: a single float, say. `minigrad.tensor` takes that.
        ValueError: for nested sequences of unequal length.
        RuntimeError: for a negative size.

    Examples:
        >>> import minigrad as mg
        >>> mg.Tensor([[1, 2], [3, 4]])
        tensor([[1., 2.],
                [3., 4.]])
        >>> mg.Tensor(2, 3).shape
        (2, 3)
    """
    (only,) = data if len(data) == 1 else (None,)
    if isinstance(only, Tensor):
        alias = only._alias()
        self._hold(alias.array)
        self.__dict__.update(alias.__dict__)
        return
    if isinstance(only, np.ndarray) or (isinstance(only, Sequence) and not isinstance(only, str | bytes)):
        array = _as_array("Tensor", only, dtypes.get_default_dtype(), copy=False)
    elif all([hasattr(size, "__index__") and not isinstance(size, bool) for size in data]):
        array = _made("Tensor", lambda xp, shape, d: xp.empty(shape, d), data or (0,), None, None, False).array
    else:
        raise TypeError(
            "Tensor: expected sizes (integers), one sequence, one array or one tensor, got "
            f"({', '.join([type(value).__name__ for value in data])}); minigrad.tensor(...) makes a tensor of a number"
        )
    self._hold(to_device(array, device))


def tensor(
    data: Any, *, dtype: DTypeLike | None = None, device: Device | str | None = None, requires_grad: bool = False
) -> Tensor:
    """Make a new tensor with a copy of `data`.

    Args:
        data: a number, nested sequences of numbers or tensors, an array or a tensor.
        dtype: the elements' type; None keeps an array's, and takes the default dtype for Python floats, int64 for
            integers, bool for booleans.
        device: where the tensor lies, "cpu" or "cuda"; None means the CPU.
        requires_grad: whether operations on the tensor are recorded for `backward`.

    Raises:
        ValueError: nested sequences have unequal lengths.
        RuntimeError: the device is not there, or `requires_grad` is asked of integers.

    Examples:
        >>> mg.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
        >>> mg.tensor([1.0, 2.5], dtype=mg.float64, requires_grad=True)
        tensor([1.0000, 2.5000], dtype=float64, requires_grad=True)
    """
    result = from_array(to_device(_as_array("tensor", data, dtype, copy=True), device))
    return result.requires_grad_(requires_grad) if requires_grad else result


def as_tensor(data: Any, dtype: DTypeLike | None = None, device: Device | str | None = None) -> Tensor:
    """Make a tensor of `data` that shares its memory, and its history, where dtype and device allow it.

    Args:
        data: as for `tensor`.
        dtype: the elements' type, or None to keep it.
        device: where the tensor lies, or None to leave it there.

    Raises:
        ValueError: nested sequences have unequal lengths.

    Examples:
        >>> import numpy as np
        >>> array = np.zeros(2, np.float32)
        >>> x = mg.as_tensor(array)
        >>> array[0] = 1
        >>> x
        tensor([1., 0.])
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    array = to_device(_as_array("as_tensor", data, dtype, copy=False), device)
    return borrow(array) if array is data else from_array(array)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Make a tensor that shares the memory of a NumPy array.

    Args:
        ndarray: the array, of a dtype that minigrad has.

    Raises:
        TypeError: `ndarray` is not a NumPy array, or its dtype is not supported.

    Examples:
        >>> import numpy as np
        >>> mg.from_numpy(np.arange(3))
        tensor([0, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.check_dtype("from_numpy", ndarray.dtype)
    return borrow(ndarray)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Make a tensor that shares the memory of another library's array.

    Args:
        ext_tensor: any object with `__dlpack__`: an array of NumPy, CuPy, PyTorch or JAX.

    Raises:
        TypeError: `ext_tensor` has no `__dlpack__`, or its dtype is not supported.

    Examples:
        >>> import numpy as np
        >>> mg.from_dlpack(np.ones(2, np.float32))
        tensor([1., 1.])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: expected an array with __dlpack__, got {type(ext_tensor).__name__}")
    kind, _ = ext_tensor.__dlpack_device__()
    on_gpu = kind == 2  # DLPack's number for memory of a CUDA GPU
    return borrow((cuda_backend().xp if on_gpu else np).from_dlpack(ext_tensor))


def _as_array(operation: str, data: Any, dtype: Any, copy: bool) -> np.ndarray:
    if dtype is not None:
        dtype = dtypes.check_dtype(operation, dtype)
    if isinstance(data, Tensor):
        data = on_host(data.array)
    elif isinstance(data, Sequence) and not isinstance(data, str):
        data = _plain(data)
    if isinstance(data, np.ndarray | np.generic) or not isinstance(data, Sequence | int | float):
        array = np.array(data, dtype=dtype, copy=True if copy else None)
        if array.dtype == object:
            raise TypeError(f"{operation}: could not infer the dtype of {type(data).__name__}")
        dtypes.check_dtype(operation, array.dtype)
        return array
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(f"{operation}: expected nested sequences of equal length; {error}") from None
    if dtype is None:
        # What NumPy takes from Python numbers is float64; an empty list is float too.
        dtype = dtypes.get_default_dtype() if array.dtype.kind == "f" and not _holds_arrays(data) else array.dtype
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{operation}: could not make numbers of {array.dtype.name} data")
    return array.astype(dtypes.check_dtype(operation, dtype), copy=False)


def _plain(data: Sequence[Any]) -> list[Any]:
    """Nested sequences with the tensors in them replaced by their arrays."""
    return [
        on_host(d.array) if isinstance(d, Tensor) else _plain(d) if isinstance(d, list | tuple) else d for d in data
    ]


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, Sequence) and len(data):
        data = data[0]
    return isinstance(data, np.ndarray | np.generic)


def _made(
    operation: str, make: Callable[..., Any], shape: Sequence[Any], dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A tensor of `shape` made by ``make(xp, shape, dtype)`` on the device, `xp` being the array module there."""
    shape = sizes(operation, shape)
    if any(size < 0 for size in shape):
        raise RuntimeError(f"{operation}: negative dimensions are not allowed, got {list(shape)}")
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.check_dtype(operation, dtype)
    return from_array(make(arrays_on(device), shape, dtype), requires_grad)


def zeros(
    *size: Any, dtype: DTypeLike | None = None, device: Device | str | None = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of zeros.

    Args:
        size: the shape, as integers or one sequence.
        dtype, device, requires_grad: as for `tensor`; the dtype is the default one.

    Raises:
        RuntimeError: a size is negative.

    Examples:
        >>> mg.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    return _made("zeros", lambda xp, shape, d: xp.zeros(shape, d), size, dtype, device, requires_grad)


def ones(
    *size: Any, dtype: DTypeLike | None = None, device: Device | str | None = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor of ones.

    Args:
        size: the shape, as integers or one sequence.
        dtype, device, requires_grad: as for `tensor`; the dtype is the default one.

    Raises:
        RuntimeError: a size is negative.

    Examples:
        >>> mg.ones((2, 2), dtype=mg.int64)
        tensor([[1, 1],
                [1, 1]])
    """
    return _made("ones", lambda xp, shape, d: xp.ones(shape, d), size, dtype, device, requires_grad)


def empty(
    *size: Any, dtype: DTypeLike | None = None, device: Device | str | None = None, requires_grad: bool = False
) -> Tensor:
    """Make a tensor without initialising its values: they are what the memory held.

    Args:
        size: the shape, as integers or one sequence.
        dtype, device, requires_grad: as for `tensor`; the dtype is the default one.

    Raises:
        RuntimeError: a size is negative.

    Examples:
        >>> mg.empty(2, 3).shape
        (2, 3)
    """
    return _made("empty", lambda xp, shape, d: xp.empty(shape, d), size, dtype, device, requires_grad)


def full(
    size: Sequence[int],
    fill_value: float,
    *,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of one value.

    Args:
        size: the shape.
        fill_value: the value; its type decides the dtype unless one is given.
        dtype, device, requires_grad: as for `tensor`.

    Raises:
        RuntimeError: a size is negative, or the dtype cannot hold the value.

    Examples:
        >>> mg.full((2, 2), 7)
        tensor([[7, 7],
                [7, 7]])
    """
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None:
        dtype = dtypes.result_type(check_number("full", "fill_value", fill_value))
    value = number("full", fill_value, dtypes.check_dtype("full", dtype)).array[()]
    return _made("full", lambda xp, shape, d: xp.full(shape, value, d), (size,), dtype, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make the (n, m) matrix with ones on the diagonal and zeros elsewhere.

    Args:
        n: the rows.
        m: the columns; None means n.
        dtype, device, requires_grad: as for `tensor`; the dtype is the default one.

    Raises:
        RuntimeError: a size is negative.

    Examples:
        >>> mg.eye(2, 3)
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    return _made(
        "eye", lambda xp, shape, d: xp.eye(*shape, dtype=d), (n, n if m is None else m), dtype, device, requires_grad
    )


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make the vector start, start + step, start + 2 step, ... as far as it stays before `end`.

    Args:
        start: the first value; ``arange(end)`` starts at 0.
        end: the bound, not included.
        step: the distance between neighbours, positive or negative.
        dtype, device, requires_grad: as for `tensor`; the dtype is int64 if all three are integers.

    Raises:
        RuntimeError: a value is not finite, `step` is 0, or its sign leads away from `end`.

    Examples:
        >>> mg.arange(4)
        tensor([0, 1, 2, 3])
        >>> mg.arange(1, 2, 0.25)
        tensor([1.0000, 1.2500, 1.5000, 1.7500])
    """
    if end is None:
        start, end = 0, start
    start, end, step = [value.item() if isinstance(value, Tensor) else value for value in (start, end, step)]
    for name, value in (("start", start), ("end", end), ("step", step)):
        check_number("arange", name, value)
    if not all([math.isfinite(value) for value in (start, end, step)]):
        raise RuntimeError(f"arange: start, end and step must be finite, got {start}, {end} and {step}")
    # With 0 among them, booleans are taken as integers.
    dtype = dtypes.result_type(start, end, step, 0) if dtype is None else dtypes.check_dtype("arange", dtype)
    if dtype.kind in "iu":
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(f"arange: the bounds {start} and {end} are inconsistent with the sign of step {step}")
    count = int(np.ceil((end - start) / step))
    array = (start + arrays_on(device).arange(count) * step).astype(dtype)
    return from_array(array, requires_grad)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: DTypeLike | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Make a vector of values at equal distances, both ends included.

    Args:
        start, end: the first and the last value.
        steps: how many values.
        dtype, device, requires_grad: as for `tensor`; the dtype is the default one.

    Raises:
        RuntimeError: `steps` is negative.

    Examples:
        >>> mg.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    if steps < 0:
        raise RuntimeError(f"linspace: number of steps must be non-negative, got {steps}")
    start, end = [
        value.item() if isinstance(value, Tensor) else check_number("linspace", name, value)
        for name, value in (("start", start), ("end", end))
    ]

    def make(xp: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        # Integers lie between whole ends and are cut off towards zero; NumPy would round them down.
        ends = (int(start), int(end)) if dtype.kind in "iu" else (start, end)
        return xp.linspace(*ends, *shape).astype(dtype)

    return _made("linspace", make, (steps,), dtype, device, requires_grad)
