r"""The formulas of the operations: forward, then what goes back to each input, in the marks of `typeset`.

Named as the Functions are ("Conv2d"); what is made of several of them, as the function is ("gelu").
"""

from __future__ import annotations

import inspect

from minigrad.autograd.node import AccumulateGrad
from minigrad.record.typeset import plain

G = r"\grad{y}"

FORMULAS: dict[str, tuple[str, ...]] = {
    # arithmetic
    "Add": ("z = x + y", r"\grad{x} = \grad{z}", r"\grad{y} = \grad{z}"),
    "Sub": ("z = x − y", r"\grad{x} = \grad{z}", r"\grad{y} = −\grad{z}"),
    "Mul": ("z = x y", r"\grad{x} = \grad{z} y", r"\grad{y} = \grad{z} x"),
    "Div": (r"z = \frac{x}{y}", r"\grad{x} = \grad{z} · \frac{1}{y}", r"\grad{y} = −\grad{z} · \frac{x}{y^{2}}"),
    "Pow": ("z = x^{y}", r"\grad{x} = \grad{z} y x^{y−1}", r"\grad{y} = \grad{z} x^{y} log x"),
    "Maximum": (
        "z = max(x, y)",
        r"\grad{x} = \grad{z} \text{ where } x > y",
        r"\grad{y} = \grad{z} \text{ where } y > x",
    ),
    "Minimum": (
        "z = min(x, y)",
        r"\grad{x} = \grad{z} \text{ where } x < y",
        r"\grad{y} = \grad{z} \text{ where } y < x",
    ),
    "Where": (
        r"z = x \text{ where the condition holds, else } y",
        r"\grad{x} = \grad{z} \text{ where it holds, else } 0",
        r"\grad{y} = \grad{z} \text{ where it does not, else } 0",
    ),
    "Clamp": ("y = min(max(x, a), b)", rf"\grad{{x}} = {G} \text{{ where }} a ≤ x ≤ b\text{{, else }} 0"),
    "MatMul": (r"Z = X Y", r"\grad{X} = \grad{Z} Y^{T}", r"\grad{Y} = X^{T} \grad{Z}"),
    "Linear": (
        r"Y = X W^{T} + b",
        r"\grad{X} = \grad{Y} W",
        r"\grad{W} = (\grad{Y})^{T} X",
        r"\grad{b} = Σ_{n} \grad{Y_{n}}",
    ),
    # functions of one variable
    "Abs": ("y = |x|", rf"\grad{{x}} = {G} sign(x)"),
    "Ceil": ("y = ⌈x⌉", r"\grad{x} = 0"),
    "Cos": ("y = cos x", rf"\grad{{x}} = −{G} sin x"),
    "Erf": ("y = erf x", rf"\grad{{x}} = {G} · \frac{{2}}{{\sqrt{{π}}}} e^{{−x^{{2}}}}"),
    "Exp": ("y = e^{x}", rf"\grad{{x}} = {G} y"),
    "Expm1": ("y = e^{x} − 1", rf"\grad{{x}} = {G} (y + 1)"),
    "Floor": ("y = ⌊x⌋", r"\grad{x} = 0"),
    "Log": ("y = log x", rf"\grad{{x}} = {G} · \frac{{1}}{{x}}"),
    "Log1p": ("y = log(1 + x)", rf"\grad{{x}} = {G} · \frac{{1}}{{1 + x}}"),
    "Log1p_exp": ("y = log(1 + e^{x})", rf"\grad{{x}} = {G} · \frac{{1}}{{1 + e^{{−x}}}}"),
    "Log2": (r"y = \frac{log x}{log 2}", rf"\grad{{x}} = {G} · \frac{{1}}{{x log 2}}"),
    "Neg": ("y = −x", rf"\grad{{x}} = −{G}"),
    "Reciprocal": (r"y = \frac{1}{x}", rf"\grad{{x}} = −{G} y^{{2}}"),
    "ReLU": ("y = max(x, 0)", rf"\grad{{x}} = {G} \text{{ where }} x > 0\text{{, else }} 0"),
    "Round": (r"y = \text{the integer nearest to } x", r"\grad{x} = 0"),
    "Rsqrt": (r"y = \frac{1}{\sqrt{x}}", rf"\grad{{x}} = −{G} · \frac{{y^{{3}}}}{{2}}"),
    "Sigmoid": (r"y = \frac{1}{1 + e^{−x}}", rf"\grad{{x}} = {G} y (1 − y)"),
    "Sign": (r"y = \text{the sign of } x", r"\grad{x} = 0"),
    "Sin": ("y = sin x", rf"\grad{{x}} = {G} cos x"),
    "Sqrt": (r"y = \sqrt{x}", rf"\grad{{x}} = {G} · \frac{{1}}{{2 y}}"),
    "Square": ("y = x^{2}", rf"\grad{{x}} = {G} 2 x"),
    "Tanh": ("y = tanh x", rf"\grad{{x}} = {G} (1 − y^{{2}})"),
    "Trunc": (r"y = x \text{ without its fraction}", r"\grad{x} = 0"),
    # sums and the like
    "Sum": ("y = Σ_{i} x_{i}", rf"\grad{{x_{{i}}}} = {G}"),
    "mean": (r"y = \frac{1}{n} Σ_{i} x_{i}", rf"\grad{{x_{{i}}}} = \frac{{1}}{{n}} {G}"),
    "Var": (r"y = \frac{1}{n − 1} Σ_{i} (x_{i} − m)^{2}", rf"\grad{{x_{{i}}}} = \frac{{2}}{{n − 1}} (x_{{i}} − m) {G}"),
    "std": (
        r"y = \sqrt{\frac{1}{n − 1} Σ_{i} (x_{i} − m)^{2}}",
        rf"\grad{{x_{{i}}}} = \frac{{x_{{i}} − m}}{{(n − 1) y}} {G}",
    ),
    "norm": (r"y = (Σ_{i} |x_{i}|^{p})^{1/p}", rf"\grad{{x_{{i}}}} = \frac{{x_{{i}}}}{{y}} {G} \text{{ for }} p = 2"),
    "Prod": ("y = Π_{i} x_{i}", rf"\grad{{x_{{i}}}} = {G} Π_{{j ≠ i}} x_{{j}}"),
    "CumSum": ("y_{i} = Σ_{j ≤ i} x_{j}", r"\grad{x_{i}} = Σ_{j ≥ i} \grad{y_{j}}"),
    "LogSumExp": ("y = log Σ_{i} e^{x_{i}}", rf"\grad{{x_{{i}}}} = e^{{x_{{i}} − y}} {G}"),
    "Extreme": ("y = max_{i} x_{i}", rf"\grad{{x_{{i}}}} = {G} \text{{ for the largest, else }} 0"),
    "Softmax": (
        r"y_{i} = \frac{e^{x_{i}}}{Σ_{j} e^{x_{j}}}",
        r"\grad{x_{i}} = y_{i} (\grad{y_{i}} − Σ_{j} \grad{y_{j}} y_{j})",
    ),
    "LogSoftmax": (
        "y_{i} = x_{i} − log Σ_{j} e^{x_{j}}",
        r"\grad{x_{i}} = \grad{y_{i}} − e^{y_{i}} Σ_{j} \grad{y_{j}}",
    ),
    "SoftmaxCrossEntropy": (
        r"ℓ = −log p_{t},  p_{i} = \frac{e^{x_{i}}}{Σ_{j} e^{x_{j}}}",
        r"\grad{x_{i}} = \grad{ℓ} (p_{i} − [i = t])",
    ),
    "BinaryCrossEntropy": ("ℓ = −(y log x + (1 − y) log(1 − x))", r"\grad{x} = \grad{ℓ} \frac{x − y}{x (1 − x)}"),
    "nll_loss": ("ℓ = −x_{t}", r"\grad{x_{i}} = −\grad{ℓ} [i = t]"),
    "mse_loss": (r"ℓ = \frac{1}{n} Σ_{i} (x_{i} − y_{i})^{2}", r"\grad{x_{i}} = \frac{2}{n} (x_{i} − y_{i}) \grad{ℓ}"),
    "l1_loss": (r"ℓ = \frac{1}{n} Σ_{i} |x_{i} − y_{i}|", r"\grad{x_{i}} = \frac{1}{n} sign(x_{i} − y_{i}) \grad{ℓ}"),
    "smooth_l1_loss": (
        r"ℓ_{i} = \frac{d^{2}}{2β} \text{ where } |d| < β\text{, else } |d| − \frac{β}{2},  d = x_{i} − y_{i}",
        r"\grad{x_{i}} = \grad{ℓ_{i}} min(max(\frac{d}{β}, −1), 1)",
    ),
    "binary_cross_entropy_with_logits": ("ℓ = log(1 + e^{x}) − x y", r"\grad{x} = \grad{ℓ} (σ(x) − y)"),
    # shapes
    "Reshape": ("y = x \\text{ in another shape}", rf"\grad{{x}} = {G} \text{{ in the old shape}}"),
    "Permute": ("Y = X^{T}", r"\grad{X} = (\grad{Y})^{T}"),
    "Expand": ("y_{i,j} = x_{j}", r"\grad{x_{j}} = Σ_{i} \grad{y_{i,j}}"),
    "Slice": (r"y = x[i]", r"\grad{x} = \grad{y} \text{ at } i\text{, } 0 \text{ elsewhere}"),
    "Index": (r"y_{k} = x_{i(k)}", r"\grad{x_{j}} = Σ_{k: i(k) = j} \grad{y_{k}}"),
    "MaskedFill": (
        r"y = \text{value where the mask holds, else } x",
        rf"\grad{{x}} = {G} \text{{ where it does not, else }} 0",
    ),
    "Cat": (r"y = (x_{1}, x_{2}, …)", r"(\grad{x_{1}}, \grad{x_{2}}, …) = \grad{y}"),
    "Flip": (r"y = x \text{ in the other order}", rf"\grad{{x}} = {G} \text{{ in the other order}}"),
    "Clone": ("y = x", rf"\grad{{x}} = {G}"),
    "Diagonal": ("y_{i} = x_{i,i}", r"\grad{x_{i,j}} = \grad{y_{i}} \text{ where } i = j\text{, else } 0"),
    "pad": (r"y = x \text{ with a border}", rf"\grad{{x}} = {G} \text{{ without the border}}"),
    "Einsum": ("y_{j…} = Σ_{i…} a_{i…} b_{i…,j…}", r"\grad{a_{i…}} = Σ_{j…} \grad{y_{j…}} b_{i…,j…}"),
    # layers
    "Conv2d": (
        "y_{n,o,i,j} = b_{o} + Σ_{c,p,q} w_{o,c,p,q} x_{n,c,s i+p,s j+q}",
        r"\grad{x_{n,c,u,v}} = Σ_{s i+p = u, s j+q = v, o} \grad{y_{n,o,i,j}} w_{o,c,p,q}",
        r"\grad{w_{o,c,p,q}} = Σ_{n,i,j} \grad{y_{n,o,i,j}} x_{n,c,s i+p,s j+q}",
        r"\grad{b_{o}} = Σ_{n,i,j} \grad{y_{n,o,i,j}}",
    ),
    "conv_transpose2d": ("y_{n,o,u,v} = b_{o} + Σ_{s i+p = u, s j+q = v, c} x_{n,c,i,j} w_{c,o,p,q}",),
    "MaxPool2d": (
        "y_{n,c,i,j} = max_{p,q} x_{n,c,s i+p,s j+q}",
        r"\grad{x_{n,c,u,v}} = Σ_{i,j} \grad{y_{n,c,i,j}} \text{ over windows it won}",
    ),
    "AvgPool2d": (
        r"y_{n,c,i,j} = \frac{1}{k^{2}} Σ_{p,q} x_{n,c,s i+p,s j+q}",
        r"\grad{x_{n,c,u,v}} = \frac{1}{k^{2}} Σ_{i,j} \grad{y_{n,c,i,j}} \text{ over its windows}",
    ),
    "adaptive_avg_pool2d": (
        r"y_{i,j} = \text{the mean of window } (i, j)\text{, the windows sharing the image evenly}",
    ),
    "BatchNorm": (
        r"y = γ z + β,  z = \frac{x − μ}{s},  μ = \frac{1}{m} Σ_{i} x_{i},  "
        r"s = \sqrt{\frac{1}{m} Σ_{i} (x_{i} − μ)^{2} + ε}",
        r"\grad{x_{i}} = \frac{γ}{s} "
        r"(\grad{y_{i}} − \frac{1}{m} Σ_{j} \grad{y_{j}} − \frac{z_{i}}{m} Σ_{j} \grad{y_{j}} z_{j})",
        r"\grad{γ} = Σ_{i} \grad{y_{i}} z_{i}",
        r"\grad{β} = Σ_{i} \grad{y_{i}}",
    ),
    "BatchNormInference": (
        r"y = γ \frac{x − μ}{\sqrt{σ^{2} + ε}} + β",
        rf"\grad{{x}} = {G} · \frac{{γ}}{{\sqrt{{σ^{{2}} + ε}}}}",
    ),
    "layer_norm": (r"y = γ \frac{x − μ}{\sqrt{σ^{2} + ε}} + β,  μ, σ^{2} \text{ over the features of one sample}",),
    "group_norm": (r"y = γ \frac{x − μ}{\sqrt{σ^{2} + ε}} + β,  μ, σ^{2} \text{ over one group of channels}",),
    "normalize": (r"y = \frac{x}{max(‖x‖, ε)}",),
    "LocalResponseNorm": (
        r"y_{c} = x_{c} s_{c}^{−β},  s_{c} = k + \frac{α}{n} Σ_{d near c} x_{d}^{2}",
        r"\grad{x_{c}} = s_{c}^{−β} \grad{y_{c}} − \frac{2αβ}{n} x_{c} Σ_{d near c} \grad{y_{d}} y_{d} s_{d}^{−1}",
    ),
    "Dropout": (
        r"y = \frac{m x}{1 − p},  m = 1 \text{ with probability } 1 − p\text{, else } 0",
        rf"\grad{{x}} = \frac{{m}}{{1 − p}} {G}",
    ),
    "Unfold": ("Y = im2col(X)", r"\grad{X} = col2im(\grad{Y})"),
    "Fold": ("Y = col2im(X)", r"\grad{X} = im2col(\grad{Y})"),
    # activations
    "relu6": ("y = min(max(x, 0), 6)", rf"\grad{{x}} = {G} \text{{ where }} 0 < x < 6\text{{, else }} 0"),
    "leaky_relu": (
        r"y = x \text{ where } x > 0\text{, else } a x",
        rf"\grad{{x}} = {G} \text{{ where }} x > 0\text{{, else }} a {G}",
    ),
    "elu": (
        r"y = x \text{ where } x > 0\text{, else } α (e^{x} − 1)",
        rf"\grad{{x}} = {G} \text{{ where }} x > 0\text{{, else }} α e^{{x}} {G}",
    ),
    "gelu": (
        r"y = x Φ(x) = \frac{x}{2} (1 + erf(\frac{x}{\sqrt{2}}))",
        rf"\grad{{x}} = {G} (Φ(x) + x · \frac{{1}}{{\sqrt{{2π}}}} e^{{−x^{{2}}/2}})",
    ),
    "silu": (r"y = x σ(x) = \frac{x}{1 + e^{−x}}", rf"\grad{{x}} = {G} σ(x) (1 + x (1 − σ(x)))"),
    "softplus": (r"y = \frac{1}{β} log(1 + e^{βx})", rf"\grad{{x}} = {G} σ(βx)"),
    "hardswish": (r"y = x \frac{min(max(x + 3, 0), 6)}{6}",),
    "hardsigmoid": (r"y = \frac{min(max(x + 3, 0), 6)}{6}",),
}


def formula_of(cls: type) -> str:
    """An operation in a line: what its docstring says first; for a pointwise function, which has none, the formula."""
    if cls is AccumulateGrad:
        return "leaf.grad += gradient"
    if cls.__doc__:
        return inspect.cleandoc(cls.__doc__).split("\n", 1)[0]
    return "; ".join([plain(line) for line in formulas_of(cls)])


def formulas_of(cls: type) -> tuple[str, ...]:
    """The formulas of one of the engine's own Functions; empty for another's."""
    return FORMULAS.get(cls.__name__, ()) if cls.__module__.startswith("minigrad.") else ()
