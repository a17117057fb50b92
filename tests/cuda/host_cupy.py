"""CuPy's own arrays without a GPU: their memory is the simulated device's, and what CuPy would compute NumPy does.

Shapes, strides, flags, views, addresses, dtypes and the arguments that functions take are CuPy's. Its compiled kernels
cannot run, so a function that computes runs NumPy's of the same name on the same memory; our own kernels run on the
simulator. So what a launcher or an operation asks of CuPy is asked of CuPy itself, and not of a stand-in.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minigrad.kernels.cuda.device import backend
from minigrad.kernels.cuda.simulator import arrays
from minigrad.kernels.cuda.simulator import backend as simulator
from minigrad.kernels.cuda.simulator.memory import pool

# CuPy makes these from shapes and strides alone, or by calling others of them.
MADE_BY_CUPY = {"empty", "broadcast_to", "expand_dims", "moveaxis", "ndarray", "reshape", "squeeze", "swapaxes"}
MADE_BY_CUPY |= {"transpose", "atleast_1d", "broadcast_arrays", "shares_memory", "may_share_memory"}


def allocator(cupy: ModuleType) -> Callable[[int], Any]:
    """CuPy's memory from the simulated device's, so that the simulator knows its bounds."""

    def allocate(size: int) -> Any:
        memory = pool.allocate((max(size, 1),), np.dtype(np.uint8))
        owned = cupy.cuda.UnownedMemory(memory.ctypes.data, size, memory, device_id=0)
        return cupy.cuda.MemoryPointer(owned, 0)

    return allocate


def on_host(array: Any) -> np.ndarray:
    """NumPy's view of a CuPy array's memory."""
    if array.size == 0:
        return np.empty(array.shape, array.dtype)
    owner = array.data.mem._owner
    interface = {"version": 3, "data": (array.data.ptr, False), "shape": array.shape, "strides": array.strides}
    return np.asarray(_Exporting(interface | {"typestr": array.dtype.str}, owner))


class _Exporting:
    def __init__(self, interface: dict[str, Any], owner: Any):
        self.__array_interface__, self.owner = interface, owner


class HostCupy(ModuleType):
    """`cupy`, as far as it works without a GPU, and NumPy for the rest."""

    def __init__(self, cupy: ModuleType):
        super().__init__("cupy")
        self.cupy = cupy

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.cupy, name)  # AttributeError where CuPy has no such thing
        if name in MADE_BY_CUPY or not callable(found) or isinstance(found, type) or inspect.ismodule(found):
            return found
        return partial(self.compute, name, found)

    def compute(self, name: str, of_cupy: Callable, *args: Any, **keywords: Any) -> Any:
        """NumPy's function on the same memory; the arguments must be those that CuPy's takes."""
        with contextlib.suppress(ValueError, TypeError):  # a ufunc, or compiled code: no signature to hold it against
            parameters = inspect.signature(of_cupy)
            try:
                parameters.bind(*args, **keywords)
            except TypeError as error:
                raise AssertionError(f"cupy.{name} does not take these arguments: {error}") from None
        out = keywords.pop("out", None)
        result = getattr(np, name)(*self.host(args), **{key: self.host(value) for key, value in keywords.items()})
        if out is None:
            return self.device(result)
        on_host(out)[...] = result
        return out

    def host(self, value: Any) -> Any:
        if isinstance(value, self.cupy.ndarray):
            return on_host(value)
        assert not isinstance(value, np.ndarray), "an array of the host among arrays of the device"
        if isinstance(value, (list, tuple)):
            return type(value)([self.host(item) for item in value])
        return value

    def device(self, value: Any) -> Any:
        """A CuPy array, laid out as NumPy's, from every array in `value`."""
        if isinstance(value, (tuple, list)):
            return type(value)([self.device(item) for item in value])
        if not isinstance(value, (np.ndarray, np.generic)):
            return value
        value = np.asarray(value)
        order = sorted(range(value.ndim), key=value.strides.__getitem__, reverse=True)
        dense = value.transpose(order)
        made = self.cupy.empty(dense.shape, value.dtype)
        on_host(made)[...] = dense
        return made.transpose(tuple(map(int, np.argsort(order)))) if value.ndim else made

    def asarray(self, a: Any, dtype: Any = None, order: str | None = None, **unused: Any) -> Any:
        if isinstance(a, self.cupy.ndarray):
            return a if dtype in (None, a.dtype) else a.astype(dtype)
        return self.device(np.asarray(a, dtype, order="C"))

    array = asarray

    def asnumpy(self, a: Any, **unused: Any) -> np.ndarray:
        return on_host(a).copy() if isinstance(a, self.cupy.ndarray) else np.asarray(a)

    def empty_like(self, prototype: Any, dtype: Any = None, order: str = "K", **options: Any) -> Any:
        return self.cupy.empty_like(prototype, dtype, order, **options)

    def ascontiguousarray(self, a: Any, dtype: Any = None) -> Any:
        if a.flags.c_contiguous and dtype in (None, a.dtype):
            return self.cupy.ascontiguousarray(a)
        return self.device(np.ascontiguousarray(on_host(a), dtype))


