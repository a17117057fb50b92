"""The tape and the backward pass over it."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import Function, detect_anomaly, grad


def leaf(*values: float) -> mg.Tensor:
    return mg.tensor(values, dtype=mg.float64, requires_grad=True)


def close(tensor: mg.Tensor, *values: float) -> bool:
    return np.allclose(tensor.detach().numpy(), values, rtol=1e-12)


def test_same_tensor_twice():
    x = leaf(2.0, 3.0)
    (x - x).sum().backward()
    assert close(x.grad, 0, 0)
    x.grad = None
    (x / x).sum().backward()
    assert close(x.grad, 0, 0)
    x.grad = None
    (x * x).sum().backward()
    assert close(x.grad, 4, 6)


def test_shared_node_runs_after_all_that_used_it():
    # The case that breaks naive recursion: y is used by z and by the result.
    x = leaf(3.0)
    y = x * 2
    z = y * y
    (z * y + y).sum().backward()
    assert close(x.grad, 3 * 36 * 2 + 2)


def test_chain_of_100_000_nodes():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert close(x.grad, 1)
    del y


def test_gradients_accumulate_until_cleared():
    x = leaf(1.0, 2.0)
    for expected in (3, 6):
        (x * 3).sum().backward()
        assert close(x.grad, expected, expected)


def test_accumulation_leaves_the_given_gradient_alone():
    x = leaf(1.0, 2.0)
    weights = mg.tensor([1.0, 2.0], dtype=mg.float64)
    (x + 0).backward(weights)
    assert not np.may_share_memory(x.grad.numpy(), weights.numpy())
    (x + 0).backward(weights)
    assert close(weights, 1, 2)
    assert close(x.grad, 2, 4)


def test_sum_of_two_leaves_gives_two_gradients():
    x, y = leaf(1.0), leaf(2.0)
    (x + y).sum().backward()
    x.grad.add_(5)
    assert close(y.grad, 1)


def test_broadcast_gradient_is_summed_to_the_shape_of_its_tensor():
    x = mg.rand(3, 1, requires_grad=True)
    y = mg.rand(2, 3, 4, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1) and y.grad.shape == (2, 3, 4)
    np.testing.assert_allclose(x.grad.numpy(), y.detach().numpy().sum((0, 2)).reshape(3, 1), rtol=1e-5)


def test_float32_loss_gives_float32_gradients():
    x = mg.rand(3, requires_grad=True)
    (x.double() * 2.5).sum().backward()
    assert x.grad.dtype == mg.float32


def test_second_backward_needs_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert close(x.grad, 4, 8)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    assert close(x.grad, 4, 8)


def test_backward_twice_through_a_shared_node():
    x = leaf(2.0)
    y = x * x
    a, b = (y * 2).sum(), (y * 3).sum()
    a.backward(retain_graph=True)
    b.backward()
    assert close(x.grad, 8 + 12)


def test_create_graph_gives_higher_derivatives():
    x = leaf(2.0)
    derivative = (x**4).sum()
    for expected in (32, 48, 48, 24):
        (derivative,) = grad(derivative.sum(), x, create_graph=True)
        assert close(derivative, expected)
    x.grad = None
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    x.grad.sum().backward()
    assert close(x.grad, 12 + 12)


def test_grad_returns_and_does_not_accumulate():
    x, y, unused = leaf(2.0), leaf(3.0), leaf(1.0)
    z = (x * y).sum()
    gx, gy = grad(z, [x, y], retain_graph=True)
    assert close(gx, 3) and close(gy, 2)
    assert x.grad is None and y.grad is None
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        grad(z, [x, unused], retain_graph=True)
    assert grad(z, [x, unused], retain_graph=True, allow_unused=True)[1] is None
    assert close(grad(z, [x, unused], materialize_grads=True)[1], 0)


def test_grad_of_tensors_inside_the_graph():
    x = leaf(2.0)
    y = x * 3
    z = y * y
    gy, gz = grad(z.sum(), [y, z])
    assert close(gy, 12) and close(gz, 1)


def test_grad_of_a_tensor_by_itself():
    x = leaf(1.0, 2.0)
    (g,) = grad(x, x, mg.tensor([3.0, 4.0], dtype=mg.float64))
    assert close(g, 3, 4)


def test_grad_runs_no_more_nodes_than_it_needs():
    ran = []

    class Watched(Function):
        @staticmethod
        def forward(ctx, x, name):
            ctx.name = name
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            ran.append(ctx.name)
            return g, None

    x, y = leaf(1.0), leaf(1.0)
    z = Watched.apply(Watched.apply(x, "x") + Watched.apply(y, "y"), "z")
    grad(z.sum(), x)
    assert ran == ["z", "x"]


def test_backward_with_inputs_accumulates_only_there():
    x, y = leaf(2.0), leaf(3.0)
    inner = x * 5
    (inner * y).sum().backward(inputs=[x, inner])
    assert close(x.grad, 15) and close(inner.grad, 3) and y.grad is None


def test_several_roots_and_weights():
    x = leaf(1.0, 2.0)
    a, b = x * 2, x * 3
    mg.autograd.backward([a, b], [mg.ones(2, dtype=mg.float64), mg.tensor([1.0, 10.0], dtype=mg.float64)])
    assert close(x.grad, 5, 32)


def test_root_that_leads_to_another_root():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    mg.autograd.backward([y.sum(), z.sum()])
    assert close(x.grad, 4 + 12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mg.ones(2, requires_grad=True).backward(), "only for scalar outputs"),
        (lambda: mg.ones(2).sum().backward(), "does not require grad"),
        (lambda: (mg.ones(2, requires_grad=True) * 1).backward(mg.ones(3)), "Mismatch in shape"),
        (lambda: mg.ones(1, requires_grad=True).backward(inputs=[]), "cannot be empty"),
        (lambda: grad(mg.ones(1, requires_grad=True), mg.ones(1)), "does not require grad"),
        (lambda: mg.ones(2, dtype=mg.int64).requires_grad_(), "floating point"),
        (lambda: setattr(mg.ones(1, requires_grad=True) * 2, "requires_grad", False), "leaf variables"),
        (lambda: (mg.ones(1, requires_grad=True) * 2).numpy(), "detach"),
    ],
)
def test_wrong_calls_are_refused(call, words):
    with pytest.raises(RuntimeError, match=words):
        call()


def test_tensor_hook_sees_and_replaces_the_gradient():
    x = leaf(1.0, 2.0)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    (y * 3).sum().backward()
    assert seen == [[3, 3]]
    assert close(x.grad, 61, 61)
    handle.remove()
    x.grad = None
    (y.detach().requires_grad_() * 3).sum().backward()
    assert len(seen) == 1


def test_leaf_hook_survives_its_graph():
    x = leaf(1.0)
    x.register_hook(lambda g: g * 2)
    for _ in range(2):
        (x * 3).sum().backward()
    assert close(x.grad, 12)


def test_hook_sees_the_sum_once():
    x = leaf(1.0)
    calls = []
    y = x * 2
    y.register_hook(lambda g: calls.append(g.item()))
    (y * 3 + y * 4).sum().backward()
    assert calls == [7]


def test_retain_grad_keeps_what_is_inside():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    assert y.retains_grad
    (y * y).sum().backward()
    assert close(y.grad, 4, 8)
    assert close(x.grad, 8, 16)
    y.grad.zero_()
    assert close(x.grad, 8, 16)


def test_grad_modes():
    x = leaf(1.0)
    with mg.no_grad():
        assert not (x * 2).requires_grad
        with mg.enable_grad():
            assert (x * 2).requires_grad
        assert not mg.is_grad_enabled()
    with mg.set_grad_enabled(False):
        assert not mg.is_grad_enabled()
    with mg.inference_mode():
        assert not (x * 2).requires_grad

    @mg.no_grad()
    def decorated():
        return x * 2

    @mg.no_grad
    def bare():
        return x * 2

    assert not decorated().requires_grad and not bare().requires_grad
    assert mg.is_grad_enabled()
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert mg.is_grad_enabled()


def test_grad_mode_belongs_to_the_thread():
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(mg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_saved_values_are_freed_as_backward_consumes_them():
    x = leaf(1.0, 2.0)
    y = x * 2
    saved = weakref.ref(y)
    z = (y * y).sum()
    del y
    assert saved() is not None
    z.backward()
    assert saved() is None


def test_dropped_graph_leaves_nothing():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = mg.exp(x) * mg.tanh(x)
        nodes = [weakref.ref(y.grad_fn), *(weakref.ref(n) for n, _ in y.grad_fn.next_functions)]
        del y
        assert [node() for node in nodes] == [None] * 3
        tensor = weakref.ref(x)
        (mg.exp(x) * x).sum().backward()
        del x
        assert tensor() is None
    finally:
        gc.enable()


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return mg.tensor(x.detach().numpy() ** 3)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x * x * grad_output


def test_user_function():
    x = leaf(2.0, 3.0)
    y = Cube.apply(x)
    assert y.grad_fn.name() == "CubeBackward0" or "Cube" in y.grad_fn.name()
    y.sum().backward()
    assert close(x.grad, 12, 27)
    assert mg.autograd.gradcheck(Cube.apply, x) and mg.autograd.gradgradcheck(Cube.apply, x)


def test_user_function_with_setup_context():
    class Scale(Function):
        @staticmethod
        def forward(x, factor):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.factor = inputs[1]

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * ctx.factor, None

    x = leaf(2.0)
    Scale.apply(x, 5.0).sum().backward()
    assert close(x.grad, 5)


def test_user_function_of_several_outputs():
    seen = []

    class MaxAndArgmax(Function):
        @staticmethod
        def forward(ctx, x):
            index = x.argmax()
            ctx.mark_non_differentiable(index)
            ctx.index, ctx.size = index.item(), len(x)
            return x.max(), index, x.sum()

        @staticmethod
        def backward(ctx, g_max, g_index, g_sum):
            seen.append((g_max.item(), g_sum.item()))
            gradient = mg.full((ctx.size,), g_sum.item(), dtype=mg.float64)
            gradient[ctx.index] += g_max.item()
            return gradient

    x = leaf(1.0, 3.0, 2.0)
    value, index, total = MaxAndArgmax.apply(x)
    assert not index.requires_grad and total.requires_grad
    value.backward()
    assert seen == [(1.0, 0.0)]  # an output without a gradient gets zeros
    assert close(x.grad, 0, 1, 0)


def test_function_that_returns_its_input_is_a_new_tensor():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0)
    y = Identity.apply(x)
    assert y is not x and x.is_leaf
    y.sum().backward()
    assert close(x.grad, 2)


def test_mark_dirty():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.array *= 2
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0)
    y = x * 1
    z = Double.apply(y)
    assert z is y
    z.sum().backward()
    assert close(x.grad, 2)
    with pytest.raises(RuntimeError, match="leaf"):
        Double.apply(x)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda g: (g, g), "incorrect number of gradients"),
        (lambda g: mg.ones(5, dtype=mg.float64), "invalid gradient at index 0"),
    ],
)
def test_wrong_backward_is_named(result, words):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return result(g)

    with pytest.raises(RuntimeError, match=f"Wrong.*{words}"):
        Wrong.apply(leaf(1.0, 2.0)).sum().backward()


def test_anomaly_mode_shows_the_line_of_the_forward_call():
    x = leaf(0.0)
    with detect_anomaly():
        y = mg.sqrt(x) * 0  # the culprit
        with pytest.raises(RuntimeError, match=r"SqrtBackward0.*nan") as error:
            y.sum().backward()
    assert "the culprit" in str(error.value)
    assert not mg.autograd.anomaly.anomaly.enabled


def test_anomaly_mode_names_the_forward_call_of_a_backward_that_fails():
    class Broken(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError("oops")

    with detect_anomaly():
        y = Broken.apply(leaf(1.0))  # made here
        with pytest.raises(KeyError) as error:
            y.sum().backward()
    assert any("made here" in note for note in error.value.__notes__)


def test_stale_saved_value_is_an_error_before_anything_changes():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 2
    z = mg.exp(y) * w  # exp saves its output, mul saves exp's output and w
    total = (z + w * w).sum()
    y.mul_(2)  # nobody saved y
    e = mg.exp(y)
    loss = total + (e * e).sum()
    e.add_(1)
    with pytest.raises(RuntimeError, match=r"ExpBackward0|MulBackward0.*modified by an inplace operation"):
        loss.backward()
    assert x.grad is None and w.grad is None


def test_in_place_update_of_a_saved_parameter_is_noticed():
    w, x = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (w * x).sum()
    with mg.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="MulBackward0.*modified by an inplace operation"):
        y.backward()


def test_replaced_data_is_noticed():
    w, x = leaf(1.0), leaf(2.0)
    y = (w * x).sum()
    w.data = mg.tensor([5.0], dtype=mg.float64)
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()


@pytest.mark.parametrize("use_grad", [False, True])
def test_checkpoint_gives_the_same_gradients(use_grad):
    mg.manual_seed(0)
    w = mg.randn(4, 4, dtype=mg.float64, requires_grad=True)
    x = mg.randn(3, 4, dtype=mg.float64, requires_grad=True)
    calls = []

    def segment(t):
        calls.append(1)
        return mg.tanh(mg.nn.functional.dropout(t @ w, 0.5))

    results = []
    for run in (segment, lambda t: mg.autograd.checkpoint(segment, t)):
        mg.manual_seed(1)
        loss = (run(x * 2) ** 2).sum()
        results.append(grad(loss, [x, w]) if use_grad else _backward(loss, x, w))
    assert len(calls) == 3
    for plain, checkpointed in zip(*results, strict=True):
        np.testing.assert_array_equal(plain.numpy(), checkpointed.numpy())


def _backward(loss, *tensors):
    for tensor in tensors:
        tensor.grad = None
    loss.backward()
    return [tensor.grad for tensor in tensors]


def test_checkpoint_can_be_differentiated_twice():
    x = leaf(0.5, 1.5)
    assert mg.autograd.gradgradcheck(lambda t: mg.autograd.checkpoint(lambda s: mg.exp(s) * s, t), x)


def test_checkpoint_keeps_no_saved_values_of_its_segment():
    x = leaf(1.0, 2.0)
    inside = []

    def segment(t):
        y = mg.exp(t)
        inside.append(weakref.ref(y.grad_fn) if y.requires_grad else None)
        return y * y

    gc.collect()
    y = mg.autograd.checkpoint(segment, x)
    assert inside[0]() is None
    y.sum().backward()
    assert close(x.grad, *(2 * np.exp(2 * np.array([1.0, 2.0]))))


def test_forward_and_backward_are_thread_safe():
    x = mg.rand(50, requires_grad=True)
    results, expected = [], None

    def work():
        y = x
        for _ in range(50):
            y = mg.tanh(y) * 1.1
        results.append(grad(y.sum(), x)[0].numpy())

    work()
    expected = results.pop()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


OPERATORS = {
    "2 + b": lambda b, c, n: 2 + b,
    "b + 2": lambda b, c, n: b + 2,
    "2 - b": lambda b, c, n: 2 - b,
    "b - 2": lambda b, c, n: b - 2,
    "2 * b": lambda b, c, n: 2 * b,
    "b * 2": lambda b, c, n: b * 2,
    "b / 2": lambda b, c, n: b / 2,
    "2 ** b": lambda b, c, n: 2**b,
    "b ** 2": lambda b, c, n: b**2,
    "b ** c": lambda b, c, n: b**c,
    "n - b": lambda b, c, n: n - b,
    "b * n": lambda b, c, n: b * n,
    "b += c": lambda b, c, n: (b * 1).add_(c),
    "sum": lambda b, c, n: b.sum(0),
    "clamp": lambda b, c, n: b.clamp(0, 1),
    "maximum": lambda b, c, n: b.maximum(n),
    "slice": lambda b, c, n: b[1:],
    "relu": lambda b, c, n: b.relu(),
    "reshape": lambda b, c, n: b.reshape(3, 1),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_next_functions_are_pytorchs(operator):
    torch = pytest.importorskip("torch")
    found = []
    for library in (mg, torch):
        b, c = (library.ones(3, requires_grad=True) for _ in range(2))
        edges = OPERATORS[operator](b, c, library.ones(3)).grad_fn.next_functions
        found.append([(None if node is None else node.name().rsplit(":", 1)[-1], slot) for node, slot in edges])
    assert found[0] == found[1]


def test_a_number_divided_leads_to_the_divisor():
    b = leaf(1.0, 2.0)
    assert (2 / b).grad_fn.next_functions[0][0].variable is b


def test_backward_may_return_surplus_nones():
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor, None, None, None

    class Wrong(Scale):
        @staticmethod
        def backward(ctx, grad):
            return grad, None, grad

    x = leaf(1.0, 2.0)
    Scale.apply(x, 3).sum().backward()
    assert close(x.grad, 3, 3)
    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got 3\)"):
        Wrong.apply(x, 3).sum().backward()


def test_what_forward_leaves_on_ctx_and_is_no_array_stays():
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor, ctx.x = factor, x
            return x * factor

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor + 0 * ctx.x, None

    x = leaf(1.0, 2.0)
    y = Scale.apply(x, 3).sum()
    y.backward()
    y.backward()
    assert close(x.grad, 6, 6)
