"""Pooling, normalisation, softmax, dropout and ReLU on large inputs against PyTorch. ``python -m benchmarks.layers``

Forward and backward, float32; ``--only WORD`` picks the works whose names hold the word. Images are channels-last in
minidl; PyTorch runs in both of its memory formats, and the ratio to quote is the one to the better of the two. The
engines take turns in one run, each in a process of its own.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.interleaved import ratio, take_turns

TOLERANCE = 1e-3


class Work(NamedTuple):
    """What is measured: the input's shape; what is computed, given functional, the input and further tensors."""

    shape: tuple[int, ...]
    compute: Callable[..., Any]
    extras: Callable[[tuple[int, ...]], tuple[np.ndarray, ...]] = lambda _shape: ()
    backward: bool = True


def _channel_parameters(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Weight and bias, one for each channel."""
    return np.linspace(0.5, 1.5, shape[1], dtype="f"), np.linspace(-1, 1, shape[1], dtype="f")


def _feature_parameters(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Weight and bias, one for each of the last dimension's features."""
    return np.linspace(0.5, 1.5, shape[-1], dtype="f"), np.linspace(-1, 1, shape[-1], dtype="f")


def _classes(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    return (np.random.default_rng(2).integers(0, shape[1], shape[0]),)


def _running(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    mean, var = _channel_parameters(shape)[::-1]
    return mean, np.abs(var) + 0.5, *_channel_parameters(shape)


VGG_BLOCKS = ((8, 64, 224, 224), (8, 128, 112, 112), (8, 256, 56, 56), (8, 512, 28, 28), (8, 512, 14, 14))
RESNET_BLOCKS = ((32, 64, 56, 56), (32, 256, 56, 56), (32, 128, 28, 28), (32, 512, 28, 28), (32, 512, 7, 7))


def _label(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


WORKS: dict[str, Work] = {}
for _shape in VGG_BLOCKS:
    WORKS[f"relu + max_pool {_label(_shape)}"] = Work(_shape, lambda F, x: F.max_pool2d(F.relu(x), 2))
    WORKS[f"avg_pool {_label(_shape)}"] = Work(_shape, lambda F, x: F.avg_pool2d(x, 2))
WORKS["max_pool 3/2 32x64x112x112"] = Work((32, 64, 112, 112), lambda F, x: F.max_pool2d(x, 3, 2, 1))
for _shape in ((8, 64, 224, 224), (8, 512, 28, 28)):
    WORKS[f"relu {_label(_shape)}"] = Work(_shape, lambda F, x: F.relu(x))
    WORKS[f"max_pool forward {_label(_shape)}"] = Work(
        _shape, lambda F, x: F.max_pool2d(x, 2), backward=False
    )
for _shape in RESNET_BLOCKS:
    WORKS[f"batch_norm {_label(_shape)}"] = Work(
        _shape, lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True), _channel_parameters
    )
    WORKS[f"batch_norm in use {_label(_shape)}"] = Work(
        _shape, lambda F, x, m, v, w, b: F.batch_norm(x, m, v, w, b), _running, backward=False
    )
WORKS["group_norm 8x256x56x56"] = Work(
    (8, 256, 56, 56), lambda F, x, w, b: F.group_norm(x, 32, w, b), _channel_parameters
)
WORKS["layer_norm 64x512x768"] = Work(
    (64, 512, 768), lambda F, x, w, b: F.layer_norm(x, (768,), w, b), _feature_parameters
)
WORKS["rms_norm 64x512x768"] = Work(
    (64, 512, 768),
    lambda F, x, w: F.rms_norm(x, (768,), w, 1e-6),
    lambda shape: _feature_parameters(shape)[:1],
)
for _shape in ((256, 1000), (4096, 1000), (64, 12, 128, 128)):
    WORKS[f"softmax {_label(_shape)}"] = Work(_shape, lambda F, x: F.softmax(x, -1))
    WORKS[f"log_softmax {_label(_shape)}"] = Work(_shape, lambda F, x: F.log_softmax(x, -1))
for _shape in ((256, 1000), (4096, 1000), (65536, 10)):
    WORKS[f"cross_entropy {_label(_shape)}"] = Work(_shape, lambda F, x, t: F.cross_entropy(x, t), _classes)


def number(result: Any) -> float:
    """A weighted sum of a part of what the step computed."""
    part = np.asarray(result, dtype=np.float64)
    return float(np.sum(part * np.cos(np.arange(part.size)).reshape(part.shape)))


def prepare(job: str) -> Callable[[], Any]:
    """The step of ``"engine: work"``, which returns what is differentiated (or computed) of the first two samples."""
    engine, name = job.split(": ")
    work = WORKS[name]
    x = np.random.default_rng(0).standard_normal(work.shape, dtype="f")
    images = "pool" in name or "batch_norm" in name or "group_norm" in name or name.startswith("relu")
    if images and engine != "torch":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    arrays = [x, *work.extras(work.shape)]
    return (_prepare_minidl if engine == "minidl" else _prepare_torch)(work, arrays)


def _cotangent(y: np.ndarray) -> np.ndarray:
    """A gradient for the result, in its memory order."""
    g = np.empty_like(y)
    g[...] = np.sin(np.arange(y.size, dtype=np.float32)).reshape(y.shape)
    return g


def _prepare_minidl(work: Work, arrays: list[np.ndarray]) -> Callable[[], Any]:
    import minidl
    from minidl.nn import functional as F

    inputs = [minidl.from_numpy(a) for a in arrays]
    g = minidl.from_numpy(_cotangent(work.compute(F, *inputs).numpy()))
    leaves = [a.requires_grad_() for a in inputs if work.backward and a.is_floating_point()]

    def step() -> Any:
        y = work.compute(F, *inputs)
        return minidl.autograd.grad(y, leaves, g)[0].numpy()[:2] if work.backward else y.numpy()[:2]

    return step


def _prepare_torch(work: Work, arrays: list[np.ndarray]) -> Callable[[], Any]:
    import torch

    F = torch.nn.functional
    inputs = [torch.from_numpy(a) for a in arrays]
    g = torch.from_numpy(_cotangent(work.compute(F, *inputs).numpy()))
    leaves = [a.requires_grad_() for a in inputs if work.backward and a.is_floating_point()]

    def step() -> Any:
        with torch.inference_mode(not work.backward):
            y = work.compute(F, *inputs)
        return torch.autograd.grad(y, leaves, g)[0].numpy()[:2] if work.backward else y.numpy()[:2]

    return step


ENGINES = ("minidl", "torch", "torch channels-last")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="measure the works whose names hold this")
    parser.add_argument("--turns", type=int, default=9, help="turns of each engine (default 9)")
    options = parser.parse_args()
    print(f"{'float32':<40}{'minidl':>10}{'PyTorch':>10}{'channels-last':>15}{'speed':>8}")
    for name, work in WORKS.items():
        if options.only not in name:
            continue
        images = len(work.shape) == 4 and "softmax" not in name
        engines = [f"{engine}: {name}" for engine in (ENGINES if images else ENGINES[:2])]
        steps = max(4, 2**27 // math.prod(work.shape))
        ours, *theirs = take_turns(__spec__.name, engines, options.turns, steps)
        times = [statistics.median(record.seconds) * 1e3 for record in (ours, *theirs)]
        speed = min(ratio(record, ours) for record in theirs)
        cells = "".join(f"{ms:>{width}.3f}" for ms, width in zip(times, (10, 10, 15), strict=False))
        print(f"{name:<40}{cells:<35}{speed:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
