"""Operations in one pass: what a program computes must not depend on it, nor on when it looks."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from fusion_rules import check_rules

import minigrad as mg
from minigrad import fusion, nn, study
from minigrad.autograd import checkpoint, function
from minigrad.fusion import Waiting
from minigrad.nn import functional as F


@pytest.fixture(autouse=True)
def small_ones_wait_too(monkeypatch):
    monkeypatch.setattr(fusion, "WORTH_WAITING", 0)


@pytest.fixture
def unfused(monkeypatch):
    """Call it, and from then on every operation is computed by itself."""
    return lambda: monkeypatch.setattr(function, "forwards", {})


class Called(nn.Module):
    """A function of the module and its input as a module."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.function(self, x)


def waits(tensor):
    return isinstance(tensor, Waiting) and tensor.waits


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
    if y.requires_grad:
        y.register_hook(lambda grad: grad * 2)
    return out


def hook_that_writes(F, y, residual):
    out = F.relu(y)
    if y.requires_grad:
        y.register_hook(lambda grad: grad.mul_(2))
    return out


def hook_behind_relu(F, y, residual):
    out = F.relu(y)
    if y.requires_grad:
        out.register_hook(lambda grad: grad.mul(2))
    return out


def write_in_between(F, y, residual):
    y[0] = 1.0
    return F.relu(y)


PROGRAMS = [
    relu, relu_in_place, residual_first, residual_second, residual_in_place, residual_without_relu, broadcast_residual,
    itself_as_residual, used_again, relu_twice, something_in_between, hook, hook_that_writes, hook_behind_relu,
    write_in_between,
]  # fmt: skip


def run(library, tensor, program, training, keeps=()):
    """The output of convolution, batch-norm and `program` in a module, and the gradients of everything."""
    rng = np.random.default_rng(0)
    shapes = (4, 3, 6, 5), (6, 3, 3, 3), (6,), (6,), (4, 6, 6, 5)
    x, weight, scale, shift, residual = (tensor(rng.standard_normal(shape)).requires_grad_(True) for shape in shapes)
    mean, var = tensor(rng.standard_normal(6)), tensor(rng.random(6) + 0.5)
    functional = library.nn.functional

    class Program(library.nn.Module):
        def forward(self, x):
            z = functional.conv2d(x, weight, padding=1)
            if training is not None:
                z = functional.batch_norm(z, mean, var, scale, shift, training=training)
            return program(functional, z, residual * 1.0)

    out = Program()(x)
    (out * tensor(rng.standard_normal(out.shape))).sum().backward()
    leaves = [leaf for leaf in (x, weight, scale, shift, residual) if leaf.grad is not None]
    with library.no_grad():
        alone = Program()(x.detach())
    return [a.detach().numpy() for a in (out, alone, mean, var)] + [leaf.grad.numpy() for leaf in leaves]


behind = pytest.mark.parametrize("training", [True, False, None], ids=["training", "evaluation", "convolution"])
every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)


