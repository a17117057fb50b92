"""`study.explain`: an operation's formula, shapes, picture, source and papers, and a check of its gradient."""

from __future__ import annotations

import copy
import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from minigrad import nn
from minigrad.autograd.function import Function
from minigrad.generator import default_generator
from minigrad.nn import functional as F
from minigrad.ops import activation, convert, creation, creation_like, einsum, indexing, random, random_in_place
from minigrad.ops.convert import clone
from minigrad.ops.methods import FAMILIES, methods
from minigrad.record.formulas import FORMULAS, formula_of, formulas_of
from minigrad.record.recorder import argument_names, saved_values
from minigrad.record.records import Operation
from minigrad.record.text import shape_text
from minigrad.record.trace import trace
from minigrad.study.draw.window import node_geometry, record_geometry
from minigrad.study.explain.differences import measure
from minigrad.study.explain.examples import LAYERS, example_call, layer_inputs
from minigrad.study.explain.explanation import Explanation, Part
from minigrad.study.explain.sources import references, source_of, sources_of
from minigrad.tensor import Tensor, from_array

# Of these families no function computes with the numbers of its arguments.
_MAKERS = {module.__name__ for module in (convert, creation, creation_like, random, random_in_place)}


def explain(what: str | type | nn.Module | Tensor | Callable[..., Any], *inputs: Any) -> Explanation:
    """Explain an operation: formula, shapes, picture, source, papers, and a check of its gradient.

    Args:
        what: the name of an operation or a layer ("conv2d", "BatchNorm2d"), a function, a layer or its class, a
            `Function`, or a tensor, whose operation is explained.
        inputs: the arguments of the call, instead of those of the example; for a Function or a module of one's own they
            are needed for the shapes and the check.

    Returns:
        An `Explanation`, which prints as text, shows in a notebook, and saves as a page.

    Raises:
        TypeError: `what` is none of these.
        ValueError: the name is not known (the message has similar ones), no example of the layer is known, or the
            tensor is a leaf.

    Examples:
        >>> from minigrad import study
        >>> study.explain("conv2d").save("conv2d.html")
        >>> print(str(study.explain("relu"))[:4])
        relu
    """
    if isinstance(what, str):
        what = _named(what)
    if isinstance(what, Tensor):
        return _of_tensor(what)
    if isinstance(what, nn.Module):
        return _of_layer(what, inputs)
    if isinstance(what, type) and issubclass(what, nn.Module):
        if what.__name__ not in LAYERS or getattr(nn, what.__name__, None) is not what:
            raise ValueError(
                f"explain: no example of {what.__name__} is known; give a layer, explain({what.__name__}(...))"
            )
        return _of_layer(LAYERS[what.__name__][1](), inputs)
    if isinstance(what, type) and issubclass(what, Function):
        return _of_operation(what, inputs)
    if callable(what) and not isinstance(what, type):
        return _of_function(what, inputs)
    raise TypeError(
        f"explain: expected a name, a function, a layer, a Function or a tensor, got {type(what).__name__} {what!r}"
    )


def functions() -> dict[str, Callable[..., Any]]:
    """Every operation that can be explained by its name."""
    exported = [getattr(family, name) for family in (activation, einsum, *FAMILIES) for name in family.__all__]
    found = {
        function.__name__: function
        for function in (*exported, *methods().values())
        if function.__module__ not in _MAKERS and function.__name__[-1] != "_"  # not the forms in place
    }
    return found | dict(inspect.getmembers(F, inspect.isfunction)) | {"clone": clone, "getitem": indexing.getitem}


def _named(name: str) -> Any:
    known: dict[str, Any] = {**_operations(Function), **{layer: getattr(nn, layer) for layer in LAYERS}, **functions()}
    if name in known:
        return known[name]
    alike = [other for other in known if other.lower() == name.lower().removeprefix("f.").removeprefix("nn.")]
    if alike:
        return known[alike[-1]]
    near = difflib.get_close_matches(name.lower(), [other.lower() for other in known], n=4, cutoff=0.5)
    near = list(dict.fromkeys([next(other for other in reversed(known) if other.lower() == match) for match in near]))
    hint = f"; did you mean {', '.join([repr(match) for match in near])}?" if near else ""
    raise ValueError(f"explain: no operation or layer is called {name!r}{hint}")


