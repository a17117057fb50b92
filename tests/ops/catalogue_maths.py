"""Catalogue of the mathematical operations: elementwise, reductions, linear algebra, shapes, indexing."""

from __future__ import annotations

import numpy as np
from case import Case
from scipy import special
from values import booleans, integers, normal, positive

import minigrad as mg


def method(name):
    """Call a tensor's method."""
    return lambda x, *rest, **options: getattr(x, name)(*rest, **options)


def unary(name, reference, *inputs, differentiable=True, **options):
    inputs = inputs or (normal(2, 3),)
    return Case(name, inputs, lambda x: reference(x), options, differentiable)


ELEMENTWISE = [
    unary("neg", np.negative),
    unary("abs", np.abs),
    unary("sign", np.sign),
    unary("exp", np.exp),
    unary("expm1", np.expm1),
    unary("log", np.log, positive(2, 3)),
    unary("log1p", np.log1p, positive(2, 3)),
    unary("log2", np.log2, positive(2, 3)),
    unary("sqrt", np.sqrt, positive(2, 3)),
    unary("rsqrt", lambda x: x**-0.5, positive(2, 3)),
    unary("square", np.square),
    unary("reciprocal", np.reciprocal),
    unary("sin", np.sin),
    unary("cos", np.cos),
    unary("tanh", np.tanh),
    unary("sigmoid", special.expit),
    unary("erf", special.erf),
    unary("tan", np.tan),
    unary("asin", np.arcsin, np.tanh(normal(2, 3)) * 0.9),
    unary("acos", np.arccos, np.tanh(normal(2, 3)) * 0.9),
    unary("atan", np.arctan),
    unary("sinh", np.sinh),
    unary("cosh", np.cosh),
    unary("asinh", np.arcsinh),
    unary("acosh", np.arccosh, positive(2, 3) + 1),
    unary("atanh", np.arctanh, np.tanh(normal(2, 3)) * 0.9),
    unary("exp2", np.exp2),
    unary("log10", np.log10, positive(2, 3)),
    unary("sinc", np.sinc),
    unary("frac", lambda x: x - np.trunc(x)),
    unary("logit", special.logit, special.expit(normal(2, 3))),
    unary("logit within bounds", lambda x: special.logit(np.clip(x, 0.2, 0.8)), special.expit(normal(2, 3)), eps=0.2),
    unary("absolute", np.abs),
    unary("negative", np.negative),
    unary("clip", lambda x: np.clip(x, -0.5, 0.7), min=-0.5, max=0.7),
    unary("clamp_min", lambda x: np.maximum(x, 0.1), min=0.1),
    unary("clamp_max", lambda x: np.minimum(x, 0.1), max=0.1),
    Case("multiply", (normal(2, 3), normal(3)), np.multiply),
    Case("subtract", (normal(2, 3), normal(3)), np.subtract),
    Case("divide", (normal(2, 3), positive(3)), np.divide),
    Case("floor_divide", (normal(5) * 5, positive(5)), np.floor_divide),
    Case("floor_divide integers", (integers(9, 4) - 4, integers(3, 4) + 1), np.floor_divide, differentiable=False),
    Case("remainder", (normal(2, 3) * 5, positive(3)), np.remainder),
    Case("remainder of a negative divisor", (normal(2, 3) * 5, -positive(3)), np.remainder),
    Case("remainder integers", (integers(9, 4) - 4, integers(3, 4) + 1), np.remainder, differentiable=False),
    Case("remainder number", (normal(2, 3) * 5, 1.5), np.remainder),
    Case("remainder of a number", (7.5, positive(2, 3)), np.remainder, function=lambda x, y: x % y),
    Case("fmod", (normal(2, 3) * 5, positive(3)), np.fmod),
    Case("fmod integers", (integers(9, 4) - 4, integers(3, 4) + 1), np.fmod, differentiable=False),
    Case("atan2", (normal(2, 3), normal(3)), np.arctan2),
    Case("hypot", (normal(2, 3), normal(3)), np.hypot),
    Case("xlogy", (normal(2, 3), positive(3)), special.xlogy),
    Case("xlogy number", (2.0, positive(2, 3)), special.xlogy),
    Case("lerp", (normal(2, 3), normal(2, 3), 0.3), lambda a, b, w: a + w * (b - a)),
    Case("lerp by tensors", (normal(2, 3), normal(3), normal(2, 1)), lambda a, b, w: a + w * (b - a)),
    Case("addcmul", (normal(2, 3), normal(3), normal(2, 1)), lambda x, a, b: x + 0.5 * a * b, {"value": 0.5}),
    Case("addcdiv", (normal(2, 3), normal(3), positive(2, 1)), lambda x, a, b: x + 0.5 * a / b, {"value": 0.5}),
    unary("floor", np.floor),
    unary("ceil", np.ceil),
    unary("round", np.round, normal(2, 3) + 0.01),
    unary("trunc", np.trunc),
    unary("relu", lambda x: np.maximum(x, 0)),
    unary("exp of integers", lambda x: np.exp(x).astype(np.float32), integers(3, 4), differentiable=False),
    unary("clamp", lambda x: np.clip(x, -0.5, 0.7), min=-0.5, max=0.7),
    unary("clamp from below", lambda x: np.maximum(x, 0.1), min=0.1),
    Case("clamp by tensors", (normal(2, 3), normal(3) - 1, normal(2, 1) + 1), np.clip),
    Case("add", (normal(2, 3), normal(2, 3)), np.add),
    Case("add broadcast", (normal(2, 1, 3), normal(4, 1)), np.add),
    Case("add alpha", (normal(2, 3), normal(3)), lambda x, y: x - 0.5 * y, {"alpha": -0.5}),
    Case("add number", (normal(2, 3), 2.5), np.add),
    Case("sub", (normal(2, 3), normal(2, 1)), np.subtract),
    Case("sub number", (3, normal(2, 3)), np.subtract, function=lambda x, y: x - y),
    Case("mul", (normal(2, 3), normal(2, 3)), np.multiply),
    Case("mul broadcast", (normal(3, 1), normal(2, 3, 4)), np.multiply),
    Case("mul number", (normal(2, 3), -1.5), np.multiply),
    Case("div", (normal(2, 3), positive(3)), np.divide),
    Case("div number", (2.0, positive(2, 3)), np.divide, function=lambda x, y: x / y),
    Case("div integers", (integers(9, 4), integers(3, 4) + 1), lambda x, y: (x / y).astype("f4"), differentiable=False),
    Case("div floor", (normal(5) * 5, positive(5)), np.floor_divide, {"rounding_mode": "floor"}),
    Case("pow", (positive(2, 3), normal(3)), np.power),
    Case("pow number", (normal(2, 3), 3), np.power),
    Case("pow of a number", (2.0, normal(2, 3)), np.power, function=lambda x, y: x**y),
    Case("maximum", (normal(2, 3), normal(2, 3)), np.maximum),
    Case("minimum", (normal(2, 3), normal(3)), np.minimum),
    Case("where", (booleans(2, 3), normal(2, 3), normal(3)), np.where),
    Case("where number", (booleans(2, 3), normal(2, 3), 0.5), np.where),
]


