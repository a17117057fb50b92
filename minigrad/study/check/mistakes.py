"""The mistakes that `check` looks for: a function each, from a `Rehearsal` to its findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.autograd import no_grad
from minigrad.nn import BatchNorm1d, BatchNorm2d, Dropout, Dropout2d, Module
from minigrad.nn import functional as F
from minigrad.study.check.rehearsal import Activation, Rehearsal, out_of_range
from minigrad.study.check.report import Finding
from minigrad.tensor import Tensor

# Where a limit is said to leave room, it was tried on every model of `minigrad.vision.models` as it is built.
LARGEST_INPUT = 10.0  # root mean square; normalised inputs have 1, bytes taken as floats about 100
SMALLEST_INPUT = 0.01  # pixels divided by 255 twice are below 0.004
OFFSET = 3.0  # mean in standard deviations; pixels from 0 to 1 have about 2, and do train
EXCESS = 5.0  # of the loss over log(classes). Logits of deviation s add s^2 / 2; ResNet-110 starts with up to 4
ADDED_UP = 1.7  # times today's gradient: what one earlier batch left is about 1, of two added ones 2
VANISHED = 1e-4  # of the gradient next to the loss; AlexNet as published in 2012 starts with 3e-4
EXPLODED = 3e3  # gradient's size over the weight's; ResNet-152 v2 starts with 600
SATURATED_SHARE = 0.5  # of a layer's values; EfficientNet's gates start with 0.2
STEEP, FLAT = 2.5, 0.05  # a weight's deviation times sqrt(fan): He et al. (2015) take 1.4, PyTorch's layers 0.6
LEARNED = 1e-6  # a loss that leaves nothing to learn, and rightly no gradient
MANY = 16  # labels: so many of ten classes are by chance the same once in 10^15 batches


def check_inputs(step: Rehearsal) -> Iterator[Finding]:
    """Inputs that are not finite, all the same, or not normalised."""
    for x in step.inputs:
        if not x.is_floating_point() or not x.numel():
            continue
        values = x.detach().cpu().array.astype(np.float64)
        if broken := int((~np.isfinite(values)).sum()):
            advice = "Look for divisions by zero and missing values where the data are prepared."
            yield Finding("error", "not finite", "inputs", f"{broken:,} values are NaN or infinite", advice)
            continue
        mean, deviation, size = values.mean(), values.std(), _size(values)
        if deviation == 0 and values.size > 1:
            advice = "Check that the data were loaded."
            yield Finding("error", "inputs", "inputs", f"every value is {mean:.4g}", advice)
        elif size > LARGEST_INPUT or size < SMALLEST_INPUT or abs(mean) > OFFSET * deviation:
            seen = f"values have mean {mean:.3g} and standard deviation {deviation:.3g}"
            advice = "Normalise inputs to mean 0 and deviation 1, pixels with transforms.ToTensor and Normalize."
            yield Finding("warning", "inputs", "inputs", seen, advice)


def check_targets(step: Rehearsal) -> Iterator[Finding]:
    """Targets that are no classes of the outputs, that are of the wrong shape, or all the same."""
    targets, logits = step.targets, step.logits
    if not isinstance(targets, Tensor) or not targets.numel():
        return
    if targets.dtype.kind == "f":
        if not bool(targets.isfinite().all()):
            yield Finding("error", "not finite", "targets", "values are NaN or infinite", "Clean the data.")
        if targets.shape != logits.shape and not step.cross_entropy:
            seen = f"shape {list(targets.shape)} is not the outputs' {list(logits.shape)}"
            advice = "Reshape the targets to the outputs' shape: the loss would broadcast, and compare all with all."
            yield Finding("error", "targets", "targets", seen, advice)
        return
    low, high = int(targets.min()), int(targets.max())
    if step.loss is None and out_of_range(step):
        seen = f"classes run from {low} to {high}, but the outputs have {logits.shape[1]}, from 0"
        advice = "Number the classes from 0, and give the last layer an output for each."
        yield Finding("error", "targets", "targets", seen, advice)
    elif low == high and targets.numel() >= MANY:
        advice = "Shuffle the data (DataLoader(..., shuffle=True)), so that each batch has all classes."
        yield Finding("warning", "targets", "targets", f"all {targets.numel()} are class {low}", advice)


def check_mode(step: Rehearsal) -> Iterator[Finding]:
    """Evaluation mode where training was meant."""
    minded = [(name, module) for name, module in step.model.named_modules() if _minds_mode(module)]
    resting = [name for name, module in minded if not module.training]
    if minded and not step.model.training:
        kinds = " and ".join(sorted({type(module).__name__ for _, module in minded}))
        advice = "Call model.train() before training, and again after every evaluation."
        yield Finding("warning", "mode", "model", f"evaluation mode, which switches {kinds} to testing", advice)
    elif resting:
        advice = "Call model.train(), unless these layers are frozen on purpose."
        yield Finding("note", "mode", _places(resting), "evaluation mode in a model that trains", advice)


def _minds_mode(module: Module) -> bool:
    return (isinstance(module, Dropout | Dropout2d) and module.p > 0) or (
        isinstance(module, BatchNorm1d | BatchNorm2d) and module.track_running_stats
    )


def check_optimizer(step: Rehearsal) -> Iterator[Finding]:
    """An optimiser that does not hold the parameters, or does not move them."""
    if step.optimizer is None:
        return
    held = {id(parameter) for group in step.optimizer.param_groups for parameter in group["params"]}
    missing = [name for name, p in step.parameters.items() if p.requires_grad and id(p) not in held]
    if missing:
        advice = "Make the optimizer from model.parameters(), after the model has all its layers."
        yield Finding("error", "optimizer", _places(missing), "the optimizer does not hold this parameter", advice)
    if any(float(group["lr"]) == 0 for group in step.optimizer.param_groups):
        yield Finding("warning", "optimizer", "optimizer", "the learning rate is 0", "Set lr, or look at its schedule.")


def check_zeroed(step: Rehearsal) -> Iterator[Finding]:
    """Gradients of earlier steps, which backward would add to."""
    left = {name: p.grad.detach().cpu().array for name, p in step.parameters.items() if p.grad is not None}
    if not any(gradient.any() for gradient in left.values()):
        return
    both = [
        (left[name].ravel(), new.ravel()) for name, new in step.gradients.items() if new is not None and name in left
    ]
    fresh = sum(float(np.vdot(new, new)) for _, new in both)
    times = sum(float(np.vdot(old, new)) for old, new in both) / fresh if fresh else 0.0
    advice = "Call optimizer.zero_grad() before every backward."
    if times > ADDED_UP:
        seen = f"gradients of about {times:.0f} batches have been added up"
        yield Finding("warning", "not zeroed", _places(left), seen, advice)
    else:
        seen = "a gradient of an earlier step is still here, and backward adds to it"
        yield Finding("note", "not zeroed", _places(left), seen, advice)


def check_finite(step: Rehearsal) -> Iterator[Finding]:
    """NaN and infinity in parameters, outputs, loss and gradients: the first place only."""
    bad = [name for name, p in step.parameters.items() if not bool(p.detach().isfinite().all())]
    if bad:
        advice = "Start from fresh weights with a smaller learning rate, or clip gradients with clip_grad_norm_."
        yield Finding("error", "not finite", _places(bad), "the parameter has NaN or infinite values", advice)
    elif step.broken is not None:
        if all(bool(x.isfinite().all()) for x in step.inputs if x.is_floating_point()):
            advice = "Look for log, sqrt and division near 0 in this layer, and for weights that are too large."
            yield Finding("error", "not finite", step.broken, "the first output with NaN or infinity", advice)
    elif step.loss is not None and not math.isfinite(float(step.loss.detach())):
        advice = "Look for log(0) and exp of large numbers: losses that take logits avoid both."
        yield Finding("error", "not finite", "loss", f"it is {float(step.loss.detach())}", advice)
    elif bad := [name for name, new in step.gradients.items() if new is not None and not np.isfinite(new).all()]:
        advice = "Find the operation with autograd.detect_anomaly(): often sqrt, or a norm, at 0."
        yield Finding("error", "not finite", _places(bad), "the gradient has NaN or infinite values", advice)


def check_loss(step: Rehearsal) -> Iterator[Finding]:
    """A classifier's outputs that are no logits, and a loss far above that of guessing."""
    logits = step.logits.detach()
    if not step.cross_entropy or logits.ndim < 2 or not bool(logits.isfinite().all()):
        return
    values, classes = logits.cpu().array.astype(np.float64), logits.shape[1]
    if classes == 1:
        advice = "Give the last layer an output for each class, or use binary_cross_entropy_with_logits."
        yield Finding("error", "loss", "outputs", "softmax of a single output is always 1", advice)
        return
    # float16 sums to 1 within a thousandth
    if values.min() >= 0 and np.allclose(values.sum(1), 1, atol=2e-3):
        advice = "Return the logits themselves: cross_entropy applies the (log-)softmax."
        yield Finding("error", "softmax", "outputs", "probabilities go into cross_entropy", advice)
        return
    if step.last_operation in ("ReLU", "Sigmoid", "Tanh"):
        advice = "Let the last layer be linear: logits need both signs and any size."
        yield Finding("warning", "softmax", "outputs", f"logits come out of a {step.last_operation}", advice)
    try:
        with no_grad():
            loss = float(F.cross_entropy(logits, step.targets))
    except (IndexError, RuntimeError, ValueError):  # the targets are of the user's own kind
        return
    if loss > math.log(classes) + EXCESS:
        seen = f"{loss:.3g}, where guessing among {classes} classes costs log({classes}) = {math.log(classes):.3g}"
        advice = "Start the last layer with smaller weights, or lower the learning rate if this came with training."
        yield Finding("warning", "loss", "loss", seen, advice)


