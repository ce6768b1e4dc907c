"""gradcheck and gradgradcheck must catch what is wrong, and say where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import DTypeError
from minidl.tape import Op
from minidl.testing import GradcheckError, gradcheck, gradgradcheck


def inputs(*shape: int) -> minidl.Tensor:
    values = 0.3 + 0.1 * np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return minidl.tensor(values, requires_grad=True)


right = Op("right", np.exp, lambda g, y, _x: g * y)


def test_a_right_gradient_passes() -> None:
    assert gradcheck(right, inputs(2, 3)) is True
    assert gradgradcheck(right, inputs(2, 3)) is True
    assert gradcheck(right, [inputs()])
    assert gradcheck(right, [inputs(0, 2)])


def wrong_element(g: Any, y: Any) -> np.ndarray:
    found = np.array(g * y)
    found[1, 2] *= 1.01
    return found


WRONG = {
    "a factor": (lambda g, y, _x: 1.01 * g * y, r"input 0 is off at element \(0, 0\): backward gives"),
    "the sign": (lambda g, y, _x: -g * y, r"input 0 is off at element \(0, 0\)"),
    "permuted": (lambda g, y, _x: np.asarray(g)[::-1] * y, r"input 0 is off at element \(0, 0\)"),
    "one element": (lambda g, y, _x: wrong_element(g, y), r"input 0 is off at element \(1, 2\)"),
    "nan": (lambda g, y, _x: g * y * np.nan, r"input 0 is off at element \(0, 0\): backward gives nan"),
    "zero": (lambda g, y, _x: g * 0.0, r"input 0 is off at element \(0, 0\): backward gives (-)?0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_caught_and_its_place_named(name: str) -> None:
    vjp, message = WRONG[name]
    wrong = Op("wrong", np.exp, vjp)
    with pytest.raises(GradcheckError, match=message):
        gradcheck(wrong, inputs(2, 3))
    assert gradcheck(wrong, inputs(2, 3), raise_exception=False) is False


def test_the_input_is_named() -> None:
    wrong = Op("wrong", np.multiply, lambda g, _y, _a, b: g * b, lambda g, _y, a, _b: g * a * 1.1)
    with pytest.raises(GradcheckError, match=r"input 1 is off at element \(0,\)"):
        gradcheck(wrong, (inputs(3), inputs(3)))
    gradcheck(wrong, (inputs(3), inputs(3).detach()))  # not asked for


def test_a_kink_is_told_from_a_wrong_gradient() -> None:
    x = minidl.tensor([1.0, 0.0, -1.0], dtype=minidl.float64, requires_grad=True)
    with pytest.raises(
        GradcheckError, match=r"a kink at element \(1,\) of input 0, which is 0: the slope is"
    ):
        gradcheck(minidl.abs, x)
    assert gradcheck(minidl.abs, minidl.tensor([1.0, -1.0], dtype=minidl.float64, requires_grad=True))


def test_a_steep_but_smooth_function_is_no_kink() -> None:
    x = minidl.tensor([0.01, 0.02], dtype=minidl.float64, requires_grad=True)
    assert gradcheck(lambda x: 1.0 / x, x, check_float32=False)


def test_a_changed_input_is_caught() -> None:
    def careless(x: minidl.Tensor, y: minidl.Tensor) -> minidl.Tensor:
        y.array[0] += 1
        return x * 2

    with pytest.raises(GradcheckError, match="the function changed its input 1"):
        gradcheck(careless, (inputs(3), inputs(3).detach()))


def test_a_backward_that_changes_an_input_is_caught() -> None:
    def vjp(g: Any, _y: Any, x: Any) -> Any:
        x += 1
        return g * 2

    with pytest.raises(GradcheckError, match="changed its input 0"):
        gradcheck(Op("careless", lambda x: 2 * x, vjp), inputs(3))


def test_a_function_that_fails_on_gaps_in_memory_is_caught() -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        flat = x if x.flags.c_contiguous else np.zeros_like(x)
        return flat * 2.0

    blind = Op("blind", lambda x: x * 2.0, lambda g, _y, x: g * forward(x) / x)
    with pytest.raises(
        GradcheckError, match=r"with non-contiguous inputs the gradient of input 0 is off at element"
    ):
        gradcheck(blind, inputs(2, 3))


def test_a_function_that_is_wrong_in_float32_is_caught() -> None:
    half_wrong = Op(
        "half_wrong", lambda x: x * 2.0, lambda g, _y, _x: g * (2.0 if g.dtype == np.float64 else 3.0)
    )
    with pytest.raises(
        GradcheckError, match=r"in float32 the gradient of input 0 is off at element \(0,\): "
    ):
        gradcheck(half_wrong, inputs(3))
    assert gradcheck(half_wrong, inputs(3), check_float32=False)


def test_outputs_are_told_apart() -> None:
    """With cotangents of one, gradients that change places would pass."""
    swapped = Op("swapped", lambda x: ((x * 2, x * 3),), lambda gs, _y, _x: gs[0] * 3 + gs[1] * 2, multi=True)
    with pytest.raises(GradcheckError, match="is off"):
        gradcheck(swapped, inputs(3))


def test_a_large_input_is_checked_at_random_places() -> None:
    calls = []

    def count(x: minidl.Tensor) -> minidl.Tensor:
        calls.append(1)
        return x * x

    gradcheck(count, inputs(50, 50), max_elements=10, check_float32=False)
    assert len(calls) < 40
    with pytest.raises(GradcheckError):
        gradcheck(Op("wrong", np.square, lambda g, _y, x: g * x), inputs(50, 50), max_elements=10)


def test_inputs_that_are_no_tensors_or_of_integers_are_passed_on() -> None:
    index = minidl.tensor([2, 0])
    assert gradcheck(lambda x, i, power: x[i] ** power, (inputs(3), index, 3))


def test_what_cannot_be_checked() -> None:
    with pytest.raises(
        DTypeError, match="gradcheck: input 1 must be of float64, to tell errors from rounding, got float32"
    ):
        gradcheck(minidl.add, (inputs(2), minidl.ones(2, requires_grad=True)))
    with pytest.raises(GradcheckError, match="no output requires a gradient"):
        gradcheck(lambda x: x.detach(), inputs(2))


def test_a_wrong_second_derivative_is_caught() -> None:
    """The first derivative is right, but written so that it does not depend on x."""
    flat = Op("flat", np.square, lambda g, _y, x: g * constant(2 * x))
    constant = Op("constant", lambda x: x, lambda g, _y, _x: 0.5 * g)
    assert gradcheck(flat, inputs(3))
    with pytest.raises(GradcheckError, match="is off"):
        gradgradcheck(flat, inputs(3))


def test_a_gradient_that_is_another_one_under_create_graph_is_caught() -> None:
    cached = Op(
        "cached",
        lambda x: (np.square(x), 2 * x),
        lambda g, _y, x, slope: g * (x * 2.1 if slope is None else slope),
        caches=1,
    )
    assert gradcheck(cached, inputs(3))
    with pytest.raises(GradcheckError, match="the gradient of input 0 differs with and without create_graph"):
        gradgradcheck(cached, inputs(3))
    assert gradgradcheck(cached, inputs(3), raise_exception=False) is False


def test_a_function_whose_result_is_a_view_of_its_input() -> None:
    assert gradcheck(lambda x: x.t(), inputs(2, 3))
    assert gradgradcheck(lambda x: x[0], inputs(2, 3))


def test_the_second_derivative_of_a_linear_function() -> None:
    """Its gradient does not depend on x: nothing to differentiate, but for the cotangent."""
    assert gradgradcheck(lambda x: x * 2, inputs(3))
    assert gradgradcheck(lambda x, y: x * 2 + y * y, (inputs(3), inputs(3)))
