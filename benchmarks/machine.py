"""What the machine can do at most: multiply-adds in registers, and bytes from memory. ``python -m benchmarks.machine``

The peak is that of the tile of registers on operands in the first level of cache, run by all threads at once; the
bandwidth that of a sum ``c = a + b`` of arrays far larger than the caches, three passes counted.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def best(work: Callable[[], Any], turns: int = 20) -> float:
    """The shortest time of ``work`` in seconds: interruptions only ever add."""
    work()
    times = []
    for _ in range(turns):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


@functools.cache
def peak_gflops(dtype: str = "float32") -> float:
    """Multiply-adds of all threads, counted as two operations, in units of 1e9 per second."""
    import numba

    from minidl import get_num_threads
    from minidl.kernels.launch import launch
    from minidl.kernels.simd import columns, machine, pointer, tile
    from minidl.kernels.threads import parallel

    rows, vectors, steps, repeats = machine().rows, machine().vectors, 128, 4000
    width = columns(np.dtype(dtype).itemsize)
    multiply = tile(rows, vectors)

    @numba.njit(nogil=True)
    def task(i, a, b, c):
        for _ in range(repeats):
            multiply(
                pointer(a, 0), 1, rows, pointer(b, 0), width, steps, pointer(c, i * rows * width), width, width,
                pointer(b, 0), 0,
            )  # fmt: skip

    @parallel
    def run(pool, tasks, a, b, c):
        launch(pool, tasks, task, (a, b, c))

    threads = get_num_threads()
    a, b = np.ones(rows * steps, dtype), np.ones(width * steps, dtype)
    c = np.zeros(threads * rows * width, dtype)
    seconds = best(lambda: run(threads, a, b, c))
    assert (c == steps).all()
    return 2 * rows * width * steps * repeats * threads / seconds / 1e9


@functools.cache
def bandwidth() -> float:
    """Bytes read and written by all threads, in units of 1e9 per second."""
    import numba

    from minidl import get_num_threads
    from minidl.kernels.launch import launch
    from minidl.kernels.threads import parallel

    size, block = 1 << 25, 1 << 18

    @numba.njit(nogil=True)
    def task(i, a, b, c):
        x, y, z = (
            a[i * block : (i + 1) * block],
            b[i * block : (i + 1) * block],
            c[i * block : (i + 1) * block],
        )
        for j in range(x.size):
            z[j] = x[j] + y[j]

    @parallel
    def run(pool, tasks, a, b, c):
        launch(pool, tasks, task, (a, b, c))

    get_num_threads()
    a, b, c = (np.ones(size, np.float32) for _ in range(3))
    seconds = best(lambda: run(size // block, a, b, c))
    assert (c == 2).all()
    return 3 * a.nbytes / seconds / 1e9


def main() -> None:
    from minidl import get_num_threads
    from minidl.kernels.simd import machine

    print(f"{machine().name}, {get_num_threads()} threads")
    print(
        f"float32 {peak_gflops():.0f} GFLOP/s, float64 {peak_gflops('float64'):.0f} GFLOP/s, {bandwidth():.1f} GB/s"
    )


if __name__ == "__main__":
    main()
