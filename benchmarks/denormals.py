"""What numbers below 1e-38 cost: each work on such inputs against ordinary ones. ``python -m benchmarks.denormals``

Some processors take a hundred cycles for an operation on denormal numbers; a ratio above 4 would be a defect here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

import minidl
from minidl.nn import functional as F

TURNS = 31


def _seconds(work: Callable[[minidl.Tensor], object], x: minidl.Tensor) -> float:
    begin = time.perf_counter()
    work(x)
    return time.perf_counter() - begin


def main() -> None:
    weight, square = minidl.randn(64, 64, 3, 3), minidl.randn(512, 512)
    works: dict[str, tuple[tuple[int, ...], Callable[[minidl.Tensor], object]]] = {
        "matmul": ((512, 512), lambda x: x @ square),
        "conv2d 3x3": ((2, 64, 56, 56), lambda x: F.conv2d(x, weight, padding=1)),
        "max_pool2d": ((2, 64, 56, 56), lambda x: F.max_pool2d(x, 2)),
        "avg_pool2d": ((2, 64, 56, 56), lambda x: F.avg_pool2d(x, 2)),
        "batch_norm": ((2, 64, 56, 56), lambda x: F.batch_norm(x, None, None, training=True)),
        "softmax": ((4096, 100), lambda x: F.softmax(x, -1)),
        "sigmoid": ((512, 512), minidl.sigmoid),
        "multiplication": ((512, 512), lambda x: x * x),
    }
    print(f"{'float32':<20}{'ordinary':>12}{'denormal':>12}{'ratio':>8}")
    with minidl.no_grad():
        for name, (shape, work) in works.items():
            ordinary = minidl.randn(*shape)
            inputs = ordinary, minidl.from_numpy(ordinary.numpy() * np.float32(1e-39))
            turns = [[_seconds(work, x) for x in inputs] for _ in range(TURNS + 3)][3:]
            plain, tiny = (statistics.median(column) * 1e6 for column in zip(*turns, strict=True))
            ratio = statistics.median(b / a for a, b in turns)
            print(f"{name:<20}{plain:>9.0f} µs{tiny:>9.0f} µs{ratio:>8.2f}")


if __name__ == "__main__":
    main()
