"""Arrays of the simulated device: what CuPy's ndarray shows, over NumPy arrays in the device's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from .graph import repeat
from .memory import block_of, pool
from .trace import record, tracing

Implementation = TypeVar("Implementation", bound=Callable[..., Any])

# Their results' shapes depend on values, so that CuPy waits for the device.
_WAITS = {
    *("nonzero", "argwhere", "flatnonzero", "unique", "extract", "compress"),
    *("union1d", "intersect1d", "setdiff1d", "trim_zeros"),
}
# NumPy gives Python's numbers, CuPy arrays.
_PYTHON_NUMBERS = {"count_nonzero", "allclose", "array_equal", "array_equiv"}


@cache
def cupy_names() -> dict[str, frozenset[str]]:
    """Each name that CuPy has, with its arguments' names."""
    lines = (Path(__file__).parent / "cupy_names.txt").read_text().splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: frozenset(arguments.split()) for name, _, arguments in pairs}


def _check(name: str, keywords: dict[str, Any]) -> None:
    accepted = cupy_names().get(name)
    if accepted is None:
        raise AttributeError(f"CuPy has no {name}")
    for keyword in keywords:
        if keyword not in accepted and "*" not in accepted:
            raise TypeError(f"{name}: CuPy's takes no argument {keyword!r}")


def _unwrap(value: Any, wrappers: list[ndarray]) -> Any:
    """`value` with NumPy arrays for ours, which are added to `wrappers`; host arrays are refused."""
    if isinstance(value, ndarray):
        wrappers.append(value)
        return value._array
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: an array of the host among arrays of the device")
    if isinstance(value, (list, tuple)):
        items = [_unwrap(item, wrappers) for item in value]
        return type(value)(items) if type(value) in (list, tuple) else value
    return value


def _wrap(result: Any, wrappers: list[ndarray]) -> Any:
    """`result` with our arrays for NumPy's: the same object, a view, or new memory of the device."""
    if isinstance(result, np.ndarray):
        for wrapper in wrappers:
            if result is wrapper._array:
                return wrapper
        if block_of(result) is None:
            return ndarray._of(_moved(result))
        result.flags.writeable = True  # some of NumPy's views are not, all of CuPy's are
        return ndarray._of(result)
    if isinstance(result, np.generic):
        return ndarray._of(_moved(np.asarray(result)))
    if isinstance(result, (list, tuple)) and any(isinstance(item, (np.ndarray, np.generic)) for item in result):
        items = [_wrap(item, wrappers) for item in result]
        return items if isinstance(result, list) else tuple(items)
    return result


def _moved(array: np.ndarray) -> np.ndarray:
    """A copy in the device's memory, with the axes in the same order in memory."""
    new = allocate(array.shape, array.dtype, array)
    new[...] = array
    return new


def allocate(shape: tuple[int, ...], dtype: np.dtype, like: np.ndarray | None = None, order: str = "K") -> np.ndarray:
    if dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {dtype}")
    if like is not None and order in "AK" and like.ndim == len(shape):
        # outermost first: by stride; axes of equal strides keep their order
        axes = sorted(range(len(shape)), key=lambda axis: -abs(like.strides[axis]))
        memory = pool.allocate(tuple(shape[axis] for axis in axes), dtype)
        return memory.transpose(np.argsort(axes)) if axes else memory
    if order == "F":
        return pool.allocate(shape[::-1], dtype).T
    return pool.allocate(shape, dtype)


def _pointer(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0] if array.size else 0


