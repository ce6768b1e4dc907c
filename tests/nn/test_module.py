"""Module: what it registers, how its tree is walked, and what is done to the whole of it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from minidl import nn
from minidl.errors import ArgumentError, DTypeError, GradError
from minidl.tensor import Tensor


class Net(nn.Module):
    """A net with everything: its own parameter and buffers, a tied weight, a nested container."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.scale = nn.Parameter(np.ones(3, np.float32))
        self.register_buffer("offset", Tensor(np.zeros(3, np.float32)))
        self.register_buffer("cache", Tensor(np.zeros(2, np.float32)), persistent=False)
        self.block = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3, bias=False))
        self.block[2].weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.first(x)) * self.scale + self.offset


def torch_net(torch):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(3, 3)
            self.scale = torch.nn.Parameter(torch.ones(3))
            self.register_buffer("offset", torch.zeros(3))
            self.register_buffer("cache", torch.zeros(2), persistent=False)
            block = torch.nn.BatchNorm1d(3), torch.nn.ReLU(), torch.nn.Linear(3, 3, bias=False)
            self.block = torch.nn.Sequential(*block)
            self.block[2].weight = self.first.weight

    return Net()


def random(*shape: int, dtype: type = np.float32) -> Tensor:
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))


@pytest.mark.parametrize("remove_duplicate", [True, False])
@pytest.mark.parametrize("walk", ["named_parameters", "named_buffers", "named_modules"])
def test_walks_give_pytorchs_names_in_pytorchs_order(walk, remove_duplicate):
    torch = pytest.importorskip("torch")
    ours, theirs = (
        [name for name, _ in getattr(net, walk)(prefix="net", remove_duplicate=remove_duplicate)]
        for net in (Net(), torch_net(torch))
    )
    assert ours == theirs


def test_walks_without_names_give_each_thing_once():
    net = Net()
    assert [p.shape for p in net.parameters()] == [(3,), (3, 3), (3,), (3,), (3,)]
    assert [type(m).__name__ for m in net.modules()] == [
        "Net", "Linear", "Sequential", "BatchNorm1d", "ReLU", "Linear",
    ]  # fmt: skip
    assert [name for name, _ in net.named_children()] == ["first", "block"]
    assert list(net.children()) == [net.first, net.block]
    assert len(list(net.buffers())) == 5
    assert list(net.parameters(recurse=False)) == [net.scale]
    assert [b is net.offset or b is net.cache for b in net.buffers(recurse=False)] == [True, True]


def test_a_module_in_two_places_is_one_child():
    shared = nn.ReLU()
    net = nn.Sequential(shared, shared)
    assert len(net) == 2
    assert list(net.children()) == [shared]
    assert len(list(net.named_modules())) == 2


def test_assigning_registers_and_deleting_unregisters():
    net = nn.Module()
    net.a = nn.Parameter(np.zeros(2))
    net.b = nn.Linear(1, 1)
    net.register_buffer("c", Tensor(np.zeros(2)))
    net.c = Tensor(np.ones(3))
    assert [name for name, _ in net.named_buffers()] == ["c"]
    assert list(net.state_dict()) == ["a", "c", "b.weight", "b.bias"]
    del net.a, net.b, net.c
    assert list(net.state_dict()) == []
    net.c = Tensor(np.ones(3))
    assert list(net.named_buffers()) == []


def test_what_replaces_a_registered_thing_takes_its_place_or_is_an_error():
    net = nn.Linear(2, 2)
    net.bias = None
    assert [name for name, _ in net.named_parameters()] == ["weight"]
    net.bias = nn.Parameter(np.zeros(2))
    assert [name for name, _ in net.named_parameters()] == ["weight", "bias"]
    with pytest.raises(DTypeError, match=r"^Linear: 'weight' must be a Parameter or None, got Tensor$"):
        net.weight = Tensor(np.zeros((2, 2)))
    net = nn.Sequential(nn.ReLU())
    with pytest.raises(DTypeError, match=r"^Sequential: '0' must be a Module or None, got int$"):
        setattr(net, "0", 3)
    net = nn.BatchNorm1d(2)
    with pytest.raises(
        DTypeError, match=r"^BatchNorm1d: 'running_mean' must be a Tensor or None, got ndarray$"
    ):
        net.running_mean = np.zeros(2)
    net.running_mean = nn.Parameter(np.zeros(2))  # a buffer no longer
    assert "running_mean" in dict(net.named_parameters())
    assert "running_mean" not in dict(net.named_buffers())