@behind
@every_program
def test_equals_pytorch(program, training):
    torch = pytest.importorskip("torch")
    for ours, theirs in zip(
        run(mg, mg.tensor, program, training), run(torch, torch.tensor, program, training), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@behind
@every_program
def test_equals_the_operations_one_by_one(program, training, unfused):
    fused = run(mg, mg.tensor, program, training)
    unfused()
    for ours, single in zip(fused, run(mg, mg.tensor, program, training), strict=True):
        np.testing.assert_allclose(ours, single, rtol=1e-9, atol=1e-9)


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
        waited = waits(seen[-1])
        seen.append(F.relu(seen[-1]))
        return waited and waits(seen[0])

    with mg.no_grad():
        assert Called(forward)(x), "ReLU took the recipe in"
        assert not waits(seen[0])
        assert type(F.conv2d(x, conv.weight)) is mg.Tensor
    seen.clear()
    assert Called(forward)(x), "recorded, it waits too"


def test_gradients_wait_only_within_a_backward_pass():
    x = mg.randn(2, 3, 8, 8, requires_grad=True)
    y = F.relu(x)
    seen = []
    y.register_hook(lambda grad: seen.append(waits(grad)))
    (gradient,) = mg.autograd.grad(F.max_pool2d(y, 2).sum(), x)
    assert seen == [True] and not waits(gradient)
    y.detach().zero_()
    assert gradient.numpy().any()


def test_a_gradient_is_that_of_the_values_before_a_hook_writes_them():
    """A hook may write what the gradient of the next node is computed from: what waits is computed first."""
    x = mg.randn(2, 3, 8, 8, requires_grad=True)
    norm = nn.BatchNorm2d(3)
    expected = mg.autograd.grad(F.relu(norm(x)).square().sum(), x)[0]
    y = norm(x)
    z = F.relu(y)

    def write(grad):
        assert waits(grad)
        with mg.no_grad():
            z.zero_()

    y.register_hook(write)
    (gradient,) = mg.autograd.grad(z.square().sum(), x)
    np.testing.assert_allclose(gradient.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


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
        assert not waits(module.kept)
        assert type(F.conv2d(x, module.conv.weight)) is mg.Tensor


def test_the_class_and_the_value_of_a_result_do_not_change_with_a_look():
    def forward(self, x):
        y = self.conv(x)
        assert waits(y)
        first = y.array
        assert type(y) is Waiting and not y.waits and y.chain == ()
        assert y.array is first is y.materialize()
        return y

    Called(forward, conv=nn.Conv2d(4, 4, 1))(mg.randn(1, 4, 5, 5))


def test_shape_dtype_and_device_are_known_without_a_look():
    def forward(self, x):
        y = self.norm(self.conv(x))
        facts = y.shape, y.size(1), y.dim(), y.numel(), y.dtype, y.device, y.ndim, y.is_floating_point(), y.is_cuda
        assert waits(y)
        assert facts == ((2, 6, 2, 2), 6, 4, 48, mg.float32, mg.device("cpu"), 4, True, False)
        return y

    with mg.no_grad():
        y = Called(forward, conv=nn.Conv2d(4, 6, 3, stride=2), norm=normalizing(6))(mg.randn(2, 4, 5, 6))
    assert y.shape == y.array.shape and y.dtype == y.array.dtype


def test_modules_with_hooks_are_fused_too():
    seen = []

    def forward(self, x):
        y = self.conv(x)
        seen.append(waits(y))
        return y.relu()

    module = Called(forward, conv=nn.Conv2d(4, 4, 1))
    module.register_forward_hook(lambda module, args, output: None)
    module.conv.register_forward_hook(lambda module, args, output: None)
    module(mg.randn(1, 4, 5, 5))
    assert seen == [True]


def test_a_checkpointed_segment_is_fused_in_forward_and_in_backward():
    seen = []

    def segment(x):
        y = module.conv(x)
        seen.append(waits(y))
        return y.relu()

    module = Called(lambda self, x: checkpoint(self.segment, x), conv=nn.Conv2d(4, 4, 1))
    module.segment = Called(lambda self, x: segment(x))
    x = mg.randn(1, 4, 5, 5, requires_grad=True)
    module(x).sum().backward()
    assert seen == [True, True]
    gradient = x.grad.numpy().copy()
    (expected,) = mg.autograd.grad(F.relu(F.conv2d(x, module.conv.weight, module.conv.bias)).sum(), x)
    np.testing.assert_allclose(gradient, expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "write",
    [
        lambda self, h: h.mul_(0),
        lambda self, h: h[:, 1].zero_(),
        lambda self, h: h.__setitem__(0, 7.0),
        lambda self, h: h.detach().relu_(),
        lambda self, h: h.data.zero_(),
        lambda self, h: h.numpy().fill(3),
        lambda self, h: self.conv.weight.data.zero_(),
        lambda self, h: setattr(self.conv.weight, "data", mg.zeros(4, 4, 1, 1)),
        lambda self, h: self.conv.weight.zero_(),
        lambda self, h: self.conv.weight.detach().numpy().fill(3),
        lambda self, h: self.norm.running_mean.add_(1),
        lambda self, h: self.norm.train()(h),
    ],
)
def test_a_write_comes_too_late_to_change_what_was_asked_for(write):
    def forward(self, x):
        h = x * 2
        y = self.norm(self.conv(h))
        z = F.relu(y)  # which takes y in: nobody has looked at y itself
        write(self, h)
        return y, z

    conv, norm, x = nn.Conv2d(4, 4, 1), normalizing(4), mg.randn(2, 4, 5, 5)
    with mg.no_grad():
        expected = norm(conv(x * 2))
        for result in Called(forward, conv=conv, norm=norm)(x):
            np.testing.assert_allclose(result.relu().numpy(), expected.relu().numpy(), rtol=1e-5, atol=1e-6)


def test_an_optimizer_comes_too_late_to_change_what_was_asked_for():
    def forward(self, x):
        y = self.conv(x)
        z = F.relu(y)
        self.conv.weight.grad = mg.ones(4, 4, 1, 1)
        mg.optim.SGD([self.conv.weight], lr=1.0).step()
        return y, z

    conv, x = nn.Conv2d(4, 4, 1), mg.randn(2, 4, 5, 5)
    with mg.no_grad():
        expected = conv(x)
        y, z = Called(forward, conv=conv)(x)
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    np.testing.assert_array_equal(z.numpy(), np.maximum(expected.numpy(), 0))


@pytest.mark.parametrize(
    "make",
    [mg.from_numpy, mg.as_tensor, mg.from_dlpack, lambda a: mg.from_numpy(a)[1:], lambda a: mg.from_numpy(a).data],
)
def test_memory_that_others_hold_is_never_waited_on(make):
    outside = np.random.default_rng(0).standard_normal((3, 4, 5, 5)).astype(np.float32)

    def forward(self, x):
        y = self.conv(x)
        outside[...] = 0
        return F.relu(y)

    conv = nn.Conv2d(4, 4, 1)
    with mg.no_grad():
        x = make(outside)
        expected = F.relu(conv(x.clone())).numpy()
        np.testing.assert_array_equal(Called(forward, conv=conv)(x).numpy(), expected)


def test_a_write_of_another_thread_is_an_error():
    def forward(self, x):
        y = self.conv(x)
        thread = threading.Thread(target=lambda: mg.nn.init.zeros_(self.conv.bias))
        thread.start()
        thread.join()
        return F.relu(y), y

    with mg.no_grad(), pytest.raises(RuntimeError, match="Conv2d: the result was to be computed in one pass"):
        Called(forward, conv=nn.Conv2d(4, 4, 1))(mg.randn(1, 4, 5, 5))


def test_another_thread_may_look_and_go_on():
    seen = []

    def forward(self, x):
        y = self.conv(x)
        thread = threading.Thread(target=lambda: seen.append(F.relu(y)))
        thread.start()
        thread.join()
        return F.relu(y)

    module = Called(forward, conv=nn.Conv2d(4, 4, 1))
    np.testing.assert_array_equal(module(mg.randn(1, 4, 5, 5)).detach().numpy(), seen[0].detach().numpy())


def test_a_waiting_result_is_copied_and_pickled_as_a_tensor():
    def forward(self, x):
        self.kept = [copy.deepcopy(self.conv(x)), pickle.loads(pickle.dumps(self.conv(x)))]
        return self.conv(x)

    module = Called(forward, conv=nn.Conv2d(4, 4, 1))
    with mg.no_grad():
        y = module(mg.randn(1, 4, 5, 5))
    for kept in module.kept:
        np.testing.assert_array_equal(kept.numpy(), y.numpy())
    assert type(module.kept[1]) is mg.Tensor, "a file outlives the layer"


def test_while_a_trace_looks_every_operation_is_computed_by_itself():
    module = nn.Sequential(nn.Conv2d(4, 4, 1), normalizing(4), nn.ReLU())
    x = mg.randn(1, 4, 5, 5)
    with mg.no_grad():
        with study.trace(keep_values=True) as trace:
            module(x)
        convolved = F.conv2d(x, module[0].weight, module[0].bias)
    assert [record.name for record in trace] == ["Conv2d", "BatchNormInference", "ReLU"]
    np.testing.assert_array_equal(trace[0].outputs[0].array, convolved.detach().numpy())


def test_nothing_is_kept_alive_by_waiting():
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
    dead = []
    module[0].register_forward_hook(lambda module, args, output: dead.append(weakref.ref(output)))
    gc.disable()
    try:
        y = module(mg.randn(1, 4, 5, 5))
        assert dead[0]() is None, "a result that waits is part of no cycle"
        del y
    finally:
        gc.enable()


def test_higher_orders_pass_through():
    def forward(self, x):
        y = F.relu(F.conv2d(x, self.weight))
        return F.relu(y + x.sum(1, keepdim=True)) * y

    mg.manual_seed(3)
    module = Called(forward)
    x, weight = (mg.randn(*shape, dtype=mg.float64, requires_grad=True) for shape in ((2, 2, 3, 2), (3, 2, 1, 1)))

    def program(x, weight):
        module.weight = weight
        return module(x)

    assert mg.autograd.gradcheck(program, [x, weight])
    assert mg.autograd.gradgradcheck(program, [x, weight])


def test_float16_is_refused_where_it_is_asked_for():
    def forward(self, x):
        with pytest.raises(RuntimeError, match="float16 is for storage"):
            self.conv(x)
        return x

    Called(forward, conv=nn.Conv2d(4, 4, 1).to(mg.float16))(mg.ones(1, 4, 5, 5).half())


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_every_rule_is_its_operations_one_by_one(kernels):
    with mg.use_kernels(kernels):
        check_rules(device="cpu")
