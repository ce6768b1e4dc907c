"""Steps of optimizers, against PyTorch's default and fused ones. ``python -m benchmarks.optimizers``

The engines take turns, each in a process of its own; the speed is the median of PyTorch's time over minidl's, the
better of PyTorch's two. GB/s are what minidl moves at least: each array that a step reads or writes, once.
"""

from __future__ import annotations

import argparse
import importlib
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import ratio, take_turns

ENGINES = ("minidl", "torch", "torch, fused")
TOLERANCE = 1e-4

SHAPES: dict[str, list[tuple[int, ...]]] = {
    "4 M": [(2048, 2048)],
    "25 M": [(25088, 1024)],
    "60 small": [(32, 16)] * 60,
    "convolutions": [(64, 3, 3, 3), (64,), (128, 64, 3, 3), (128,), (512, 256, 3, 3), (512,)],
}
# The class, its options, and how many arrays a step reads and writes.
STEPS: dict[str, tuple[str, dict[str, Any], int]] = {
    "SGD": ("SGD", {"lr": 0.01}, 3),
    "SGD, momentum": ("SGD", {"lr": 0.01, "momentum": 0.9}, 5),
    "SGD, Nesterov, decay": (
        "SGD",
        {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
        5,
    ),
    "Adam": ("Adam", {}, 7),
    "AdamW": ("AdamW", {}, 7),
    "RMSprop": ("RMSprop", {}, 5),
}


def parameters(package: str, shapes: list[tuple[int, ...]]) -> list[Any]:
    """Parameters with gradients; the same numbers for every engine."""
    module, random = importlib.import_module(package), np.random.default_rng(0)
    found = []
    for shape in shapes:
        p = module.tensor(0.1 * random.standard_normal(shape).astype(np.float32), requires_grad=True)
        p.grad = module.tensor(random.standard_normal(shape).astype(np.float32))
        found.append(p)
    return found


def prepare(job: str) -> Callable[[], Any]:
    """The step of ``"engine: optimizer: parameters"``, or of ``"engine: clip_grad_norm_: parameters"``."""
    engine, name, size = job.split(": ")
    package, *fused = engine.split(", ")
    params = parameters(package, SHAPES[size])
    if name == "clip_grad_norm_":
        clip = importlib.import_module(f"{package}.nn.utils").clip_grad_norm_
        return lambda: clip(params, 1e9)
    kind, options, _ = STEPS[name]
    optimizer = getattr(importlib.import_module(f"{package}.optim"), kind)(
        params, **options, **({"fused": True} if fused else {})
    )

    def step() -> Any:
        optimizer.step()
        return params[0]

    return step


def number(result: Any) -> float:
    return float(np.abs(result.detach().numpy()).sum(dtype=np.float64))


def main(sizes: list[str], names: list[str], turns: int) -> None:
    print(f"{'step':<38}{'minidl':>10}{'default':>10}{'fused':>10}{'speed':>8}{'GB/s':>8}")
    shares = []
    for size in sizes:
        elements = sum(math.prod(shape) for shape in SHAPES[size])
        for name in names:
            has_fused = name not in ("RMSprop", "clip_grad_norm_")
            jobs = [f"{engine}: {name}: {size}" for engine in ENGINES if has_fused or "," not in engine]
            ours, *theirs = take_turns(__spec__.name, jobs, turns, 3 if size == "25 M" else 20)
            shares.append(min(ratio(other, ours) for other in theirs))
            times = [statistics.median(t.seconds) for t in (ours, *theirs)]
            columns = "".join(f"{t * 1e6:>7.0f} µs" for t in times) + " " * (10 * (3 - len(times)))
            arrays = STEPS[name][2] if name in STEPS else 1
            print(
                f"{size + ': ' + name:<38}{columns}{shares[-1]:>8.2f}{elements * 4 * arrays / times[0] / 1e9:>8.1f}"
            )
    print(f"{'geometric mean':<68}{statistics.geometric_mean(shares):>8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Steps of optimizers, minidl and PyTorch in turn.")
    parser.add_argument("--sizes", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--steps", nargs="*", default=[*STEPS, "clip_grad_norm_"])
    parser.add_argument("--turns", type=int, default=9, help="turns that count (default 9)")
    options = parser.parse_args()
    main(options.sizes, options.steps, options.turns)
