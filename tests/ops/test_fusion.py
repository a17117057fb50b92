"""Batch-norm, addition and ReLU in one pass: what a program computes must not depend on it, nor on when it looks."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.autograd.deferred import Deferred
from minigrad.nn import functional as F
from minigrad.ops.fusion import Convolved, Gated, Normalized


def relu(F, y, residual):
    return F.relu(y)


def relu_in_place(F, y, residual):
    return F.relu(y, inplace=True)


def residual_first(F, y, residual):
    return F.relu(residual + y)


def residual_second(F, y, residual):
    return F.relu(y + residual)


def residual_in_place(F, y, residual):
    y += residual
    return y.relu_()


def residual_without_relu(F, y, residual):
    return y + residual


def broadcast_residual(F, y, residual):
    return F.relu(y + residual[:1])


def itself_as_residual(F, y, residual):
    return F.relu(y + y)


def used_again(F, y, residual):
    return F.relu(y) + y * y


def relu_twice(F, y, residual):
    return F.relu(F.relu(y) + y)


def something_in_between(F, y, residual):
    other = residual * 3
    return F.relu(y) + other


def hook(F, y, residual):
    out = F.relu(y)
    y.register_hook(lambda grad: grad * 2)
    return out


def write_in_between(F, y, residual):
    y[0] = 1.0
    return F.relu(y)


PROGRAMS = [
    relu, relu_in_place, residual_first, residual_second, residual_in_place, residual_without_relu, broadcast_residual,
    itself_as_residual, used_again, relu_twice, something_in_between, hook, write_in_between,
]  # fmt: skip


def run(library, tensor, program, training, fused=True):
    """The output of convolution, batch-norm and `program`, and the gradients of everything."""
    rng = np.random.default_rng(0)
    shapes = (4, 3, 6, 5), (6, 3, 3, 3), (6,), (6,), (4, 6, 6, 5)
    x, weight, scale, shift, residual = (tensor(rng.standard_normal(shape)).requires_grad_(True) for shape in shapes)
    mean, var = tensor(rng.standard_normal(6)), tensor(rng.random(6) + 0.5)
    functional = library.nn.functional
    z = functional.conv2d(x, weight, padding=1)
    if not fused:
        z = z + 0.0
    y = functional.batch_norm(z, mean, var, scale, shift, training=training)
    out = program(functional, y, residual * 1.0)
    (out * tensor(rng.standard_normal(out.shape))).sum().backward()
    leaves = [leaf for leaf in (x, weight, scale, shift, residual) if leaf.grad is not None]
    return [a.detach().numpy() for a in (out, mean, var)] + [leaf.grad.numpy() for leaf in leaves]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_equals_pytorch(program, training):
    torch = pytest.importorskip("torch")
    for ours, theirs in zip(
        run(mg, mg.tensor, program, training), run(torch, torch.tensor, program, training), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_equals_the_operations_one_by_one(program, training):
    for fused, single in zip(
        run(mg, mg.tensor, program, training), run(mg, mg.tensor, program, training, fused=False), strict=True
    ):
        np.testing.assert_allclose(fused, single, rtol=1e-9, atol=1e-9)


def normalized(**kwargs):
    z = F.conv2d(mg.randn(2, 3, 4, 4), mg.randn(5, 3, 1, 1, requires_grad=True))
    return z, F.batch_norm(z, None, None, training=True, **kwargs)


def test_a_result_waits_for_relu_alone():
    _, y = normalized()
    assert isinstance(y, Normalized)
    out = F.relu(y)
    assert isinstance(y, Normalized), "ReLU took the recipe in, and nobody has looked at y"
    expected = np.maximum(y.array, 0)
    assert type(y) is mg.Tensor
    np.testing.assert_array_equal(out.array, expected)

    _, y = normalized()
    y * 2
    assert type(y) is mg.Tensor, "any other operation has it written down first"


def test_shape_dtype_and_device_are_known_without_a_look():
    z, y = normalized()
    assert (y.shape, y.dtype, y.ndim, y.device) == (z.shape, z.dtype, z.ndim, z.device)
    assert isinstance(y, Deferred)


def test_a_write_into_the_input_comes_too_late_to_change_the_result():
    for write in (lambda z: z.mul_(0), lambda z: z.zero_(), lambda z: z.__setitem__(0, 7.0)):
        with mg.no_grad():
            z, y = normalized()
            before = F.batch_norm(z.clone(), None, None, training=True)
            write(z)
            np.testing.assert_array_equal(y.array, before.array)


def test_weight_and_bias_are_those_of_the_call():
    weight, bias = mg.ones(5), mg.ones(5)
    _, y = normalized(weight=weight, bias=bias)
    out = F.relu(y)
    with mg.no_grad():
        weight.zero_()
        bias.zero_()
    np.testing.assert_array_equal(np.maximum(y.array, 0), out.array)


def test_a_recipe_that_went_stale_is_an_error():
    with mg.no_grad():
        z, y = normalized()
        F.relu(y)
        z.zero_()
        with pytest.raises(RuntimeError, match="batch_norm: the result was computed in one pass with what follows"):
            y.sum()


def test_memory_that_numpy_shares_is_never_waited_on():
    with mg.no_grad():
        z = F.conv2d(mg.randn(2, 3, 4, 4), mg.randn(5, 3, 1, 1))
        outside = z.detach().numpy()
        y = F.batch_norm(z, None, None, training=True)
        expected = F.batch_norm(z.clone(), None, None, training=True).array.copy()
        outside[...] = 0
        np.testing.assert_array_equal(F.relu(y).array, np.maximum(expected, 0))


def test_retained_gradients_are_computed_when_they_arrive():
    _, y = normalized()
    y.retain_grad()
    out = F.relu(y)
    out.sum().backward()
    assert type(y.grad) is mg.Tensor
    np.testing.assert_array_equal(y.grad.array, out.array > 0)
    _, y = normalized()
    (gradient,) = mg.autograd.grad(F.relu(y).sum(), y)
    assert type(gradient) is mg.Tensor


def test_higher_orders_pass_through():
    def program(x, weight, scale, shift):
        y = F.batch_norm(F.conv2d(x, weight), None, None, scale, shift, training=True)
        return F.relu(y + x.sum(1, keepdim=True)) * y

    mg.manual_seed(3)
    shapes = (2, 2, 3, 2), (3, 2, 1, 1), (3,), (3,)
    inputs = [mg.randn(*shape, dtype=mg.float64, requires_grad=True) for shape in shapes]
    assert mg.autograd.gradcheck(program, inputs)
    assert mg.autograd.gradgradcheck(program, inputs)


def test_nothing_is_kept_alive_by_waiting():
    _, y = normalized()
    F.relu(y).sum().backward()
    dead = weakref.ref(y)
    gc.disable()
    try:
        del y
        assert dead() is None, "a deferred result is part of no cycle"
    finally:
        gc.enable()


def test_relus_gradient_waits_for_batch_norm_only():
    seen = []

    class Look(mg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad_output):
            seen.append(isinstance(grad_output, Gated))
            return grad_output * 1

    x = mg.randn(3, 4, requires_grad=True)
    F.relu(Look.apply(x)).sum().backward()
    assert seen == [True]
    np.testing.assert_array_equal(x.grad.array, x.detach().array > 0)


def pooled(F, y, window=2, **options):
    return F.max_pool2d(y, window, **options)


POOLING = {
    "plainly": lambda F, x: pooled(F, F.relu(x)),
    "overlapping": lambda F, x: pooled(F, F.relu(x), 3, stride=1, padding=1),
    "the negative too": lambda F, x: pooled(F, F.relu(x) - 0.5),
    "after a shift": lambda F, x: pooled(F, F.relu(x) + 1),
    "twice": lambda F, x: pooled(F, F.relu(pooled(F, F.relu(x) - 0.3))),
    "used again": lambda F, x: pooled(F, y := F.relu(x)) * y[:, :, ::2, ::2],
    "written over": lambda F, x: pooled(F, F.relu(x)).sub_(5).relu_() + 1,
    "in place": lambda F, x: pooled(F, F.relu(x * 1, inplace=True)),
    "with indices": lambda F, x: pooled(F, F.relu(x), return_indices=True)[0],
}


@pytest.mark.parametrize("program", POOLING.values(), ids=POOLING)
def test_pooling_behind_relu_equals_pytorch(program):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((3, 2, 8, 6)) - 0.8  # many windows without a positive element
    values[0, 0, 0, 0] = np.nan
    gradients = []
    for library, tensor in ((mg, mg.tensor), (torch, torch.tensor)):
        x = tensor(values).requires_grad_(True)
        out = program(library.nn.functional, x)
        (out * tensor(np.arange(out.numel(), dtype=float).reshape(out.shape))).sum().backward()
        gradients.append(x.grad.numpy())
    np.testing.assert_array_equal(*gradients)


def test_maxima_that_numpy_has_written_into_gate_nothing():
    x = mg.randn(1, 1, 4, 4, requires_grad=True)
    y = F.relu(x)
    maxima = F.max_pool2d(y, 2)
    maxima.detach().numpy()[...] = -1
    maxima.sum().backward()
    assert x.grad.array.sum() == (y.array.reshape(2, 2, 2, 2).max((1, 3)) > 0).sum()


def test_pooling_behind_relu_has_higher_orders():
    mg.manual_seed(0)
    x = mg.randn(2, 1, 4, 4, dtype=mg.float64, requires_grad=True)
    assert mg.autograd.gradgradcheck(lambda x: F.max_pool2d(F.relu(x * x.sum()), 2), [x])


# A convolution waits while a module is called.


class Called(nn.Module):
    """A function of the module and its input as a module."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.function(self, x)


