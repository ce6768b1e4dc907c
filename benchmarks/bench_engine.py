"""What the main job is made of, minidl's and PyTorch's side by side. ``pytest benchmarks --benchmark-only``

Each result is checked before it is timed. The engines share a process here, so look at the order of magnitude; the
ratios to quote come from ``python -m benchmarks.chain`` and ``python -m benchmarks.autoencoder``, which take turns.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import autoencoder, chain

ENGINES = ("minidl", "torch")
BATCH, PIXELS = 256, 784


def _skip_without(engine: str) -> None:
    if engine.startswith("torch"):
        pytest.importorskip("torch")


def _tensors(engine: str, *arrays: np.ndarray, requires_grad: bool = False) -> list:
    make = importlib.import_module(engine).tensor
    return [make(array, requires_grad=requires_grad) for array in arrays]


def _functional(engine: str) -> object:
    return importlib.import_module(f"{engine}.nn.functional")


@pytest.mark.benchmark(group="chain of 60 small operations")
@pytest.mark.parametrize("engine", ENGINES)
def test_chain(benchmark: Callable, engine: str) -> None:
    _skip_without(engine)
    step = chain.prepare(engine)
    expected = chain.number(chain.prepare("minidl")())
    assert chain.number(step()) == pytest.approx(expected, rel=chain.TOLERANCE)
    benchmark(step)


@pytest.mark.benchmark(group="binary cross-entropy of 256x784 logits, forward and backward")
@pytest.mark.parametrize("engine", ENGINES)
def test_bce(benchmark: Callable, engine: str) -> None:
    _skip_without(engine)
    random = np.random.default_rng(0)
    logits, targets = random.standard_normal((BATCH, PIXELS)), random.random((BATCH, PIXELS))
    expected = np.mean(np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits))))
    (x,) = _tensors(engine, logits.astype("f"), requires_grad=True)
    (t,) = _tensors(engine, targets.astype("f"))
    loss_of = _functional(engine).binary_cross_entropy_with_logits

    def step() -> float:
        loss = loss_of(x, t)
        loss.backward()
        x.grad = None
        return loss.item()

    assert step() == pytest.approx(expected, rel=1e-6)
    benchmark(step)


@pytest.mark.benchmark(group="Adam, the autoencoder's 51,000 parameters")
@pytest.mark.parametrize("engine", ["minidl", "torch", "torch, fused"])
def test_adam(benchmark: Callable, engine: str) -> None:
    _skip_without(engine)
    package, *fused = engine.split(", ")
    weights = autoencoder._weights()
    parameters = _tensors(package, *weights, requires_grad=True)
    for parameter, gradient in zip(parameters, _tensors(package, *weights), strict=True):
        parameter.grad = gradient * 0 + 1
    options = {"fused": True} if fused else {}
    optimizer = importlib.import_module(f"{package}.optim").Adam(parameters, **options)
    optimizer.step()
    # At the first step m / sqrt(v) is the sign of the gradient, so every parameter moves by lr.
    assert parameters[0].detach().numpy() == pytest.approx(weights[0] - 1e-3, abs=1e-6)
    benchmark(optimizer.step)


@pytest.mark.benchmark(group="3x3 convolution, 128 images of 16x14x14 to 32, forward and backward")
@pytest.mark.parametrize("engine", ENGINES)
def test_conv2d(benchmark: Callable, engine: str) -> None:
    _skip_without(engine)
    random = np.random.default_rng(0)
    images = random.standard_normal((128, 16, 14, 14)).astype("f")
    weights = random.standard_normal((32, 16, 3, 3)).astype("f")
    x, w = _tensors(engine, images, weights, requires_grad=True)
    conv2d = _functional(engine).conv2d

    def step() -> float:
        y = conv2d(x, w, padding=1)
        y.backward(y.detach())
        x.grad = w.grad = None
        return y[0, 0, 1, 1].item()

    expected = np.sum(images[0, :, 0:3, 0:3].astype("d") * weights[0])  # by the definition
    assert step() == pytest.approx(expected, rel=1e-4)
    benchmark(step)