def _run(name: str, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Call NumPy's function of this name on the device's arrays."""
    wrappers: list[ndarray] = []
    host_args = _unwrap(args, wrappers)
    host_keywords = {key: _unwrap(value, wrappers) for key, value in keywords.items()}
    if name in _WAITS or (name == "where" and len(args) == 1):
        record("read", name)
    with np.errstate(all="ignore"):  # a GPU does not warn
        found = function(*host_args, **host_keywords)
    result = _wrap(np.asarray(found) if name in _PYTHON_NUMBERS else found, wrappers)
    if tracing():
        outputs = result if isinstance(result, (list, tuple)) else (result,)
        written = [output._array for output in outputs if isinstance(output, ndarray)]
        repeat(function, host_args, host_keywords, written)
        scalars = [value for value in (*args, *keywords.values()) if isinstance(value, (int, float, np.generic))]
        pointers = [(w.data.ptr, w.shape, w.strides) for w in (*wrappers, *outputs) if isinstance(w, ndarray)]
        record("call", name, tuple(pointers), tuple(map(repr, scalars)))
    return result


class Function:
    """A function of the module, with the methods a ufunc has in CuPy."""

    def __init__(self, name: str, function: Any):
        self._name, self._function = name, function

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        _check(self._name, keywords)
        return _run(self._name, self._function, args, keywords)

    def __getattr__(self, method: str) -> Any:
        if method not in ("at", "reduce", "outer", "accumulate", "reduceat"):
            raise AttributeError(f"CuPy's {self._name} has no {method}")
        function = getattr(self._function, method)
        return lambda *args, **keywords: _run(f"{self._name}.{method}", function, args, keywords)


class _Device(SimpleNamespace):
    def __enter__(self) -> _Device:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def synchronize(self) -> None:
        """All work is done already."""


_DEVICE = _Device(id=0)


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of the simulated device."""

    __slots__ = ("__weakref__", "_array")
    __array_priority__ = 100  # as CuPy's
    _array: np.ndarray

    def __init__(self, shape: Any, dtype: Any = float, order: str = "C"):
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
        self._array = allocate(shape, np.dtype(dtype), order=order)

    @classmethod
    def _of(cls, array: np.ndarray) -> ndarray:
        self = cls.__new__(cls)
        self._array = array
        return self

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    strides = property(lambda self: self._array.strides)
    size = property(lambda self: self._array.size)
    ndim = property(lambda self: self._array.ndim)
    nbytes = property(lambda self: self._array.nbytes)
    itemsize = property(lambda self: self._array.itemsize)
    device = property(lambda self: _DEVICE)
    data = property(lambda self: SimpleNamespace(ptr=_pointer(self._array), device=_DEVICE))
    T = property(lambda self: ndarray._of(self._array.T))
    mT = property(lambda self: ndarray._of(self._array.mT))
    real = property(lambda self: ndarray._of(self._array.real))
    imag = property(lambda self: ndarray._of(self._array.imag))

    @property
    def flags(self) -> SimpleNamespace:
        """What CuPy knows: there is no `writeable`."""
        flags = self._array.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous,
            f_contiguous=flags.f_contiguous,
            owndata=not isinstance(self._array.base, np.ndarray),
            forc=flags.forc,
            fnc=flags.fnc,
        )

    @property
    def base(self) -> ndarray | None:
        """The array that this one is a view of."""
        base = self._array.base
        return ndarray._of(base) if isinstance(base, np.ndarray) else None

    # ---- from the device to the host: in plain sight only

    def get(
        self, stream: Any = None, order: Any = "C", out: np.ndarray | None = None, blocking: bool = True
    ) -> np.ndarray:
        """A NumPy copy."""
        record("download", "get", _pointer(self._array), self.shape)
        if out is None:
            return np.array(self._array, order=order, copy=True)
        out[...] = self._array
        return out

    def set(self, array: np.ndarray, stream: Any = None) -> None:
        """Copy a NumPy array of the same shape and dtype into this one."""
        if not isinstance(array, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if array.dtype != self.dtype or array.shape != self.shape:
            raise ValueError(f"set: {array.dtype} of shape {array.shape} into {self.dtype} of shape {self.shape}")
        record("upload", "set", _pointer(self._array), self.shape)
        self._array[...] = array

    def _read(self) -> np.ndarray:
        record("read", "value", _pointer(self._array))
        return self._array

    def item(self, *index: int) -> Any:
        """One element as a Python number."""
        return self._read().item(*index)

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._read().tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        """The bytes in the order given."""
        return self._read().tobytes(order)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __float__(self) -> float:
        return float(self._read().item()) if self.size == 1 else float(self._array)

    def __int__(self) -> int:
        return int(self._read().item()) if self.size == 1 else int(self._array)

    def __complex__(self) -> complex:
        return complex(self._read().item()) if self.size == 1 else complex(self._array)

    def __bool__(self) -> bool:
        return bool(self._read())

    def __index__(self) -> int:
        return self._read().__index__()

    def __repr__(self) -> str:
        return repr(self._read())

    def __str__(self) -> str:
        return str(self._read())

    def __format__(self, specification: str) -> str:
        return format(self._read(), specification)

    def __reduce__(self) -> tuple[Any, ...]:
        return from_host, (self.get(),)

    # ---- items

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[ndarray]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def _index(self, index: Any) -> tuple[Any, ...]:
        wrappers: list[ndarray] = []
        if isinstance(index, list):
            index = np.asarray(index)  # a list of numbers is uploaded
            record("upload", "index")
        else:
            index = _unwrap(index, wrappers)
        if any(wrapper.dtype == bool for wrapper in wrappers):
            record("read", "boolean index")
        return index if isinstance(index, tuple) else (index,)

    def __getitem__(self, index: Any) -> ndarray:
        positions = self._index(index)
        result = self._array[positions]
        if isinstance(result, np.generic) and not any(position is Ellipsis for position in positions):
            result = self._array[(*positions, Ellipsis)]  # a view, where NumPy gives a number
        wrapped = _wrap(result, [])
        if tracing() and block_of(result) is None:
            repeat(np.ndarray.__getitem__, (self._array, positions), {}, [wrapped._array])
            record("call", "getitem", _pointer(self._array))
        return wrapped

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        host = value._array if isinstance(value, ndarray) else value
        positions = self._index(index)
        with np.errstate(all="ignore"):
            self._array[positions] = host
        if tracing():
            repeat(np.ndarray.__setitem__, (self._array, positions, host), {}, [])
            pointer = _pointer(host) if isinstance(value, ndarray) else repr(value)
            record("call", "setitem", _pointer(self._array), pointer)

    # ---- NumPy's functions and operators

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **keywords: Any) -> Any:
        _check(ufunc.__name__, keywords if method == "__call__" else {})
        if "out" in keywords and len(keywords["out"]) == 1:
            keywords["out"] = keywords["out"][0]
        if method == "__call__":
            return _run(ufunc.__name__, ufunc, args, keywords)
        return getattr(Function(ufunc.__name__, ufunc), method)(*args, **keywords)

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        name = function.__name__
        if function.__module__.endswith("linalg"):
            name = f"linalg.{name}"
        if function in _implemented:
            return _implemented[function](*args, **keywords)
        if name not in cupy_names():
            return NotImplemented
        return Function(name, function)(*args, **keywords)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: Any = None, copy: bool = True
    ) -> ndarray:
        """The values in another dtype."""
        if not copy and self.dtype == dtype:
            return self
        return _run("astype", np.ndarray.astype, (self, dtype), {"order": order, "casting": casting})

    def view(self, dtype: Any = None) -> ndarray:
        """The same bytes, as another dtype."""
        return ndarray._of(self._array.view() if dtype is None else self._array.view(dtype))

    def fill(self, value: Any) -> None:
        """Set every element."""
        self[...] = value

    def scatter_add(self, index: Any, value: Any) -> None:
        """Add `value` at `index`, as often as an element is named."""
        wrappers: list[ndarray] = []
        call = self._array, self._index(index), _unwrap(value, wrappers)
        np.add.at(*call)
        repeat(np.add.at, call, {}, [])
        record("call", "scatter_add", _pointer(self._array), tuple(w.data.ptr for w in wrappers))


