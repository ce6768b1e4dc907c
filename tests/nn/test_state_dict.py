"""state_dict and load_state_dict."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from minidl import nn
from minidl.errors import DTypeError, WeightsError
from minidl.tensor import Tensor


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def values(module: nn.Module) -> list:
    return [tensor.tolist() for tensor in module.state_dict().values()]


def test_names_and_shapes_are_pytorchs():
    torch = pytest.importorskip("torch").nn
    ours = nn.Sequential(
        nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4), nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)),
        nn.BatchNorm1d(2, affine=False), nn.BatchNorm1d(2, track_running_stats=False),
        nn.ModuleDict({"a": nn.Linear(1, 1)}), nn.ModuleList([nn.Linear(1, 2)]),
    )  # fmt: skip
    theirs = torch.Sequential(
        torch.Conv2d(3, 4, 3, groups=1), torch.BatchNorm2d(4),
        torch.Sequential(torch.Flatten(), torch.Linear(4, 2, bias=False)),
        torch.BatchNorm1d(2, affine=False), torch.BatchNorm1d(2, track_running_stats=False),
        torch.ModuleDict({"a": torch.Linear(1, 1)}), torch.ModuleList([torch.Linear(1, 2)]),
    )  # fmt: skip
    assert [(k, v.shape) for k, v in ours.state_dict(prefix="net.").items()] == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict(prefix="net.").items()
    ]


def test_a_round_trip_copies_into_the_same_arrays():
    a, b = net(), net()
    a(Tensor(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)))  # moves the statistics
    arrays = [tensor.array for tensor in b.state_dict().values()]
    result = b.load_state_dict(a.state_dict())
    assert result == ([], [])
    assert result.missing_keys == result.unexpected_keys == []
    assert values(a) == values(b)
    assert all(old is new.array for old, new in zip(arrays, b.state_dict().values(), strict=True))


def test_values_are_detached_and_share_memory_unless_vars_are_kept():
    module = nn.Linear(1, 1)
    state = module.state_dict()
    assert not state["weight"].requires_grad
    assert state["weight"].array is module.weight.array
    assert module.state_dict(keep_vars=True)["weight"] is module.weight


def test_destination_and_prefix():
    state = {"x": 1}
    assert nn.Linear(1, 1).state_dict(destination=state, prefix="a.") is state
    assert list(state) == ["x", "a.weight", "a.bias"]
    metadata = nn.Sequential(nn.ReLU()).state_dict(prefix="a.")._metadata
    assert list(metadata) == ["a", "a.0"]


def test_numpy_arrays_of_other_dtypes_are_converted():
    module = nn.Linear(2, 1)
    module.load_state_dict({"weight": np.array([[1, 2]]), "bias": np.array([0.5])})
    assert module.weight.tolist() == [[1.0, 2.0]]
    assert module.weight.dtype == np.float32


def test_tied_parameters_have_both_names():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    state = module.state_dict()
    assert list(state) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert state["0.weight"].array is state["1.weight"].array
    assert len(list(module.parameters())) == 3
    module.load_state_dict(state, assign=True)
    assert module[1].weight is module[0].weight


def test_the_one_error_lists_everything_and_nothing_is_loaded():
    module = net()
    before = copy.deepcopy(values(module))
    state = {name: np.zeros(t.shape) for name, t in module.state_dict().items()}
    del state["0.bias"], state["1.running_mean"]
    state |= {
        "3.weight": np.zeros((4, 2)),
        "1.weight": "text",
        "extra": np.zeros(1),
        "head.weight": np.zeros(1),
    }
    with pytest.raises(WeightsError) as raised:
        module.load_state_dict(state)
    assert str(raised.value) == (
        "load_state_dict: the state does not fit Sequential; nothing was loaded\n"
        "  missing: 0.bias, 1.running_mean\n"
        "  unexpected: extra, head.weight\n"
        "  wrong: 1.weight: shape must be (4,), got no array of numbers\n"
        "  wrong: 3.weight: shape must be (2, 4), got (4, 2)"
    )
    assert values(module) == before


def test_not_strict_skips_names_but_not_shapes():
    module = nn.Linear(2, 1)
    result = module.load_state_dict({"weight": np.ones((1, 2)), "x": np.ones(1)}, strict=False)
    assert result == (["bias"], ["x"])
    assert module.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(WeightsError) as raised:
        module.load_state_dict({"weight": np.ones((2, 1)), "x": np.ones(1)}, strict=False)
    assert str(raised.value).splitlines()[1:] == ["  wrong: weight: shape must be (1, 2), got (2, 1)"]


def test_only_a_dict_is_taken():
    with pytest.raises(DTypeError, match=r"^load_state_dict: state_dict must be a dict, got list$"):
        nn.Linear(1, 1).load_state_dict([1])


def test_assign_takes_over_the_arrays_and_keeps_the_parameters():
    module = nn.Linear(2, 1)
    weight = module.weight
    module(Tensor(np.ones((1, 2), np.float32))).sum().backward()
    state = {"weight": np.ones((1, 2)), "bias": np.asfortranarray(np.ones(1))}
    module.load_state_dict(state, assign=True)
    assert module.weight is weight
    assert weight.array is state["weight"]
    assert weight.dtype == np.float64
    assert weight.requires_grad
    assert weight.grad is None
    read_only = np.zeros((1, 2))
    read_only.flags.writeable = False
    module.load_state_dict({"weight": read_only, "bias": np.zeros(1)}, assign=True)
    assert module.weight.array.flags.writeable


def test_loading_is_noticed_by_a_graph_that_needs_the_old_values():
    module = nn.Linear(2, 2)
    x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    loss = module(x).sum()
    module.load_state_dict(module.state_dict())
    with pytest.raises(RuntimeError, match="changed in place by load_state_dict"):
        loss.backward()


def test_a_batch_norm_from_before_num_batches_tracked_loads():
    module = nn.BatchNorm1d(2)
    old = {"weight": np.ones(2), "bias": np.ones(2), "running_mean": np.ones(2), "running_var": np.ones(2)}
    assert module.load_state_dict(old) == ([], [])
    new = module.state_dict()
    del new["num_batches_tracked"]
    with pytest.raises(WeightsError, match="missing: num_batches_tracked"):
        module.load_state_dict(new)


class TestFrozen:
    def test_is_described_in_the_metadata_and_not_among_the_names(self):
        module = net().freeze("0.weight", "1")
        state = module.state_dict()
        assert list(state) == list(net().state_dict())
        assert state._metadata == {
            "": {"version": 1, "frozen": []},
            "0": {"version": 1, "frozen": ["weight"]},
            "1": {"version": 2, "frozen": ["", "weight", "bias"]},
            "2": {"version": 1, "frozen": []},
            "3": {"version": 1, "frozen": []},
        }

    @pytest.mark.parametrize(
        "carry",
        [lambda s: s, copy.copy, copy.deepcopy, lambda s: s.copy(), lambda s: pickle.loads(pickle.dumps(s))],
        ids=["itself", "copy.copy", "deepcopy", ".copy()", "pickle"],
    )
    def test_is_restored(self, carry):
        module = net().freeze("0", "1")
        loaded = net().freeze("3")
        loaded.load_state_dict(carry(module.state_dict()))
        assert [p.requires_grad for p in loaded.parameters()] == [False] * 4 + [True] * 2
        assert loaded[1].is_frozen
        assert not loaded[3].is_frozen
        assert loaded.unfreeze()[0].weight.requires_grad

    def test_stays_as_it_is_where_the_dict_says_nothing(self):
        module = net().freeze("0")
        plain = OrderedDict(net().state_dict())
        module.load_state_dict(plain)
        assert module[0].is_frozen
        plain._metadata = {"": {"version": 1}, "0": {"version": 1}}  # PyTorch's
        module.load_state_dict(plain, strict=False)
        assert module[0].is_frozen