def comparison(name, reference):
    x, y = integers(3, 4, 5), integers(3, 5)
    return Case(name, (x.astype(float), y.astype(float)), reference, differentiable=False)


SPECIAL_VALUES = np.array([[0.0, np.nan, np.inf], [-np.inf, 1.0, -0.0]])
COMPARISONS = [
    comparison("eq", np.equal),
    comparison("ne", np.not_equal),
    comparison("lt", np.less),
    comparison("le", np.less_equal),
    comparison("gt", np.greater),
    comparison("ge", np.greater_equal),
    comparison("isclose", np.isclose),
    Case("allclose", (SPECIAL_VALUES, SPECIAL_VALUES), lambda x, y: np.array(False), differentiable=False,
         function=lambda x, y: mg.tensor(mg.allclose(x, y), device=x.device)),
    Case("allclose within a tolerance", (normal(2, 3), 0.05), lambda x, d: np.array(True), differentiable=False,
         function=lambda x, d: mg.tensor(mg.allclose(x, x + d, rtol=0, atol=0.06), device=x.device)),
    Case("equal", (integers(9, 2, 3),), lambda x: np.array([True, False, False]), differentiable=False,
         function=lambda x: mg.tensor([mg.equal(x, x.clone()), mg.equal(x, x + 1), mg.equal(x, x[:1])],
                                      device=x.device)),
    Case("isnan", (SPECIAL_VALUES,), np.isnan, differentiable=False),
    Case("isinf", (SPECIAL_VALUES,), np.isinf, differentiable=False),
    Case("isfinite", (SPECIAL_VALUES,), np.isfinite, differentiable=False),
    Case("logical_not", (SPECIAL_VALUES,), np.logical_not, differentiable=False),
    Case("logical_and", (booleans(4), booleans(4)), np.logical_and, differentiable=False),
    Case("logical_or", (booleans(4), booleans(4)), np.logical_or, differentiable=False),
    Case("bitwise_and", (integers(9, 4), integers(9, 4)), np.bitwise_and, differentiable=False),
    Case("bitwise_or", (integers(9, 4), integers(9, 4)), np.bitwise_or, differentiable=False),
    Case("bitwise_xor", (integers(9, 4), integers(9, 4)), np.bitwise_xor, differentiable=False),
    Case("bitwise_not", (integers(9, 4),), np.invert, differentiable=False),
    Case("bitwise_left_shift", (integers(9, 4), integers(9, 4)), np.left_shift, differentiable=False),
    Case("bitwise_right_shift", (integers(9, 4), integers(3, 4)), np.right_shift, differentiable=False),
]  # fmt: skip


