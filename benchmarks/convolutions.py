"""Convolutions against PyTorch, layer by layer. ``python -m benchmarks.convolutions``

    --set NAME      vgg16: its 3x3 layers of 64 channels and more (the default); others: 1x1, strided, large, grouped
    --batch N       images at a time (8)
    --kernel NAME   of minidl's implementations (the default policy's)
    --backward      forward, and the gradients of images, filters and bias

With bias, as in VGG16; float32; images are channels-last in minidl, and filters are transformed anew in every call.
PyTorch runs in both of its memory formats, without a graph where there is no gradient, and the speed is the ratio to
the better of the two. The engines take turns in one run, each in a process of its own; their results are compared.

GFLOP/s count the multiplications of the direct sum, two operations each: Winograd's algorithm does with a quarter of
them, so that the figure may exceed the machine's peak. "products" is the time that these take at the peak of the
micro-kernel (``python -m benchmarks.machine``): no arrangement of F(4x4, 3x3) is faster.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.interleaved import ratio, take_turns
from benchmarks.machine import peak_gflops

TOLERANCE = 1e-4


class Layer(NamedTuple):
    """One convolution: C channels and F filters of ``taps`` x ``taps`` on square images."""

    c: int
    f: int
    side: int
    taps: int = 3
    stride: int = 1
    groups: int = 1

    @property
    def padding(self) -> int:
        return self.taps // 2

    @property
    def out(self) -> int:
        return (self.side + 2 * self.padding - self.taps) // self.stride + 1

    def operations(self, batch: int) -> float:
        """Of the direct sum, forward."""
        return 2.0 * batch * self.out**2 * self.f * self.c // self.groups * self.taps**2

    def products(self, batch: int) -> float:
        """The operations of the products of F(4x4, 3x3), forward: 36 for every tile, channel and filter."""
        return 2.0 * 36 * batch * math.ceil(self.out / 4) ** 2 * self.c * self.f

    def __str__(self) -> str:
        extra = "".join(f" {k}={v}" for k, v in (("stride", self.stride), ("groups", self.groups)) if v > 1)
        return f"{self.c} -> {self.f}, {self.taps}x{self.taps} @ {self.side}{extra}"


SETS = {
    "vgg16": [
        Layer(64, 64, 224), Layer(64, 128, 112), Layer(128, 128, 112), Layer(128, 256, 56),
        Layer(256, 256, 56), Layer(256, 512, 28), Layer(512, 512, 28), Layer(512, 512, 14),
    ],
    "others": [
        Layer(3, 64, 224), Layer(256, 64, 56, 1), Layer(64, 256, 56, 1), Layer(512, 512, 28, 1, 2),
        Layer(64, 128, 56, 3, 2), Layer(3, 64, 224, 7, 2), Layer(64, 96, 56, 5), Layer(128, 128, 56, 3, 1, 8),
        Layer(128, 128, 56, 3, 1, 128), Layer(512, 128, 28, 1), Layer(32, 64, 28, 5), Layer(512, 512, 14, 3, 2),
        Layer(128, 128, 56, 3, 1, 32), Layer(512, 512, 14, 3, 1, 32), Layer(240, 240, 14, 5, 1, 240),
    ],
}  # fmt: skip
ENGINES = ("minidl", "torch", "torch channels-last")


def number(result: Any) -> float:
    """A weighted sum of magnitudes of what the step computed."""
    return float(
        sum(np.sum(np.abs(a) * (1 + np.cos(np.arange(a.size)) / 2).reshape(a.shape)) for a in result)
    )


def prepare(job: str) -> Callable[[], Any]:
    """The step of a job in JSON: engine, layer, batch, kernel, backward."""
    engine, layer, batch, kernel, backward = json.loads(job)
    layer = Layer(*layer)
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, layer.side, layer.side, layer.c), dtype="f").transpose(0, 3, 1, 2)
    w = random.standard_normal((layer.f, layer.c // layer.groups, layer.taps, layer.taps), dtype="f") * 0.05
    arrays = [x, w, random.standard_normal(layer.f, dtype="f")]
    g = random.standard_normal((batch, layer.out, layer.out, layer.f), dtype="f").transpose(0, 3, 1, 2)
    if engine == "minidl":
        return _prepare_minidl(layer, arrays, g, kernel, backward)
    return _prepare_torch(layer, arrays, g, engine.endswith("channels-last"), backward)


def _options(layer: Layer) -> dict[str, int]:
    return {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}


def _prepare_minidl(
    layer: Layer, arrays: list[np.ndarray], g: np.ndarray, kernel: str, backward: bool
) -> Callable[[], Any]:
    import minidl

    operands = [minidl.from_numpy(a).requires_grad_(backward) for a in arrays]
    cotangent = minidl.from_numpy(g)

    def step() -> Any:
        with minidl.kernels.use(conv2d=kernel) if kernel else contextlib.nullcontext():
            y = minidl.nn.functional.conv2d(*operands, **_options(layer))
            results = minidl.autograd.grad(y, operands, cotangent) if backward else (y,)
        return [a.numpy()[:1] if a.ndim == 4 else a.numpy() for a in results]

    return step


def _prepare_torch(
    layer: Layer, arrays: list[np.ndarray], g: np.ndarray, channels_last: bool, backward: bool
) -> Callable[[], Any]:
    import torch

    order = {"memory_format": torch.channels_last if channels_last else torch.contiguous_format}
    made = [torch.from_numpy(a) for a in (*arrays, g)]
    *operands, cotangent = (a.contiguous(**order) if a.ndim == 4 else a for a in made)
    for a in operands:
        a.requires_grad_(backward)

    def step() -> Any:
        with torch.inference_mode(not backward):
            y = torch.conv2d(*operands, **_options(layer))
            results = torch.autograd.grad(y, operands, cotangent) if backward else (y,)
        return [a.numpy()[:1] if a.ndim == 4 else a.numpy() for a in results]

    return step


def compare(layer: Layer, batch: int, kernel: str, backward: bool, turns: int) -> float:
    """Measure one layer, print its line, and return how many times as fast minidl is."""
    jobs = [json.dumps([engine, layer, batch, kernel, backward]) for engine in ENGINES]
    work = layer.operations(batch) * (3 if backward else 1)
    steps = max(1, int(2e10 / work))
    ours, *theirs = take_turns(__spec__.name, jobs, turns, steps)
    times = [statistics.median(record.seconds) for record in (ours, *theirs)]
    speed = min(ratio(record, ours) for record in theirs)
    cells = "".join(
        f"{seconds * 1e3:>{width}.2f}" for seconds, width in zip(times, (10, 10, 15), strict=True)
    )
    floor = "-"
    if (layer.taps, layer.stride, layer.groups) == (3, 1, 1):
        floor = f"{layer.products(batch) * (3 if backward else 1) / peak_gflops() / 1e6:.2f}"
    print(f"{layer!s:<30}{cells}{speed:>8.2f}{work / times[0] / 1e9:>9.0f}{floor:>10}", flush=True)
    return speed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--set", choices=SETS, default="vgg16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--kernel", default="", help="force one of minidl's implementations")
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--only", default="", help="measure the layers whose lines hold this")
    parser.add_argument("--turns", type=int, default=7, help="turns of each engine (default 7)")
    options = parser.parse_args()
    heads = zip(
        ("minidl", "PyTorch", "channels-last", "speed", "GFLOP/s", "products"),
        (10, 10, 15, 8, 9, 10),
        strict=True,
    )
    print(f"{'ms, float32':<30}" + "".join(f"{head:>{width}}" for head, width in heads))
    layers = [layer for layer in SETS[options.set] if options.only in str(layer)]
    speeds = [
        compare(layer, options.batch, options.kernel, options.backward, options.turns) for layer in layers
    ]
    print(f"geometric mean: {math.exp(statistics.fmean(map(math.log, speeds))):.2f} times as fast as PyTorch")


if __name__ == "__main__":
    main()
