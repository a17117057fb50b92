"""Containers behave as the lists and dictionaries they stand for, and register what they hold."""

from collections import OrderedDict

import pytest

import minigrad as mg
from minigrad import nn


def linears(*sizes):
    return [nn.Linear(1, size) for size in sizes]


def sizes(modules):
    return [module.out_features for module in modules]


@pytest.mark.parametrize("make", [lambda modules: nn.Sequential(*modules), nn.ModuleList])
def test_a_sequence_of_modules(make):
    modules = make(linears(1, 2, 3, 4))
    assert len(modules) == 4 and sizes(modules) == [1, 2, 3, 4]
    assert modules[-1].out_features == 4 and modules[1].out_features == 2
    assert type(modules[1:3]) is type(modules) and sizes(modules[1:3]) == [2, 3]
    modules[-1] = nn.Linear(1, 9)
    assert sizes(modules) == [1, 2, 3, 9]
    del modules[1]
    assert sizes(modules) == [1, 3, 9] and list(modules.state_dict())[2:4] == ["1.weight", "1.bias"]
    assert modules.pop(0).out_features == 1 and sizes(modules) == [3, 9]
    modules.append(nn.Linear(1, 5)).extend(linears(6, 7))
    assert sizes(modules) == [3, 9, 5, 6, 7]
    modules.insert(1, nn.Linear(1, 4))
    modules.insert(-1, nn.Linear(1, 8))
    assert sizes(modules) == [3, 4, 9, 5, 6, 8, 7]
    assert [name for name, _ in modules.named_children()] == [str(index) for index in range(7)]
    del modules[::2]
    assert sizes(modules) == [4, 5, 8]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        modules[3]
    with pytest.raises(IndexError, match="index -4 is out of range"):
        modules[-4] = nn.ReLU()
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        modules.append(3)
    with pytest.raises(TypeError, match="should be called with an iterable, but got int"):
        modules.extend(3)
    modules.extend(modules)
    assert sizes(modules) == [4, 5, 8, 4, 5, 8]


def test_sequential_chains_and_combines():
    double, add = nn.Linear(1, 1), nn.Linear(1, 1)
    double.load_state_dict({"weight": mg.tensor([[2.0]]), "bias": mg.tensor([0.0])})
    add.load_state_dict({"weight": mg.tensor([[1.0]]), "bias": mg.tensor([1.0])})
    chain = nn.Sequential(OrderedDict(twice=double, add=add))
    assert chain(mg.tensor([3.0])).item() == 7
    assert chain.twice is double and list(chain.state_dict())[0] == "twice.weight"
    assert list(dict(chain[:1].named_children())) == ["twice"]
    assert (nn.Sequential(double) + nn.Sequential(add))(mg.tensor([3.0])).item() == 7
    assert len(2 * chain) == 4 and (chain * 2)(mg.tensor([3.0])).item() == 15
    repeated = nn.Sequential(double)
    repeated *= 3
    assert repeated(mg.tensor([1.0])).item() == 8
    repeated += nn.Sequential(add)
    assert repeated(mg.tensor([1.0])).item() == 9
    with pytest.raises(ValueError, match="Non-positive multiplication factor 0"):
        _ = chain * 0
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = chain * 1.5
    with pytest.raises(ValueError, match="supports only objects of Sequential class"):
        _ = chain + [add]
    with pytest.raises(IndexError, match="Index out of range: 5"):
        chain.insert(5, add)
    assert nn.Sequential()(3) == 3 and repr(nn.Sequential()) == "Sequential()"


def test_module_list_adds_and_cannot_be_called():
    modules = nn.ModuleList(linears(1)) + linears(2)
    modules += linears(3)
    assert sizes(modules) == [1, 2, 3] and len(list(modules.parameters())) == 6
    with pytest.raises(NotImplementedError, match="ModuleList"):
        modules(3)