def reduction(name, reference, *, x=None, dim=None, keepdim=False, differentiable=True):
    options = {} if dim is None else {"dim": dim, "keepdim": keepdim}
    axis = {} if dim is None else {"axis": tuple(dim) if isinstance(dim, list) else dim, "keepdims": keepdim}
    label = name + (f" over {dim}" if dim is not None else "")
    array = normal(2, 3, 4) if x is None else x
    return Case(label, (array,), lambda a: reference(a, **axis), options, differentiable)


def with_index(values, index):
    """The reference of max(dim) and min(dim): values and indices."""
    return lambda x: (values(x, axis=1), index(x, axis=1))


def largest(x, k=2):
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order


def _place(x, values):
    """Where in its row each of the values stands."""
    return (x == values[:, None]).argmax(1)


REDUCTIONS = [
    reduction("sum", np.sum),
    reduction("sum", np.sum, dim=1),
    reduction("sum", np.sum, dim=[0, 2], keepdim=True),
    reduction("mean", np.mean),
    reduction("mean", np.mean, dim=-1, keepdim=True),
    reduction("var", lambda x, **axis: np.var(x, ddof=1, **axis)),
    reduction("var", lambda x, **axis: np.var(x, ddof=1, **axis), dim=[0, 1]),
    reduction("std", lambda x, **axis: np.std(x, ddof=1, **axis), dim=1),
    reduction("prod", np.prod, x=positive(2, 3)),
    reduction("prod", np.prod, x=np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]), dim=1),
    Case("cumsum", (normal(2, 3),), lambda x: np.cumsum(x, 1), {"dim": 1}),
    Case("cumprod", (normal(2, 5),), lambda x: np.cumprod(x, 1), {"dim": 1}),
    Case("cumprod with zeros", (np.array([1.5, 0.0, 2.0, 0.0, 3.0]),), np.cumprod, {"dim": 0}),
    Case("cumprod integers", (integers(4, 3, 2) + 1,), lambda x: np.cumprod(x, 0), {"dim": 0}, differentiable=False),
    Case("dist", (normal(2, 3), normal(3)), lambda x, y: np.linalg.norm(x - y)),
    Case("var_mean", (normal(2, 3),), lambda x: (x.var(1, ddof=1), x.mean(1)), {"dim": 1}),
    Case("std_mean", (normal(2, 3),), lambda x: (x.std(ddof=1), x.mean())),
    Case("median", (normal(2, 3),), lambda x: np.sort(x, None)[2]),
    Case("median odd", (normal(3, 3),), np.median),
    Case(
        "median over a dimension", (normal(2, 5),), lambda x: (np.median(x, 1), _place(x, np.median(x, 1))), {"dim": 1}
    ),
    Case("kthvalue", (normal(2, 5),), lambda x: (np.sort(x)[:, 1], _place(x, np.sort(x)[:, 1])), {"k": 2}),
    reduction("logsumexp", special.logsumexp, dim=1),
    reduction("norm", lambda x: np.sqrt((x * x).sum())),
    Case("norm p=1", (normal(2, 3),), lambda x: np.abs(x).sum(1), {"p": 1, "dim": 1}),
    Case("norm p=3", (normal(2, 3),), lambda x: (np.abs(x) ** 3).sum(1) ** (1 / 3), {"p": 3, "dim": 1}),
    reduction("max", np.max),
    reduction("min", np.min),
    Case("max over 1", (normal(2, 3, 4),), with_index(np.max, np.argmax), {"dim": 1}),
    Case("min over 1", (normal(2, 3, 4),), with_index(np.min, np.argmin), {"dim": 1}),
    reduction("amax", np.max, dim=[0, 1]),
    reduction("amin", np.min, dim=1),
    reduction("argmax", np.argmax, differentiable=False),
    reduction("argmin", np.argmin, dim=1, differentiable=False),
    reduction("any", np.any, x=booleans(2, 3), differentiable=False),
    reduction("all", np.all, x=booleans(2, 3), dim=1, differentiable=False),
    Case("count_nonzero", (np.array([[0.0, 1.0], [2.0, 0.0]]),), np.count_nonzero, differentiable=False),
    Case("topk", (normal(2, 5),), largest, {"k": 2}),
    Case("sort", (normal(2, 5),), lambda x: (np.sort(x), np.argsort(x, kind="stable"))),
    Case("argsort", (normal(2, 5),), np.argsort, differentiable=False),
]

