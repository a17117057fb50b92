"""The tensor: an array, its gradient, and the node that made it.

Operations on tensors are in `minigrad.ops`, which also binds the methods (`Tensor.sum`, ``x * y``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minigrad import storage
from minigrad.device import device as Device
from minigrad.device import device_of, on_host
from minigrad.pending import finish


class Version:
    """How often an array was written in place; views and `detach` share their base's."""

    # Defaults stand on the class, as a tensor's do.
    value: int = 0
    shared: bool = False  # True once others may hold the array (NumPy, DLPack) and write into it unnoticed


class Tensor:
    """An n-dimensional array that records how it was computed, so that gradients can flow back through it.

    Make tensors with `minigrad.tensor`, `minigrad.zeros` and so on. The class is called as PyTorch's is:
    ``Tensor(2, 3)`` is uninitialised, ``Tensor([1, 2])`` has the default dtype.

    Args:
        data: sizes, a sequence, an array or a tensor.
        device: where the tensor is; only the CPU is accepted here, as in PyTorch.

    Attributes:
        array: the NumPy (on a GPU, CuPy) array that holds the elements.

    Raises:
        TypeError: `data` is none of these.
        ValueError: nested sequences have unequal lengths.
        RuntimeError: a size is negative, or the device does not fit.

    Examples:
        >>> x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 4., 6.])
        >>> y.grad_fn
        <SumBackward0>
    """

    # Defaults stand on the class: most tensors never set them, and making a tensor stays cheap.
    grad_hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None
    accumulated_hooks: dict[int, Callable[[Tensor], None]] | None = None  # called when a leaf's gradient was added to
    _grad: Tensor | None = None
    _requires_grad: bool = False
    _node: Any = None  # the autograd Node that made this tensor; None for a leaf
    _slot: int = 0  # which of that node's outputs it is
    _accumulator: Any = None  # weak reference to the AccumulateGrad node of a leaf
    _base: Tensor | None = None  # the tensor that this one is a view of
    _base_node: Any = None  # the base's node when this view's history was last made
    _replay: Any = None  # takes this view from its base once more
    _writable: bool = True  # False for the copy that `view` makes where it should have shared memory
    waits: bool = False  # True while the array is still to be computed, see minigrad.pending

    __array_priority__: int = 1000  # NumPy arrays leave binary operators to us

    array: Any
    _version: Version

    def _hold(self, array: Any) -> None:
        """Be the tensor of `array`, shared and not copied."""
        # NumPy makes scalars of 0-d results.
        self.array = np.asarray(array) if isinstance(array, np.generic) else array
        self._version = Version()

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every dimension."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def device(self) -> Device:
        """The device that the array is on."""
        return device_of(self.array)

    @property
    def is_cuda(self) -> bool:
        """Whether the array is on a GPU."""
        return self.device.type == "cuda"

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.array.nbytes

    @overload
    def size(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def size(self, dim: int) -> int: ...
    def size(self, dim: int | None = None) -> tuple[int, ...] | int:
        """Return the shape, or the length of dimension `dim`.

        Raises:
            IndexError: there is no such dimension.
        """
        if dim is None:
            return self.shape
        self._check_dimension("size", dim)
        return self.shape[dim]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.array.itemsize

    @overload
    def stride(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def stride(self, dim: int) -> int: ...
    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """Return the step in memory from one element to the next, in elements, for each dimension or for `dim`.

        Raises:
            IndexError: there is no such dimension.
        """
        strides = tuple([step // self.array.itemsize for step in self.array.strides])
        if dim is None:
            return strides
        self._check_dimension("stride", dim)
        return strides[dim]

    def _check_dimension(self, operation: str, dim: int) -> None:
        if not -self.ndim <= dim < self.ndim:
            n = max(self.ndim, 1)
            raise IndexError(f"{operation}: dimension out of range (expected to be in [{-n}, {n - 1}], but got {dim})")

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return storage.address(self.array)

    def is_floating_point(self) -> bool:
        """Tell whether the dtype is float16, float32 or float64."""
        return self.dtype.kind == "f"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    @property
    def requires_grad(self) -> bool:
        """True if operations with this tensor are recorded for backward."""
        if self._base is not None and self._base_node is not self._base._node:
            self._renew_history(self._base)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "f":
            raise RuntimeError(f"only tensors of floating point dtype can require gradients, got {self.dtype}")
        if not value and self._node is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` of a leaf, and return it."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Any:
        """The node of the operation that made this tensor; None for a leaf."""
        return self._node if self.requires_grad else None

    @property
    def output_nr(self) -> int:
        """Which of its node's outputs this tensor is."""
        return self._slot

    @property
    def is_leaf(self) -> bool:
        """True if no recorded operation made it: its gradient is kept in `.grad`."""
        return self.grad_fn is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have accumulated, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad must be a Tensor or None, got {type(value).__name__}")
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise RuntimeError(
                    f"assigned grad has {value.dtype} data of shape {list(value.shape)}; "
                    f"expected {self.dtype} of shape {list(self.shape)}"
                )
            if value.device != self.device:
                raise RuntimeError(f"assigned grad lies on {value.device}; expected {self.device}")
        self._grad = value

    @property
    def retains_grad(self) -> bool:
        """True for a non-leaf whose gradient `retain_grad` keeps."""
        retained = self._node.retained if self.grad_fn is not None else None
        return retained is not None and self._slot in retained

    def detach(self) -> Tensor:
        """Return a tensor with the same memory and without history; backward notices writes into either."""
        detached = from_array(self.array)
        detached._version = self._version
        return detached

    def detach_(self) -> Tensor:
        """Remove this tensor's history, in place.

        Raises:
            RuntimeError: the tensor is a view.
        """
        if self._base is not None:
            raise RuntimeError("can't detach views in-place: use detach() instead")
        self._node, self._slot, self._requires_grad = None, 0, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without history and without a version: backward does not notice writes through it."""
        return borrow(self._hand_out())

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        finish(self)
        self.array = value._hand_out()
        self._version = borrow(self.array)._version  # a new one: what was saved of the old array is stale

    def _hand_out(self) -> Any:
        """The array for somebody who may write into it at any time, and whose writes nobody notices."""
        finish(self)
        self._version.shared = True
        return self.array

    def _bump_version(self) -> None:
        """Say that `array` was written in place."""
        self._version.value += 1

    def _alias(self) -> Tensor:
        """A second tensor with the same array and history."""
        alias = from_array(self.array)
        alias._version, alias._requires_grad = self._version, self.requires_grad
        alias._node, alias._slot, alias._accumulator = self._node, self._slot, self._accumulator
        return alias

    def _renew_history(self, base: Tensor) -> None:
        """The base was written into since this view was taken: take it again, as far as history goes."""
        again = self._replay(base)
        self._requires_grad, self._node, self._slot = again._requires_grad, again._node, again._slot
        self._base_node = base._node

    def item(self) -> float | int | bool:
        """Return the only element as a Python number.

        Raises:
            RuntimeError: there is not exactly one element.
        """
        if self.array.size != 1:
            raise RuntimeError(f"a Tensor with {self.array.size} elements cannot be converted to Scalar")
        return on_host(self.array).item()

    def tolist(self) -> Any:
        """Return the values as nested lists; a number for a 0-d tensor."""
        return on_host(self.array).tolist()

    def numpy(self, *, force: bool = False) -> NDArray[Any]:
        """Return the NumPy array, which shares memory.

        Args:
            force: detach the tensor, and copy it from a GPU, where needed.

        Raises:
            RuntimeError: the tensor requires grad.
            TypeError: it is on a GPU.
        """
        if force:
            return on_host(self._hand_out())
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if not isinstance(self.array, np.ndarray):
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                "host memory first."
            )
        return self._hand_out()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._hand_out().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise RuntimeError(
                f"Boolean value of Tensor with {'no' if self.array.size == 0 else 'more than one'} value"
                f"{'s' if self.array.size == 0 else ''} is ambiguous"
            )
        return bool(on_host(self.array).item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(on_host(self.array).item())

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.ndim == 0 and spec else str(self), spec)

    __hash__ = object.__hash__  # by identity, although == compares elementwise

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf tensors (created explicitly by the user) support deepcopy; detach() first")
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied._hold(storage.deepcopy(self.array, memo))
        # Views of one memory count its writes together.
        copied._version = memo.setdefault(id(self._version), copied._version)
        copied._requires_grad = self._requires_grad
        copied._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise RuntimeError("only leaf tensors can be pickled; detach() first")
        return _rebuild, (type(self), self.array, self._requires_grad)


def _rebuild(cls: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    tensor = cls.__new__(cls)
    tensor._hold(array)
    tensor._requires_grad = requires_grad
    return tensor


def from_array(array: Any, requires_grad: bool = False) -> Tensor:
    """The tensor of a NumPy or CuPy array (or of a NumPy scalar), which it shares."""
    tensor = Tensor.__new__(Tensor)
    tensor.array = np.asarray(array) if isinstance(array, np.generic) else array  # `_hold`, at every operation
    tensor._version = Version()
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def borrow(array: Any) -> Tensor:
    """As `from_array`, of an array that others hold too and may write into, unnoticed."""
    tensor = from_array(array)
    tensor._version.shared = True
    return tensor