def check_connected(step: Rehearsal) -> Iterator[Finding]:
    """Parameters that the loss does not reach, or only with zeros."""
    if not step.parameters or step.loss is None:
        return
    if not any(p.requires_grad for p in step.parameters.values()):
        advice = "Call requires_grad_() on what is to be trained."
        yield Finding("error", "no gradient", "model", "no parameter requires a gradient", advice)
        return
    unused = [name for name, new in step.gradients.items() if new is None]
    if not step.gradients or len(unused) == len(step.gradients):
        advice = "Look for detach, numpy, item, argmax or no_grad between the parameters and the loss."
        yield Finding("error", "no gradient", "loss", "it does not depend on any parameter", advice)
    elif unused:
        advice = "Use its layer in forward, or take it out of the model."
        yield Finding("warning", "no gradient", _places(unused), "the loss does not depend on this parameter", advice)
    # Scales, residual branches and heads that start at zero hold gradients back for one step only, as is meant.
    held_back = any(not p.detach().array.any() for name, p in step.parameters.items() if not name.endswith("bias"))
    zero = [name for name, new in step.gradients.items() if new is not None and new.ndim > 1 and not new.any()]
    if zero and not held_back and float(step.loss.detach()) > LEARNED:
        advice = "Look for dead ReLUs and saturated units between this layer and the loss."
        yield Finding("warning", "no gradient", _places(zero), "the gradient is zero everywhere", advice)


