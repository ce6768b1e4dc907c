"""``backward`` and ``grad`` with all their arguments, higher derivatives, and the switches of recording."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, GradError, ShapeError


def leaf(*values: float) -> minidl.Tensor:
    return minidl.tensor(list(values), dtype=minidl.float64, requires_grad=True)


# --- grad -----------------------------------------------------------------------------------------------------


def test_grad_returns_and_does_not_accumulate() -> None:
    x, w = leaf(3.0), leaf(5.0)
    dx, dw = minidl.grad(x * x * w, [x, w])
    assert (dx.tolist(), dw.tolist()) == ([30.0], [9.0])
    assert (x.grad, w.grad) == (None, None)
    assert not dx.requires_grad


def test_grad_of_several_outputs_weighted() -> None:
    x = leaf(1.0, 2.0)
    y, z = x * 2, x * x
    weights = [minidl.tensor([1.0, 10.0]), minidl.tensor([100.0, 1000.0])]
    assert minidl.grad([y, z], x, weights)[0].tolist() == [2 + 200, 20 + 4000]
    total, other = (x * 3).sum(), (x * 4).sum()
    assert minidl.grad((total, other), (x,))[0].tolist() == [7.0, 7.0]


def test_grad_of_one_output_given_twice() -> None:
    x = leaf(1.0)
    y = x * 3
    assert minidl.grad([y, y], x)[0].tolist() == [6.0]


def test_grad_with_respect_to_an_intermediate_and_to_what_it_came_from() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * 5
    dy, dx = minidl.grad(z, [y, x])
    assert (dy.tolist(), dx.tolist()) == ([5.0], [30.0])


def test_grad_with_respect_to_the_output_itself() -> None:
    y = leaf(3.0) * 2
    v = minidl.tensor([7.0], dtype=minidl.float64)
    (dy,) = minidl.grad(y, y, v)
    assert dy.tolist() == [7.0]
    assert not np.shares_memory(dy.array, v.array)


def test_grad_with_the_same_input_twice() -> None:
    x = leaf(3.0)
    a, b = minidl.grad(x * x, [x, x])
    assert (a.tolist(), b.tolist()) == ([6.0], [6.0])


def test_an_unused_input() -> None:
    x, unused = leaf(3.0), leaf(5.0, 6.0)
    with pytest.raises(
        GradError, match=r"grad: the outputs do not depend on input 1; pass allow_unused=True"
    ):
        minidl.grad(x * 2, [x, unused])
    assert minidl.grad(x * 2, [x, unused], allow_unused=True)[1] is None
    zeros = minidl.grad(x * 2, [x, unused], materialize_grads=True)[1]
    assert zeros.tolist() == [0.0, 0.0]
    assert zeros.dtype == minidl.float64


def test_an_unused_input_of_infinities_has_a_zero_gradient() -> None:
    x, unused = leaf(3.0), leaf(np.inf, np.nan)
    assert minidl.grad(x * 2, [x, unused], materialize_grads=True)[1].tolist() == [0.0, 0.0]


def test_grad_walks_only_where_the_inputs_are() -> None:
    x, y = leaf(2.0), leaf(3.0)
    a, b = x * x, y * y
    minidl.grad(a + b, x)
    minidl.grad(b, y)  # b's part of the graph has not been freed
    assert (x.grad, y.grad) == (None, None)


def test_errors_of_grad() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ArgumentError, match="grad: inputs must be at least one tensor, got none"):
        minidl.grad(x.sum(), [])
    with pytest.raises(
        GradError, match=r"grad: gradient must be given for a tensor of shape \(2,\), got None"
    ):
        minidl.grad(x * 2, x)
    with pytest.raises(GradError, match="grad: every input must be a tensor that requires a gradient"):
        minidl.grad(x.sum(), minidl.ones(2))
    with pytest.raises(GradError, match="grad: the tensor does not require a gradient"):
        minidl.grad(minidl.ones(2).sum(), x)
    with pytest.raises(ArgumentError, match="grad: the gradients must be as many as the outputs, 1, got 2"):
        minidl.grad(x * 2, x, [x, x])
    with pytest.raises(ShapeError, match=r"grad: gradient must be of the tensor's shape \(2,\), got \(3,\)"):
        minidl.grad(x * 2, x, minidl.ones(3))


# --- backward -------------------------------------------------------------------------------------------------


def test_backward_into_chosen_inputs_only() -> None:
    x, w = leaf(3.0), leaf(5.0)
    middle = x * w
    (middle * 2).backward(inputs=[x, middle], retain_graph=True)
    assert (x.grad.tolist(), middle.grad.tolist(), w.grad) == ([10.0], [2.0], None)
    (middle * 2).backward(inputs=w)
    assert (x.grad.tolist(), w.grad.tolist()) == ([10.0], [6.0])


def test_backward_of_several_tensors() -> None:
    x = leaf(1.0, 2.0)
    minidl.autograd.backward([x.sum(), x * 3], [None, minidl.tensor([1.0, 10.0])])
    assert x.grad.tolist() == [4.0, 31.0]


def test_backward_of_a_leaf_is_the_gradient_itself() -> None:
    x = leaf(1.0, 2.0)
    v = minidl.tensor([5.0, 6.0], dtype=minidl.float64)
    x.backward(v)
    assert x.grad.tolist() == [5.0, 6.0]
    assert not np.shares_memory(x.grad.array, v.array)


def test_the_gradient_passed_in_takes_the_tensors_dtype() -> None:
    x = minidl.ones(2, requires_grad=True)
    x.mul(2).backward(minidl.tensor([1.0, 2.0], dtype=minidl.float64))
    assert x.grad.dtype == minidl.float32


def test_errors_of_backward() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(
        GradError, match=r"backward: gradient must be given for a tensor of shape \(2,\), got None"
    ):
        (x * 2).backward()
    with pytest.raises(DTypeError, match="backward: gradient must be a Tensor, got ndarray"):
        (x * 2).backward(np.ones(2))
    with pytest.raises(
        ShapeError, match=r"backward: gradient must be of the tensor's shape \(2,\), got \(\)"
    ):
        (x * 2).backward(minidl.tensor(1.0))
    with pytest.raises(ArgumentError, match="backward: inputs must be at least one tensor, got none"):
        x.sum().backward(inputs=[])
    with pytest.raises(GradError, match="backward: the tensor does not require a gradient"):
        minidl.ones(1).backward()


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_needs_no_gradient(shape: tuple[int, ...]) -> None:
    x = minidl.full(shape, 3.0, requires_grad=True)
    (x * x).backward()
    assert x.grad.shape == shape
    assert x.grad.item() == 6.0


def test_an_empty_tensor_goes_backward() -> None:
    x = minidl.zeros(0, 3, requires_grad=True)
    (x.exp() * 2).sum().backward()
    assert x.grad.shape == (0, 3)


# --- Higher derivatives ---------------------------------------------------------------------------------------


def test_derivatives_to_the_fourth_order() -> None:
    x = leaf(0.7)
    y = x.tanh() * x**3
    found = []
    for _ in range(4):
        (y,) = minidl.grad(y, x, create_graph=True)
        found.append(y.item())
    torch = pytest.importorskip("torch")
    t = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    y, expected = t.tanh() * t**3, []
    for _ in range(4):
        (y,) = torch.autograd.grad(y, t, create_graph=True)
        expected.append(y.item())
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_gradient_penalty() -> None:
    """The gradient of a gradient's norm, with respect to other parameters, accumulated by backward."""
    x, w = leaf(0.5, -1.0), leaf(2.0, 3.0)
    (dx,) = minidl.grad((w * x * x).sum(), x, create_graph=True)  # 2 w x
    (dx * dx).sum().backward()  # 4 w² x²
    np.testing.assert_allclose(w.grad.array, 8 * w.array * x.array**2)
    np.testing.assert_allclose(x.grad.array, 8 * w.array**2 * x.array)


