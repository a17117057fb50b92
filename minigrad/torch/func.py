"""`torch.func`: derivatives of functions as functions, and modules called with other parameters.

A gradient is recorded where something that requires one goes into it, so that these may be nested: grad(grad(f)).
`vmap` calls the function for one sample after another; nothing in it is vectorised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import minigrad as mg
from minigrad.autograd.node import AccumulateGrad
from minigrad.nn import Module
from minigrad.tensor import Tensor
from minigrad.torch.facade import face


def _leaves(tree: Any) -> list[Tensor]:
    """The tensors in nested dictionaries, lists and tuples."""
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ()
    return [leaf for part in parts for leaf in _leaves(part)]


def _mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with each of its tensors replaced."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return type(tree)({key: _mapped(function, part) for key, part in tree.items()})
    if isinstance(tree, list | tuple):
        parts = [_mapped(function, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return tree


def _tracked(tensor: Tensor) -> Tensor:
    """The tensor as an input of its own, whose history goes on behind it if it has one."""
    if tensor.dtype.kind != "f":
        return tensor
    return tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()


def _settled(result: Any, own: Sequence[Tensor]) -> Any:
    """A result without history, unless it depends on something else than `own`, or that has a history."""
    inner = {id(leaf) for leaf in own if leaf.grad_fn is None}

    def settled(tensor: Tensor) -> Tensor:
        waiting, seen = [tensor.grad_fn], set()
        if tensor.grad_fn is None:
            return tensor.detach() if id(tensor) in inner else tensor
        while waiting:
            node = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if isinstance(node, AccumulateGrad) and id(node.variable) not in inner:
                return tensor
            waiting += [parent for parent, _ in node.next_functions]
        return tensor.detach()

    return _mapped(settled, result)


def _chosen(operation: str, args: Sequence[Any], argnums: int | Sequence[int]) -> list[int]:
    places = [argnums] if isinstance(argnums, int) else list(argnums)
    for place in places:
        if not -len(args) <= place < len(args):
            raise RuntimeError(f"{operation}: argnums {place} is out of range for {len(args)} positional arguments")
    return [place % len(args) for place in places]


def _with_tracked(operation: str, args: Sequence[Any], argnums: Any) -> tuple[list[Any], Any, list[Tensor]]:
    """The arguments with those of `argnums` tracked; these as the caller gets them back; and their tensors."""
    places = _chosen(operation, args, argnums)
    given = [_mapped(_tracked, arg) if place in places else arg for place, arg in enumerate(args)]
    wanted = given[places[0]] if isinstance(argnums, int) else tuple([given[place] for place in places])
    return given, wanted, _leaves(wanted)


def grad_and_value(func: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of `func`, which must return one number, and that number."""

    @wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        with mg.enable_grad():
            given, wanted, inputs = _with_tracked("grad", args, argnums)
            returned = func(*given, **kwargs)
            value, aux = returned if has_aux else (returned, None)
            if not isinstance(value, Tensor) or value.ndim:
                what = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise RuntimeError(f"grad: expected the function to return a tensor without dimensions, got {what}")
            found: Any = [None] * len(inputs)
            if value.requires_grad:
                found = mg.autograd.grad(value, inputs, create_graph=True, allow_unused=True)
            by_input = {id(x): mg.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)}
            gradients = _mapped(lambda x: by_input[id(x)], wanted)
            gradients, value, aux = _settled((gradients, value, aux), inputs)
        return (gradients, (value, aux)) if has_aux else (gradients, value)

    return both


def grad(func: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of `func`, which must return one number."""
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        gradients, rest = both(*args, **kwargs)
        return (gradients, rest[1]) if has_aux else gradients

    return gradient


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """func(*primals), and a function that returns v^T J of a v in the results' shape."""
    with mg.enable_grad():
        given, _, inputs = _with_tracked("vjp", primals, tuple(range(len(primals))))
        returned = func(*given)
        result, aux = returned if has_aux else (returned, None)

    def product(cotangents: Any) -> Any:
        with mg.enable_grad():
            pairs = [(out, v) for out, v in zip(_leaves(result), _leaves(cotangents), strict=True) if out.requires_grad]
            found: Any = [None] * len(inputs)
            if pairs:
                roots, weights = zip(*pairs, strict=True)
                found = mg.autograd.grad(roots, inputs, weights, create_graph=True, allow_unused=True)
            by_input = {id(x): mg.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)}
            return _settled(tuple(_mapped(lambda x: by_input[id(x)], given)), inputs)

    settled = _settled(result, inputs)
    return (settled, product, _settled(aux, inputs)) if has_aux else (settled, product)


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """func(*primals) and J v: u^T J is linear in u, and its derivative by u, weighted with v, is J v."""
    with mg.enable_grad():
        given, _, inputs = _with_tracked("jvp", tuple(primals), tuple(range(len(primals))))
        returned = func(*given)
        result, aux = returned if has_aux else (returned, None)
        outputs = _leaves(result)
        us = [mg.zeros_like(out).requires_grad_() for out in outputs]
        pairs = [(out, u) for out, u in zip(outputs, us, strict=True) if out.requires_grad]
        products: Any = [None] * len(us)
        if pairs:
            roots, weights = zip(*pairs, strict=True)
            rows = mg.autograd.grad(roots, inputs, weights, create_graph=True, allow_unused=True)
            known = [(row, v) for row, v in zip(rows, _leaves(tangents), strict=True) if row is not None]
            linear, factors = zip(*known, strict=True)
            products = mg.autograd.grad(linear, us, factors, create_graph=True, allow_unused=True)
        by_output = {id(out): mg.zeros_like(out) if p is None else p for out, p in zip(outputs, products, strict=True)}
        tangent = _settled(_mapped(lambda out: by_output[id(out)], result), [*inputs, *us])
    result, aux = _settled((result, aux), inputs)
    return (result, tangent, aux) if has_aux else (result, tangent)


