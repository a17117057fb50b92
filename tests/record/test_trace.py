"""The trace: it tells what the engine computed, and changes nothing."""

import json
import threading

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, study
from minigrad.autograd import Function, checkpoint, grad
from minigrad.autograd.node import Node, gradient_edge
from minigrad.autograd.observer import observers
from minigrad.record.recorder import scopes


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.head = nn.Linear(18, 3)

    def forward(self, x):
        return self.head(F.dropout(self.features(x).flatten(1), 0.5, self.training))


class Square(Function):
    """x^2"""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


captured_square = Square.apply


def leaf(*values):
    return mg.tensor(list(values), requires_grad=True)


def network():
    mg.manual_seed(0)
    net = Net()
    x, labels = mg.randn(4, 1, 8, 8), mg.tensor([0, 1, 2, 0])
    loss = F.cross_entropy(net(x), labels)
    loss.backward()
    return [loss, *[p.grad for p in net.parameters()], *net.buffers()]


def second_derivatives():
    x = leaf(1.0, -2.0, 0.5)
    y = (F.local_response_norm(x.reshape(1, 3, 1, 1), 2).sum() * x.exp()).sum()
    (first,) = grad(y, x, create_graph=True)
    (second,) = grad(first.sum(), x)
    return [y, first, second]


def writes_and_views():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 2
    y.reshape(2, 2)[0] = x[2:] ** 2
    y.mul_(x.sigmoid())
    hook = y.register_hook(lambda gradient: gradient * 3)
    y.retain_grad()
    y.sum().backward()
    hook.remove()
    return [y, y.grad, x.grad]


def checkpointed():
    mg.manual_seed(3)
    layer = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Dropout(0.5))
    x = leaf(1.0, 2.0, 3.0)
    y = checkpoint(layer, x).sum() + checkpoint(lambda t: t * t, x).sum()
    y.backward()
    return [y, x.grad, *[p.grad for p in layer.parameters()]]


def unrecorded():
    with mg.no_grad():
        x = leaf(1.0, -2.0)
        return [(x * 2).relu().detach() + 1]


PROGRAMS = [network, second_derivatives, writes_and_views, checkpointed, unrecorded]


@pytest.mark.parametrize("keep_values", [False, True])
@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_changed_by_being_watched(program, keep_values):
    expected = program()
    with study.trace(keep_values) as t:
        results = program()
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result.array, value.array)
    assert len(t.forward) > 0
    assert json.loads(t.to_json())
    assert all(len(line) <= 120 for line in str(t).splitlines())
    assert all(str(record) for record in t)


def test_the_engine_is_unobserved_again_afterwards():
    apply = Function.apply.__func__
    with pytest.raises(ZeroDivisionError), study.trace():
        with study.trace():
            pass
        assert len(observers) == 1 and Function.apply.__func__ is apply  # nothing is replaced
        raise ZeroDivisionError
    assert not observers


def test_a_trace_that_begins_or_ends_inside_a_module():
    class Opens(nn.Module):
        def forward(self, x):
            with study.trace() as self.inner:
                y = x * 2
                self.later = study.trace().__enter__()
            return y + 1

    model = nn.Sequential(Opens(), nn.ReLU())
    with study.trace() as outer:
        model(leaf(1.0))
        model[0].later.__exit__(None, None, None)
    assert [record.name for record in outer] == ["Mul", "Add", "ReLU"]
    assert [record.name for record in model[0].inner] == ["Mul"]
    assert [(record.name, record.module_class) for record in model[0].later] == [("Add", ""), ("ReLU", "ReLU")]
    assert not observers


def test_a_step_that_fails():
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad_output):
            raise ZeroDivisionError

    with study.trace() as t:
        with pytest.raises(ZeroDivisionError):
            Fails.apply(leaf(1.0)).backward()
        (leaf(1.0) * 2).backward()
    assert [(record.name, record.within) for record in t.backward] == [
        ("Fails", None),
        ("Mul", None),
        ("AccumulateGrad", None),
    ]


