"""The autograd graph of a tensor as a list: operations and leaves in forward order, with names, modules, families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from minigrad.autograd.node import AccumulateGrad, Node
from minigrad.nn import Module, Parameter
from minigrad.record.recorder import scopes
from minigrad.record.records import statistics_of
from minigrad.study.draw.arrays import short
from minigrad.tensor import Tensor

FAMILIES = {
    "weights": "multiply by weights",
    "function": "function of each element",
    "arithmetic": "arithmetic",
    "pooling": "pooling",
    "normalisation": "normalisation, dropout",
    "rearranging": "rearrange",
    "reduction": "reduction, loss",
    "own": "other",
}
# Of each file of minigrad.ops that defines operations.
_FILES = {
    "weights": "conv einsum linalg linear",
    "function": "activation pointwise",
    "arithmetic": "arithmetic choice elementwise",
    "pooling": "interpolate pool",
    "normalisation": "dropout norm",
    "rearranging": "convert diagonal expand indexing joining masking shape sorting unfold",
    "reduction": "binary_cross_entropy loss reduction scan variance",
}
FAMILY_OF_FILE = {file: family for family, files in _FILES.items() for file in files.split()}


@dataclass
class Entry:
    """One operation, or one leaf: a tensor that no operation made.

    `sources` has the (index, output slot) of each input that an operation made; `path` are the modules around
    it, outermost first ("layer1", "layer1.0"); `label` is its own name if it has one, a variable's or a parameter's.
    """

    index: int
    operation: str = ""  # the class name of the operation; "" for a leaf
    family: str = "own"
    sources: list[tuple[int, int]] = field(default_factory=list)
    label: str = ""
    path: tuple[str, ...] = ()
    shapes: list[tuple[int, ...]] = field(default_factory=list)  # of its outputs
    users: list[int] = field(default_factory=list)
    is_parameter: bool = False
    requires_grad: bool = True
    gradient_norm: float | None = None  # of the gradient of its first output, once backward has run
    title: str = ""  # what a picture calls it, if not by its operation
    value: str = ""  # its value in a few characters, in pictures that show values
    gradient_text: str = ""  # its gradient in a few characters, in pictures that show more than the norm

    @property
    def gradient(self) -> str:
        """What a picture shows of its gradient."""
        return self.gradient_text or ("" if self.gradient_norm is None else f"∇ {self.gradient_norm:.3g}")


@dataclass
class AutogradGraph:
    """The entries that a result was computed from, inputs before what uses them; and the modules' class names."""

    entries: list[Entry]
    modules: dict[str, str]


def family_of(cls: type) -> str:
    """The family of an operation, by the file that defines it."""
    package, _, name = cls.__module__.rpartition(".")
    return FAMILY_OF_FILE.get(name, "own") if package == "minigrad.ops" else "own"