def _operations(cls: type[Function]) -> dict[str, type[Function]]:
    """The engine's own Functions by name."""
    found: dict[str, type[Function]] = {}
    for below in cls.__subclasses__():
        found |= _operations(below)
        if below.__module__.startswith("minigrad.ops"):
            found[below.__name__] = below
    return found


def _of_function(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Explanation:
    name = getattr(function, "__name__", type(function).__name__)
    example = (inputs, {}) if inputs else example_call(name, function)
    made = Explanation(name, _summary(function), _signature(name, function))
    if example is None:
        made.no_check = "no example of a call is known: give arguments, explain(function, x, ...)"
        made.source = source_of(function)
        return made
    args, options = example
    leaves = _leaves(function, args)
    records = _run(made, lambda: function(*args, **options), leaves)
    made.formulas = _formulas(name, records)
    if len(records) != 1:
        made.source = source_of(function)
    _documented(made, function)
    return made


def _of_layer(layer: nn.Module, inputs: tuple[Any, ...]) -> Explanation:
    cls = type(layer)
    own = getattr(nn, cls.__name__, None) is cls and cls.__name__ in LAYERS
    given = inputs or layer_inputs(layer)
    made = Explanation(
        repr(layer) if len(repr(layer)) < 70 else cls.__name__, _summary(cls), _signature(cls.__name__, cls)
    )
    made.source = source_of(cls.forward)
    if given is None:
        made.no_check = "no input for it is known: give one, explain(layer, x)"
        return made
    # In float64, and a copy: what is checked runs many times, and may count batches or average statistics.
    layer = copy.deepcopy(layer).double()
    args = tuple([_double(x) if isinstance(x, Tensor) and x.is_floating_point() else x for x in given])
    leaves = _leaves(layer.forward, args) | dict(layer.named_parameters())
    records = _run(made, lambda: layer(*args), leaves)
    if own:
        function = functions()[LAYERS[cls.__name__][0]]
        made.formulas = _formulas(LAYERS[cls.__name__][0], records)
        _documented(made, cls, function)
    else:
        _documented(made, cls)
    return made


def _of_operation(cls: type[Function], inputs: tuple[Any, ...]) -> Explanation:
    made = Explanation(cls.__name__, inspect.cleandoc(cls.__doc__ or formula_of(cls)))
    made.formulas = formulas_of(cls)
    made.parts = [_part(cls)]
    _documented(made, cls)
    if inputs:
        _run(made, lambda: cls.apply(*inputs), _leaves(cls.forward, (None, *inputs)))
    else:
        found = _example_of(cls)
        if found is None:
            made.no_check = f"no example of a call is known: give arguments, explain({cls.__name__}, x, ...)"
            return made
        _, function, args, options = found
        _run(made, lambda: function(*args, **options), _leaves(function, args))
    made.parts = [_part(cls)]
    return made


def _of_tensor(tensor: Tensor) -> Explanation:
    node = tensor.grad_fn
    if node is None:
        raise ValueError(
            "explain: no operation is known to have made this tensor: it is a leaf, or was made under no_grad"
        )
    cls = type(node)
    made = _of_operation(cls, ())
    made.title = f"{cls.__name__}, which made a tensor of shape {list(tensor.shape)}"
    rows = []
    for role, (parent, slot) in zip(argument_names(cls, len(node.edges)), node.edges, strict=True):
        if parent is not None:
            rows.append((role, f"{shape_text(parent.outputs[slot][0])} {parent.outputs[slot][1]}"))
    rows += [(f"saved: {value.role}", f"{shape_text(value.shape)} {value.dtype}") for value in saved_values(node)]
    made.shapes = [*rows, ("result", f"{shape_text(tensor.shape)} {tensor.dtype}")]
    made.geometry = node_geometry(node, tensor.shape)
    return made


def _run(made: Explanation, call: Callable[[], Any], leaves: Mapping[str, Tensor]) -> list[Operation]:
    """Call once under a trace, for shapes and operations, and then for the check; the generator stays as it was."""
    state = default_generator.get_state()

    def repeatable() -> list[Tensor]:
        default_generator.set_state(state)
        result = call()
        return [r for r in (result if isinstance(result, tuple | list) else [result]) if isinstance(r, Tensor)]

    try:
        with trace(keep_values=True) as t:
            results = repeatable()
        records = [record for record in t if isinstance(record, Operation) and record.recorded]
        made.shapes = [(name, f"{shape_text(leaf.shape)} {leaf.dtype}") for name, leaf in leaves.items()]
        for index, result in enumerate(results):
            name = "result" if len(results) == 1 else f"result[{index}]"
            made.shapes.append((name, f"{shape_text(result.shape)} {result.dtype}"))
        made.geometry = next((g for g in map(record_geometry, records) if g is not None), None)
        known = _operations(Function)
        made.parts = [
            _part(known[name]) for name in dict.fromkeys([record.name for record in records]) if name in known
        ]
        moved = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad and leaf.dtype == "float64"}
        differentiable = [index for index, result in enumerate(results) if result.requires_grad]
        if not differentiable:
            made.no_check = "there is nothing to check: the result has no gradient"
        elif not moved:
            made.no_check = "not checked: no input is float64 and requires grad, as finite differences need"
        else:
            made.check = measure(lambda: repeatable()[differentiable[0]], moved)
    finally:
        default_generator.set_state(state)
    return records


