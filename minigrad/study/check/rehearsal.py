"""One training step without an update, and the observations that `check` judges."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.autograd import grad
from minigrad.autograd.node import AccumulateGrad, Node
from minigrad.nn import Module
from minigrad.nn import functional as F
from minigrad.nn.parameter import Parameter
from minigrad.study.model_state import restored
from minigrad.tensor import Tensor
from minigrad.vision.models.googlenet import GoogLeNetOutputs, auxiliary_loss

SQUASHING = {"Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0)}  # operations with limits, and these
FAR_BELOW = 10.0  # zero, in typical sizes of a layer's units: out of reach for a unit by chance
SATURATED = 0.02  # of the way between the limits; nearer, the slope is below a tenth of its greatest


@dataclass
class Activation:
    """What one ReLU, sigmoid or tanh put out.

    Of its `units` (channels) how many were `dead`, zero throughout the batch, and `buried`, with inputs far below zero
    besides; of its values which share is saturated.
    """

    path: str
    operation: str
    units: int
    dead: int
    buried: int
    saturated: float
    is_output: bool


@dataclass
class Rehearsal:
    """A step's tensors and numbers; `loss` is None if the targets did not allow to compute it."""

    model: Module
    inputs: list[Tensor]
    targets: Any
    outputs: Any
    loss: Tensor | None
    optimizer: Any
    parameters: dict[str, Parameter]
    cross_entropy: bool = False
    last_operation: str = ""  # what made the model's output
    broken: str | None = None  # the first module whose output is not finite
    activations: list[Activation] = field(default_factory=list)
    gradients: dict[str, np.ndarray | None] = field(default_factory=dict)  # of the parameters that require grad
    head: str | None = None  # the weight that is nearest to the loss
    normalised: set[str] = field(default_factory=set)  # weights whose output goes straight into batch norm

    @property
    def logits(self) -> Tensor:
        """The outputs, of a tuple the first."""
        return self.outputs[0] if isinstance(self.outputs, tuple) else self.outputs


def rehearse(
    model: Module, inputs: list[Tensor], targets: Any, loss: Callable[[Any, Any], Tensor] | None, optimizer: Any
) -> Rehearsal:
    """Forward, loss and gradients in the model's own mode, with nothing changed."""
    owner = _Owner()
    parameters = dict(model.named_parameters())
    with restored(model), owner.watching(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that broadcast, which is a finding
        outputs = model(*inputs)
        step = Rehearsal(model, inputs, targets, outputs, None, optimizer, parameters, broken=owner.broken)
        if not isinstance(step.logits, Tensor):
            raise TypeError(f"check: the model must return a Tensor or a tuple of them, got {type(outputs).__name__}")
        try:
            step.loss = (loss or _usual_loss)(outputs, targets)
        except (IndexError, RuntimeError, ValueError):
            if not out_of_range(step):
                raise
            return step
        if not isinstance(step.loss, Tensor) or step.loss.numel() != 1:
            raise ValueError("check: the loss must be a tensor of one element; reduce it with .mean()")
        _read_tape(step, owner)
        _take_gradients(step)
    return step


def out_of_range(step: Rehearsal) -> bool:
    """True if the targets are classes, and not all of those that the outputs have."""
    labels, logits = step.targets, step.logits
    if not isinstance(labels, Tensor) or labels.dtype.kind not in "iu" or logits.ndim < 2 or not labels.numel():
        return False
    return int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]


def _usual_loss(outputs: Any, targets: Any) -> Tensor:
    """Cross-entropy for classes, GoogLeNet's for its three outputs, the squared error for real targets."""
    if isinstance(outputs, GoogLeNetOutputs):
        return auxiliary_loss(outputs, targets)
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    return F.mse_loss(first, targets) if targets.is_floating_point() else F.cross_entropy(first, targets)