def check_gradients(step: Rehearsal) -> Iterator[Finding]:
    """Gradients that vanish or explode on their way back."""
    sizes = {
        name: _size(new)
        for name, new in step.gradients.items()
        if new is not None and new.ndim > 1 and np.isfinite(new).all() and new.any()
    }
    if step.head not in sizes or step.loss is None or float(step.loss.detach()) <= LEARNED:
        return
    faint = sorted((size, name) for name, size in sizes.items() if size < VANISHED * sizes[step.head])
    if faint:
        seen = f"the gradient is {_many(sizes[step.head] / faint[0][0])} times smaller than at {step.head}"
        advice = "Use ReLU instead of sigmoid or tanh, He's initialisation, batch norm or residual connections."
        yield Finding("warning", "vanishing", _places([name for _, name in faint]), seen, advice)
    # Before batch norm a weight's size does not matter, and a large gradient soon finds a large weight.
    ratios = {
        name: size / (_size(step.parameters[name].detach().cpu().array) or 1)
        for name, size in sizes.items()
        if name not in step.normalised
    }
    steep = sorted(((ratio, name) for name, ratio in ratios.items() if ratio > EXPLODED), reverse=True)
    if steep:
        seen = f"the gradient is {_many(steep[0][0])} times as large as the weight"
        advice = "Start with smaller weights, normalise, and clip with nn.utils.clip_grad_norm_."
        yield Finding("warning", "exploding", _places([name for _, name in steep]), seen, advice)