def _method(xp: HostCupy, name: str) -> Callable:
    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        if any(isinstance(argument, np.ndarray) for argument in args):
            raise TypeError(f"Unsupported type {np.ndarray}")
        out = keywords.pop("out", None)
        view = on_host(self)
        result = getattr(view, name)(*xp.host(args), **keywords)
        if name in IN_PLACE:
            return self
        if result is NotImplemented:
            return result
        if out is None:
            return xp.device(result)
        on_host(out)[...] = result
        return out

    return method


BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift", "matmul"]
IN_PLACE = {f"__i{name}__" for name in BINARY}
COMPUTED = [*IN_PLACE, *(f"__{name}__" for name in BINARY), *(f"__r{name}__" for name in BINARY)]
COMPUTED += ["__neg__", "__abs__", "__invert__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "fill"]
COMPUTED += ["sum", "mean", "max", "min", "prod", "all", "any", "argmax", "argmin", "var", "cumsum", "round", "dot"]
COMPUTED += ["astype", "copy", "repeat", "take", "nonzero", "clip", "sort", "argsort"]
READ = ["__bool__", "__int__", "__float__", "__index__", "item", "tolist"]


def methods(xp: HostCupy) -> dict[str, Callable]:
    """Methods of cupy.ndarray that would run a kernel, by NumPy."""
    own = xp.cupy.ndarray

    def getitem(self: Any, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, (own, list)) for part in parts):
            return xp.device(on_host(self)[xp.host(index)])
        return own_getitem(self, index)

    own_getitem = own.__getitem__

    def setitem(self: Any, index: Any, value: Any) -> None:
        on_host(self)[xp.host(index)] = xp.host(value)

    def get(self: Any, *unused: Any, out: Any = None, **also: Any) -> np.ndarray:
        if out is None:
            return on_host(self).copy()
        out[...] = on_host(self)
        return out

    def ravel(self: Any, order: str = "C") -> Any:
        return self.reshape(-1) if self.flags.c_contiguous else xp.device(on_host(self).ravel(order))

    def reshape(self: Any, *shape: Any, order: str = "C") -> Any:
        host = on_host(self)
        changed = host.reshape(*shape)
        if changed.size == 0 or np.shares_memory(changed, host):
            return own_reshape(self, *shape)
        return xp.device(changed.copy())  # CuPy would copy, too, by a kernel

    own_reshape = own.reshape

    def scatter_add(self: Any, index: Any, value: Any) -> None:
        np.add.at(on_host(self), xp.host(index), xp.host(value))

    def array_function(self: Any, function: Callable, types: Any, args: tuple, keywords: dict[str, Any]) -> Any:
        home = xp.linalg if function.__module__.endswith("linalg") else xp
        return getattr(home, function.__name__)(*args, **keywords)

    def array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        (out,) = keywords.pop("out", (None,))
        return getattr(getattr(xp, ufunc.__name__), method)(*inputs, out=out, **keywords)

    def read(name: str) -> Callable:
        return lambda self, *args: getattr(on_host(self), name)(*args)

    found: dict[str, Callable] = {name: _method(xp, name) for name in COMPUTED} | {name: read(name) for name in READ}
    return found | {
        "__getitem__": getitem, "__setitem__": setitem, "get": get, "ravel": ravel, "flatten": ravel,
        "reshape": reshape, "scatter_add": scatter_add, "__array_function__": array_function,
        "__array_ufunc__": array_ufunc, "__reduce__": lambda self: (_pickled, (on_host(self).copy(),)),
    }  # fmt: skip


def _pickled(host: np.ndarray) -> Any:
    return backend().xp.asarray(host)


class HostCupyBackend(simulator.SimulatorBackend):
    """The simulator, with CuPy's arrays in the place of its own."""

    def launch(self, file, function, grid, block, args, shared, defines, indirect) -> None:
        args, indirect = (tuple(map(self._simulated, values)) for values in (args, indirect))
        super().launch(file, function, grid, block, args, shared, defines, indirect)

    def _simulated(self, argument: Any) -> Any:
        return arrays.ndarray._of(on_host(argument)) if isinstance(argument, self.xp.ndarray) else argument

    def upload(self, host: np.ndarray, device: int | None = None, non_blocking: bool = False) -> Any:
        return self.xp.device(host)


@contextlib.contextmanager
def host_cupy() -> Iterator[HostCupy]:
    """Within this, the device's arrays are CuPy's; the test is skipped where CuPy is not installed."""
    cupy = pytest.importorskip("cupy", reason="pip install cupy-cuda13x")
    xp = HostCupy(cupy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGRAD_CUDA_SIMULATOR", "1")
        cupy.cuda.set_allocator(allocator(cupy))
        for name, method in methods(xp).items():
            method.__wrapped__ = getattr(cupy.ndarray, name, None)  # whose arguments it takes, to `inspect`
            patch.setattr(cupy.ndarray, name, method, raising=False)
        patch.setattr(HostCupyBackend, "xp", xp)
        patch.setattr(simulator, "SimulatorBackend", HostCupyBackend)
        backend.cache_clear()
        yield xp
    backend.cache_clear()
