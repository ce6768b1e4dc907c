"""param_groups: who gets which learning rate and whether it decays, by name."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.errors import ArgumentError, DTypeError


def network() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3)),
        nn.Linear(8, 8), nn.Linear(8, 2),
    )  # fmt: skip


def table(groups: list) -> list:
    return [([name for name, _ in g["params"]], g.get("lr"), g.get("weight_decay")) for g in groups]


def test_patterns_give_rates_and_the_first_counts():
    groups = optim.param_groups(network(), {"0.3": 1e-5, "0*": 1e-4, "2.bias": 3})
    assert table(groups) == [
        (["0.3.weight", "0.3.bias"], 1e-5, None),
        (["0.0.weight", "0.0.bias", "0.1.weight", "0.1.bias"], 1e-4, None),
        (["2.bias"], 3.0, None),
        (["1.weight", "1.bias", "2.weight"], None, None),
    ]


def test_biases_and_normalisations_do_not_decay():
    groups = optim.param_groups(network(), weight_decay=0.1)
    assert table(groups) == [
        (["0.0.weight", "0.3.weight", "1.weight", "2.weight"], None, 0.1),
        (["0.0.bias", "0.1.weight", "0.1.bias", "0.3.bias", "1.bias", "2.bias"], None, 0.0),
    ]


@pytest.mark.parametrize(
    ("no_decay", "spared"), [((), []), (("1", "*.3.bias"), ["0.3.bias", "1.weight", "1.bias"])]
)
def test_what_does_not_decay_can_be_chosen(no_decay, spared):
    groups = optim.param_groups(network(), weight_decay=0.1, no_decay=no_decay)
    assert [name for names, _, decay in table(groups) if decay == 0 for name in names] == spared
    assert sum(len(names) for names, _, _ in table(groups)) == 10


def test_an_optimizer_moves_each_at_its_own_rate():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = {name: p.numpy(force=True).copy() for name, p in net.named_parameters()}
    optimizer = optim.SGD(optim.param_groups(net, {"0": 0.5}, weight_decay=0.25), lr=0.125)
    for p in net.parameters():
        p.grad = minidl.ones_like(p)
    optimizer.step()
    for name, p in net.named_parameters():
        rate, decay = (0.5 if name[0] == "0" else 0.125), (0.25 if name.endswith("weight") else 0.0)
        want = before[name] - rate * (1 + decay * before[name])
        np.testing.assert_allclose(p.numpy(force=True), want, rtol=1e-6)


def test_what_is_frozen_waits_in_its_group():
    net = network().freeze("0")
    (group,) = optim.param_groups(net)
    assert len(group["params"]) == 10


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.param_groups(network(), {"classifier*": 1e-3}), ArgumentError,
         "param_groups: pattern must be the name of a parameter or module, or match one, got 'classifier\\*'; near it"),
        (lambda: optim.param_groups(network(), {"0": "fast"}), DTypeError, "param_groups: the rate of '0' must be"),
        (lambda: optim.param_groups(network(), no_decay=["0"]), ArgumentError,
         "param_groups: no_decay must be left out where weight_decay is"),
        (lambda: optim.param_groups(network(), {3: 0.1}), DTypeError, "every pattern must be a str, got int"),
    ],
)  # fmt: skip
def test_wrong_calls_are_answered_clearly(call, error, message):
    with pytest.raises(error, match=message):
        call()
