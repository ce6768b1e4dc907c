"""A kernel of one's own, beside those that are there.

The definition of a matrix product takes a row of the first and a column of the second matrix for each element. Columns
lie scattered in memory. Here the loops are exchanged: a number of the first matrix times a whole row of the second,
which lies in one piece, so that the processor loads and multiplies several numbers at once. This file is the kernel's
module; registering it names the file, and then the test that all kernels pass, ``use`` and the benchmark know it.
"""

import sys
import time
from pathlib import Path

import numpy as np

from minidl import kernels
from minidl.kernels.arrays import compiled_for
from minidl.kernels.compile import jit
from minidl.kernels.matmul.loops import each_product
from minidl.testing import check_kernel


def supports(dtype):
    """Which calls this kernel takes: float32 and float64."""
    return compiled_for(dtype)


def forward(a, b, bias=None, relu=False):
    """(..., M, K) @ (..., K, N), with the arguments that all kernels of the operation have."""
    return each_product(_product, a, b, bias, relu)


@jit
def _product(a, b, c):
    for i in range(c.shape[0]):
        row = c[i]
        for k in range(a.shape[1]):
            factor, other = a[i, k], b[k]
            for j in range(row.size):
                row[j] += factor * other[j]


def seconds(run) -> float:
    """The best of five runs."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    kernels.register("matmul", "rows", module=Path(__file__).stem)
    print(check_kernel("matmul", "rows"), "calls agree with the definition in float64")

    sys.path.append(str(Path(__file__).parents[2]))  # where the benchmarks are
    from benchmarks.ladder import products

    for rung in products("product 256 x 784 x 32 (autoencoder)"):
        np.testing.assert_allclose(rung.run(), rung.expected(), atol=1e-3)
        print(f"{rung.name:<12}{rung.operations / seconds(rung.run) / 1e9:8.1f} GFLOP/s")


if __name__ == "__main__":
    main()
