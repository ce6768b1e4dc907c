"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

from minidl import nn
from minidl.errors import ArgumentError, DimensionError, DTypeError
from minidl.tensor import Tensor


def layers(n: int) -> list[nn.Linear]:
    return [nn.Linear(i + 1, i + 2) for i in range(n)]


def names(container: nn.Module) -> list[str]:
    return [name for name, _ in container.named_children()]


def test_sequential_calls_one_after_another():
    a, b = layers(2)
    net = nn.Sequential(a, b)
    x = Tensor(np.ones((2, 1), np.float32))
    assert net(x).tolist() == b(a(x)).tolist()
    assert nn.Sequential()(x) is x


def test_sequential_with_names():
    a, b = layers(2)
    net = nn.Sequential(OrderedDict(hidden=a, out=b))
    assert names(net) == ["hidden", "out"]
    assert net.hidden is net[0] is a
    assert next(iter(net.state_dict())) == "hidden.weight"
    assert net.append(nn.ReLU())[2] is getattr(net, "2")


@pytest.mark.parametrize("kind", [lambda items: nn.Sequential(*items), nn.ModuleList])
def test_lists_behave_like_lists(kind):
    a, b, c, d = layers(4)
    net = kind([a, b])
    assert len(net) == 2
    assert list(net) == [a, b]
    assert net[0] is a
    assert net[-1] is b
    assert net.append(c) is net
    net.insert(0, d)
    assert list(net) == [d, a, b, c]
    assert names(net) == ["0", "1", "2", "3"]
    net[-1] = nn.ReLU()
    assert isinstance(net[3], nn.ReLU)
    del net[0]
    assert list(net)[:2] == [a, b]
    assert names(net) == ["0", "1", "2"]
    del net[1:]
    assert net.extend([c, d]) is net
    assert net.pop(1) is c
    assert list(net) == [a, d]
    net += kind([b])
    assert list(net) == [a, d, b]
    assert a in net
    assert c not in net


def test_adding_makes_a_new_list():
    a, b, c = layers(3)
    assert list(nn.Sequential(a) + nn.Sequential(b, c)) == [a, b, c]
    assert list(nn.ModuleList([a]) + [b]) == [a, b]  # noqa: RUF005
    with pytest.raises(ArgumentError, match=r"^Sequential: what is added must be a Sequential, got list$"):
        nn.Sequential(a) + [b]  # noqa: RUF005


def test_a_slice_of_a_sequential_keeps_names_and_shares_modules():
    torch = pytest.importorskip("torch").nn
    net = nn.Sequential(*layers(4))[1:3]
    theirs = torch.Sequential(*[torch.Linear(i + 1, i + 2) for i in range(4)])[1:3]
    assert list(net.state_dict()) == list(theirs.state_dict())
    net.append(nn.ReLU())
    assert names(net) == ["1", "2", "3"]  # PyTorch's would replace "2"


def test_a_slice_of_a_list_counts_anew():
    items = layers(4)
    part = nn.ModuleList(items)[1:3]
    assert type(part) is nn.ModuleList
    assert list(part) == items[1:3]
    assert names(part) == ["0", "1"]


def test_list_errors():
    net = nn.Sequential(nn.ReLU())
    with pytest.raises(DimensionError, match=r"^Sequential: index must be in a list of 1, got 1$"):
        net[1]
    with pytest.raises(DimensionError, match=r"^Sequential: index must be in a list of 1, got -2$"):
        del net[-2]
    with pytest.raises(DTypeError, match=r"^Sequential: '0' must be a Module, got function$"):
        nn.Sequential(lambda x: x)
    with pytest.raises(DTypeError, match=r"^ModuleList: items must be an iterable, got ReLU$"):
        nn.ModuleList(nn.ReLU())


def test_module_dict_behaves_like_a_dict():
    a, b, c = layers(3)
    net = nn.ModuleDict({"a": a})
    net["b"] = b
    net.update([("c", c)])
    assert list(net) == list(net.keys()) == ["a", "b", "c"]
    assert list(net.values()) == [a, b, c]
    assert dict(net.items())["b"] is net["b"] is net.b is b
    assert "a" in net
    assert len(net) == 3
    assert net.pop("a") is a
    del net["b"]
    assert list(net.state_dict()) == ["c.weight", "c.bias"]
    other = nn.ModuleDict(net)
    assert other["c"] is c
    net.clear()
    assert len(net) == 0
    assert len(other) == 1


def test_dict_errors():
    net = nn.ModuleDict({"a": nn.ReLU()})
    with pytest.raises(KeyError, match=r"ModuleDict: there is no 'b' among \['a'\]"):
        net["b"]
    with pytest.raises(
        ArgumentError, match=r"^ModuleDict: name must be none that ModuleDict has already, got 'keys'$"
    ):
        net["keys"] = nn.ReLU()
    with pytest.raises(DTypeError, match=r"^ModuleDict: 'c' must be a Module, got int$"):
        net["c"] = 3
    with pytest.raises(DTypeError, match=r"^ModuleDict: items must be a dict or pairs, got int$"):
        net.update(3)


def test_parameters_in_containers_are_learned():
    weights = nn.ParameterList([nn.Parameter(np.zeros(2)), Tensor(np.zeros(3))])
    net = nn.ModuleList([weights, nn.Identity()])
    assert [name for name, _ in net.named_parameters()] == ["0.0", "0.1"]
    assert isinstance(weights[1], nn.Parameter)
    assert len(weights[:1]) == 1
    table = nn.ParameterDict({"x": Tensor(np.zeros(1))})
    assert table["x"].requires_grad
    with pytest.raises(DTypeError, match=r"^ParameterDict: 'y' must be a Parameter, got Linear$"):
        table["y"] = nn.Linear(1, 1)