WITH_NAN = np.array([[1.0, np.nan, 2.0], [4.0, 5.0, 7.0]])
STATISTICS = [
    Case("nan_to_num", (SPECIAL_VALUES,), lambda x: np.nan_to_num(x, nan=1.0, posinf=9.0, neginf=-8.0),
         {"nan": 1.0, "posinf": 9.0, "neginf": -8.0}, differentiable=False),
    unary("nan_to_num of numbers", np.copy),
    Case("nansum with NaN", (WITH_NAN,), lambda x: np.nansum(x, 1), {"dim": 1}, differentiable=False),
    reduction("nansum", np.nansum),
    Case("nanmean with NaN", (WITH_NAN,), lambda x: np.nanmean(x, 0), {"dim": 0}, differentiable=False),
    reduction("nanmean", np.nanmean, dim=[0, 2], keepdim=True),
    Case("quantile", (normal(2, 5),), lambda x: np.quantile(x, 0.3, 1), {"q": 0.3, "dim": 1}),
    Case("quantile of all", (normal(2, 5),), lambda x: np.quantile(x, 0.77, keepdims=True),
         {"q": 0.77, "keepdim": True}),
    Case("quantile midpoint", (normal(2, 5),), lambda x: np.quantile(x, 0.3, 1, method="midpoint"),
         {"q": 0.3, "dim": 1, "interpolation": "midpoint"}),
    Case("quantile nearest", (normal(5, 2),), lambda x: np.quantile(x, 0.3, 0, method="nearest"),
         {"q": 0.3, "dim": 0, "interpolation": "nearest"}),
    Case("diff", (normal(2, 5),), np.diff),
    Case("diff twice", (normal(5, 2),), lambda x: np.diff(x, 2, 0), {"n": 2, "dim": 0}),
    Case("diff with more", (normal(2, 3), normal(2, 1), normal(2, 2)), lambda x, a, b: np.diff(x, 1, -1, a, b),
         function=lambda x, a, b: mg.diff(x, prepend=a, append=b)),
    Case("diff of booleans", (booleans(2, 5),), np.diff, differentiable=False),
]  # fmt: skip

