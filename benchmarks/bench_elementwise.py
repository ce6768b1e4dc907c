"""Elementwise operations and reductions on 1 MB, with PyTorch beside. ``pytest benchmarks --benchmark-only``

A group for each operation; the result is checked before it is timed, and GB/s counts each operand read and the result
written once. The engines share a process here: the ratios to quote come from ``python -m benchmarks.elementwise``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import elementwise

OPERANDS = {"maximum": 2, "where": 2, "add": 2, "sub": 2, "mul": 2, "div": 2, "gt": 2, "eq": 2}
NAMES = [*elementwise.ELEMENTWISE, *elementwise.REDUCTIONS, *elementwise.OF_IMAGES]


@pytest.mark.parametrize("engine", ["minidl", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_on_1_mb(benchmark: Callable, name: str, engine: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch")
    benchmark.group = f"{name}, 1 MB"
    step = elementwise.calls(engine)[name]
    expected = elementwise.number(elementwise.calls("minidl")[name]())
    assert elementwise.number(step()) == pytest.approx(expected, rel=elementwise.TOLERANCE)
    benchmark(step)
    elements = np.prod(elementwise.IMAGES) if name in elementwise.OF_IMAGES else elementwise.SIDE**2
    moved = elements * 4 * (OPERANDS.get(name, 1) + (name not in elementwise.REDUCTIONS))
    if benchmark.stats is not None:
        benchmark.extra_info["GB/s"] = round(moved / benchmark.stats.stats.median / 1e9, 1)