def check_units(step: Rehearsal) -> Iterator[Finding]:
    """ReLUs that are zero for the whole batch, sigmoids and tanhs at their limits."""
    dead = [unit for unit in step.activations if unit.operation == "ReLU" and (unit.buried or _mostly_off(unit))]
    if dead:
        worst = max(dead, key=lambda unit: unit.dead / unit.units)
        seen = f"{worst.dead} of {worst.units} units of this ReLU are zero for the whole batch"
        advice = "Lower the learning rate, start biases at 0 or a little above, or use LeakyReLU."
        yield Finding("warning", "dead ReLU", _places([unit.path or "model" for unit in dead]), seen, advice)
    flat = [unit for unit in step.activations if unit.saturated > SATURATED_SHARE and not unit.is_output]
    if flat:
        worst = max(flat, key=lambda unit: unit.saturated)
        seen = f"{worst.saturated:.0%} of the values are at the limits of {worst.operation.lower()}, where it is flat"
        advice = "Make the weights before it smaller, normalise their inputs, or use ReLU."
        yield Finding("warning", "saturated", _places([unit.path or "model" for unit in flat]), seen, advice)


def _mostly_off(unit: Activation) -> bool:
    """More units are off than chance explains.

    Before training a unit is off for a whole small batch, of inputs that are much alike, with probability 1/2 at
    most: so n/2 of n units, give or take four standard deviations of sqrt(n)/2.
    """
    return unit.dead > min(unit.units / 2 + 2 * math.sqrt(unit.units), unit.units - 1)


def check_scales(step: Rehearsal) -> Iterator[Finding]:
    """Weights that are all equal, or far larger or smaller than any initialisation that keeps signals alive."""
    equal, scales = [], {}
    for name, parameter in step.parameters.items():
        weight = parameter.detach().cpu().array
        if weight.ndim < 2 or weight.size < 2 or not np.isfinite(weight).all():
            continue
        if weight.min() == weight.max():
            if name != step.head or weight.any():  # a head of zeros is a choice: it starts at a loss of log(classes)
                equal.append(name)
            continue
        places = math.prod(weight.shape[2:])
        fans = weight.shape[1] * places, weight.shape[0] * places
        deviation = float(weight.std())
        scales[name] = deviation * math.sqrt(min(fans)), deviation * math.sqrt(max(fans))
    if equal:
        advice = "Initialise weights at random: units that start equal get equal gradients, and stay equal."
        yield Finding("error", "scale", _places(equal), "all weights are equal", advice)
    advice = "Use nn.init.kaiming_normal_, or the layers' own initialisation."
    large = sorted(((low, name) for name, (low, _) in scales.items() if low > STEEP), reverse=True)
    if large:
        seen = f"weights are {large[0][0] / math.sqrt(2):.1f} times as large as He's initialisation makes them"
        yield Finding("warning", "scale", _places([name for _, name in large]), seen, advice)
    small = sorted((high, name) for name, (_, high) in scales.items() if high < FLAT)
    if small:
        seen = f"weights are {math.sqrt(2) / small[0][0]:.0f} times smaller than He's initialisation makes them"
        yield Finding("warning", "scale", _places([name for _, name in small]), seen, advice)


def _places(names: Sequence[str] | dict[str, Any]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if others else first


def _size(array: np.ndarray) -> float:
    """The root mean square of the elements, without overflow or underflow in their precision."""
    largest = np.abs(array).max()
    return float(largest) * math.sqrt(np.square(array / largest).mean(dtype=np.float64)) if largest else 0.0


def _many(number: float) -> str:
    return f"{number:,.0f}" if number < 1e6 else f"10^{math.log10(number):.0f}"


MISTAKES: tuple[Callable[[Rehearsal], Iterator[Finding]], ...] = (
    check_inputs,
    check_targets,
    check_mode,
    check_optimizer,
    check_zeroed,
    check_finite,
    check_loss,
    check_connected,
    check_gradients,
    check_units,
    check_scales,
)