class _Owner:
    """The path of the innermost module that made each node."""

    def __init__(self) -> None:
        self.paths: dict[Node, str] = {}
        # Mean and root mean square of each unit, where a layer with weights put it out.
        self.levels: dict[Node, tuple[np.ndarray, np.ndarray]] = {}
        self.broken: str | None = None
        self._starts: list[set[Node | None]] = []

    def watching(self, model: Module) -> ExitStack:
        """Watch every module of `model`, as a context manager."""
        stack = ExitStack()
        for path, module in model.named_modules():
            stack.callback(module.register_forward_pre_hook(self._enter).remove)
            leave = module.register_forward_hook(
                lambda module, args, output, path=path: self._leave(path, module, args, output)
            )
            stack.callback(leave.remove)
        return stack

    def _enter(self, module: Module, args: tuple[Any, ...]) -> None:
        # Before the call: a layer that works in place makes its input its output.
        self._starts.append({tensor.grad_fn for tensor in args if isinstance(tensor, Tensor)})

    def _leave(self, path: str, module: Module, args: tuple[Any, ...], output: Any) -> None:
        starts = self._starts.pop()
        tensors = [tensor for tensor in (output if isinstance(output, tuple) else (output,)) if _is_float(tensor)]
        stack = [tensor.grad_fn for tensor in tensors]
        while stack:
            node = stack.pop()
            if node is not None and node not in starts and node not in self.paths:
                self.paths[node] = path
                stack.extend(source for source, _ in node.edges)
        if module._parameters and len(tensors) == 1 and tensors[0].ndim > 1 and tensors[0].grad_fn is not None:
            y = tensors[0].detach()
            others = [axis for axis in range(y.ndim) if axis != 1]
            self.levels[tensors[0].grad_fn] = y.mean(others).cpu().array, y.square().mean(others).sqrt().cpu().array
        if self.broken is None and not all(bool(tensor.isfinite().all()) for tensor in tensors):
            self.broken = path or type(module).__name__


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _read_tape(step: Rehearsal, owner: _Owner) -> None:
    """Note what the saved values tell, before the gradients' pass frees them; walk from the loss to the leaves."""
    assert step.loss is not None
    outputs = step.outputs if isinstance(step.outputs, tuple) else (step.outputs,)
    ends = {tensor.grad_fn for tensor in outputs if isinstance(tensor, Tensor)}
    step.last_operation = type(step.logits.grad_fn).__name__
    weights = {id(parameter): name for name, parameter in step.parameters.items() if parameter.ndim > 1}
    users: dict[str, list[Node]] = {}
    consumers: dict[Node, list[Node]] = {}
    for node in _breadth_first(step.loss.grad_fn):
        for source, _ in node.edges:
            if source is not None:
                consumers.setdefault(source, []).append(node)
        kind = type(node).__name__
        if isinstance(node, AccumulateGrad):
            name = weights.get(id(node.variable))
            if name is not None:
                step.head = step.head or name
                users[name] = consumers.get(node, [])
        elif node not in owner.paths and kind in ("SoftmaxCrossEntropy", "LogSoftmax"):
            step.cross_entropy = True
        elif kind == "ReLU" or kind in SQUASHING:
            step.activations.append(_activation(node, kind, owner, node in ends))
    for name, nodes in users.items():
        after = [type(later).__name__ for node in nodes for later in consumers.get(node, [])]
        if after and all(kind.startswith("BatchNorm") for kind in after):
            step.normalised.add(name)


def _breadth_first(root: Node | None) -> Iterator[Node]:
    found = {root}
    layer = [root]
    while layer:
        following = []
        for node in layer:
            if node is not None:
                yield node
                for source, _ in node.edges:
                    if source not in found:
                        found.add(source)
                        following.append(source)
        layer = following


def _activation(node: Any, kind: str, owner: _Owner, is_output: bool) -> Activation:
    y = node.saved_tensors[0].detach().cpu().array
    others = tuple(axis for axis in range(y.ndim) if axis != 1)
    off = (y == 0).all(others) if y.ndim > 1 else y == 0
    means, sizes = owner.levels.get(node.edges[0][0], (np.zeros(1), np.zeros(1)))
    below = means < -FAR_BELOW * np.median(sizes)
    saturated = 0.0
    if kind in SQUASHING:
        low, high = SQUASHING[kind]
        margin = SATURATED * (high - low)
        saturated = float(np.mean((y < low + margin) | (y > high - margin)))
    path, dead, buried = owner.paths.get(node, ""), int(off.sum()), int((off & below).sum())
    return Activation(path, kind, off.size, dead, buried, saturated, is_output)


def _take_gradients(step: Rehearsal) -> None:
    trained = {name: parameter for name, parameter in step.parameters.items() if parameter.requires_grad}
    if not trained or step.loss is None or not step.loss.requires_grad:
        return
    taken = grad(step.loss, list(trained.values()), allow_unused=True)
    for name, gradient in zip(trained, taken, strict=True):
        step.gradients[name] = None if gradient is None else gradient.cpu().array
