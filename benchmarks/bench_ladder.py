"""Every implementation of the product and of the convolution, by shape. ``pytest benchmarks --benchmark-only``

Each result is checked before it is timed. The columns at the end: GFLOP/s, counted by the definition (Winograd's
algorithm does fewer), and their share of the machine's measured peak in percent. PyTorch and ONNX Runtime stand in
the same tables where they are installed; they share the process here, so the ratios to quote come from ``python -m
benchmarks.report``.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import ladder
from benchmarks.machine import peak_gflops

RUNGS = ladder.rungs()


@pytest.mark.parametrize("rung", [pytest.param(r, id=f"{r.group}: {r.name}") for r in RUNGS])
def test_rung(benchmark: Any, rung: ladder.Rung) -> None:
    ladder.check(rung)
    benchmark.group = rung.group
    benchmark(rung.run)
    if benchmark.stats:
        gflops = rung.operations / benchmark.stats.stats.median / 1e9
        benchmark.extra_info |= {
            "GFLOP/s": round(gflops, 1),
            "% of peak": round(100 * gflops / peak_gflops()),
        }
