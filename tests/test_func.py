"""torch.func of the facade: the values that PyTorch gives."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad.torch as ours

X, Y = np.random.default_rng(0).normal(size=(3, 4)), np.random.default_rng(1).normal(size=(3, 4))


def value(x, y):
    return (x.sin() * y).sum() ** 2


CALLS = {
    "grad": lambda t, f, x, y: f.grad(value)(x, y),
    "grad of both": lambda t, f, x, y: f.grad(value, argnums=(0, 1))(x, y),
    "grad of a dictionary": lambda t, f, x, y: list(f.grad(lambda d: value(d["x"], d["y"]))({"x": x, "y": y}).values()),
    "grad of grad": lambda t, f, x, y: f.grad(lambda a: (f.grad(value)(a, y) ** 2).sum())(x),
    "grad with aux": lambda t, f, x, y: f.grad(lambda a: (value(a, y), a * 2), has_aux=True)(x),
    "grad_and_value": lambda t, f, x, y: f.grad_and_value(value)(x, y),
    "grad of what is unused": lambda t, f, x, y: f.grad(lambda a, b: (b * b).sum())(x, y),
    "vjp": lambda t, f, x, y: [f.vjp(lambda a, b: a.exp() @ b.mT, x, y)[0], *f.vjp(lambda a, b: a * b, x, y)[1](y)],
    "jvp": lambda t, f, x, y: f.jvp(lambda a, b: (a * b).sin(), (x, y), (y, x)),
    "jacrev": lambda t, f, x, y: f.jacrev(lambda a: (a @ y.mT).exp())(x),
    "jacrev of two": lambda t, f, x, y: f.jacrev(lambda a, b: a * b, argnums=(0, 1))(x, y),
    "jacfwd": lambda t, f, x, y: f.jacfwd(lambda a: a.cumsum(1))(x),
    "hessian": lambda t, f, x, y: f.hessian(lambda a: (a**3).sum() * a.prod())(x[0]),
    "vmap": lambda t, f, x, y: f.vmap(t.dot)(x, y),
    "vmap along others": lambda t, f, x, y: f.vmap(lambda a, b: a * b.sum(), in_dims=(1, None), out_dims=1)(x, y),
    "vmap of several": lambda t, f, x, y: f.vmap(lambda a: (a.sum(), a * 2), out_dims=(0, 1))(x),
    "vmap of grad": lambda t, f, x, y: f.vmap(f.grad(lambda a, b: (a * b).sum() ** 2))(x, y),
}


def leaves(value):
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, tuple | list) else [value]


@pytest.mark.parametrize("name", CALLS)
def test_values_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    got, wanted = (leaves(CALLS[name](t, t.func, t.tensor(X), t.tensor(Y))) for t in (ours, torch))
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == tuple(b.shape) and a.requires_grad == b.requires_grad
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


def test_gradients_flow_on_to_what_is_outside():
    torch = pytest.importorskip("torch")

    def results(t):
        x, y = t.tensor(X, requires_grad=True), t.tensor(Y, requires_grad=True)
        total = (t.func.grad(value)(x, y) ** 2).sum() + (t.func.jacrev(lambda a: a * y)(x.detach()) ** 3).sum()
        return t.autograd.grad(total, (x, y))

    for a, b in zip(results(ours), results(torch), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10)


def test_functional_call_takes_other_parameters_and_puts_them_back():
    torch = pytest.importorskip("torch")

    def results(t):
        nn = t.nn
        net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Linear(4, 4)).double().eval()
        with t.no_grad():
            net[3].bias.zero_()
            net[0].bias.zero_()
        given = {
            "0.weight": t.tensor(Y[:, :4].repeat(2, 0)[:4]),
            "3.bias": t.tensor(Y[0]),
            "3.weight": t.tensor(Y[:, :4].repeat(2, 0)[1:5]),
            "0.bias": t.tensor(X[0]),
        }
        before = net[0].weight
        gradients = t.func.grad(lambda p: t.func.functional_call(net, p, (t.tensor(X),)).sum() ** 2)(given)
        assert net[0].weight is before
        return [
            gradients["0.weight"],
            gradients["3.bias"],
            t.func.functional_call(net, (given, {"2.running_mean": t.tensor(X[1])}), t.tensor(X)),
        ]

    for a, b in zip(results(ours), results(torch), strict=True):
        assert a.requires_grad == b.requires_grad  # by the parameters that were not given
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-10)


def test_an_ensemble_in_one_call():
    torch = pytest.importorskip("torch")

    def results(t):
        models = []
        for seed in range(3):
            model = t.nn.Linear(4, 2).double()
            with t.no_grad():
                model.weight.copy_(t.tensor(np.random.default_rng(seed).normal(size=(2, 4))))
                model.bias.zero_()
            models.append(model)
        parameters, buffers = t.func.stack_module_state(models)
        assert buffers == {}
        call = t.func.vmap(lambda p, x: t.func.functional_call(models[0], p, (x,)), in_dims=(0, None))
        return call(parameters, t.tensor(X)).detach().numpy()

    np.testing.assert_allclose(results(ours), results(torch), rtol=1e-12)


def test_errors():
    f, x = ours.func, ours.ones(3)
    with pytest.raises(RuntimeError, match=r"without dimensions, got \[3\]"):
        f.grad(lambda a: a * 2)(x)
    with pytest.raises(RuntimeError, match="argnums 1 is out of range for 1"):
        f.grad(lambda a: a.sum(), argnums=1)(x)
    with pytest.raises(ValueError, match=r"of one size, got \[2, 3\]"):
        f.vmap(lambda a, b: a)(x, ours.ones(2))
    with pytest.raises(ValueError, match="2 entries for 1 arguments"):
        f.vmap(lambda a: a, in_dims=(0, 0))(x)
    with pytest.raises(RuntimeError, match="randomness='same'"):
        f.vmap(lambda a: a, randomness="same")
    net = ours.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match=r"unexpected keys \['w'\], missing keys \['bias', 'weight'\]"):
        f.functional_call(net, {"w": x}, x, strict=True)