LINEAR_ALGEBRA = [
    Case("tensordot", (normal(2, 3, 2), normal(3, 2, 4)), np.tensordot),
    Case(
        "tensordot by dimensions",
        (normal(2, 3, 4), normal(4, 2)),
        lambda a, b: np.tensordot(a, b, ((0, 2), (1, 0))),
        {"dims": ((0, 2), (1, 0))},
    ),
    Case(
        "addmm", (normal(4), normal(2, 3), normal(3, 4)), lambda x, a, b: 2 * x + 0.5 * a @ b, {"beta": 2, "alpha": 0.5}
    ),
    Case("addmm in shape", (normal(2, 4), normal(2, 3), normal(3, 4)), lambda x, a, b: x + a @ b),
    Case("addmv", (normal(2), normal(2, 3), normal(3)), lambda x, a, b: x + a @ b),
    Case("baddbmm", (normal(2, 2, 4), normal(2, 2, 3), normal(2, 3, 4)), lambda x, a, b: x + a @ b),
    Case("inner", (normal(2, 3), normal(4, 3)), np.inner),
    Case("vdot", (normal(4), normal(4)), np.vdot),
    Case("trace", (normal(3, 4),), np.trace),
    Case("kron", (normal(2, 3), normal(3, 2)), np.kron),
    Case("kron with more dimensions", (normal(3), normal(2, 2)), np.kron),
    Case("cross", (normal(2, 3), normal(2, 3)), np.cross),
    Case(
        "cross over 0",
        (normal(3, 2), normal(3, 1)),
        lambda a, b: np.cross(a, np.broadcast_to(b, a.shape), axis=0),
        {"dim": 0},
    ),
    Case("matmul", (normal(2, 3), normal(3, 4)), np.matmul),
    Case("matmul of vectors", (normal(3), normal(3)), np.matmul),
    Case("matmul matrix and vector", (normal(2, 3), normal(3)), np.matmul),
    Case("matmul vector and matrix", (normal(3), normal(3, 2)), np.matmul),
    Case("matmul batched and matrix", (normal(2, 2, 3), normal(3, 4)), np.matmul),
    Case("matmul broadcast", (normal(2, 1, 2, 3), normal(3, 3, 2)), np.matmul),
    Case("mm", (normal(2, 3), normal(3, 4)), np.matmul),
    Case("bmm", (normal(2, 2, 3), normal(2, 3, 2)), np.matmul),
    Case("dot", (normal(4), normal(4)), np.dot),
    Case("mv", (normal(2, 3), normal(3)), np.matmul),
    Case("outer", (normal(3), normal(4)), np.outer),
    *[
        Case(
            f"einsum {equation}",
            inputs,
            lambda *a, e=equation: np.einsum(e, *a),
            function=lambda *t, e=equation: mg.einsum(e, *t),
        )
        for equation, inputs in {
            "ij,jk->ik": (normal(2, 3), normal(3, 2)),
            "bij,bjk": (normal(2, 2, 3), normal(2, 3, 2)),
            "ii->i": (normal(3, 3),),
            "ij->": (normal(2, 3),),
            "...i,i->...": (normal(2, 3), normal(3)),
            "ij,kj,l->ki": (normal(2, 3), normal(4, 3), normal(2)),
        }.items()
    ],
]


def shape(name, x, reference, *args, **options):
    return Case(name, (x, *args), lambda a, *_: reference(a), options)


def sequence(name, arrays, reference, **options):
    return Case(name, (list(arrays),), reference, options)


