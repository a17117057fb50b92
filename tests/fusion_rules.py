"""Each rule of minigrad.fusion against its operations, one by one."""

import numpy as np

import minigrad as mg
from minigrad import fusion
from minigrad.ops.pointwise import ReLUBackward
from minigrad.tensor import from_array


def check_rules(device: str) -> None:
    """The arguments alone decide: a rule asks no tensor what happened to it before."""
    rng = np.random.default_rng(0)
    x, weight, scale, shift, mean, var = (
        mg.tensor(rng.standard_normal(shape), device=device) for shape in ((2, 4, 7, 6), (4, 2, 3, 3), 4, 4, 4, 4)
    )
    window = (2, 2), (2, 2), (0, 0), (1, 1)
    places = mg.tensor(rng.integers(0, 4, x.shape).astype(np.uint8), device=device).array
    given = {
        "Conv2d": (weight, shift, (2, 1), (1, 0), (1, 2), 2),
        "BatchNormInference": (scale, shift, mean, var.square(), 1e-5),
        "BatchNorm": (scale, shift, mean, var.square() + 1, 1e-5),
        "ReLU": (False,),
        "MaxPool2dInput": (places, (2, 4, 14, 12), *window),
        "BatchNormBackward": (x.flip(0), scale, mean, var.square() + 1),
    }
    assert fusion.rules
    for chain, rule in fusion.rules.items():
        result, arguments = x, []
        for operation in chain:
            others = (result.flip(0) - 0.1,) if operation is ReLUBackward else given[operation.__name__]
            arguments.append((result, *others))
            result = operation.forward(*arguments[-1])
        computed, results = rule(*arguments), result
        if not isinstance(result, tuple):
            computed, results = (computed,), (result,)
        for one, other in zip(computed, results, strict=True):
            one = from_array(one).cpu().numpy()
            np.testing.assert_allclose(one, other.cpu().numpy(), rtol=1e-9, atol=1e-12)