def read_graph(caller: str, tensor: Any, model: Module | None, frame: FrameType | None) -> AutogradGraph:
    """The graph that ends in `tensor`.

    Names of variables are looked up in `frame`, and a model too if none is given. TypeError for what is no
    tensor, RuntimeError for a tensor without a graph; `caller` names the function in the message.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{caller}: expected a Tensor, such as a loss, but got {type(tensor).__name__}")
    if model is not None and not isinstance(model, Module):
        raise TypeError(f"{caller}: model must be a Module, but got {type(model).__name__}")
    root = tensor._node
    if root is None:
        reason = "it is a leaf" if tensor.requires_grad else "nothing that it was computed from requires grad"
        raise RuntimeError(
            f"{caller}: this tensor of shape {list(tensor.shape)} has no graph: {reason}; "
            "pass the result of operations on tensors with requires_grad=True, computed outside no_grad"
        )
    nodes, entries = walk(root)
    variables = {**frame.f_globals, **frame.f_locals} if frame is not None else {}
    if model is None:
        leaves = {id(node.variable) for node in nodes if isinstance(node, AccumulateGrad)}
        model = _model_of(leaves, variables)
    _name(nodes, entries, model, variables)
    modules = {name: type(module).__name__ for name, module in model.named_modules()} if model is not None else {}
    if any([node in scopes for node in nodes]):
        for node, entry in zip(nodes, entries, strict=True):
            scope = [(path, name) for path, name in scopes.get(node, ()) if path]
            modules.update(scope)
            entry.path = tuple([path for path, _ in scope])
    elif model is not None:
        _find_modules(entries)
    return AutogradGraph(entries, modules)


def walk(root: Node) -> tuple[list[Node], list[Entry]]:
    """Depth first without recursion: a node is listed when all that it was computed from is."""
    index: dict[Node, int] = {}
    entries: list[Entry] = []
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if node in index:
            continue
        if not done:
            stack.append((node, True))
            stack.extend([(source, False) for source, _ in reversed(node.edges) if source is not None])
            continue
        entry = Entry(len(entries), shapes=[shape for shape, _, _ in node.outputs])
        held = [reference() for reference in (node.retained or {}).values()]
        gradients = [tensor.grad for tensor in held if tensor is not None]
        if isinstance(node, AccumulateGrad):
            entry.is_parameter = isinstance(node.variable, Parameter)
            gradients = [node.variable.grad]
        else:
            entry.operation, entry.family = type(node).__name__, family_of(type(node))
            entry.sources = [(index[source], slot) for source, slot in node.edges if source is not None]
        if gradients and gradients[0] is not None:
            statistics = statistics_of(gradients[0].array)
            entry.gradient_norm = statistics.norm if statistics is not None else None
            if gradients[0].numel() == 1:
                entry.gradient_text = f"∇ {short(gradients[0].numpy())}"
        index[node] = entry.index
        entries.append(entry)
        for source, _ in entry.sources:
            entries[source].users.append(entry.index)
    return list(index), entries


def _model_of(leaves: set[int], variables: Mapping[str, Any]) -> Module | None:
    """Among the caller's variables the module with the most parameters in the graph, and of those the smallest."""
    best, score = None, (0, 0)
    for module in variables.values():
        if isinstance(module, Module):
            parameters = [id(parameter) for parameter in module.parameters()]
            its_score = (len(leaves.intersection(parameters)), -len(list(module.modules())))
            if its_score[0] and its_score > score:
                best, score = module, its_score
    return best


def _name(nodes: list[Node], entries: list[Entry], model: Module | None, variables: Mapping[str, Any]) -> None:
    """Give leaves the names of parameters, and tensors those of the caller's variables."""
    of_leaf: dict[int, str] = {}
    of_output: dict[Node, str] = {}
    for name, value in variables.items():
        if isinstance(value, Tensor) and not name.startswith("_"):
            if value._node is None:
                of_leaf[id(value)] = name
            else:
                of_output[value._node] = name
    if model is not None:
        of_leaf.update({id(parameter): name for name, parameter in model.named_parameters()})
    for node, entry in zip(nodes, entries, strict=True):
        known = of_leaf.get(id(node.variable)) if isinstance(node, AccumulateGrad) else of_output.get(node)
        entry.label = known or ""


def _find_modules(entries: list[Entry]) -> None:
    """Say which module each operation is in, from the parameters alone, for a forward that no trace watched.

    What uses a parameter is in the parameter's module. What has none is in the innermost module around all that
    it was computed from, and outside of all of them if no parameter comes after it: the loss. A tensor that others
    use too does not count: it came from outside, along a skip connection.
    """
    before_parameter = set()
    for entry in reversed(entries):
        uses_parameter = any([entries[source].is_parameter for source, _ in entry.sources])
        if entry.is_parameter or uses_parameter or any([user in before_parameter for user in entry.users]):
            before_parameter.add(entry.index)
    layer: set[int] = set()  # operations that are a whole module of their own
    for entry in entries:
        if entry.is_parameter:
            names = entry.label.split(".")[:-1]
            entry.path = tuple([".".join(names[: depth + 1]) for depth in range(len(names))])
            continue
        owners = [entries[source].path for source, _ in entry.sources if entries[source].is_parameter]
        if owners:
            entry.path = _common(owners)
            layer.add(entry.index)
        elif entry.index in before_parameter:
            sources = [source for source, _ in entry.sources]
            sources = [source for source in sources if len(entries[source].users) == 1] or sources
            entry.path = _common([entries[source].path[: -1 if source in layer else None] for source in sources])


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The names with which all `paths` begin."""
    common = paths[0] if paths else ()
    for path in paths[1:]:
        while path[: len(common)] != common:
            common = common[:-1]
    return common