def test_numbers_and_links_of_an_expression():
    with study.trace(keep_values=True) as t:
        a, b = leaf(2.0), leaf(-3.0)
        c = a * b
        loss = (c + a) * c  # c and a are used twice
        loss.backward()
    names = [record.name for record in t]
    assert names == ["Mul", "Add", "Mul", "Mul", "Add", "Mul", "AccumulateGrad", "AccumulateGrad"]
    multiply = t.of(c)
    assert (multiply.outputs[0].name, multiply.outputs[0].array.item()) == ("c", -6)
    assert [value.name for value in multiply.inputs] == ["a", "b"]
    assert [value.role for value in multiply.saved] == ["x", "y"]
    assert t[1].parents == (0, None)
    step = t[5]
    assert step.operation == 0 and multiply.steps == [5]
    assert (step.waited_for, step.contributions) == (2, [3, 4])
    assert step.incoming[0].array.item() == -10  # d loss / d c = (c + a) + c
    assert [out.remaining for out in t[3].outgoing] == [0, 1]  # c waits for the gradient that comes over c + a
    accumulated = {record.leaf: record.accumulated.array.item() for record in t if record.name == "AccumulateGrad"}
    assert accumulated == {"a": a.grad.item(), "b": b.grad.item()} == {"a": 24, "b": -20}
    assert "c = a * b" in str(t[0]) and t[0].source.text == "c = a * b"
    assert t[3].called.text == "loss.backward()"


def test_in_a_notebook_the_line_is_told_by_the_cell():
    class Notebook:
        compile = property(lambda self: self)

        def format_code_name(self, file):  # IPython's, for a cell and for a file
            return ("Cell", "In[3]") if "ipykernel" in file else None

    for file, told in (("/tmp/ipykernel_7/1898461271.py", "In[3]:2"), ("/home/net.py", "net.py:2")):
        variables = {"mg": mg, "get_ipython": Notebook}
        with study.trace() as t:
            exec(compile("x = mg.ones(1)\nx + 1", file, "exec"), variables)
        assert str(t[0].source) == told


def test_statistics():
    with study.trace() as t:
        y = leaf(-1.0, 0.0, 3.0, 4.0).relu()
    numbers = t.of(y).statistics
    assert (numbers.mean, numbers.norm, numbers.zeros) == (1.75, 5.0, 0.5)
    assert numbers.std == pytest.approx(np.std([0, 0, 3, 4]))
    assert t[0].outputs[0].array is None  # values only on request


def test_modules_parameters_and_saved_values_are_named():
    net = Net()
    with study.trace() as t:
        loss = net(mg.randn(2, 1, 8, 8)).sum()
        loss.backward()
    convolution = t.filter(name="conv2d").forward[0]
    assert (convolution.module, convolution.module_class) == ("features.0", "Conv2d")
    assert convolution.scope == (("", "Net"), ("features", "Sequential"), ("features.0", "Conv2d"))
    assert [value.name for value in convolution.inputs[1:]] == ["features.0.weight", "features.0.bias"]
    assert convolution.arguments["stride"] == "(1, 1)"
    assert [value.role for value in convolution.saved] == ["x"]  # the picture needs no gradient: no weight is kept
    assert {record.leaf for record in t if record.name == "AccumulateGrad"} == {n for n, _ in net.named_parameters()}
    assert {record.leaf for record in t.filter(name="Accumulate*", module="head")} == {"head.weight", "head.bias"}
    assert scopes[loss.grad_fn] == ()
    node = loss.grad_fn
    while node.name() != "LinearBackward0":
        node = node.edges[0][0]
    assert scopes[node][-1] == ("head", "Linear")


def test_checkpointed_operations_belong_to_the_step_that_reran_them():
    with study.trace() as t:
        checkpointed()
    rerun = [record for record in t.forward if record.within is not None]
    assert [record.name for record in rerun if t[record.within].name == "Checkpoint"] == [r.name for r in rerun]
    assert {"Linear", "Tanh", "Dropout", "Mul"} <= {record.name for record in rerun}
    assert f"FORWARD: the outputs, within [{rerun[-1].within}]" in str(t)
    linear = next(record for record in rerun if record.name == "Linear")
    assert linear.module == "0" and len(linear.steps) == 1


