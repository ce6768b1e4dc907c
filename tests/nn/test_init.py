"""nn.init: distributions by their definition, special matrices by their property."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import init
from minidl.random import Generator
from minidl.tensor import Tensor


def empty(*shape: int, dtype: type = np.float32) -> Tensor:
    return Tensor(np.full(shape, np.nan, dtype))


SHAPE = (120, 20, 3, 5)  # filters: fan_in 300, fan_out 1800
UNIFORM = {
    "uniform_": (lambda t: init.uniform_(t, -2.0, 4.0), -2.0, 4.0),
    "xavier_uniform_": (lambda t: init.xavier_uniform_(t, gain=2.0), *[s * 2 * math.sqrt(6 / 2100) for s in (-1, 1)]),
    "kaiming_uniform_": (init.kaiming_uniform_, *[s * math.sqrt(6 / 300) for s in (-1, 1)]),
    "kaiming_uniform_ fan_out": (
        lambda t: init.kaiming_uniform_(t, a=1.0, mode="fan_out"), *[s * math.sqrt(3 / 1800) for s in (-1, 1)],
    ),
}  # fmt: skip
NORMAL = {
    "normal_": (lambda t: init.normal_(t, 3.0, 0.5), 3.0, 0.5),
    "xavier_normal_": (lambda t: init.xavier_normal_(t, gain=2.0), 0.0, 2 * math.sqrt(2 / 2100)),
    "kaiming_normal_": (
        lambda t: init.kaiming_normal_(t, nonlinearity="relu", mode="fan_out"), 0.0, math.sqrt(2 / 1800),
    ),
    "kaiming_normal_ tanh": (lambda t: init.kaiming_normal_(t, nonlinearity="tanh"), 0.0, 5 / 3 / math.sqrt(300)),
}  # fmt: skip


def ecdf_distance(values: np.ndarray, cdf) -> float:
    """Kolmogorov and Smirnov's: above 1.95/sqrt(n) with a probability of 0.001."""
    ordered = np.sort(values.ravel().astype(np.float64))
    return np.abs(cdf(ordered) - (np.arange(ordered.size) + 0.5) / ordered.size).max() * math.sqrt(
        ordered.size
    )


def normal_cdf(z: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNIFORM)
def test_uniform(name, dtype):
    fill, low, high = UNIFORM[name]
    t = empty(*SHAPE, dtype=dtype)
    assert fill(t) is t
    assert low <= t.array.min() < t.array.max() <= high
    assert ecdf_distance(t.array, lambda x: (x - low) / (high - low)) < 1.95


@pytest.mark.parametrize("name", NORMAL)
def test_normal(name):
    fill, mean, std = NORMAL[name]
    t = empty(*SHAPE)
    assert fill(t) is t
    assert ecdf_distance(t.array, lambda x: normal_cdf((x - mean) / std)) < 1.95


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (1, 2, 0.5, 1.5), (0, 1, 3, 8), (0, 1, -13, -12), (0, 0.02, -2, 2), (0, 1, 0, math.inf)],
)
def test_trunc_normal(mean, std, a, b):
    t = empty(4000, 5, dtype=np.float64)
    assert init.trunc_normal_(t, mean, std, a, b) is t
    assert a <= t.array.min() < t.array.max() <= b
    low, high = normal_cdf([(a - mean) / std, (b - mean) / std])
    assert ecdf_distance(t.array, lambda x: (normal_cdf((x - mean) / std) - low) / (high - low)) < 1.95


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (6, 2, 3), (3, 2, 2, 2), (1, 1)])
def test_orthogonal(shape):
    t = init.orthogonal_(empty(*shape, dtype=np.float64), gain=2.0)
    m = t.array.reshape(shape[0], -1)
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_is_uniform():
    """Its signs are even: QR alone would give columns of one sign."""
    firsts = [init.orthogonal_(empty(2, 2)).array[0, 0] for _ in range(400)]
    assert 0.4 < np.mean(np.array(firsts) > 0) < 0.6


@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 5, 3, 3), 1), ((6, 2, 3, 4), 3), ((4, 2, 5), 2), ((2, 2, 1, 2, 3), 1)]
)
def test_dirac_is_pytorchs(shape, groups):
    torch = pytest.importorskip("torch")
    ours = init.dirac_(empty(*shape), groups)
    assert ours.tolist() == torch.nn.init.dirac_(torch.empty(shape), groups).tolist()