SHAPES = [
    shape("reshape", normal(2, 6), lambda x: x.reshape(3, 4), (3, 4)),
    Case("view", (normal(2, 6),), lambda x: x.reshape(3, -1), function=lambda x: x.contiguous().view(3, -1)),
    shape("flatten", normal(2, 3, 4), lambda x: x.reshape(2, 12), start_dim=1),
    shape("unflatten", normal(2, 12), lambda x: x.reshape(2, 3, 4), 1, (3, -1)),
    shape("squeeze", normal(1, 3, 1), lambda x: x.reshape(3)),
    shape("squeeze a dimension", normal(1, 3, 1), lambda x: x.reshape(3, 1), 0),
    shape("unsqueeze", normal(2, 3), lambda x: x[:, None], 1),
    shape("transpose", normal(2, 3, 4), lambda x: x.swapaxes(0, 2), 0, 2),
    shape("permute", normal(2, 3, 4), lambda x: x.transpose(2, 0, 1), (2, 0, 1)),
    Case("t", (normal(2, 3),), np.transpose, function=method("t")),
    Case(
        "expand",
        (normal(2, 1, 3),),
        lambda x: np.broadcast_to(x, (4, 2, 5, 3)),
        function=lambda x: x.expand(4, -1, 5, 3),
    ),
    shape("broadcast_to", normal(3, 1), lambda x: np.broadcast_to(x, (2, 3, 4)), (2, 3, 4)),
    Case("repeat", (normal(2, 3),), lambda x: np.tile(x, (2, 1, 3)), function=lambda x: x.repeat(2, 1, 3)),
    sequence("cat", [normal(2, 3), normal(1, 3)], np.concatenate),
    sequence("cat along 1", [normal(2, 3), normal(2, 2)], lambda a: np.concatenate(a, 1), dim=1),
    sequence("stack", [normal(2, 3), normal(2, 3)], lambda a: np.stack(a, 1), dim=1),
    shape("split", normal(5, 2), lambda x: tuple(np.split(x, [2, 4])), 2),
    shape("split by sizes", normal(5, 2), lambda x: tuple(np.split(x, [1])), [1, 4]),
    shape("chunk", normal(5, 2), lambda x: tuple(np.split(x, [3])), 2),
    shape("unbind", normal(2, 3), tuple),
    shape("flip", normal(2, 3), lambda x: x[:, ::-1], (1,)),
    shape("narrow", normal(5, 2), lambda x: x[1:4], 0, 1, 3),
    shape("select", normal(5, 2), lambda x: x[:, 1], 1, 1),
    shape("ravel", normal(2, 3), np.ravel),
    shape("movedim", normal(2, 3, 4), lambda x: np.moveaxis(x, 0, 2), 0, 2),
    shape("moveaxis", normal(2, 3, 4), lambda x: np.moveaxis(x, 0, 2), 0, 2),
    shape("swapaxes", normal(2, 3, 4), lambda x: np.swapaxes(x, 0, 2), 0, 2),
    shape("swapdims", normal(2, 3, 4), lambda x: np.swapaxes(x, 1, 2), 1, 2),
    shape("repeat_interleave", normal(2, 3), lambda x: np.repeat(x, 2), 2),
    shape("repeat_interleave by dimension", normal(2, 3), lambda x: np.repeat(x, 2, 1), 2, 1),
    Case("repeat_interleave by counts", (normal(3, 2), np.array([2, 0, 1]), 0), lambda x, n, d: np.repeat(x, n, d)),
    Case("vstack", ([normal(3), normal(2, 3)],), np.vstack),
    Case("hstack", ([normal(2, 3), normal(2, 1)],), np.hstack),
    Case("hstack of vectors", ([normal(3), normal(2)],), np.hstack),
    Case("dstack", ([normal(2, 3), normal(2, 3)],), np.dstack),
    Case("meshgrid", (normal(2), normal(3)), lambda x, y: np.meshgrid(x, y, indexing="ij"), {"indexing": "ij"}),
    Case("meshgrid xy", (normal(2), normal(3)), np.meshgrid, {"indexing": "xy"}),
    Case(
        "Tensor.unfold",
        (normal(2, 7),),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 3, 1)[:, ::2],
        function=lambda x: x.unfold(1, 3, 2),
    ),
    shape("fliplr", normal(2, 3, 2), np.fliplr),
    shape("flipud", normal(2, 3), np.flipud),
    *[shape(f"rot90 {k} times", normal(2, 3, 2), lambda x, k=k: np.rot90(x, k, (2, 1)), k, (2, 1)) for k in range(4)],
    shape("rot90", normal(2, 3), np.rot90),
    Case("atleast_1d", (normal(1),), np.atleast_1d, function=lambda x: mg.atleast_1d(x.squeeze())),
    shape("atleast_2d", normal(3), np.atleast_2d),
    shape("atleast_3d", normal(3), np.atleast_3d),
    shape("atleast_3d of a matrix", normal(3, 2), np.atleast_3d),
    Case("column_stack", ([normal(3), normal(3, 2)],), np.column_stack),
    Case("broadcast_tensors", (normal(2, 1), normal(3)), np.broadcast_arrays),
    shape("roll", normal(2, 3), lambda x: np.roll(x, 1, 1), 1, 1),
    shape("tile", normal(2, 3), lambda x: np.tile(x, (2, 2)), (2, 2)),
    shape("diag of a matrix", normal(3, 4), np.diag),
    shape("diag of a vector", normal(3), np.diag),
    shape("diagonal", normal(3, 4), lambda x: np.diagonal(x, 1), 1),
    shape("tril", normal(3, 4), np.tril),
    shape("triu", normal(3, 4), lambda x: np.triu(x, 1), 1),
    Case("clone", (normal(2, 3),), np.copy),
    Case("Tensor.contiguous", (normal(2, 3),), np.copy, function=lambda x: x.t().contiguous().t()),
    Case("Tensor.expand_as", (normal(1, 3), normal(4, 2, 3)), lambda x, y: np.broadcast_to(x, y.shape),
         function=lambda x, y: x.expand_as(y.detach())),
    Case("Tensor.view_as", (normal(2, 6), normal(3, 4)), lambda x, y: x.reshape(y.shape),
         function=lambda x, y: x.contiguous().view_as(y.detach())),
    Case("Tensor.reshape_as", (normal(2, 6), normal(3, 4)), lambda x, y: x.reshape(y.shape),
         function=lambda x, y: x.reshape_as(y.detach())),
    Case("Tensor.sum_to_size", (normal(2, 3, 4), (3, 1)), lambda x, size: x.sum((0, 2)).reshape(size)),
    Case("Tensor.T", (normal(2, 3),), np.transpose, function=lambda x: x.T),
    Case("Tensor.mT", (normal(2, 3, 4),), lambda x: x.swapaxes(1, 2), function=lambda x: x.mT),
]  # fmt: skip