def normalizing(channels, **options):
    norm = nn.BatchNorm2d(channels, **options)
    norm.running_mean.copy_(mg.randn(channels))
    norm.running_var.copy_(mg.rand(channels) + 0.5)
    return norm.requires_grad_(False).eval()


LAYERS = {  # what computes them on the CPU: winograd, two_by_two, im2col, depthwise, direct, skinny
    "3x3": ((2, 16, 16, 16), dict(out_channels=24, kernel_size=3, padding=1)),
    "map of 2x2": ((20, 64, 2, 2), dict(out_channels=32, kernel_size=3, padding=1)),
    "strided": ((2, 16, 13, 17), dict(out_channels=40, kernel_size=5, stride=2)),
    "each channel": ((2, 32, 9, 9), dict(out_channels=32, kernel_size=3, groups=32)),
    "groups": ((2, 18, 12, 12), dict(out_channels=9, kernel_size=3, dilation=2, groups=3)),
    "few channels": ((2, 4, 32, 32), dict(out_channels=6, kernel_size=5)),
    "one pixel": ((4, 1100, 1, 1), dict(out_channels=70, kernel_size=1)),
}
FOLLOWERS = {
    "nothing": lambda self, x: self.conv(x),
    "relu": lambda self, x: F.relu(self.conv(x)),
    "relu in place": lambda self, x: F.relu(self.conv(x), inplace=True),
    "norm": lambda self, x: self.norm(self.conv(x)),
    "norm and relu": lambda self, x: F.relu(self.norm(self.conv(x))),
    "plain norm": lambda self, x: F.relu(self.plain(self.conv(x)), inplace=True),
    "residual": lambda self, x: F.relu(self.norm(self.conv(x)) + self.conv(x)),
    "both": lambda self, x: (lambda y: F.relu(y) + F.relu(self.norm(y)))(self.conv(x)),
    "in between": lambda self, x: (lambda y, z: F.relu(y) + z)(self.conv(x), x.mean()),
}


