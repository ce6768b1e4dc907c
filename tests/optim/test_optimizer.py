"""What all optimizers share: groups, steps in place, and frozen parameters."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from stepping import MAKERS, parameter, parameters, steps

import minidl.kernels
from minidl.errors import GradError, KernelError
from minidl.grad_mode import is_grad_enabled, no_grad
from minidl.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from minidl.tensor import Tensor

# --- Groups ---------------------------------------------------------------------------------------------------


def test_parameters_come_as_an_iterable_as_pairs_or_as_groups() -> None:
    a, b, c = parameters()
    plain = SGD(p for p in (a, b))
    assert [group["params"] for group in plain.param_groups] == [[a, b]]
    named = SGD([("a", a), ("b", b)])
    assert named.param_groups[0]["params"] == [a, b]
    assert named.param_groups[0]["param_names"] == ["a", "b"]
    grouped = Adam([{"params": a, "lr": 0.5}, {"params": [b], "name": "head"}], lr=0.25)
    grouped.add_param_group({"params": [c], "betas": (0.5, 0.5)})
    assert [group["params"] for group in grouped.param_groups] == [[a], [b], [c]]
    assert [group["lr"] for group in grouped.param_groups] == [0.5, 0.25, 0.25]
    assert [group["betas"] for group in grouped.param_groups] == [(0.9, 0.999), (0.9, 0.999), (0.5, 0.5)]
    assert grouped.param_groups[1]["name"] == "head"


def test_a_group_given_by_the_user_is_not_changed() -> None:
    group = {"params": parameter(2)}
    SGD([group])
    assert group.keys() == {"params"}


def test_an_option_changed_in_its_group_holds_from_the_next_step() -> None:
    a, b = parameter(2), parameter(2)
    optimizer = SGD([{"params": [a]}, {"params": [b]}], lr=1.0)
    optimizer.param_groups[1]["lr"] = np.float64(0.25)
    a.grad, b.grad = Tensor(np.ones(2, np.float32)), Tensor(np.ones(2, np.float32))
    optimizer.step()
    assert a.tolist() == [0.0, 0.0]
    assert b.tolist() == [0.75, 0.75]


def test_repr_shows_the_options() -> None:
    assert repr(SGD([parameter(2)], lr=0.5)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.5\n    maximize: False\n    momentum: 0\n"
        "    nesterov: False\n    weight_decay: 0\n)"
    )


def test_arguments_that_choose_among_pytorchs_implementations_are_accepted() -> None:
    SGD([parameter(2)], foreach=True, fused=False, differentiable=False)
    AdamW([parameter(2)], fused=True, capturable=True)
    RMSprop([parameter(2)], foreach=None, capturable=False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'learning_rate'"):
        Adam([parameter(2)], learning_rate=0.1)
    with pytest.raises(
        GradError, match="Adam: differentiable must be False, because a step is never recorded"
    ):
        Adam([parameter(2)], differentiable=True)


# --- Stepping -------------------------------------------------------------------------------------------------


def test_zero_grad() -> None:
    p, without = parameter(2), parameter(2)
    optimizer = SGD([p, without])
    p.grad = Tensor(np.ones(2, np.float32))
    memory = p.grad.array
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    assert p.grad.array is memory
    assert without.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_zero_grad_is_a_write_that_backward_notices() -> None:
    p = parameter(2)
    p.grad = Tensor(np.ones_like(p.array))
    loss = (p * p.grad).sum()
    SGD([p]).zero_grad(set_to_none=False)
    with pytest.raises(GradError, match="mul needs argument 2, which was changed in place by zero_grad"):
        loss.backward()


def test_zero_grad_detaches_a_gradient_that_has_a_graph() -> None:
    p = parameter(2)
    p.grad = parameter(2) * p
    SGD([p]).zero_grad(set_to_none=False)
    assert not p.grad.requires_grad


@pytest.mark.parametrize("make", MAKERS)
def test_parameters_change_in_place_and_without_a_graph(make: Any) -> None:
    p = parameter(3)
    array, before = p.array, p.array.copy()
    steps(make([p]), 0, 1)
    assert p.array is array
    assert p.is_leaf
    assert (p.array != before).all()


@pytest.mark.parametrize("make", MAKERS)
def test_a_graph_that_needs_the_old_values_says_so(make: Any) -> None:
    p = parameter(3)
    optimizer = make([p])
    y = p * p
    steps(optimizer, 0, 1)
    with pytest.raises(GradError, match=f"{type(optimizer).__name__}.step"):
        y.backward(Tensor(np.ones(3, np.float32)))


@pytest.mark.parametrize("make", MAKERS)
def test_parameters_in_any_memory_order(make: Any) -> None:
    start = np.arange(12, dtype=np.float32).reshape(3, 4)
    results = []
    for array in (start.copy(), np.asfortranarray(start), np.zeros((3, 8), np.float32)[:, ::2]):
        array[...] = start
        p = Tensor(array, requires_grad=True)
        optimizer = make([p])
        steps(optimizer, 0, 3)
        results.append(p.array)
        for value in optimizer.state[p].values():
            assert not isinstance(value, Tensor) or value.array.flags.c_contiguous
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-6)


def test_the_closure_is_recorded_and_its_loss_returned() -> None:
    p = parameter(2)
    optimizer = SGD([p], lr=1.0)

    def closure() -> Any:
        assert is_grad_enabled()
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert p.tolist() == [-1.0, -1.0]
    assert optimizer.step() is None


@pytest.mark.parametrize("make", MAKERS)
def test_frozen_parameters_and_their_state_stay_until_unfrozen(make: Any) -> None:
    """Two updates around a time of freezing are two updates in a row: the pause leaves no trace."""
    p, q = parameter(3), parameter(3)
    optimizer, uninterrupted = make([p, parameter(2)]), make([q])
    steps(uninterrupted, 0, 2)
    steps(optimizer, 0, 1)
    values, state = p.array.copy(), copy.deepcopy(optimizer.state_dict()["state"][0])
    p.requires_grad_(False)
    optimizer.step()
    optimizer.step()
    assert (p.array == values).all()
    now = optimizer.state_dict()["state"][0]
    assert all(np.array_equal(now[name].array, v.array) for name, v in state.items() if isinstance(v, Tensor))
    assert now.get("step") == state.get("step")
    optimizer.zero_grad()  # else the gradient from before the pause would still be there
    p.requires_grad_()
    optimizer.step()  # unfrozen, but without a gradient so far
    assert (p.array == values).all()
    rng = np.random.default_rng(1)
    p.grad = Tensor(rng.standard_normal(3).astype(np.float32))
    optimizer.step()
    assert (p.array == q.array).all()


@pytest.mark.parametrize("make", MAKERS)
def test_state_appears_when_first_needed(make: Any) -> None:
    frozen, p = Tensor(np.ones(3, np.float32)), parameter(3)
    optimizer = make([frozen, p])
    assert not optimizer.state
    p.grad = Tensor(np.ones(3, np.float32))
    optimizer.step()
    assert list(optimizer.state) == [p]
    assert list(optimizer.state_dict()["state"]) == [1]
    frozen.requires_grad_()
    frozen.grad = Tensor(np.ones(3, np.float32))
    optimizer.step()
    assert frozen in optimizer.state


def test_sgd_without_momentum_has_no_state() -> None:
    optimizer = SGD([parameter(3)])
    steps(optimizer, 0, 2)
    assert optimizer.state_dict()["state"] == {}


def test_options_that_need_state_can_be_switched_on_later() -> None:
    p = parameter(3)
    adam, sgd = Adam([p]), SGD([p], lr=0.5)
    steps(adam, 0, 1)
    adam.param_groups[0]["amsgrad"] = True
    steps(adam, 1, 2)
    assert (adam.state[p]["max_exp_avg_sq"].array == adam.state[p]["exp_avg_sq"].array).all()
    sgd.param_groups[0]["momentum"] = 0.9
    steps(sgd, 0, 1)
    assert (sgd.state[p]["momentum_buffer"].array == p.grad.array).all()


def test_infinities_make_no_noise() -> None:
    p = Tensor(np.ones((2, 2), np.float32)[:, :1], requires_grad=True)  # strided: the reference computes
    p.grad = Tensor(np.array([[np.inf], [3e38]], np.float32))
    Adam([p]).step()
    assert np.isnan(p.array[0, 0])


@pytest.mark.parametrize("make", MAKERS)
def test_a_forced_kernel_is_the_one_that_runs(make: Any) -> None:
    strided = Tensor(np.ones((2, 2), np.float32)[:, :1], requires_grad=True)
    kernel = type(make([strided])).__name__.lower().removesuffix("w")
    with (
        minidl.kernels.use(**{kernel: "fused"}),
        pytest.raises(KernelError, match=f"{kernel}: kernel 'fused' is forced"),
    ):
        steps(make([strided]), 0, 1)


def test_an_optimizer_without_update_says_what_is_missing() -> None:
    p = parameter(2)
    p.grad = Tensor(np.ones(2, np.float32))
    with pytest.raises(
        NotImplementedError, match=r"Optimizer must define update\(p, g, group\), or step\(closure\)"
    ):
        Optimizer([p], {}).step()