def test_backward_with_create_graph_gives_gradients_that_can_be_differentiated() -> None:
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    first, x.grad = x.grad, None
    assert first.requires_grad
    first.backward()
    assert (first.tolist(), x.grad.tolist()) == ([27.0], [18.0])


def test_accumulating_under_create_graph() -> None:
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    total, x.grad = x.grad, None
    total.backward()  # of 3 x² + 2 x
    assert (total.tolist(), x.grad.tolist()) == ([33.0], [20.0])


def test_accumulating_without_create_graph_into_a_gradient_with_history() -> None:
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    before = x.grad
    (x**2).backward()
    assert (before.tolist(), x.grad.tolist()) == ([27.0], [33.0])


def test_create_graph_is_off_by_default_and_within_no_grad_works() -> None:
    x = leaf(3.0)
    y = x**3
    with minidl.no_grad():
        (dx,) = minidl.grad(y, x, create_graph=True)
    (ddx,) = minidl.grad(dx, x)
    assert ddx.tolist() == [18.0]


def test_an_error_in_a_walk_leaves_the_switch_alone() -> None:
    x = leaf(3.0)
    x.register_hook(lambda g: 1 / 0)
    with minidl.no_grad():
        with pytest.raises(ZeroDivisionError):
            minidl.autograd.backward(_recorded(lambda: x * 2))
        assert not minidl.is_grad_enabled()


