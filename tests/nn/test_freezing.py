"""freeze and unfreeze: what a pattern means, and that what is frozen does not change by a bit."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, GradError
from minidl.optim import SGD, Adam
from minidl.tensor import Tensor


def net() -> nn.Sequential:
    features = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4))
    return nn.Sequential(features, nn.Linear(4, 2))


def frozen(module: nn.Module) -> list[str]:
    return [name for name, p in module.named_parameters() if p.is_frozen]


def batch(seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).standard_normal((6, 3)).astype(np.float32))


def state(module: nn.Module) -> dict[str, bytes]:
    return {name: tensor.array.tobytes() for name, tensor in module.state_dict().items()}


def train(module: nn.Module, optimizer: object, steps: int = 3) -> None:
    for seed in range(steps):
        optimizer.zero_grad()
        (module(batch(seed)) ** 2).mean().backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (
            (),
            [
                "0.0.weight",
                "0.0.bias",
                "0.1.weight",
                "0.1.bias",
                "0.3.weight",
                "0.3.bias",
                "1.weight",
                "1.bias",
            ],
        ),
        (("0.0",), ["0.0.weight", "0.0.bias"]),
        (("0",), ["0.0.weight", "0.0.bias", "0.1.weight", "0.1.bias", "0.3.weight", "0.3.bias"]),
        (("1.weight",), ["1.weight"]),
        (("*.bias",), ["0.0.bias", "0.1.bias", "0.3.bias", "1.bias"]),
        (("0.[03]",), ["0.0.weight", "0.0.bias", "0.3.weight", "0.3.bias"]),
        (("0.?.weight", "1"), ["0.0.weight", "0.1.weight", "0.3.weight", "1.weight", "1.bias"]),
    ],
)
def test_what_patterns_match(patterns, expected):
    module = net()
    assert module.freeze(*patterns) is module
    assert frozen(module) == expected
    assert [name for name, p in module.named_parameters() if not p.requires_grad] == expected
    assert frozen(module.freeze(*patterns)) == expected  # once more changes nothing
    assert module.unfreeze(*patterns) is module
    assert frozen(module.unfreeze(*patterns)) == []
    assert all(p.requires_grad for p in module.parameters())


def test_a_modules_name_is_no_prefix_of_another():
    module = nn.Sequential(*[nn.Linear(1, 1, bias=False) for _ in range(11)])
    assert frozen(module.freeze("1")) == ["1.weight"]


def test_calls_can_be_chained():
    module = net().freeze().unfreeze("1", "0.3.bias")
    assert [name for name, p in module.named_parameters() if p.requires_grad] == [
        "0.3.bias",
        "1.weight",
        "1.bias",
    ]


@pytest.mark.parametrize("method", ["freeze", "unfreeze"])
def test_a_pattern_that_matches_nothing_is_an_error_and_nothing_happens(method):
    module = net().freeze("1")
    with pytest.raises(ArgumentError) as raised:
        getattr(module, method)("*", "0.3.wieght")
    assert str(raised.value) == (
        f"{method}: pattern must be the name of a parameter or module, or match one, got '0.3.wieght'; "
        "near it: '0.3.weight', '0.1.weight', '0.0.weight'"
    )
    assert frozen(module) == ["1.weight", "1.bias"]
    with pytest.raises(DTypeError, match=rf"^{method}: every pattern must be a str, got Linear$"):
        getattr(module, method)(module[1])


def test_buffers_cannot_be_frozen_by_name():
    with pytest.raises(ArgumentError, match=r"got 'running_mean'"):
        nn.BatchNorm1d(2).freeze("running_mean")


def test_frozen_parameters_have_no_gradient_and_no_graph():
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    module(batch()).sum().backward()
    assert module[0].weight.grad is not None
    module.freeze("0")
    assert module[0].weight.grad is None  # the old one is dropped
    assert not module[0](batch()).requires_grad
    module(batch()).sum().backward()
    assert module[0].weight.grad is None
    assert module[2].weight.grad is not None


def test_a_gradient_that_comes_late_or_is_assigned_does_not_move_a_frozen_parameter():
    layer = nn.Linear(3, 2)
    loss = layer(batch()).sum()
    layer.freeze()
    loss.backward()
    assert layer.weight.grad is None
    with pytest.raises(GradError, match="grad: the parameter is frozen; unfreeze it first"):
        layer.weight.grad = minidl.ones(2, 3)
    layer.weight.grad = None
    layer.unfreeze()
    layer.weight.grad = minidl.ones(2, 3)
    assert layer.weight.grad.tolist() == [[1.0] * 3] * 2


def test_a_frozen_layer_passes_gradients_through():
    module = nn.Linear(3, 2).freeze()
    x = Tensor(np.ones((1, 3), np.float32), requires_grad=True)
    module(x).sum().backward()
    np.testing.assert_allclose(x.grad.array[0], module.weight.array.sum(0), rtol=1e-6)


@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p, lr=0.1)])
def test_what_is_frozen_is_bit_identical_after_training_momentum_included(make):
    module = net()
    optimizer = make(module.parameters())
    train(module, optimizer)  # builds up momentum
    module.freeze("0")
    before = state(module)
    train(module.train(), optimizer)
    after = state(module)
    assert {name for name in before if before[name] != after[name]} == {"1.weight", "1.bias"}
    module.unfreeze()
    train(module, optimizer)
    final = state(module)
    moved = {name for name in after if after[name] != final[name]}
    assert moved >= set(after) - {"0.0.bias"}  # a bias before a BatchNorm has no effect


class TestBatchNorm:
    def moves(self, module: nn.Module) -> bool:
        before = state(module)
        module.train()(batch())
        after = state(module)
        moved = {name for name in before if before[name] != after[name]}
        assert moved in (set(), {"running_mean", "running_var", "num_batches_tracked"})
        return bool(moved)

    @pytest.mark.parametrize("patterns", [(), ("*",), ("",), ("weight", "bias"), ("[wb]*",)])
    def test_frozen_as_a_whole_keeps_its_statistics(self, patterns):
        module = nn.BatchNorm1d(3)
        assert self.moves(module)
        module.freeze(*patterns)
        assert module.is_frozen
        assert not self.moves(module)
        module.unfreeze(*patterns)
        assert not module.is_frozen
        assert self.moves(module)

    def test_frozen_computes_as_in_evaluation_whatever_train_says(self):
        module = nn.BatchNorm1d(3)
        module(batch(1))
        expected = module.eval()(batch()).tolist()
        assert module.train().freeze()(batch()).tolist() == expected
        assert module.train()(batch()).tolist() == expected

    def test_requires_grad_false_alone_leaves_the_statistics_moving(self):
        module = nn.BatchNorm1d(3).requires_grad_(False)
        assert not module.is_frozen
        assert self.moves(module)

    def test_frozen_in_part_moves(self):
        assert self.moves(nn.BatchNorm1d(3).freeze("weight"))

    def test_without_parameters_is_frozen_by_the_modules_name(self):
        module = nn.BatchNorm1d(3, affine=False)
        assert not self.moves(module.freeze())
        assert self.moves(module.unfreeze())
        outer = nn.Sequential(module).freeze("0")
        assert not self.moves(module)
        outer.unfreeze("0")
        assert self.moves(module)

    def test_unfreezing_one_parameter_frees_the_statistics(self):
        module = nn.BatchNorm1d(3).freeze()
        module.unfreeze("weight")
        assert self.moves(module)
        assert module.weight.requires_grad
        assert not module.bias.requires_grad

    def test_unfrozen_below_a_frozen_parent(self):
        module = net().freeze()
        module[0][1].unfreeze()
        assert not module[0][1].is_frozen
        assert module[0][0].is_frozen


def test_unfreezing_restores_what_was():
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    module.freeze().freeze().unfreeze()
    assert module.weight.requires_grad
    assert not module.bias.requires_grad


def test_unfreezing_leaves_alone_what_is_not_frozen():
    module = nn.Linear(2, 2).requires_grad_(False)
    assert not module.unfreeze().weight.requires_grad


def test_frozen_is_not_undone_by_requires_grad_():
    module = nn.Linear(2, 2).freeze()
    with pytest.raises(GradError, match="the parameter is frozen"):
        module.requires_grad_()
    module.requires_grad_(False)
    assert module.unfreeze().weight.requires_grad


def test_a_tied_parameter_is_frozen_under_either_name():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    module.freeze("1.weight")
    assert module[0].weight.is_frozen
    module.unfreeze("0.weight")
    assert not module[1].weight.is_frozen