def test_constants():
    assert init.constant_(empty(2), 3).tolist() == [3, 3]
    assert init.ones_(empty(2)).tolist() == [1, 1]
    assert init.zeros_(empty(2)).tolist() == [0, 0]
    assert init.eye_(empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.zeros_(Tensor(np.ones((), np.int64))).item() == 0


def test_gains_are_pytorchs():
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-12)
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04))


def test_parameters_are_filled_without_a_record():
    parameter = nn.Parameter(np.zeros((2, 2)))
    init.normal_(parameter)
    assert parameter.is_leaf
    assert parameter.requires_grad
    loss = (parameter * parameter).sum()
    init.zeros_(parameter)
    with pytest.raises(RuntimeError, match="changed in place by constant_"):
        loss.backward()


def test_a_generator_repeats():
    for fill in (init.uniform_, init.normal_, init.trunc_normal_, init.xavier_uniform_, init.xavier_normal_,
                 init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_):  # fmt: skip
        a, b = (fill(empty(3, 3), generator=Generator().manual_seed(5)) for _ in range(2))
        assert a.tolist() == b.tolist() != fill(empty(3, 3)).tolist()


def test_tensors_without_elements():
    for fill in (init.xavier_uniform_, init.kaiming_normal_, init.orthogonal_, init.trunc_normal_):
        assert fill(empty(0, 3)).shape == (0, 3)
        assert fill(empty(3, 0)).shape == (3, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.zeros_([1]), DTypeError, "constant_: tensor must be a Tensor, got list"),
        (lambda: init.normal_(Tensor(np.zeros(2, int))), DTypeError, "normal_: tensor must be of floats, got int64"),
        (lambda: init.uniform_(empty(2), 1, 0), ArgumentError, "uniform_: a must be at most b = 0, got 1"),
        (lambda: init.normal_(empty(2), 0, -1), ArgumentError, "normal_: std must be at least 0, got -1"),
        (lambda: init.trunc_normal_(empty(2), std=0), ArgumentError,
         "trunc_normal_: std and b - a must be positive, got 0 and 4.0"),
        (lambda: init.eye_(empty(2)), ShapeError, "eye_: tensor must be of 2 dimensions, got shape (2,)"),
        (lambda: init.dirac_(empty(2, 2)), ShapeError, "dirac_: tensor must be of 3 to 5 dimensions, got shape (2, 2)"),
        (lambda: init.dirac_(empty(3, 2, 1), 2), ArgumentError,
         "dirac_: groups must be a divisor of the 3 filters, got 2"),
        (lambda: init.xavier_normal_(empty(2)), ShapeError,
         "xavier_normal_: tensor must be of 2 or more dimensions, got shape (2,)"),
        (lambda: init.kaiming_normal_(empty(2, 2), mode="fan"), ArgumentError,
         "kaiming_normal_: mode must be 'fan_in' or 'fan_out', got 'fan'"),
        (lambda: init.calculate_gain("leaky_relu", True), DTypeError,
         "calculate_gain: param must be a number, got bool"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_an_unknown_nonlinearity():
    with pytest.raises(
        ArgumentError, match=r"^calculate_gain: nonlinearity must be 'linear' or .*, got 'rely'$"
    ):
        init.calculate_gain("rely")


def test_skipped_draws_nothing():
    filling = (nn.init.uniform_, nn.init.normal_, nn.init.xavier_uniform_, nn.init.kaiming_normal_)
    x = Tensor(np.full((3, 4), 7.0, np.float32))
    with nn.init.skipped():
        for fill in filling:
            assert fill(x) is x
    assert (x == 7.0).all()
    assert (nn.init.zeros_(x) == 0.0).all()


def test_like_keras_draws_glorots_weights_and_zero_biases():
    net = nn.Sequential(
        nn.Conv2d(8, 40, 3), nn.BatchNorm2d(40), nn.Linear(300, 200), nn.Linear(300, 200).freeze()
    )
    frozen = net[3].weight.numpy(force=True).copy()
    assert nn.init.like_keras(net) is net
    for weight, bound in ((net[0].weight, math.sqrt(6 / (48 * 9))), (net[2].weight, math.sqrt(6 / 500))):
        values = weight.numpy(force=True)
        assert 0.95 * bound < np.abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not any(layer.bias.any() for layer in net[:3])
    assert (net[1].weight == 1).all()
    assert (net[3].weight.numpy(force=True) == frozen).all()
    assert net[3].bias.any()