@pytest.mark.parametrize("follower", FOLLOWERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_convolution_and_what_follows_are_the_operations_one_by_one(layer, bias, follower):
    shape, options = LAYERS[layer]
    conv = nn.Conv2d(shape[1], bias=bias, **options)
    channels = conv.out_channels
    module = Called(
        FOLLOWERS[follower], conv=conv, norm=normalizing(channels), plain=normalizing(channels, affine=False)
    )
    for dtype in (mg.float32, mg.float64):
        module, x = module.to(dtype), mg.randn(shape, dtype=dtype, requires_grad=True)
        tolerance = 1e-5 if dtype == mg.float32 else 1e-12
        single = module.forward(x)  # in which each layer is the outermost call
        grad = mg.randn(single.shape, dtype=dtype)
        leaves = x, *conv.parameters()
        with mg.no_grad():
            results = [[single, *mg.autograd.grad(single, leaves, grad)], [module(x)]]
        recorded = module(x)
        results.append([recorded, *mg.autograd.grad(recorded, leaves, grad)])
        for result in results[1:]:
            for ours, expected in zip(result, results[0], strict=False):
                ours, expected = ours.detach().numpy(), expected.detach().numpy()
                np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * abs(expected).max())


def test_a_convolution_waits_only_while_a_module_is_called():
    conv, x, seen = nn.Conv2d(4, 4, 1), mg.randn(1, 4, 40, 40), []

    def forward(self, x):
        seen.append(conv(x))
        waited = isinstance(seen[-1], Convolved)
        seen.append(F.relu(seen[-1]))
        return waited and isinstance(seen[0], Convolved)

    with mg.no_grad():
        assert Called(forward)(x), "ReLU took the recipe in"
        assert type(seen[0]) is mg.Tensor
        assert type(F.conv2d(x, conv.weight)) is mg.Tensor
    seen.clear()
    assert Called(forward)(x), "recorded, it waits too"


