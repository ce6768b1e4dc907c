"""The activations in the manner of ReLU, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.autograd import grad
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
TOLERANCE = {"hardsigmoid": 1e-7}  # PyTorch's gradient has 1/6 in float32
# By name, the arguments to try it with.
ACTIVATIONS: dict[str, list[dict[str, Any]]] = {
    "relu6": [{}],
    "hardtanh": [{}, {"min_val": -0.3, "max_val": 0.7}],
    "hardsigmoid": [{}],
    "hardswish": [{}],
    "threshold": [{"threshold": 0.1, "value": 20.0}],
    "leaky_relu": [{}, {"negative_slope": 0.3}, {"negative_slope": 2}, {"negative_slope": -0.5}],
    "elu": [{}, {"alpha": 1.5}, {"alpha": -0.5}],
    "selu": [{}],
    "gelu": [{}, {"approximate": "tanh"}],
    "silu": [{}],
    "mish": [{}],
    "softplus": [{}, {"beta": 2, "threshold": 1}, {"beta": -0.7}],
    "softsign": [{}],
}
CASES = [
    pytest.param(name, kwargs, id=f"{name}{kwargs}") for name in ACTIVATIONS for kwargs in ACTIVATIONS[name]
]
INPLACE = [name for name in ACTIVATIONS if name not in ("gelu", "softplus", "softsign")]


def _pair(name: str, **kwargs: Any) -> tuple[Any, Any]:
    return (lambda x: getattr(F, name)(x, **kwargs)), (lambda x: getattr(T, name)(x, **kwargs))


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_values_and_derivatives(name: str, kwargs: dict[str, Any]) -> None:
    for x in (
        4 * normal(3, 4, 5),
        normal(),
        normal(0, 3),
        strided(normal(4, 3)),
        channels_last(normal(2, 3, 4, 5)),
    ):
        # PyTorch has no second derivative of hardsigmoid, which is 0.
        check_parity(
            *_pair(name, **kwargs), np.asarray(x), second=name != "hardsigmoid", tol=TOLERANCE.get(name, 1e-9)
        )


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_kinks_and_extreme_values(name: str, kwargs: dict[str, Any]) -> None:
    points = np.array(
        [-1e4, -100.0, -6.0, -3.0, -1.0, -0.3, -0.0, 0.0, 0.1, 0.7, 1.0, 3.0, 6.0, 20.0, 100.0, 1e4]
    )
    # Second derivatives are not compared at kinks; and PyTorch's softplus overflows for negative beta in float32.
    check_parity(
        *_pair(name, **kwargs),
        points,
        second=False,
        float32=kwargs.get("beta", 1) > 0,
        tol=TOLERANCE.get(name, 1e-9),
    )
    special = np.array([np.nan, np.inf])
    ours, theirs = _pair(name, **kwargs)
    np.testing.assert_array_equal(ours(from_numpy(special)).array, theirs(torch.tensor(special)).numpy())


@pytest.mark.parametrize("name", ["mish", "softplus"])
def test_second_derivatives_at_extreme_values_are_finite(name: str) -> None:
    x = from_numpy(np.array([-1e4, -800.0, 0.0, 800.0, 1e4])).requires_grad_()
    (first,) = grad(getattr(F, name)(x).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x)
    np.testing.assert_allclose(second.array[[0, 1, 3, 4]], 0.0, atol=1e-12)


@pytest.mark.parametrize("name", INPLACE)
def test_in_place(name: str) -> None:
    kwargs = ACTIVATIONS[name][0]
    x = from_numpy(normal(3, 4)).requires_grad_()
    y = x * 1.0
    z = getattr(F, name)(y, **kwargs, inplace=True)
    assert z is y
    z.sum().backward()
    t = torch.tensor(x.array, requires_grad=True)
    expected = getattr(T, name)(t, **kwargs)
    expected.sum().backward()
    np.testing.assert_allclose(z.array, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(x.grad.array, t.grad.numpy(), rtol=TOLERANCE.get(name, 1e-12))


def test_inplace_is_also_the_last_positional_argument() -> None:
    for name, args in (("relu6", ()), ("elu", (0.5,)), ("hardtanh", (-1.0, 1.0))):
        x = from_numpy(normal(5))
        assert getattr(F, name)(x, *args, True) is x
        assert getattr(F, name)(x, *args, False) is not x
    with pytest.raises(TypeError):
        F.relu6(from_numpy(normal(5)), True, 1)


@pytest.mark.parametrize(
    ("shape", "slopes"),
    [
        ((2, 3), (3,)),
        ((2, 3, 4), (3,)),
        ((2, 3, 4, 5), (1,)),
        ((2, 3), ()),
        ((5,), (1,)),
        ((), ()),
        ((), (1,)),
    ],
)
def test_prelu(shape: tuple[int, ...], slopes: tuple[int, ...]) -> None:
    check_parity(F.prelu, T.prelu, np.asarray(normal(*shape)), np.asarray(normal(*slopes, seed=1)))
    check_parity(F.prelu, T.prelu, np.zeros(shape), np.ones(slopes), second=False)


@pytest.mark.parametrize(("shape", "dim"), [((4, 6), -1), ((4, 6), 0), ((2, 3, 4, 5), 2), ((4, 0), 1)])
def test_glu(shape: tuple[int, ...], dim: int) -> None:
    check_parity(lambda x: F.glu(x, dim), lambda x: T.glu(x, dim), normal(*shape))
    check_parity(lambda x: F.glu(x, dim), lambda x: T.glu(x, dim), strided(normal(*shape)))


@pytest.mark.parametrize(
    ("name", "args"), [("relu6", ()), ("hardtanh", (1.5, 2.7)), ("threshold", (1.5, 0.7))]
)
def test_integers(name: str, args: tuple[float, ...]) -> None:
    x = np.arange(-2, 9)
    check_parity(lambda x: getattr(F, name)(x, *args), lambda x: getattr(T, name)(x, *args), x)


def test_softsign_of_integers() -> None:
    np.testing.assert_allclose(
        F.softsign(from_numpy(np.arange(-2, 3))).array, np.array([-2 / 3, -0.5, 0, 0.5, 2 / 3])
    )


@pytest.mark.parametrize("name", ["hardsigmoid", "hardswish", "leaky_relu", "elu", "selu", "gelu", "silu", "mish",
                                  "softplus", "glu"])  # fmt: skip
def test_they_take_floats(name: str) -> None:
    message = f"{name}: input must be of floats, got int64"
    x = np.arange(4)
    both_raise(
        DTypeError,
        message,
        lambda: getattr(F, name)(from_numpy(x)),
        lambda: getattr(T, name)(torch.tensor(x)),
    )


def test_wrong_arguments() -> None:
    ours, theirs = from_numpy(np.ones((2, 3))), torch.ones(2, 3, dtype=torch.float64)
    half, its_half = from_numpy(np.ones(3, np.float32)), torch.ones(3)
    for kind, message, call in [
        (ArgumentError, "hardtanh: min_val must be at most max_val (1), got 2", lambda f, x, _: f.hardtanh(x, 2, 1)),
        (ArgumentError, "gelu: approximate must be 'none' or 'tanh', got 'x'",
         lambda f, x, _: f.gelu(x, approximate="x")),
        (ShapeError, "glu: input must be of an even size along dimension 1, got (2, 3)", lambda f, x, _: f.glu(x)),
        (DimensionError, "glu: input must be of at least one dimension, got none", lambda f, x, _: f.glu(x.sum())),
        (DimensionError, "glu: dim must be in [-2, 1]", lambda f, x, _: f.glu(x, 2)),
        (ShapeError, "prelu: weight must be (3,), (1,) or () for input (2, 3), got (2,)",
         lambda f, x, _: f.prelu(x, x[:, 0])),
        (ShapeError, "got (2, 3)", lambda f, x, _: f.prelu(x, x)),
        (DTypeError, "prelu: weight must be of input's dtype float64, got float32",
         lambda f, x, w: f.prelu(x, w)),
        (DTypeError, "prelu: weight must be a Tensor, got float", lambda f, x, _: f.prelu(x, 2.0)),
        (DTypeError, "relu6: input must be of numbers, not bools", lambda f, x, _: f.relu6(x > 0)),
        (DTypeError, "threshold: input must be of numbers, not bools", lambda f, x, _: f.threshold(x > 0, 0, 0)),
    ]:  # fmt: skip
        both_raise(
            kind, message, lambda call=call: call(F, ours, half), lambda call=call: call(T, theirs, its_half)
        )