@pytest.mark.parametrize(
    ("value", "what"), [(nn.Parameter(np.zeros(1)), "parameters"), (nn.ReLU(), "modules")]
)
def test_assigning_before_init_says_so(value, what):
    class Early(nn.Module):
        def __init__(self):
            self.x = value

    with pytest.raises(
        AttributeError, match=rf"^Early: cannot assign {what} before Module.__init__\(\) call$"
    ):
        Early()


def test_registering_a_buffer_before_init_says_so():
    class Early(nn.Module):
        def __init__(self):
            self.register_buffer("x", None)

    with pytest.raises(
        AttributeError, match=r"^Early: cannot assign buffers before Module.__init__\(\) call$"
    ):
        Early()


@pytest.mark.parametrize("method", ["register_parameter", "register_buffer", "add_module"])
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (3, DTypeError, "name must be a str, got int"),
        ("", ArgumentError, "name must be without dots and not empty, got ''"),
        ("a.b", ArgumentError, "name must be without dots and not empty, got 'a.b'"),
        ("forward", ArgumentError, "name must be none that Module has already, got 'forward'"),
    ],
)
def test_registering_under_an_impossible_name(method, name, error, message):
    with pytest.raises(error) as raised:
        getattr(nn.Module(), method)(name, None)
    assert str(raised.value) == f"{method}: {message}"


def test_registering_the_wrong_kind():
    net = nn.Module()
    with pytest.raises(DTypeError, match=r"^Module: 'a' must be a Parameter or None, got Tensor$"):
        net.register_parameter("a", Tensor(np.zeros(1)))
    with pytest.raises(DTypeError, match=r"^Module: 'a' must be a Module or None, got int$"):
        net.add_module("a", 3)
    with pytest.raises(DTypeError, match=r"^Module: 'a' must be a Tensor or None, got ndarray$"):
        net.register_buffer("a", np.zeros(1))
    with pytest.raises(
        DTypeError, match=r"^register_buffer: tensor must be a Tensor that is no Parameter, got Par"
    ):
        net.register_buffer("a", nn.Parameter(np.zeros(1)))


def test_a_missing_attribute_is_an_error_that_names_the_class():
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        nn.Linear(1, 1).wieght  # noqa: B018


def test_dir_lists_what_can_be_typed():
    assert {"weight", "forward"} <= set(dir(nn.Linear(1, 1)))
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


def test_getting_parts_by_their_dotted_names():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("block.0") is net.block[0]
    assert net.get_parameter("block.0.weight") is net.block[0].weight
    assert net.get_buffer("block.0.running_var") is net.block[0].running_var
    assert net.get_buffer("cache") is net.cache
    with pytest.raises(
        AttributeError, match=r"^get_submodule: Net has no Module 'block.3'; near it: 'block.2'"
    ):
        net.get_submodule("block.3")
    with pytest.raises(
        AttributeError, match=r"^get_parameter: Net has no Parameter 'first.wait'; near it: 'first.w"
    ):
        net.get_parameter("first.wait")
    with pytest.raises(AttributeError, match=r"^get_buffer: Net has no buffer 'scale'; near it:"):
        net.get_buffer("scale")


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    with pytest.raises(DTypeError, match=r"^train: mode must be a bool, got int$"):
        net.train(0)


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "BatchNorm1d", "ReLU", "Linear", "Sequential", "Net"]