def test_an_apply_that_was_kept_from_before_is_recorded():
    with study.trace() as t:
        y = captured_square(leaf(3.0))
        y.backward()
    assert (t.of(y).name, t.of(y).formula, t.of(y).inputs[0].requires_grad) == ("Square", "x^2", True)
    assert [record.name for record in t.backward] == ["Square", "AccumulateGrad"]


def test_backward_alone():
    loss = (leaf(1.0, 2.0) * 3).sum()
    with study.trace() as t:
        loss.backward()
    assert [record.name for record in t] == ["Sum", "Mul", "AccumulateGrad"]
    assert t[1].operation is None and t[1].statistics.norm == pytest.approx(2**0.5)
    with pytest.raises(KeyError, match="made outside the trace"):
        t.of(loss)


def test_two_traces_at_once_and_other_threads():
    def elsewhere():
        nonlocal seen
        seen = (leaf(1.0) * 2).exp().item()

    seen = None
    with study.trace() as outer:
        y = leaf(1.0).exp()
        with study.trace() as inner:
            z = y.log()
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
    assert ([r.name for r in outer], [r.name for r in inner]) == (["Exp", "Log"], ["Log"])
    assert (outer.of(z).parents, inner.of(z).parents) == ((0,), (None,))
    assert seen == pytest.approx(np.exp(2))


def test_a_failed_backward_leaves_what_there_was():
    x = leaf(1.0)
    y = x.exp()
    z = y * y
    with study.trace() as t, pytest.raises(RuntimeError, match="modified by an inplace"):
        y.add_(1)
        z.backward()
    assert [record.name for record in t] == ["Add"]
    with study.trace() as t:
        (x * 2).backward()
    assert len(t.backward) == 2


def test_nothing_is_kept_alive():
    import gc
    import weakref

    with study.trace() as t:
        y = leaf(1.0, 2.0).exp()
        node, array = weakref.ref(y.grad_fn), weakref.ref(y.array)
        y.sum().backward()
        del y
    gc.collect()
    assert node() is None and array() is None and len(t) == 5


def test_selections():
    with study.trace() as t:
        y = leaf(1.0, 2.0)
        for _ in range(3):
            y = y.exp() + 1
    assert [record.index for record in t[2:4]] == [2, 3]
    assert [record.index for record in t.filter(name="ex*")] == [0, 2, 4]
    assert [record.index for record in t.filter(lambda record: record.index > 3, kind="forward")] == [4, 5]
    assert len(t.backward) == 0 and t[2:4].whole[5] is t[-1]
    with pytest.raises(IndexError, match="record 6 of a trace of 6"):
        t[6]
    with pytest.raises(TypeError, match="see filter"):
        t["Exp"]
    with pytest.raises(TypeError, match='module="features"'):
        t.filter("Exp")
    with pytest.raises(ValueError, match="'forward' or 'backward'"):
        t.filter(kind="back")


def test_clear_sentences():
    t = study.trace()
    assert "with study.trace() as t:" in str(t)
    with t:
        pass
    assert str(t) == "Trace: no operation ran, or none was selected."
    with pytest.raises(RuntimeError, match="records once"), t:
        pass
    with pytest.raises(TypeError, match="keep_values must be True or False, got Tensor"):
        study.trace(leaf(1.0))
    with pytest.raises(TypeError, match="expected a tensor or a node"):
        t.of("loss")


def test_numbers_that_json_lacks():
    with study.trace(keep_values=True) as t:
        leaf(0.0, 1.0).log()
    (record,) = json.loads(t.to_json())
    assert record["outputs"][0]["array"] == ["-Infinity", 0.0]
    assert record["outputs"][0]["statistics"]["mean"] == "-Infinity"


def test_every_node_is_observed():
    class Unusual(Node):
        """Twice."""

        def run(self, gradients):
            return (gradients[0] * 2,)

    x = leaf(1.0)
    node = Unusual()
    node.edges, node.outputs = (gradient_edge(x),), (((1,), x.dtype, np),)
    y = mg.ones(1)
    y._requires_grad, y._node = True, node
    with study.trace() as t:
        y.backward()
    assert [record.name for record in t] == ["Unusual", "AccumulateGrad"] and x.grad.item() == 2
