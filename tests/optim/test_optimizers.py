"""Optimizers against their papers' formulas in float64 and against PyTorch, step for step."""

import copy
import math

import numpy as np
import pytest

from minigrad.optim import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop
from minigrad.tensor import Tensor, from_array

CONFIGURATIONS = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    (SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.5, "maximize": True}),
    (Adam, {"lr": 0.1}),
    (Adam, {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True}),
    (Adam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (Adam, {"lr": 0.1, "maximize": True}),
    (AdamW, {"lr": 0.1}),
    (AdamW, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    (NAdam, {"lr": 0.1}),
    (NAdam, {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1, "betas": (0.7, 0.9)}),
    (NAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    (Adagrad, {"lr": 0.1}),
    (
        Adagrad,
        {
            "lr": 0.1,
            "lr_decay": 0.2,
            "weight_decay": 0.1,
            "initial_accumulator_value": 0.5,
            "eps": 1e-2,
            "maximize": True,
        },
    ),
    (Adadelta, {}),
    (Adadelta, {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    (RMSprop, {"lr": 0.1}),
    (RMSprop, {"lr": 0.1, "alpha": 0.8, "momentum": 0.9, "weight_decay": 0.1}),
    (RMSprop, {"lr": 0.1, "alpha": 0.8, "centered": True, "eps": 1e-3, "maximize": True}),
    (RMSprop, {"lr": 0.1, "momentum": 0.5, "centered": True, "eps": 1e-2}),
]
SHAPES = [(3, 4), (5,), (), (2, 1, 3), (0,)]
STEPS = 8

each_configuration = pytest.mark.parametrize(
    "kind, settings",
    CONFIGURATIONS,
    ids=[f"{kind.__name__}-{i}" for i, (kind, _) in enumerate(CONFIGURATIONS)],
)


def arrays(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), dtype=dtype) for shape in SHAPES]


def parameters(seed=0, dtype=np.float32):
    return [from_array(array, requires_grad=True) for array in arrays(seed, dtype)]


def give_gradients(params, seed, dtype=np.float32):
    for param, gradient in zip(params, arrays(seed, dtype), strict=False):
        param.grad = from_array(gradient)


def train(optimizer, params, first, last, dtype=np.float32):
    for step in range(first, last):
        give_gradients(params, 100 + step, dtype)
        optimizer.step()


def paper_trajectory(kind, settings, p, gradients):
    """One number, updated as the paper says, in Python floats; the values after each step."""
    defaults = kind([from_array(np.zeros(1), requires_grad=True)], **settings).defaults
    o = {"momentum": 0, **defaults}
    lr, decay = o["lr"], o["weight_decay"]
    decoupled = o.get("decoupled_weight_decay", False)
    m = v = b = w = a = largest = 0.0
    v = o.get("initial_accumulator_value", 0.0)
    product = 1.0
    values = []
    for t, g in enumerate(gradients, 1):
        g = -g if o["maximize"] else g
        if decoupled:
            p -= lr * decay * p
        else:
            g += decay * p
        if kind is SGD:
            b = g if t == 1 else o["momentum"] * b + (1 - o["dampening"]) * g
            direction = g + o["momentum"] * b if o["nesterov"] else b
            p -= lr * (direction if o["momentum"] else g)
        elif kind is Adagrad:
            v += g * g
            p -= lr / (1 + (t - 1) * o["lr_decay"]) * g / (math.sqrt(v) + o["eps"])
        elif kind is Adadelta:
            v = o["rho"] * v + (1 - o["rho"]) * g * g
            delta = math.sqrt(w + o["eps"]) / math.sqrt(v + o["eps"]) * g
            w = o["rho"] * w + (1 - o["rho"]) * delta * delta
            p -= lr * delta
        elif kind is RMSprop:
            v = o["alpha"] * v + (1 - o["alpha"]) * g * g
            a = o["alpha"] * a + (1 - o["alpha"]) * g
            r = math.sqrt(v - a * a if o["centered"] else v) + o["eps"]
            b = o["momentum"] * b + g / r
            p -= lr * b
        else:
            beta1, beta2 = o["betas"]
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            largest = max(largest, v)
            v_hat = (largest if o.get("amsgrad") else v) / (1 - beta2**t)
            if kind is NAdam:
                mu, mu_next = (beta1 * (1 - 0.96 ** (s * o["momentum_decay"]) / 2) for s in (t, t + 1))
                product *= mu
                m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
            else:
                m_hat = m / (1 - beta1**t)
            p -= lr * m_hat / (math.sqrt(v_hat) + o["eps"])
        values.append(p)
    return values


@each_configuration
def test_follows_the_paper(kind, settings):
    rng = np.random.default_rng(3)
    start, gradients = rng.standard_normal(6), rng.standard_normal((12, 6))
    param = from_array(start.copy(), requires_grad=True)
    optimizer = kind([param], **settings)
    expected = [paper_trajectory(kind, settings, start[i], gradients[:, i]) for i in range(6)]
    for step in range(12):
        param.grad = from_array(gradients[step].copy())
        optimizer.step()
        # NAdam keeps its product of momenta in float32, as PyTorch does.
        np.testing.assert_allclose(param.array, [values[step] for values in expected], rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(param.grad.array, gradients[step])


@each_configuration
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_torch(kind, settings, dtype):
    torch = pytest.importorskip("torch")
    params = parameters(dtype=dtype)
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays(0, dtype)]
    optimizer = kind(params, **settings)
    their_optimizer = getattr(torch.optim, kind.__name__)(theirs, **settings)
    tolerance = {"rtol": 2e-5, "atol": 2e-6} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    if kind is NAdam and dtype == np.float64:
        tolerance = {"rtol": 1e-6, "atol": 1e-7}
    for step in range(STEPS):
        give_gradients(params, 100 + step, dtype)
        for tensor, gradient in zip(theirs, arrays(100 + step, dtype), strict=True):
            tensor.grad = torch.tensor(gradient)
        if step == 3:  # one parameter lags behind from here on
            params[1].grad = theirs[1].grad = None
        optimizer.step()
        their_optimizer.step()
        for param, tensor in zip(params, theirs, strict=True):
            assert param.dtype == dtype
            np.testing.assert_allclose(param.array, tensor.detach().numpy(), **tolerance)


@each_configuration
def test_state_dict_goes_to_torch_and_back(kind, settings):
    torch = pytest.importorskip("torch")

    def as_torch(value):
        if isinstance(value, Tensor):
            return torch.tensor(value.array)
        if isinstance(value, dict):
            return {key: as_torch(entry) for key, entry in value.items()}
        return value

    params = parameters()
    optimizer = kind(params, **settings)
    train(optimizer, params, 0, 3)
    theirs = [torch.tensor(param.array, requires_grad=True) for param in params]
    their_optimizer = getattr(torch.optim, kind.__name__)(theirs, lr=9.0)
    their_optimizer.load_state_dict(as_torch(optimizer.state_dict()))
    for tensor, gradient in zip(theirs, arrays(103), strict=True):
        tensor.grad = torch.tensor(gradient)
    their_optimizer.step()
    train(optimizer, params, 3, 4)
    for param, tensor in zip(params, theirs, strict=True):
        np.testing.assert_allclose(param.array, tensor.detach().numpy(), rtol=2e-5, atol=2e-6)

    again = [from_array(tensor.detach().numpy().copy(), requires_grad=True) for tensor in theirs]
    returned = kind(again, lr=9.0)
    returned.load_state_dict(their_optimizer.state_dict())
    assert returned.state_dict()["state"].keys() == optimizer.state_dict()["state"].keys()
    train(returned, again, 4, 6)
    train(optimizer, params, 4, 6)
    for param, copied in zip(params, again, strict=True):
        np.testing.assert_allclose(param.array, copied.array, rtol=5e-5, atol=5e-6)


@each_configuration
def test_state_dict_has_the_keys_of_torch(kind, settings):
    torch = pytest.importorskip("torch")
    params = parameters()
    optimizer = kind(params, **settings)
    theirs = [torch.tensor(param.array, requires_grad=True) for param in params]
    their_optimizer = getattr(torch.optim, kind.__name__)(theirs, **settings)
    train(optimizer, params, 0, 1)
    for tensor in theirs:
        tensor.grad = torch.ones_like(tensor)
    their_optimizer.step()
    ours, expected = optimizer.state_dict(), their_optimizer.state_dict()
    assert {i: set(state) for i, state in ours["state"].items()} == {
        i: set(state) for i, state in expected["state"].items()
    }
    for key, value in ours["param_groups"][0].items():
        assert expected["param_groups"][0][key] == value
    left_out = {"foreach", "fused", "capturable", "differentiable"}
    assert set(expected["param_groups"][0]) - set(ours["param_groups"][0]) <= left_out


@each_configuration
def test_resumes_exactly(kind, settings):
    params = parameters()
    optimizer = kind(params, **settings)
    train(optimizer, params, 0, 3)
    saved = copy.deepcopy(optimizer.state_dict())
    weights = [param.array.copy() for param in params]
    train(optimizer, params, 3, 6)

    again = [from_array(array, requires_grad=True) for array in weights]
    resumed = kind(again, lr=9.0)
    resumed.load_state_dict(saved)
    train(resumed, again, 3, 6)
    for param, copied in zip(params, again, strict=True):
        np.testing.assert_array_equal(param.array, copied.array)


def test_loaded_state_is_a_copy():
    params = parameters()
    optimizer = SGD(params, momentum=0.9)
    train(optimizer, params, 0, 2)
    saved = optimizer.state_dict()
    before = saved["state"][0]["momentum_buffer"].array.copy()
    other_params = parameters()
    other = SGD(other_params, momentum=0.9)
    other.load_state_dict(saved)
    train(other, other_params, 0, 2)
    np.testing.assert_array_equal(saved["state"][0]["momentum_buffer"].array, before)


def test_load_casts_to_the_dtype_of_the_parameter():
    params = parameters()
    optimizer = Adam(params)
    train(optimizer, params, 0, 1)
    wide = parameters(dtype=np.float64)
    other = Adam(wide)
    other.load_state_dict(optimizer.state_dict())
    assert other.state[wide[0]]["exp_avg"].dtype == np.float64
    assert other.state[wide[0]]["step"].dtype == np.float32


def test_load_refuses_what_does_not_fit():
    params = parameters()
    optimizer = Adam(params)
    train(optimizer, params, 0, 1)
    saved = optimizer.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups: 1, the optimizer has 2"):
        Adam([{"params": params[:2]}, {"params": params[2:]}]).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        Adam(params[:2]).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"exp_avg of parameter 0 has shape \(3, 4\), the parameter has \(5,\)"):
        Adam([params[1], params[0], *params[2:]]).load_state_dict(saved)


def test_each_update_is_seen_by_the_version_counter():
    params = parameters()
    params[1].grad = None
    give_gradients(params[:1], 1)
    versions = [param._version.value for param in params[:2]]
    SGD(params[:2]).step()
    assert params[0]._version.value == versions[0] + 1
    assert params[1]._version.value == versions[1]


def test_updates_in_place_whatever_the_memory_layout():
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    param = from_array(base[::-1].T, requires_grad=True)
    expected = param.array - 0.5
    param.grad = from_array(np.broadcast_to(np.float32(1), (4, 3)))
    SGD([param], lr=0.5).step()
    np.testing.assert_array_equal(param.array, expected)
    assert np.shares_memory(param.array, base)


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_mixed_dtypes_share_an_optimizer(kind):
    narrow, wide = parameters(), parameters(dtype=np.float64)
    mixed = [parameters()[0], parameters(dtype=np.float64)[0]]
    optimizer = kind(mixed, lr=0.1)
    for param, reference in zip(mixed, (narrow[:1], wide[:1]), strict=True):
        param.grad = from_array(np.ones_like(param.array))
        reference[0].grad = from_array(np.ones_like(param.array))
        kind(reference, lr=0.1).step()
    optimizer.step()
    np.testing.assert_array_equal(mixed[0].array, narrow[0].array)
    np.testing.assert_array_equal(mixed[1].array, wide[0].array)


def test_groups_have_their_own_settings():
    params = parameters()
    optimizer = SGD([{"params": params[0], "lr": 0.5}, {"params": params[1:2]}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    optimizer.add_param_group({"params": (param for param in params[2:]), "momentum": 0.9})
    before = [param.array.copy() for param in params]
    for param in params:
        param.grad = from_array(np.ones_like(param.array))
    optimizer.step()
    for param, start, lr in zip(params, before, [0.5, 0.1, 0.1, 0.1, 0.1], strict=True):
        np.testing.assert_allclose(param.array, start - np.float32(lr), rtol=1e-6)
    numbers = [group["params"] for group in optimizer.state_dict()["param_groups"]]
    assert numbers == [[0], [1], [2, 3, 4]]
    assert set(optimizer.state_dict()["state"]) == {2, 3, 4}


def test_named_parameters():
    params = parameters()
    optimizer = SGD([("weight", params[0]), ("bias", params[1])])
    assert optimizer.param_groups[0]["params"] == params[:2]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": params[2]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        SGD([("weight", params[0]), params[1]])


def test_zero_grad():
    params = parameters()
    give_gradients(params[:2], 1)
    optimizer = SGD(params)
    kept = params[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert params[0].grad is kept
    assert not kept.array.any()
    assert params[2].grad is None
    optimizer.zero_grad()
    assert all(param.grad is None for param in params)


def test_step_runs_the_closure_first():
    params = parameters()[:1]
    optimizer = SGD(params, lr=1.0)
    start = params[0].array.copy()

    def closure():
        params[0].grad = from_array(np.ones_like(start))
        return "the loss"

    assert optimizer.step(closure) == "the loss"
    np.testing.assert_allclose(params[0].array, start - 1, rtol=1e-6)


def test_a_step_written_as_in_pytorch():
    class SignDescent(Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for param in group["params"]:
                    param.array -= group["lr"] * np.sign(param.grad.array)

    param = from_array(np.array([1.0, 2.0]), requires_grad=True)
    param.grad = from_array(np.array([-3.0, 5.0]))
    SignDescent([param], lr=0.5).step()
    np.testing.assert_array_equal(param.array, [1.5, 1.5])


def test_repr_reads_as_torch():
    optimizer = SGD([{"params": parameters()[:1]}, {"params": parameters()[1:], "lr": 2}], lr=0.1, momentum=0.9)
    group = (
        "Parameter Group {}\n    dampening: 0\n    lr: {}\n    maximize: False\n    momentum: 0.9\n"
        "    nesterov: False\n    weight_decay: 0\n"
    )
    assert repr(optimizer) == f"SGD (\n{group.format(0, 0.1)}{group.format(1, 2)})"
    torch = pytest.importorskip("torch")
    theirs = repr(torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)).split("\n")
    ours = repr(SGD(parameters(), lr=0.1)).split("\n")
    left_out = ("    foreach", "    fused", "    differentiable", "    capturable")
    assert ours == [line for line in theirs if not line.startswith(left_out)]


BAD_SETTINGS = [
    (SGD, {"lr": -1}, "Invalid learning rate: -1"),
    (SGD, {"lr": math.nan}, "Invalid learning rate: nan"),
    (SGD, {"momentum": -0.1}, "Invalid momentum value: -0.1"),
    (SGD, {"weight_decay": -1}, "Invalid weight_decay value: -1"),
    (SGD, {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
    (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "zero dampening"),
    (Adam, {"lr": -1}, "Invalid learning rate: -1"),
    (Adam, {"eps": -1}, "Invalid epsilon value: -1"),
    (Adam, {"betas": (1.0, 0.5)}, "Invalid beta parameter at index 0: 1.0"),
    (AdamW, {"betas": (0.5, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
    (Adam, {"betas": (0, 0.9)}, "betas must be"),
    (AdamW, {"weight_decay": -1}, "Invalid weight_decay value: -1"),
    (NAdam, {"momentum_decay": -1}, "Invalid momentum_decay value: -1"),
    (Adagrad, {"lr_decay": -1}, "Invalid lr_decay value: -1"),
    (Adagrad, {"initial_accumulator_value": -1}, "Invalid initial_accumulator_value value: -1"),
    (Adadelta, {"rho": 1.1}, "Invalid rho value: 1.1"),
    (RMSprop, {"alpha": -1}, "Invalid alpha value: -1"),
    (RMSprop, {"momentum": -1}, "Invalid momentum value: -1"),
]


@pytest.mark.parametrize("kind, settings, words", BAD_SETTINGS)
def test_refuses_bad_settings(kind, settings, words):
    with pytest.raises(ValueError, match=words):
        kind(parameters(), **settings)
    torch = pytest.importorskip("torch")
    if settings.get("lr") is not math.nan:
        with pytest.raises(ValueError, match=words):
            getattr(torch.optim, kind.__name__)([torch.zeros(1, requires_grad=True)], **settings)


def test_refuses_bad_parameters():
    params = parameters()
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        SGD([])
    with pytest.raises(TypeError, match="iterable of Tensors or dicts, but got Tensor"):
        SGD(params[0])
    with pytest.raises(TypeError, match="iterable of Tensors or dicts, but got int"):
        SGD(3)
    with pytest.raises(TypeError, match="one of the params is ndarray"):
        SGD([np.zeros(3)])
    with pytest.raises(TypeError, match="use a list instead"):
        SGD([{"params": set(params)}])
    with pytest.raises(TypeError, match="param_group must be a dict, but got list"):
        SGD(params).add_param_group(params)
    with pytest.raises(ValueError, match="more than one parameter group"):
        SGD(params).add_param_group({"params": params[1]})
    with pytest.warns(UserWarning, match="duplicate parameters"):
        SGD([params[0], params[0]])
    with pytest.raises(TypeError, match="learning rate must be a number, got str"):
        SGD(params, lr="0.1")


def test_refuses_a_gradient_for_integers():
    param = from_array(np.arange(3))
    param.grad = from_array(np.ones(3, dtype=np.int64))
    with pytest.raises(RuntimeError, match="SGD: can update float32 and float64 parameters, .* int64"):
        SGD([param], lr=0.1).step()
    np.testing.assert_array_equal(param.array, [0, 1, 2])


def test_refuses_a_gradient_that_no_longer_fits():
    param = parameters()[0]
    param.grad = from_array(np.ones((3, 4), dtype=np.float32))
    param.data = from_array(np.ones((2, 2), dtype=np.float32))
    with pytest.raises(RuntimeError, match=r"the gradient float32\[3, 4\] does not fit .* float32\[2, 2\]"):
        Adam([param]).step()
