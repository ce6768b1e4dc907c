"""Steps of optimizers of 4 M parameters, minidl and PyTorch side by side. ``pytest benchmarks --benchmark-only``

Every implementation of minidl's, PyTorch's default and fused ones; the first steps are checked before the next are
timed. The engines share a process here: the ratios to quote come from ``python -m benchmarks.optimizers``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

import minidl.kernels
from benchmarks import optimizers

SIZE = "4 M"
ENGINES = ["minidl", "minidl, reference", "torch", "torch, fused"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", optimizers.STEPS)
def test_step(benchmark: Callable, name: str, engine: str) -> None:
    if engine.startswith("torch"):
        pytest.importorskip("torch")
    if name == "RMSprop" and engine == "torch, fused":
        pytest.skip("PyTorch has no fused RMSprop")
    benchmark.group = f"{name}, {SIZE} parameters"
    forced = (
        {"adam": "reference", "sgd": "reference", "rmsprop": "reference"} if "reference" in engine else {}
    )
    step = optimizers.prepare(f"{engine.replace(', reference', '')}: {name}: {SIZE}")
    expected = optimizers.number(optimizers.prepare(f"minidl: {name}: {SIZE}")())
    with minidl.kernels.use(**forced):
        assert optimizers.number(step()) == pytest.approx(expected, rel=optimizers.TOLERANCE)
        benchmark(step)
    if benchmark.stats is not None:
        moved = 4 * 2048 * 2048 * optimizers.STEPS[name][2]
        benchmark.extra_info["GB/s"] = round(moved / benchmark.stats.stats.median / 1e9, 1)
