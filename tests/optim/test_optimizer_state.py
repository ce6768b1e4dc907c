"""Saving an optimizer and going on from there."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from stepping import MAKERS, parameter, parameters, steps

from minidl.optim import SGD, Adam
from minidl.tensor import Tensor


@pytest.mark.parametrize("make", MAKERS)
def test_a_resumed_run_is_bit_equal(make: Any) -> None:
    straight = parameters()
    steps(make([{"params": straight[:1], "lr": 0.03}, {"params": straight[1:]}]), 0, 20)

    params = parameters()
    optimizer = make([{"params": params[:1]}, {"params": params[1:]}])
    optimizer.param_groups[0]["lr"] = 0.03
    steps(optimizer, 0, 10)
    saved = pickle.loads(pickle.dumps(optimizer.state_dict()))

    resumed = [Tensor(p.array.copy(), requires_grad=True) for p in params]
    optimizer = make([{"params": resumed[:1]}, {"params": resumed[1:]}])
    optimizer.load_state_dict(saved)
    steps(optimizer, 10, 20)
    for p, expected in zip(resumed, straight, strict=True):
        assert (p.array == expected.array).all()


def test_state_dict_has_pytorchs_structure() -> None:
    a, b, c = parameters()
    optimizer = Adam([{"params": [a], "lr": 0.5}, {"params": [b, c]}])
    steps(optimizer, 0, 2)
    saved = optimizer.state_dict()
    assert saved.keys() == {"state", "param_groups"}
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1, 2]]
    assert [group["lr"] for group in saved["param_groups"]] == [0.5, 1e-3]
    assert list(saved["state"]) == [0, 1, 2]
    assert saved["state"][0].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert saved["state"][0]["step"] == 2
    assert saved["state"][0]["exp_avg"].shape == (4, 3)
    assert optimizer.param_groups[0]["params"] == [a]


def test_pytorchs_state_resumes_here() -> None:
    torch = pytest.importorskip("torch")
    start, gs = np.linspace(-1, 1, 6), np.random.default_rng(0).standard_normal((20, 6))
    theirs = torch.tensor(start, requires_grad=True)
    peer = torch.optim.Adam([theirs], amsgrad=True, foreach=False)

    def step_peer(g: np.ndarray) -> None:
        theirs.grad = torch.tensor(g)
        peer.step()

    for g in gs[:10]:
        step_peer(g)
    saved = peer.state_dict()
    saved["state"][0] = {name: Tensor(value.numpy().copy()) for name, value in saved["state"][0].items()}
    p = Tensor(theirs.detach().numpy().copy(), requires_grad=True)
    optimizer = Adam([p])
    optimizer.load_state_dict(saved)
    for g in gs[10:]:
        step_peer(g)
        p.grad = Tensor(g)
        optimizer.step()
    np.testing.assert_allclose(p.array, theirs.detach().numpy(), rtol=0, atol=1e-14)


def test_pytorchs_sgd_may_save_an_absent_buffer() -> None:
    p = parameter(2)
    optimizer = SGD([p], lr=1.0, momentum=0.9, dampening=0.5)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": {0: {"momentum_buffer": None}}})
    steps(optimizer, 0, 1)
    assert (optimizer.state[p]["momentum_buffer"].array == p.grad.array).all()


def test_loaded_state_is_a_copy_in_the_parameters_dtype() -> None:
    p = parameter(2)
    source = Adam([p])
    steps(source, 0, 1)
    q = Tensor(np.ones(2), requires_grad=True)
    target = Adam([q])
    target.load_state_dict(source.state_dict())
    before = target.state[q]["exp_avg"].array.copy()
    assert before.dtype == np.float64
    assert (before == source.state[p]["exp_avg"].array).all()
    steps(source, 1, 2)
    assert (target.state[q]["exp_avg"].array == before).all()
    assert target.state[q]["step"] == 1


def test_options_beyond_the_defaults_survive() -> None:
    optimizer = SGD([parameter(2)])
    saved = optimizer.state_dict()
    saved["param_groups"][0]["initial_lr"] = 0.5
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["initial_lr"] == 0.5


def test_an_optimizer_is_copied_with_its_parameters() -> None:
    p = parameter(2)
    optimizer = Adam([p])
    steps(optimizer, 0, 1)
    q, other = copy.deepcopy((p, optimizer))
    assert other.param_groups[0]["params"] == [q]
    steps(other, 1, 2)
    assert (optimizer.state[p]["step"], other.state[q]["step"]) == (1, 2)