CASTS = [
    Case("Tensor.to", (integers(9, 2, 3), "float32"), lambda x, dtype: x.astype(dtype), differentiable=False),
    Case("Tensor.type_as", (integers(9, 2, 3), positive(2)), lambda x, y: x.astype("f8"), differentiable=False),
    Case("Tensor.cpu", (normal(2, 3),), np.copy, function=lambda x: (x * 1).cpu().to(x.device)),
    *[
        Case(f"Tensor.{name}", (integers(3, 2, 3),), lambda x, d=dtype: x.astype(d), differentiable=False)
        for name, dtype in {
            "half": "f2",
            "float": "f4",
            "double": "f8",
            "int": "i4",
            "long": "i8",
            "bool": "?",
            "byte": "u1",
            "char": "i1",
            "short": "i2",
        }.items()
    ],
]


def indexed(name, x, index):
    key = tuple(mg.tensor(i) if isinstance(i, np.ndarray) else i for i in index)
    return Case(f"getitem {name}", (x,), lambda a: a[index], function=lambda t: t[key])


def scattered(x, index, source):
    result = x.copy()
    for (i, j), value in np.ndenumerate(source):
        result[i, index[i, j]] += value
    return result


def replaced(x, place, values):
    result = x.copy()
    result[place] = values
    return result


def reduced(x, index, source, combine, include_self):
    """`scatter_reduce` along dimension 1, element by element."""
    result = x.copy()
    for i, j in np.ndindex(*x.shape):
        met = [source[i, k] for k in range(index.shape[1]) if index[i, k] == j]
        if met:
            result[i, j] = combine(([x[i, j]] if include_self else []) + met)
    return result