def _recorded(function: Callable[[], Any]) -> Any:
    with minidl.enable_grad():
        return function()


# --- Recording or not -----------------------------------------------------------------------------------------


def recording() -> bool:
    """Whether operations are recorded, seen from the result of one."""
    found = (leaf(1.0) * 2).requires_grad
    assert found == minidl.is_grad_enabled()
    return found


def test_contexts_nest() -> None:
    assert recording()
    with minidl.no_grad():
        assert not recording()
        with minidl.enable_grad():
            assert recording()
            with minidl.set_grad_enabled(False):
                assert not recording()
            assert recording()
        assert not recording()
    assert recording()


def test_contexts_end_with_exceptions() -> None:
    for context in (minidl.no_grad, lambda: minidl.set_grad_enabled(False)):
        with pytest.raises(KeyError, match="False"), context():
            raise KeyError(recording())
        assert recording()


def test_one_object_can_be_entered_within_itself_and_again() -> None:
    off = minidl.no_grad()
    for _ in range(2):
        with off, off:
            assert not recording()
        assert recording()


@pytest.mark.parametrize(
    "decorator", [minidl.no_grad, minidl.no_grad(), lambda f: minidl.set_grad_enabled(False)(f)]
)
def test_decorators_keep_name_arguments_and_result(decorator: Any) -> None:
    @decorator
    def function(x: int, *, y: int) -> tuple[int, bool]:
        """What it does."""
        return x + y, recording()

    for _ in range(2):
        assert function(1, y=2) == (3, False)
        assert recording()
    assert (function.__name__, function.__doc__) == ("function", "What it does.")


def test_a_decorated_function_calls_itself_and_may_raise() -> None:
    @minidl.no_grad()
    def count(n: int) -> int:
        assert not recording()
        if n == 0:
            raise KeyError
        return count(n - 1)

    with pytest.raises(KeyError):
        count(3)
    assert recording()


@pytest.mark.parametrize("decorator", [minidl.no_grad, minidl.no_grad()])
def test_a_decorated_generator_leaves_the_context_at_each_yield(decorator: Any) -> None:
    seen = []

    @decorator
    def function(n: int) -> Any:
        try:
            for i in range(n):
                sent = yield i, recording()
                seen.append(sent)
        except KeyError:
            yield "caught", recording()
        finally:
            seen.append(recording())
        return "end"

    for i, mode in function(2):
        assert (i, mode, recording()) == (i, False, True)
    assert seen == [None, None, False]

    generator = function(2)
    next(generator)
    assert generator.send("sent") == (1, False)
    assert seen[-1] == "sent"
    assert generator.throw(KeyError()) == ("caught", False)
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == "end"

    generator = function(2)
    next(generator)
    seen.clear()
    generator.close()
    assert seen == [False]
    assert recording()


def test_enable_grad_as_a_decorator() -> None:
    @minidl.enable_grad()
    def function() -> bool:
        return recording()

    with minidl.no_grad():
        assert function()
        assert not recording()


def test_set_grad_enabled_acts_at_once() -> None:
    minidl.set_grad_enabled(False)
    try:
        assert not recording()
    finally:
        minidl.set_grad_enabled(True)
    assert recording()


def test_set_grad_enabled_may_be_entered_again() -> None:
    context = minidl.set_grad_enabled(False)
    for _ in range(2):
        with context:
            assert not recording()
        assert recording()


def test_set_grad_enabled_as_a_decorator_does_nothing_until_the_call() -> None:
    @minidl.set_grad_enabled(False)
    def function() -> bool:
        return recording()

    assert recording()
    assert not function()
    assert recording()


def test_each_thread_has_its_own_switch() -> None:
    inside: list[bool] = []
    with minidl.no_grad():
        thread = threading.Thread(target=lambda: inside.append(recording()))
        thread.start()
        thread.join()
        assert not recording()
    assert inside == [True]


def test_division_by_zero_gives_infinity_without_a_warning() -> None:
    """Warnings are errors in the tests; the user's own NumPy code still warns."""
    x = leaf(0.0)
    y = (1.0 / x).log()
    y.backward()
    assert y.item() == np.inf
    with pytest.warns(RuntimeWarning):
        np.ones(1) / np.zeros(1)