def test_module_dict():
    modules = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 2)})
    assert list(modules) == ["b", "a"] and "a" in modules and len(modules) == 2
    modules["c"] = nn.Tanh()
    modules.update([("d", nn.Sigmoid()), ("b", nn.GELU())])
    assert list(modules.keys()) == ["b", "a", "c", "d"]
    assert [type(module).__name__ for module in modules.values()] == ["GELU", "Linear", "Tanh", "Sigmoid"]
    assert dict(modules.items())["a"] is modules["a"] is modules.a
    assert type(modules.pop("c")) is nn.Tanh
    del modules["d"]
    assert list(modules.state_dict()) == ["a.weight", "a.bias"]
    assert list(nn.ModuleDict(modules)) == ["b", "a"]
    with pytest.raises(TypeError, match="should be called with an iterable of key/value pairs, but got int"):
        modules.update(3)
    with pytest.raises(ValueError, match="element #0 has length 1; 2 is required"):
        modules.update([("x",)])
    with pytest.raises(TypeError, match="element #1 should be Iterable"):
        modules.update([("x", nn.ReLU()), 3])
    with pytest.raises(KeyError):
        modules["zz"]
    modules.clear()
    assert len(modules) == 0


def test_parameter_list():
    parameters = nn.ParameterList([nn.Parameter(mg.ones(2)), mg.zeros(1, 3), "note"])
    assert [type(value).__name__ for value in parameters] == ["Parameter", "Parameter", "str"]
    assert list(parameters.state_dict()) == ["0", "1"] and len(parameters) == 3
    assert parameters[-1] == "note" and len(parameters[:2]) == 2
    parameters += [mg.ones(4)]
    parameters[0] = mg.ones(5)
    assert [p.shape for p in parameters.parameters()] == [(5,), (1, 3), (4,)]
    with pytest.raises(IndexError, match="index 9 is out of range"):
        parameters[9]
    with pytest.raises(TypeError, match="should be called with an iterable, but got Tensor"):
        parameters.extend(mg.ones(2))
    with pytest.raises(RuntimeError, match="should not be called"):
        parameters(1)


def test_parameter_dict():
    parameters = nn.ParameterDict({"b": mg.ones(2), "a": nn.Parameter(mg.ones(3)), "n": 4})
    assert list(parameters) == ["a", "b", "n"] and list(parameters.state_dict()) == ["a", "b"]
    assert list(nn.ParameterDict(OrderedDict(b=mg.ones(1), a=mg.ones(1)))) == ["b", "a"]
    assert parameters["n"] == 4 and parameters.get("zz", 5) == 5 and parameters.get("n") == 4
    assert parameters.setdefault("c", mg.ones(1)) is parameters["c"]
    assert isinstance(parameters["c"], nn.Parameter)
    assert list(reversed(parameters)) == ["c", "n", "b", "a"]
    assert list(parameters.copy()) == ["a", "b", "n", "c"] and parameters.copy()["a"] is parameters["a"]
    assert parameters.popitem()[0] == "c" and parameters.pop("n") == 4
    assert [value.shape for value in parameters.values()] == [(3,), (2,)]
    assert dict(parameters.items())["a"] is parameters["a"] and list(parameters.keys()) == ["a", "b"]
    assert list(parameters.fromkeys(["x", "y"], 3).items()) == [("x", 3), ("y", 3)]
    del parameters["a"]
    assert "a" not in parameters
    with pytest.raises(KeyError):
        parameters["a"]
    with pytest.raises(TypeError, match="a key must be a string, got int"):
        parameters[3] = mg.ones(1)
    parameters.clear()
    assert len(parameters) == 0 and not list(parameters.parameters())


REPRS = [
    "nn.ModuleList([nn.Linear(2, 2) for _ in range(3)] + [nn.ReLU()])",
    "nn.ModuleList()",
    "nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Linear(1, 1)) for _ in range(2)])",
    "nn.ModuleDict({'a': nn.ReLU(), 'b': nn.Sequential(nn.Tanh())})",
    "nn.ModuleDict()",
    "nn.Sequential(nn.Sequential(nn.ModuleList([nn.ReLU(), nn.ReLU()])), nn.Tanh())",
    "nn.ParameterList([lib.ones(2, 3), lib.ones(1), 'x'])",
    "nn.ParameterDict({'b': lib.ones(2, 3), 'a': 4})",
    "nn.Sequential(nn.ParameterList([lib.ones(2)]))",
    "nn.ParameterList()",
]


@pytest.mark.parametrize("code", REPRS)
def test_repr_equals_pytorchs(code):
    torch = pytest.importorskip("torch")
    ours, theirs = (eval(code, {"nn": lib.nn, "lib": lib}) for lib in (mg, torch))
    # PyTorch's list names the dtype, its dictionary the legacy type of the same tensor.
    theirs = repr(theirs).replace("torch.FloatTensor", "torch.float32")
    assert repr(ours) == theirs.replace("torch.float32", "float32")