COMBINE = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}
INDEXING = [
    *[
        Case(
            f"scatter_reduce {name}{'' if own else ' of src'}",
            (normal(2, 4), 1, np.array([[3, 0, 3, 3], [1, 1, 2, 1]]), normal(2, 4)),
            lambda x, d, i, s, name=name, own=own: reduced(x, i, s, COMBINE[name], own),
            {"reduce": name, "include_self": own},
        )
        for name in COMBINE
        for own in (True, False)
    ],
    Case(
        "scatter_reduce integers",
        (integers(9, 2, 4), 1, np.array([[3, 0, 3], [1, 1, 2]]), integers(9, 2, 3)),
        lambda x, d, i, s: reduced(x, i, s, np.max, True),
        {"reduce": "amax"},
        differentiable=False,
    ),
    Case(
        "scatter a number",
        (normal(2, 4), 1, np.array([[3], [1]])),
        lambda x, d, i: replaced(x, (np.arange(2)[:, None], i), 5.0),
        {"value": 5.0},
    ),
    Case(
        "index_copy",
        (normal(2, 3), 1, np.array([2, 0]), normal(2, 2)),
        lambda x, d, i, s: replaced(x, (slice(None), i), s),
    ),
    Case("index_fill", (normal(2, 3), 1, np.array([2, 0]), 0.5), lambda x, d, i, v: replaced(x, (slice(None), i), v)),
    Case(
        "masked_scatter",
        (normal(2, 3), np.array([[True, False, True], [False, True, False]]), normal(4)),
        lambda x, m, s: replaced(x, m, s[:3]),
    ),
    indexed("int", normal(3, 4), (1,)),
    indexed("slices", normal(5, 4), (slice(1, None, 2), slice(None, -1))),
    indexed("None and Ellipsis", normal(3, 4), (None, Ellipsis, 2)),
    indexed("integers", normal(4, 3), (np.array([3, 0, 0, -1]),)),
    indexed("two index arrays", normal(4, 3), (np.array([[0], [2]]), np.array([1, 1]))),
    indexed("index arrays apart", normal(4, 3, 2), (np.array([0, 3]), slice(None), np.array([1, 0]))),
    indexed("mask", normal(3, 2), (np.array([True, False, True]),)),
    Case("gather", (normal(2, 4), 1, integers(4, 2, 3)), lambda x, d, i: np.take_along_axis(x, i, d)),
    Case("scatter_add", (normal(2, 4), 1, integers(4, 2, 3), normal(2, 3)), lambda x, d, i, s: scattered(x, i, s)),
    Case(
        "scatter",
        (normal(2, 4), 1, np.array([[3, 0], [1, 2]]), normal(2, 2)),
        lambda x, d, i, s: replaced(x, (np.arange(2)[:, None], i), s),
    ),
    Case("take_along_dim", (normal(2, 4), integers(4, 2, 3), 1), np.take_along_axis),
    Case("index_add", (normal(3, 2), 0, np.array([2, 0]), normal(2, 2)), lambda x, d, i, s: replaced(x, i, x[i] + s)),
    Case(
        "index_put",
        (normal(4, 2), np.array([3, 1]), normal(2, 2)),
        replaced,
        function=lambda x, i, s: mg.index_put(x, (i,), s),
    ),
    Case("nonzero", (booleans(3, 4),), np.argwhere, differentiable=False),
    Case("unique", (integers(4, 3, 3),), np.unique, differentiable=False),
    Case(
        "unique with inverse and counts",
        (integers(4, 9),),
        lambda x: np.unique(x, return_inverse=True, return_counts=True),
        {"return_inverse": True, "return_counts": True},
        differentiable=False,
    ),
    Case("unique rows", (integers(2, 9, 2),), lambda x: np.unique(x, axis=0), {"dim": 0}, differentiable=False),
    Case("bincount", (integers(4, 9),), np.bincount, differentiable=False),
    Case("bincount with weights", (integers(4, 9), positive(9)), np.bincount, differentiable=False),
    Case("searchsorted", (np.sort(normal(5)), normal(2, 3)), np.searchsorted, differentiable=False),
    Case("bucketize", (normal(2, 3), np.sort(normal(5))), lambda x, b: np.searchsorted(b, x), differentiable=False),
    Case("index_select", (normal(4, 3), 1, integers(3, 5)), lambda x, d, i: np.take(x, i, d)),
    Case("masked_fill", (normal(2, 3), booleans(2, 3), 0.5), lambda x, m, v: np.where(m, v, x)),
    Case("masked_select", (normal(2, 3), booleans(2, 3)), lambda x, m: x[m]),
]

MATHS = [*ELEMENTWISE, *COMPARISONS, *REDUCTIONS, *STATISTICS, *LINEAR_ALGEBRA, *SHAPES, *CASTS, *INDEXING]