def from_host(host: np.ndarray, order: str = "C") -> ndarray:
    """An array of the device with the values of one of the host."""
    new = ndarray._of(allocate(host.shape, host.dtype, order=order))
    new._array[...] = host
    record("upload", "array", new.data.ptr, new.shape)
    return new


# Functions of NumPy that `arrays` computes in its own way.
_implemented: dict[Callable[..., Any], Callable[..., Any]] = {}


def implements(function: Callable[..., Any]) -> Callable[[Implementation], Implementation]:
    """`@implements(np.zeros_like)`: called with arrays of the device, NumPy's function calls the decorated one."""

    def register(implementation: Implementation) -> Implementation:
        _implemented[function] = implementation
        return implementation

    return register


def _method(name: str) -> Any:
    function = getattr(np.ndarray, name)

    @wraps(function)
    def method(self: ndarray, *args: Any, **keywords: Any) -> Any:
        _check(f"ndarray.{name}", keywords)
        return _run(name, function, (self, *args), keywords)

    return method


for _name in (
    *("all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "compress", "conj", "conjugate"),
    *("copy", "cumprod", "cumsum", "diagonal", "dot", "flatten", "max", "mean", "min", "nonzero", "partition", "prod"),
    *("put", "ravel", "repeat", "reshape", "round", "searchsorted", "sort", "squeeze", "std", "sum", "swapaxes"),
    *("take", "trace", "transpose", "var"),
):
    setattr(ndarray, _name, _method(_name))
