"""Products and elementwise work in turn against each of them alone. ``python -m benchmarks.alternating``

Two pools of threads that wait for each other by spinning make such a program many times slower than the sum of its
parts (OpenBLAS's beside OpenMP's: 8 ms for what takes 0.5). Where all work is done by one pool, the ratio is about 1.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import minidl

STEPS, TURNS = 40, 25


def _seconds(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - begin) / STEPS


def main() -> None:
    print(f"{'':<24}{'product':>12}{'elementwise':>14}{'in turn':>12}{'of the sum':>12}")
    with minidl.no_grad():
        for n in (128, 256, 512):
            a, b, x = minidl.randn(n, n), minidl.randn(n, n), minidl.randn(512, 512)
            works: tuple[Callable[[], object], ...] = (
                lambda a=a, b=b: a @ b,  # type: ignore[misc]
                lambda x=x: minidl.sigmoid(x),  # type: ignore[misc]
                lambda a=a, b=b, x=x: (a @ b, minidl.sigmoid(x)),  # type: ignore[misc]
            )
            turns = [[_seconds(work) for work in works] for _ in range(TURNS + 1)][1:]
            product, elementwise, both = (
                statistics.median(column) * 1e6 for column in zip(*turns, strict=True)
            )
            ratio = statistics.median(t[2] / (t[0] + t[1]) for t in turns)
            print(
                f"{f'{n}x{n}, 512x512':<24}{product:>9.0f} µs{elementwise:>11.0f} µs{both:>9.0f} µs{ratio:>12.2f}"
            )


if __name__ == "__main__":
    main()
