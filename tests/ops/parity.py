"""Comparison of an operation with PyTorch's: value, gradients, and gradients of gradients."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg

TOLERANCE = {"float64": {"rtol": 1e-9, "atol": 1e-11}, "float32": {"rtol": 2e-4, "atol": 2e-5}}


def agrees(name: str, *inputs, second: bool = True, **options) -> None:
    """``nn.functional.<name>(*inputs, **options)`` of both libraries; floating arrays are differentiated."""
    torch = pytest.importorskip("torch")
    ours = [mg.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
    theirs = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
    leaves = [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    for i in leaves:
        ours[i].requires_grad_()
        theirs[i].requires_grad_()
    y = _first(getattr(mg.nn.functional, name)(*ours, **_options(options, mg.tensor)))
    expected = _first(getattr(torch.nn.functional, name)(*theirs, **_options(options, torch.tensor)))
    _close(y, expected, f"{name}: value")
    weights = np.random.default_rng(0).standard_normal(y.shape).astype(y.dtype)
    ours.append(mg.tensor(weights).requires_grad_())
    theirs.append(torch.tensor(weights).requires_grad_())
    kernels = mg.autograd.grad(y, [ours[i] for i in leaves], ours[-1], retain_graph=True)
    gradients = mg.autograd.grad(y, [ours[i] for i in leaves], ours[-1], create_graph=True)
    wanted = torch.autograd.grad(expected, [theirs[i] for i in leaves], theirs[-1], create_graph=True)
    for i, kernel, gradient, want in zip(leaves, kernels, gradients, wanted, strict=True):
        _close(kernel, want, f"{name}: gradient of input {i}")
        _close(gradient, want, f"{name}: recorded gradient of input {i}")
    if not second:
        return
    again = [*leaves, -1]
    second_ours = mg.autograd.grad(
        sum([(g * g).sum() for g in gradients]),
        [ours[i] for i in again],
        allow_unused=True,
        materialize_grads=True,
    )
    second_theirs = torch.autograd.grad(
        sum([(g * g).sum() for g in wanted]),
        [theirs[i] for i in again],
        allow_unused=True,
        materialize_grads=True,
    )
    for i, gradient, want in zip(again, second_ours, second_theirs, strict=True):
        _close(gradient, want, f"{name}: second gradient of input {i}")


def _options(options: dict, tensor) -> dict:
    return {key: tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}


def _first(result):
    return result[0] if isinstance(result, tuple) else result


def _close(got, want, what: str) -> None:
    want = want.detach().numpy(force=True)
    got = got.detach().numpy()
    assert got.shape == want.shape, what
    assert got.dtype == want.dtype, what
    scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
    np.testing.assert_allclose(got / scale, want / scale, err_msg=what, **TOLERANCE[str(got.dtype)])