@pytest.mark.parametrize("recorded", [True, False])
def test_what_a_module_keeps_is_of_the_weights_it_was_called_with(recorded):
    def forward(self, x):
        self.kept = self.conv(x)
        return F.relu(self.kept)

    module, x = Called(forward, conv=nn.Conv2d(4, 4, 1)), mg.randn(1, 4, 40, 40)
    with mg.set_grad_enabled(recorded):
        y = module(x)
    with mg.no_grad():
        module.conv.weight.zero_()
    np.testing.assert_array_equal(module.kept.detach().relu().numpy(), y.detach().numpy())


def test_what_a_module_keeps_is_of_the_input_before_it_is_written():
    def forward(self, x):
        h = x * 2
        self.kept = self.conv(h)
        y = F.relu(self.kept)
        h.zero_()
        return y

    module, x = Called(forward, conv=nn.Conv2d(4, 4, 1)), mg.randn(1, 4, 40, 40)
    with mg.no_grad():
        y = module(x)
    np.testing.assert_array_equal(module.kept.relu().numpy(), y.numpy())


def test_what_is_asked_of_a_waiting_convolution_is_its_own():
    def forward(self, x):
        y = self.conv(x)
        y.retain_grad()
        y.register_hook(lambda grad: grad * 2)
        self.kept = y
        return F.relu(y)

    module, x = Called(forward, conv=nn.Conv2d(4, 4, 1)), mg.randn(1, 4, 40, 40)
    module(x).sum().backward()
    np.testing.assert_array_equal(module.kept.grad.numpy(), 2.0 * (module.kept.detach().numpy() > 0))
    bias = module.kept.grad.sum((0, 2, 3))
    np.testing.assert_allclose(module.conv.bias.grad.numpy(), bias.numpy(), rtol=1e-5)


def test_a_forward_hook_sees_the_convolution_itself():
    module = nn.Sequential(nn.Conv2d(4, 4, 1), normalizing(4), nn.ReLU())
    x, seen = mg.randn(1, 4, 40, 40), []
    module[0].register_forward_hook(lambda module, args, output: seen.append(output))
    with mg.no_grad():
        y = module(x)
    expected = F.conv2d(x, module[0].weight, module[0].bias)
    np.testing.assert_array_equal(seen[0].numpy(), expected.detach().numpy())
    np.testing.assert_allclose(y.numpy(), F.relu(module[1](expected)).detach().numpy(), rtol=0, atol=1e-5)


def test_gradients_of_a_norm_behind_a_frozen_convolution():
    conv, norm = nn.Conv2d(4, 4, 1).requires_grad_(False), normalizing(4).requires_grad_(True)
    x = mg.randn(1, 4, 40, 40)
    for module in (nn.Sequential(conv, norm, nn.ReLU()), lambda x: F.relu(norm(F.conv2d(x, conv.weight, conv.bias)))):
        norm.zero_grad()
        module(x).square().sum().backward()
        gradients = norm.weight.grad.numpy().copy(), norm.bias.grad.numpy().copy()
        if module.__class__ is nn.Sequential:
            first = gradients
    for ours, expected in zip(first, gradients, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_a_module_that_fails_leaves_nothing_waiting():
    def forward(self, x):
        self.kept = self.conv(x)
        raise ValueError("on the way")

    module, x = Called(forward, conv=nn.Conv2d(4, 4, 1)), mg.randn(1, 4, 40, 40)
    with mg.no_grad():
        with pytest.raises(ValueError, match="on the way"):
            module(x)
        assert type(module.kept) is mg.Tensor
        assert type(F.conv2d(x, module.conv.weight)) is mg.Tensor
