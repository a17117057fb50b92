"""Module: registration, the tree, state_dict, hooks, conversion, copies."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
        self.scale = nn.Parameter(mg.ones(1))
        self.register_buffer("seen", mg.zeros(1))
        self.register_buffer("cache", mg.zeros(1), persistent=False)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu()) * self.scale


class Twice(nn.Module):
    """One input and a plain argument, two outputs."""

    def forward(self, x, times=2):
        return x * times, x + 1


def test_names_follow_the_order_of_assignment():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "scale",
        "conv.weight",
        "conv.bias",
        "norm.weight",
        "norm.bias",
        "head.1.weight",
        "head.1.bias",
    ]
    assert [name for name, _ in net.named_buffers()] == [
        "seen",
        "cache",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
    ]
    assert [name for name, _ in net.named_children()] == ["conv", "norm", "head"]
    assert [name for name, _ in net.named_modules()] == ["", "conv", "norm", "head", "head.0", "head.1"]
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]
    assert len(list(net.modules())) == 6
    assert len(list(net.parameters())) == 7


def test_shared_members_are_listed_once_unless_asked():
    net = nn.Module()
    net.first = nn.Linear(2, 2)
    net.second = net.first
    net.third = nn.Linear(2, 2)
    net.third.weight = net.first.weight
    assert [name for name, _ in net.named_parameters()] == ["first.weight", "first.bias", "third.bias"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 6
    assert [name for name, _ in net.named_children()] == ["first", "third"]
    assert len(list(net.named_modules(remove_duplicate=False))) == 4
    assert list(net.state_dict()) == [
        f"{layer}.{name}" for layer in ("first", "second", "third") for name in ("weight", "bias")
    ]


def test_assignment_before_init_is_refused():
    class Early(nn.Module):
        def __init__(self, value):
            self.value = value

    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Early(nn.Parameter(mg.ones(1)))
    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Early(nn.ReLU())
    assert Early(3).value == 3
    with pytest.raises(AttributeError, match=r"cannot assign buffer before Module.__init__\(\) call"):
        Early(3).register_buffer("b", mg.ones(1))


def test_a_registered_name_keeps_its_kind():
    net = Net()
    with pytest.raises(TypeError, match="cannot assign 'Tensor' as parameter 'scale'"):
        net.scale = mg.ones(1)
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'conv'"):
        net.conv = 3
    with pytest.raises(TypeError, match="cannot assign 'list' as buffer 'seen'"):
        net.seen = [1]
    net.scale, net.conv, net.seen = None, None, None
    assert net.scale is None and net.conv is None and net.seen is None
    assert "scale" not in net.state_dict() and "seen" not in net.state_dict()
    assert "(conv): None" in repr(net)


def test_assigning_another_kind_moves_the_name():
    net = nn.Module()
    net.x = 3
    net.x = nn.Parameter(mg.ones(2))
    assert "x" not in net.__dict__ and list(net.state_dict()) == ["x"]
    with pytest.raises(TypeError, match="cannot assign 'Linear' as parameter 'x'"):
        net.x = nn.Linear(1, 1, bias=False)
    del net.x
    net.x = nn.Linear(1, 1, bias=False)
    assert list(net.state_dict()) == ["x.weight"]
    net.x = nn.Parameter(mg.ones(2))
    assert list(net.state_dict()) == ["x"] and not list(net.children())
    del net.x
    assert not net.state_dict() and not hasattr(net, "x")
    net.register_buffer("b", mg.ones(1), persistent=False)
    del net.b
    net.register_buffer("b", mg.ones(1))
    assert list(net.state_dict()) == ["b"]
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'y'"):
        _ = net.y
    with pytest.raises(AttributeError):
        del net.y


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.register_parameter("a.b", None), KeyError, "can't contain"),
        (lambda m: m.register_parameter("", None), KeyError, "can't be empty string"),
        (lambda m: m.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.register_parameter(3, None), TypeError, "parameter name should be a string. Got int"),
        (
            lambda m: m.register_parameter("p", mg.ones(1)),
            TypeError,
            "cannot assign 'Tensor' object to param",
        ),
        (lambda m: m.register_buffer("b", 3), TypeError, "cannot assign 'int' object to buffer 'b'"),
        (lambda m: m.register_buffer("train", None), KeyError, "attribute 'train' already exists"),
        (lambda m: m.add_module("m", 3), TypeError, "int is not a Module subclass"),
        (lambda m: m.add_module("a.b", nn.ReLU()), KeyError, "module name can't contain"),
        (lambda m: m.register_module("", nn.ReLU()), KeyError, "module name can't be empty"),
        (lambda m: m.train(1), ValueError, "training mode is expected to be boolean"),
        (lambda m: m(1), NotImplementedError, 'missing the required "forward" function'),
        (lambda m: m.get_submodule("a.b"), AttributeError, "Module has no attribute `a`"),
        (lambda m: m.get_submodule("training"), AttributeError, "`training` is not an nn.Module"),
        (lambda m: m.get_parameter("training"), AttributeError, "`training` is not an nn.Parameter"),
        (lambda m: m.get_buffer("b"), AttributeError, "Module has no attribute `b`"),
        (lambda m: m.load_state_dict([1]), TypeError, "Expected state_dict to be dict-like"),
        (lambda m: nn.Parameter([1.0]), TypeError, "Parameter: data must be a Tensor, got list"),
        (lambda m: nn.Parameter(mg.tensor([1])), RuntimeError, "floating point"),
        (lambda m: m.to(mg.int64), TypeError, "only accepts floating point"),
    ],
)
def test_bad_calls_are_refused(call, error, words):
    with pytest.raises(error) as caught:
        call(nn.Module())
    assert words in str(caught.value.args[0])


def test_a_computed_tensor_is_no_parameter():
    parameter = nn.Parameter(mg.ones(1))
    computed = mg.ones(1, requires_grad=True) * 2
    parameter_like = nn.Parameter(computed)
    assert parameter_like.is_leaf and parameter.is_leaf


def test_paths_lead_to_members():
    net = Net()
    assert net.get_submodule("head.1") is net.head[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("head.1.bias") is net.head[1].bias
    assert net.get_buffer("norm.running_var") is net.norm.running_var
    with pytest.raises(AttributeError, match="`running_var` is not an nn.Parameter"):
        net.get_parameter("norm.running_var")


def test_repr_and_dir():
    net = Net()
    assert repr(net) == (
        "Net(\n"
        "  (conv): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))\n"
        "  (norm): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True)\n"
        "  (head): Sequential(\n"
        "    (0): Flatten(start_dim=1, end_dim=-1)\n"
        "    (1): Linear(in_features=8, out_features=3, bias=True)\n"
        "  )\n"
        ")"
    )
    assert {"conv", "scale", "seen", "forward"} <= set(dir(net))
    assert "0" not in dir(net.head)
    assert repr(nn.Parameter(mg.ones(1))).startswith("Parameter containing:\n")


def test_modes_reach_all_below():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())
    assert net.requires_grad_(False) is net
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Conv2d", "BatchNorm2d", "Flatten", "Linear", "Sequential", "Net"]


def test_zero_grad():
    net = Net()
    net(mg.randn(2, 1, 4, 4)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(not parameter.grad.numpy().any() for parameter in net.parameters())
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_conversion_keeps_the_parameter_objects():
    net = Net()
    net(mg.randn(2, 1, 4, 4)).sum().backward()
    before = list(net.parameters())
    assert net.double() is net
    assert all(old is new for old, new in zip(before, net.parameters(), strict=True))
    assert all(p.dtype == mg.float64 and p.grad.dtype == mg.float64 for p in net.parameters())
    assert all(p.requires_grad and p.is_leaf for p in net.parameters())
    assert net.norm.running_mean.dtype == mg.float64
    assert net.norm.num_batches_tracked.dtype == mg.int64
    assert net.to(mg.float32).conv.weight.dtype == mg.float32
    assert net.to("cpu", mg.float64).conv.weight.dtype == mg.float64
    assert net.to(mg.ones(1)).conv.weight.dtype == mg.float32
    assert net.to(device="cpu", dtype=mg.float64).conv.weight.dtype == mg.float64
    assert net.float().cpu().conv.weight.dtype == mg.float32
    assert net(mg.randn(2, 1, 4, 4)).dtype == mg.float32


def test_state_dict_goes_and_comes_back():
    first, second = Net(), Net()
    first(mg.randn(4, 1, 4, 4))
    state = first.state_dict()
    assert list(state) == [
        "scale",
        "seen",
        "conv.weight",
        "conv.bias",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
        "head.1.weight",
        "head.1.bias",
    ]
    assert not any(tensor.requires_grad for tensor in state.values())
    assert first.state_dict(keep_vars=True)["scale"] is first.scale
    assert list(first.head.state_dict(prefix="model.")) == ["model.1.weight", "model.1.bias"]
    assert np.shares_memory(state["scale"].numpy(), first.scale.detach().numpy())
    keys = second.load_state_dict(state)
    assert keys.missing_keys == [] and keys.unexpected_keys == []
    assert repr(keys) == "<All keys matched successfully>"
    for name, tensor in second.state_dict().items():
        assert np.array_equal(tensor.numpy(), state[name].numpy()), name
        assert not np.shares_memory(tensor.numpy(), state[name].numpy()), name
    assert all(parameter.requires_grad for parameter in second.parameters())


def test_load_state_dict_casts_to_the_modules_dtype():
    net = nn.Linear(2, 2)
    net.load_state_dict({"weight": mg.ones(2, 2, dtype=mg.float64), "bias": mg.ones(2, dtype=mg.float64)})
    assert net.weight.dtype == mg.float32 and net.weight.detach().numpy().tolist() == [[1, 1], [1, 1]]


def test_load_state_dict_lists_all_that_is_wrong_and_changes_nothing():
    net = Net()
    before = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    state = {name: tensor.clone() + 1 for name, tensor in net.state_dict().items()}
    del state["conv.bias"]
    state["extra"] = mg.ones(1)
    state["head.1.weight"] = mg.ones(3, 7)
    state["norm.bias"] = np.ones(2)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        'Error(s) in loading state_dict for Net: Missing key(s) in state_dict: "conv.bias". '
        'Unexpected key(s) in state_dict: "extra". While copying the parameter named "norm.bias", expected '
        "minigrad.Tensor from checkpoint but received ndarray. size mismatch for head.1.weight: copying a param with "
        "shape (3, 7) from checkpoint, the shape in current model is (3, 8)."
    )
    for name, tensor in net.state_dict().items():
        assert np.array_equal(tensor.numpy(), before[name]), name


def test_load_state_dict_not_strict_reports_the_keys():
    net = nn.Linear(2, 2)
    missing, unexpected = net.load_state_dict({"weight": mg.ones(2, 2), "other": mg.ones(1)}, strict=False)
    assert (missing, unexpected) == (["bias"], ["other"])
    assert net.weight.detach().numpy().tolist() == [[1, 1], [1, 1]]
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        net.load_state_dict({"weight": mg.ones(3, 2)}, strict=False)


def test_load_state_dict_assign_takes_the_tensors_themselves():
    net = nn.BatchNorm2d(2).requires_grad_(False)
    state = {name: tensor.clone().double() for name, tensor in nn.BatchNorm2d(2).state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert net.weight.dtype == mg.float64 and isinstance(net.weight, nn.Parameter)
    assert not net.weight.requires_grad
    assert net.running_mean is state["running_mean"]
    assert np.shares_memory(net.weight.numpy(), state["weight"].numpy())


def test_batch_norm_loads_files_without_the_counter():
    net = nn.BatchNorm2d(2)
    state = net.state_dict()
    del state["num_batches_tracked"]
    assert net.load_state_dict(state).missing_keys == []


def test_copies_and_pickles_are_independent():
    net = Net()
    net.conv.weight.requires_grad_(False)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(other) == repr(net)
        assert isinstance(other.scale, nn.Parameter) and other.scale is not net.scale
        assert [p.requires_grad for p in other.parameters()] == [p.requires_grad for p in net.parameters()]
        for name, tensor in other.state_dict().items():
            assert np.array_equal(tensor.numpy(), net.state_dict()[name].numpy())
            assert not np.shares_memory(tensor.numpy(), net.state_dict()[name].numpy())
        other.extra = nn.Linear(1, 1)
        assert not hasattr(net, "extra")
    shared = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    shared[1].weight = shared[0].weight
    copied = copy.deepcopy(shared)
    assert copied[1].weight is copied[0].weight


def test_forward_hooks_see_and_replace():
    calls = []
    net = Twice()
    pre = net.register_forward_pre_hook(lambda module, args: calls.append("pre") or (args[0] + 1, *args[1:]))
    net.register_forward_hook(lambda module, args, output: calls.append("post"))
    first = net.register_forward_hook(
        lambda module, args, output: calls.append("first") or (output[0] * 10, output[1]), prepend=True
    )
    a, b = net(mg.tensor([1.0]))
    assert calls == ["pre", "first", "post"] and (a.item(), b.item()) == (40, 3)
    pre.remove()
    pre.remove()
    first.remove()
    assert net(mg.tensor([1.0]))[0].item() == 2
    with net.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"times": kwargs["times"] + 1}), with_kwargs=True
    ):
        assert net(mg.tensor([1.0]), times=3)[0].item() == 4
    assert net(mg.tensor([1.0]), times=3)[0].item() == 3
    net.register_forward_hook(
        lambda module, args, kwargs, output: (output[0] + kwargs["times"], output[1]), with_kwargs=True
    )
    assert net(mg.tensor([1.0]), times=3)[0].item() == 6


def test_a_pre_hook_with_kwargs_must_return_both():
    net = Twice()
    net.register_forward_pre_hook(lambda module, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        net(mg.tensor([1.0]))


def test_an_always_called_hook_is_called_after_a_failure():
    calls = []

    class Fails(nn.Module):
        def forward(self, x):
            raise ArithmeticError("no")

    net = Fails()
    net.register_forward_hook(lambda *args: calls.append("never"))
    net.register_forward_hook(lambda module, args, output: calls.append(output), always_call=True)
    with pytest.raises(ArithmeticError):
        net(mg.ones(1))
    assert calls == [None]


def test_full_backward_hooks_see_both_gradients():
    seen = []
    net = Twice()
    net.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append((grad_input, grad_output)))
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    a, b = net(x, 3)
    (a.sum() * 5 + b.sum()).backward()
    ((grad_input, grad_output),) = seen
    assert len(grad_input) == 2 and grad_input[1] is None
    assert grad_input[0].numpy().tolist() == [16, 16]
    assert [g.numpy().tolist() for g in grad_output] == [[5, 5], [1, 1]]
    assert x.grad.numpy().tolist() == [16, 16]


def test_backward_hooks_replace_gradients():
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": mg.tensor([[3.0, 4.0]])})
    layer.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 10,))
    handle = layer.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] + 1,))
    x = mg.tensor([[1.0, 2.0]], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.numpy().tolist() == [[31, 41]]
    assert layer.weight.grad.numpy().tolist() == [[10, 20]]
    handle.remove()
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.numpy().tolist() == [[30, 40]]


def test_backward_hook_without_gradients_of_the_input():
    seen = []
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append((grad_input, grad_output)))
    layer(mg.ones(1, 2)).sum().backward()
    assert seen[0][0] == (None,) and seen[0][1][0].item() == 1
    with mg.no_grad():
        layer(mg.ones(1, 2))
    assert len(seen) == 1
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: (mg.ones(1, 2),))
    with pytest.raises(RuntimeError, match="no input requires gradient"):
        layer(mg.ones(1, 2)).sum().backward()


def test_backward_hook_that_returns_too_much_is_refused():
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: (None, None))
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        layer(mg.ones(1, 2, requires_grad=True)).sum().backward()


def test_backward_hook_warns_of_outputs_it_cannot_watch():
    class Named(nn.Module):
        def forward(self, x):
            return {"y": x}

    net = Named()
    net.register_full_backward_hook(lambda *args: None)
    with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple of Tensors"):
        net(mg.ones(1, requires_grad=True))


def test_hooks_keep_no_graph_alive():
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: None)
    gc.disable()  # reference counts alone must do
    try:
        y = layer(mg.ones(1, 2, requires_grad=True))
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_pytorchs_state_dict_loads_by_name():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        OrderedDict(conv=torch.nn.Conv2d(1, 2, 3), norm=torch.nn.BatchNorm2d(2), fc=torch.nn.Linear(2, 1))
    )
    ours = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), fc=nn.Linear(2, 1)))
    ours.load_state_dict({name: mg.from_numpy(v.numpy()) for name, v in theirs.state_dict().items()})
    theirs.load_state_dict({name: torch.from_numpy(v.numpy()) for name, v in ours.state_dict().items()})
    assert repr(ours) == repr(theirs)


def test_a_layer_finds_its_weight_wherever_it_is_kept():
    layer = nn.Linear(2, 1, bias=False)
    replaced = nn.Parameter(mg.ones(1, 2))
    layer._parameters["weight"] = replaced
    assert layer.weight is replaced
    del layer.weight
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'weight'"):
        layer.weight  # noqa: B018
    layer.weight = 3 * mg.ones(1, 2)  # a plain tensor, as weight normalisation computes it
    assert layer(mg.ones(1, 2)).item() == 6
    assert list(layer.parameters()) == []