def test_zero_grad():
    net = nn.Linear(2, 1)
    net(random(3, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.tolist() == [[0.0, 0.0]]
    net.zero_grad()
    assert net.weight.grad is None


def test_requires_grad_():
    net = Net().requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(random(2, 3)).requires_grad
    assert all(p.requires_grad for p in net.requires_grad_().parameters())


def test_conversion_keeps_the_tensors_and_leaves_integers():
    net = Net()
    net(random(4, 3)).sum().backward()
    weight, mean = net.first.weight, net.block[0].running_mean
    assert net.double() is net
    assert net.first.weight is weight is net.block[2].weight
    assert {p.dtype.name for p in net.parameters()} == {"float64"}
    assert weight.grad.dtype == np.float64
    assert net.block[0].running_mean is mean
    assert mean.dtype == np.float64
    assert net.block[0].num_batches_tracked.dtype == np.int64
    assert net(random(2, 3, dtype=np.float64)).dtype == np.float64
    assert net.to("float32").scale.dtype == net.to("cpu", np.float32).scale.dtype == np.float32
    assert net.to(random(1, dtype=np.float64)).scale.dtype == np.float64
    assert net.to(device="cpu", dtype=np.float32).scale.dtype == np.float32
    assert net.half().scale.dtype == np.float16
    assert net.float().scale.dtype == np.float32


def test_conversion_errors():
    with pytest.raises(DTypeError, match=r"^to: dtype must be a floating dtype, got int64$"):
        nn.ReLU().to(np.int64)
    with pytest.raises(ArgumentError, match=r"^to: device must be 'cpu', got 'cuda'$"):
        nn.ReLU().to("cuda")


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"]
)
def test_copies_are_whole_and_their_own(duplicate):
    net = Net().eval()
    x = random(2, 3)
    net.first.freeze()
    twin = duplicate(net)
    assert twin(x).tolist() == net(x).tolist()
    assert twin.first.weight is twin.block[2].weight  # still tied
    assert list(twin.state_dict()) == list(net.state_dict())
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in net.parameters()]
    assert [p.is_frozen for p in twin.parameters()] == [p.is_frozen for p in net.parameters()]
    assert not twin.training
    assert twin.block[0].num_batches_tracked.shape == ()
    twin.scale.array[:] = 7
    assert net.scale.tolist() == [1.0, 1.0, 1.0]


def test_a_module_without_forward_cannot_be_called():
    with pytest.raises(
        NotImplementedError, match=r"^ModuleList: a module that is called must define forward$"
    ):
        nn.ModuleList()(1)


class TestParameter:
    def test_is_a_leaf_in_c_order(self):
        source = Tensor(np.asfortranarray(np.ones((2, 3), np.float32)))
        parameter = nn.Parameter(source)
        assert parameter.requires_grad
        assert parameter.is_leaf
        assert parameter.array.flags.c_contiguous
        assert nn.Parameter(np.array(2.0)).shape == ()

    def test_shares_memory_that_is_in_c_order(self):
        source = Tensor(np.ones(2))
        assert nn.Parameter(source).array is source.array

    def test_without_data_is_empty(self):
        assert nn.Parameter().shape == (0,)

    def test_says_what_it_is(self):
        assert repr(nn.Parameter(np.ones(2, np.float32))) == "Parameter([1., 1.], requires_grad=True)"

    def test_takes_arrays_of_floats(self):
        with pytest.raises(
            DTypeError, match=r"^Parameter: data must be a Tensor or a NumPy array, got list$"
        ):
            nn.Parameter([1.0])
        with pytest.raises(DTypeError, match="requires_grad_: the tensor must be of floats"):
            nn.Parameter(np.array([1, 2]))
        assert not nn.Parameter(np.array([1, 2]), requires_grad=False).requires_grad

    def test_a_result_is_a_plain_tensor(self):
        assert type(nn.Parameter(np.ones(2)) * 2) is Tensor

    def test_frozen_it_cannot_require_a_gradient(self):
        parameter = nn.Parameter(np.ones(2))
        parameter.freeze()
        with pytest.raises(GradError, match=r"^requires_grad_: the parameter is frozen; unfreeze it first$"):
            parameter.requires_grad = True
