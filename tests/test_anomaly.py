"""``detect_anomaly``: which operation is named, and whose line."""

from __future__ import annotations

import inspect
import threading

import numpy as np
import pytest

import minidl
from minidl.errors import AnomalyError
from minidl.tape import Op


def here(offset: int) -> int:
    """The number of the caller's line, moved by ``offset``."""
    return inspect.currentframe().f_back.f_lineno + offset


def test_the_first_bad_forward_is_named_with_the_users_line() -> None:
    x, line = minidl.tensor([[1.0, 2.0], [3.0, -4.0]]), here(2)
    with minidl.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        x.log().exp()
    message = str(caught.value)
    assert message.startswith("log made nan in its result, shape (2, 2), first at index (1, 1); called at ")
    assert f"test_anomaly.py:{line}, in test_the_first_bad" in message
    assert message.endswith(": x.log().exp()")


def test_an_infinity_that_is_made_is_named() -> None:
    with (
        minidl.detect_anomaly(),
        pytest.raises(AnomalyError, match=r"div made inf in its result, shape \(\), first at"),
    ):
        minidl.tensor(1.0) / 0.0


def test_an_infinity_that_comes_in_passes() -> None:
    with minidl.detect_anomaly():
        x = minidl.tensor([1.0, -np.inf], requires_grad=True)
        assert (x * 2 + 1).tolist() == [3.0, -np.inf]
        assert minidl.where(x > 0, x, -np.inf).tolist() == [1.0, -np.inf]
        assert minidl.tensor([1.0, 2.0]).clamp(max=np.inf).tolist() == [1.0, 2.0]
        assert x.exp().tolist() == pytest.approx([np.e, 0.0])
        x.clamp(min=0.0).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_a_nan_made_of_infinities_does_not_pass() -> None:
    x = minidl.tensor([np.inf])
    with minidl.detect_anomaly(), pytest.raises(AnomalyError, match="sub made nan"):
        x - x


def test_a_nan_that_comes_in_is_named_at_the_first_operation() -> None:
    with (
        minidl.detect_anomaly(),
        pytest.raises(AnomalyError, match="mul passed on a nan that came in with its arguments"),
    ):
        minidl.tensor([np.nan]) * 2


def test_a_nan_can_be_looked_for_and_replaced() -> None:
    x = minidl.tensor([np.nan, 1.0])
    with minidl.detect_anomaly():
        assert minidl.where(x.isnan(), 0.0, x).tolist() == [0.0, 1.0]


def test_a_bad_backward_names_the_forward_call() -> None:
    x = minidl.tensor([4.0, 0.0], requires_grad=True)
    with minidl.detect_anomaly():
        line = here(1)
        y = x.sqrt()
        with pytest.raises(AnomalyError) as caught:
            y.sum().backward()
    message = str(caught.value)
    assert message.startswith(
        "the backward of sqrt made inf in the gradient of its argument 1, shape (2,), first at index (1,)"
    )
    assert f"test_anomaly.py:{line}, in test_a_bad_backward" in message
    assert message.endswith("y = x.sqrt()")


def test_a_bad_backward_of_a_forward_outside() -> None:
    y = minidl.tensor([0.0], requires_grad=True).sqrt()
    with (
        minidl.detect_anomaly(),
        pytest.raises(AnomalyError, match="was called at a line outside detect_anomaly"),
    ):
        y.backward()


def test_a_bad_gradient_passed_in_is_not_blamed_on_its_infinity() -> None:
    x = minidl.tensor([1.0], requires_grad=True)
    with minidl.detect_anomaly():
        (x * 2).backward(minidl.tensor([np.inf]))
    assert x.grad.tolist() == [np.inf]


def test_a_bad_gradient_under_create_graph() -> None:
    x = minidl.tensor([0.0], requires_grad=True)
    with minidl.detect_anomaly(), pytest.raises(AnomalyError, match="made inf"):
        x.sqrt().backward(create_graph=True)


def test_operations_of_several_outputs_and_joint_gradients() -> None:
    bad = Op("bad", lambda x: ((x, np.log(x)),), lambda gs, _y, x: x, multi=True)
    joint = Op("joint", np.add, joint=lambda needs, g, y, a, b: (g, g / (a - a)))
    with minidl.detect_anomaly():
        with pytest.raises(AnomalyError, match="bad made nan"):
            bad(minidl.tensor([-1.0]))
        a, b = (minidl.tensor([1.0], requires_grad=True) for _ in range(2))
        with pytest.raises(
            AnomalyError, match="the backward of joint made inf in the gradient of its argument 2"
        ):
            joint(a, b).backward()


def test_an_operation_within_an_operation_is_named_itself() -> None:
    outer = Op("outer", lambda x: minidl.Tensor(x).log().array, lambda g, y, _x: g)
    with minidl.detect_anomaly(), pytest.raises(AnomalyError, match="log made nan"):
        outer(minidl.tensor([-1.0]))


def test_in_place_operations_are_watched() -> None:
    x = minidl.tensor([-1.0])
    with minidl.detect_anomaly(), pytest.raises(AnomalyError, match="log made nan"):
        x.log_()


def test_the_line_within_a_module_and_an_optimizer_is_the_users() -> None:
    model = minidl.nn.Sequential(minidl.nn.Linear(1, 1), minidl.nn.ReLU())
    with minidl.no_grad():
        model[0].weight.fill_(3e38)
    line = here(2)
    with minidl.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        model(minidl.full((1, 1), 1e38))
    assert f"test_anomaly.py:{line}, in test_the_line_within" in str(caught.value)


def test_numpys_functions_are_watched_too() -> None:
    with (
        minidl.detect_anomaly(),
        pytest.raises(AnomalyError, match=r"log made nan.*called at .*test_anomaly\.py"),
    ):
        np.log(minidl.tensor([-1.0]))


def test_integers_and_empty_tensors_pass() -> None:
    with minidl.detect_anomaly():
        (minidl.tensor([1, 2]) * 3).sum()
        minidl.zeros(0).log().sum()


def test_it_ends_with_the_block_nests_and_can_be_switched_off() -> None:
    bad = minidl.tensor([-1.0])
    watch = minidl.detect_anomaly()
    with watch:
        with watch, pytest.raises(AnomalyError):
            bad.log()
        with minidl.detect_anomaly(False):
            bad.log()
        with pytest.raises(AnomalyError):
            bad.log()
    bad.log()


def test_it_is_of_one_thread() -> None:
    results = []
    with minidl.detect_anomaly():
        thread = threading.Thread(target=lambda: results.append(minidl.tensor([-1.0]).log().isnan().item()))
        thread.start()
        thread.join()
    assert results == [True]
