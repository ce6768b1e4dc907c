"""The rungs of the ladder: every implementation of a product and of a convolution, on shapes that people use.

Shared by ``pytest benchmarks/bench_ladder.py --benchmark-only``, which tabulates them, and ``python -m
benchmarks.report``, which draws them. An implementation that would take seconds is left out where the shape is large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import onnx_model
from benchmarks.convolutions import Layer
from minidl.kernels import available, conv2d, matmul, use
from minidl.kernels.registry import operation

# Rungs that compute as the definition says, one step after another, get no more operations than this.
SLOW = {"reference": 2e9, "loops": 5e9, "blocked": 2e10, "im2col": 4e10}
BATCH = 8


class Rung(NamedTuple):
    """One implementation on one shape: what it does, what it should give, and the operations counted."""

    group: str
    name: str
    run: Callable[[], Any]
    expected: Callable[[], np.ndarray]
    operations: float


PRODUCTS: dict[str, tuple[int, int, int]] = {
    "product 1024 x 1024 x 1024": (1024, 1024, 1024),
    "product 256 x 784 x 32 (autoencoder)": (256, 784, 32),
    "product 256 x 32 x 784 (autoencoder)": (256, 32, 784),
    "product 8 x 25088 x 1024 (VGG16's head)": (8, 25088, 1024),
    "product 7 x 5 x 3": (7, 5, 3),
}
LAYERS: dict[str, Layer] = {
    "3x3, 64 channels of 56x56": Layer(64, 64, 56),
    "3x3, 256 channels of 28x28 (VGG16)": Layer(256, 256, 28),
    "3x3, 512 channels of 14x14 (VGG16)": Layer(512, 512, 14),
    "1x1, 256 to 64 channels of 28x28": Layer(256, 64, 28, 1),
    "3x3 stride 2, 64 to 128 channels of 28x28": Layer(64, 128, 28, 3, 2),
    "7x7 stride 2, 3 to 64 channels of 112x112": Layer(3, 64, 112, 7, 2),
    "depthwise 3x3, 128 channels of 28x28": Layer(128, 128, 28, 3, 1, 128),
    "3x3, 5 to 7 channels of 9x9": Layer(5, 7, 9),
}


def _random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def products(*groups: str) -> list[Rung]:
    """Those of a matrix product, on all shapes or on some of them; one that you have registered is among them."""
    found = []
    for group in groups or PRODUCTS:
        m, k, n = PRODUCTS[group]
        a, b, count = _random(1, m, k), _random(2, k, n), 2.0 * m * k * n
        for name in available("matmul"):
            if count <= SLOW.get(name, np.inf):
                run = _forced(lambda a=a, b=b: matmul.forward(a, b), matmul=name)
                found.append(Rung(group, name, run, lambda a=a, b=b: a.astype(np.float64) @ b, count))
        product = a.astype(np.float64) @ b
        found += _torch(group, lambda torch, a=a, b=b: (torch.matmul, a, b), count, product)
        found += _onnxruntime(group, ("MatMul", ["x", "w"], "y"), (a, b), count, product)
    return found


def _convolutions() -> list[Rung]:
    found = []
    for group, layer in LAYERS.items():
        x = _random(1, BATCH, layer.side, layer.side, layer.c).transpose(0, 3, 1, 2)
        w = _random(2, layer.f, layer.c // layer.groups, layer.taps, layer.taps)
        geometry = ((layer.stride,) * 2, (layer.padding,) * 2, (1, 1), layer.groups)
        count = layer.operations(BATCH)
        with use(conv2d="direct"):
            expected = conv2d.forward(x.astype(np.float64), w.astype(np.float64), *geometry)
        for name in available("conv2d"):
            module = operation("conv2d").load(name)
            if count <= SLOW.get(name, np.inf) and module.supports(
                "forward", x.dtype, x.shape, w.shape, *geometry
            ):
                run = _forced(
                    lambda x=x, w=w, geometry=geometry: conv2d.forward(x, w, *geometry), conv2d=name
                )
                found.append(Rung(group, name, run, lambda expected=expected: expected, count))

        def convolve(torch: Any, layer: Layer = layer, x: Any = x, w: Any = w) -> tuple[Any, ...]:
            def function(x: Any, w: Any) -> Any:
                return torch.conv2d(x, w, None, layer.stride, layer.padding, 1, layer.groups)

            return function, x, w

        found += _torch(group, convolve, count, expected)
        attributes = {"strides": [layer.stride] * 2, "pads": [layer.padding] * 4, "group": layer.groups}
        found += _onnxruntime(group, ("Conv", ["x", "w"], "y", attributes), (x, w), count, expected)
    return found


def _forced(run: Callable[[], Any], **names: str) -> Callable[[], Any]:
    def forced() -> Any:
        with use(**names):
            return run()

    return forced


def _torch(
    group: str, work: Callable[[Any], tuple[Any, ...]], count: float, expected: np.ndarray
) -> list[Rung]:
    """PyTorch on the same arrays, where it is installed; images stay channels-last, which is faster there too."""
    try:
        import torch
    except ImportError:
        return []
    function, *arrays = work(torch)
    tensors = [torch.from_numpy(a) for a in arrays]

    def run() -> Any:
        with torch.inference_mode():
            return function(*tensors).numpy()

    return [Rung(group, "PyTorch", run, lambda: expected, count)]


def _onnxruntime(
    group: str, node: tuple[Any, ...], arrays: tuple[np.ndarray, ...], count: float, expected: np.ndarray
) -> list[Rung]:
    """ONNX Runtime on the same numbers, where it is installed: one node, its weights a constant."""
    x, w = arrays
    try:
        run = onnx_model.session([node], {"w": w}, x, expected.shape, spin=False)
    except ImportError:
        return []
    return [Rung(group, "ONNX Runtime", run, lambda: expected, count)]


def rungs() -> list[Rung]:
    """All of them."""
    return [*products(), *_convolutions()]


def check(rung: Rung) -> None:
    """Raise unless the rung computes what it should."""
    expected = rung.expected()
    error = np.abs(rung.run() - expected).max() / np.abs(expected).max()
    assert error < 1e-5, (rung.group, rung.name, error)