def _example_of(cls: type[Function]) -> tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None:
    """A call that runs an operation: of the function of its name, or of the first that turns out to use it."""
    known = functions()
    likely = [name for name in known if name.replace("_", "") == cls.__name__.lower()]
    for name in [*likely, *known]:
        example = example_call(name, known[name])
        if example is None:
            continue
        args, options = example
        with trace() as t:
            known[name](*args, **options)
        if cls.__name__ in [record.name for record in t]:
            return name, known[name], args, options
    return None


def _part(cls: type[Function]) -> Part:
    forward, backward = sources_of(cls)
    return Part(cls.__name__, formula_of(cls), forward, backward)


ASIDE = {"Reshape", "Permute", "Clone", "Expand", "Slice", "Sum", "Div"}  # around what a function really does


def _formulas(name: str, records: list[Operation]) -> tuple[str, ...]:
    """The formulas of a function, or of the one operation that it is."""
    if name in FORMULAS:
        return FORMULAS[name]
    names = [record.name for record in records]
    real = [name for name in names if name not in ASIDE] or names[:1]
    return FORMULAS.get(real[0], ()) if len(real) == 1 else ()


def _summary(thing: Any) -> str:
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def _signature(name: str, thing: Any) -> str:
    try:
        # Annotations are kept as strings; a default that is one keeps its quotes.
        return name + re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))
    except (TypeError, ValueError):
        return ""


def _leaves(function: Callable[..., Any], args: tuple[Any, ...]) -> dict[str, Tensor]:
    """The tensors among the arguments, those in lists too, by the names of the parameters."""
    names = list(inspect.signature(function).parameters.values())
    found = {}
    for position, argument in enumerate(args):
        parameter = names[min(position, len(names) - 1)]
        starred = parameter.kind is parameter.VAR_POSITIONAL
        name = f"{parameter.name}[{position - len(names) + 1}]" if starred else parameter.name
        if isinstance(argument, Tensor):
            found[name] = argument
        elif isinstance(argument, list | tuple):
            found |= {f"{name}[{i}]": entry for i, entry in enumerate(argument) if isinstance(entry, Tensor)}
    return found


def _double(tensor: Tensor) -> Tensor:
    """A float64 copy to move, with a gradient."""
    return from_array(tensor.detach().cpu().array.astype("float64"), requires_grad=True)


def _kernels(parts: list[Part]) -> list[ModuleType]:
    """The reference kernels, in NumPy, of the operations that run kernels."""
    names = dict.fromkeys(re.findall(r'implementation\("(\w+)"', "".join([part.forward for part in parts])))
    return [importlib.import_module(f"minigrad.kernels.{name}.reference") for name in names]


def _documented(made: Explanation, *things: Any) -> None:
    """Add the papers that the documentation of `things` and of the kernels names, and the kernels' source."""
    kernels = _kernels(made.parts)
    functions_of = [entry for kernel in kernels for _, entry in inspect.getmembers(kernel, inspect.isfunction)]
    made.papers = references(*things, *kernels, *functions_of)
    made.kernels = {"/".join(kernel.__name__.split(".")[1:]) + ".py": inspect.getsource(kernel) for kernel in kernels}