def jacrev(func: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **options: Any) -> Any:
    """A function that returns the Jacobian of `func`: of shape (*O, *I) for an output (*O) and an input (*I)."""

    @wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        with mg.enable_grad():
            given, wanted, inputs = _with_tracked("jacrev", args, argnums)
            returned = func(*given, **kwargs)
            result, aux = returned if has_aux else (returned, None)

            def rows(output: Tensor) -> Any:
                found = [mg.zeros(output.numel(), *x.shape, dtype=x.dtype, device=x.device) for x in inputs]
                if output.requires_grad and output.numel():
                    batch = mg.eye(output.numel(), dtype=output.dtype, device=output.device)
                    gradients = mg.autograd.grad(
                        output, inputs, batch.reshape(-1, *output.shape),
                        create_graph=True, allow_unused=True, is_grads_batched=True,
                    )  # fmt: skip
                    found = [zero if g is None else g for zero, g in zip(found, gradients, strict=True)]
                by_input = {id(x): row.reshape(*output.shape, *x.shape) for x, row in zip(inputs, found, strict=True)}
                return _mapped(lambda x: by_input[id(x)], wanted)

            whole, aux = _settled((_mapped(rows, result), aux), inputs)
        return (whole, aux) if has_aux else whole

    return jacobian


def jacfwd(func: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **options: Any) -> Any:
    """As `jacrev`: there is no forward mode here."""
    return jacrev(func, argnums, has_aux)


def hessian(func: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Any:
    """A function that returns the second derivatives of `func`."""
    return jacrev(jacrev(func, argnums), argnums)


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: Any = None
) -> Any:
    """A function of batches: `func` is called with one sample after another, and what it returns is stacked."""
    if randomness == "same":
        raise RuntimeError("vmap: randomness='same' is not supported: each sample draws its own numbers")

    @wraps(func)
    def batched(*args: Any, **kwargs: Any) -> Any:
        dims = [in_dims] * len(args) if in_dims is None or isinstance(in_dims, int) else list(in_dims)
        if len(dims) != len(args):
            raise ValueError(f"vmap: in_dims has {len(dims)} entries for {len(args)} arguments")
        sizes = {
            leaf.shape[dim] for arg, dim in zip(args, dims, strict=True) if dim is not None for leaf in _leaves(arg)
        }
        if len(sizes) != 1:
            raise ValueError(f"vmap: the batches must be of one size, got {sorted(sizes) or 'none'}")
        results = [
            func(*[
                arg if dim is None else _mapped(partial(Tensor.select, dim=dim, index=i), arg)
                for arg, dim in zip(args, dims, strict=True)
            ], **kwargs)
            for i in range(sizes.pop())
        ]  # fmt: skip
        if not results:
            raise ValueError("vmap: the batch is empty")
        several = isinstance(results[0], tuple) and isinstance(out_dims, tuple)
        return (
            _joined(results, out_dims)
            if not several
            else tuple(
                [_joined(list(part), dim) for part, dim in zip(zip(*results, strict=True), out_dims, strict=True)]
            )
        )

    return batched


def _joined(results: Sequence[Any], dim: int) -> Any:
    """Results of one structure, stacked tensor by tensor."""
    columns: Iterator[Any] = iter(zip(*[_leaves(result) for result in results], strict=True))
    return _mapped(lambda _: mg.stack(next(columns), dim), results[0])


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in the place of its parameters and buffers, by their full names."""
    dicts = parameter_and_buffer_dicts
    given = dict(dicts) if isinstance(dicts, dict) else {name: x for part in dicts for name, x in part.items()}
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    unexpected, missing = sorted(given.keys() - own.keys()), sorted(own.keys() - given.keys())
    if strict and (unexpected or missing):
        raise RuntimeError(f"functional_call: unexpected keys {unexpected}, missing keys {missing}")
    if tie_weights:  # one tensor under two names is replaced under both
        by_tensor = {id(own[name]): x for name, x in given.items() if name in own}
        given = {name: by_tensor[id(tensor)] for name, tensor in own.items() if id(tensor) in by_tensor}
    with _replaced(module, given):
        return module(*(() if args is None else args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


@contextmanager
def _replaced(module: Module, given: dict[str, Tensor]) -> Iterator[None]:
    before: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for full, tensor in given.items():
            path, _, name = full.rpartition(".")
            owner = module.get_submodule(path)
            place = owner._parameters if name in owner._parameters else owner._buffers
            before.append((place, name, place[name]))
            place[name] = tensor
        yield
    finally:
        for place, name, tensor in before:
            place[name] = tensor


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters, and the buffers, of modules of one kind, stacked along a new first dimension."""
    if not models:
        raise RuntimeError("stack_module_state: expected at least one model, got 0")
    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    stacked = {
        name: mg.stack([part[name].detach() for part in parameters]).requires_grad_(parameters[0][name].requires_grad)
        for name in parameters[0]
    }
    return stacked, {name: mg.stack([part[name] for part in buffers]) for name in buffers[0]}


__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "stack_module_state", "vjp",
    "vmap",
]  # fmt: skip
__getattr__, __dir__ = face(__name__)
