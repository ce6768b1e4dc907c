"""Every combination of options steps as PyTorch's optimizers do, and RMSprop with ``eps_inside`` as Keras's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from minidl import optim
from minidl.tensor import Tensor

torch = pytest.importorskip("torch")

STEPS = 20
SHAPES = [(7, 5), (), (3,), (0, 4), (2, 3, 1, 2)]


def product(**options: list[Any]) -> list[dict[str, Any]]:
    """All combinations of one value for each option."""
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


SGD = [
    options
    for options in product(
        momentum=[0, 0.9],
        dampening=[0, 0.3],
        nesterov=[False, True],
        weight_decay=[0, 0.1],
        maximize=[False, True],
    )
    if not options["nesterov"] or (options["momentum"] and not options["dampening"])
]
ADAM = product(
    betas=[(0.9, 0.999), (0.3, 0.6), (0.0, 0.9)],
    eps=[1e-8, 0.1],
    weight_decay=[0, 0.1],
    amsgrad=[False, True],
    maximize=[False, True],
)
RMSPROP = product(
    alpha=[0.99, 0.3],
    eps=[1e-8, 0.1],
    weight_decay=[0, 0.1],
    momentum=[0, 0.9],
    centered=[False, True],
    maximize=[False, True],
)
CASES = [
    *(("SGD", options) for options in SGD),
    *(("Adam", options) for options in ADAM),
    *(("AdamW", options) for options in ADAM),
    *(("RMSprop", options) for options in RMSPROP),
]
IDS = [f"{name}-{'-'.join(map(str, options.values()))}" for name, options in CASES]


def data(dtype: str) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Initial parameters, and their gradients at each step: of all sizes, and changing sign."""
    rng = np.random.default_rng(0)

    def draw(scale: float) -> list[np.ndarray]:
        return [np.asarray(scale * rng.standard_normal(shape), dtype) for shape in SHAPES]

    return draw(1.0), [draw(10.0 ** rng.uniform(-3, 1)) for _ in range(STEPS)]


def groups(params: list[Any]) -> list[dict[str, Any]]:
    """The parameters in two groups, the second with a rate and a decay of its own."""
    return [{"params": params[:2]}, {"params": params[2:], "lr": 0.003, "weight_decay": 0.2}]


def run(name: str, options: dict[str, Any], dtype: str) -> list[np.ndarray]:
    initial, gradients = data(dtype)
    params = [Tensor(p.copy(), requires_grad=True) for p in initial]
    optimizer = getattr(optim, name)(groups(params), lr=0.02, **options)
    for gs in gradients:
        for p, g in zip(params, gs, strict=True):
            p.grad = Tensor(g.copy())
        optimizer.step()
    return [p.array for p in params]


def run_torch(name: str, options: dict[str, Any], dtype: str) -> list[np.ndarray]:
    initial, gradients = data(dtype)
    params = [torch.tensor(p, requires_grad=True) for p in initial]
    optimizer = getattr(torch.optim, name)(groups(params), lr=0.02, foreach=False, **options)
    for gs in gradients:
        for p, g in zip(params, gs, strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
    return [p.detach().numpy() for p in params]


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_float64_equals_pytorch(name: str, options: dict[str, Any]) -> None:
    for p, expected in zip(run(name, options, "float64"), run_torch(name, options, "float64"), strict=True):
        assert p.dtype == np.float64
        np.testing.assert_allclose(p, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_float32_is_as_near_to_float64_as_pytorch(name: str, options: dict[str, Any]) -> None:
    """Where a divisor is nearly zero float32 is far off for both; then PyTorch's error is the measure."""
    results = (
        run(name, options, "float32"),
        run_torch(name, options, "float32"),
        run_torch(name, options, "float64"),
    )
    for p, peer, exact in zip(*results, strict=True):
        assert p.dtype == np.float32
        allowed = 2e-6 * (1 + np.abs(exact).max(initial=0)) + 2 * np.abs(peer - exact).max(initial=0)
        assert np.abs(p - exact).max(initial=0) <= allowed


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_defaults_are_pytorchs(name: str) -> None:
    ours = getattr(optim, name)([Tensor(np.zeros(1))]).defaults
    theirs = getattr(torch.optim, name)([torch.zeros(1)]).defaults
    assert {key: theirs[key] for key in ours if key != "eps_inside"} == {
        k: ours[k] for k in ours if k != "eps_inside"
    }
    assert theirs.keys() - ours.keys() <= {"foreach", "fused", "capturable", "differentiable"}


@pytest.mark.parametrize("options", product(momentum=[0, 0.9], centered=[False, True]))
def test_rmsprop_with_eps_inside_is_kerass(options: dict[str, Any]) -> None:
    """Keras: v = rho v + (1 - rho) g^2; p -= lr * g / sqrt(v + eps), with its mean taken off and its momentum."""
    lr, rho, eps = 1e-3, 0.9, 1e-2
    rng = np.random.default_rng(1)
    expected = rng.standard_normal((4, 3))
    p = Tensor(expected.copy(), requires_grad=True)
    optimizer = optim.RMSprop([p], lr=lr, alpha=rho, eps=eps, eps_inside=True, **options)
    v, mean, velocity = np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 3))
    for _ in range(STEPS):
        g = rng.standard_normal((4, 3))
        p.grad = Tensor(g)
        optimizer.step()
        v = rho * v + (1 - rho) * g**2
        mean = rho * mean + (1 - rho) * g if options["centered"] else mean
        velocity = options["momentum"] * velocity + lr * g / np.sqrt(v - mean**2 + eps)
        expected = expected - velocity
    np.testing.assert_allclose(p.array, expected, rtol=0, atol=1e-14)
