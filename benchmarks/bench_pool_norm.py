"""Pooling, normalisation, softmax and ReLU: every implementation, on the shapes of VGG16, ResNet and a transformer.

``pytest benchmarks/bench_pool_norm.py --benchmark-only``. A group is one work on one shape, forward and backward unless
it says otherwise. Each result is compared with the one of the reference implementations before it is timed. The column
GB/s counts the bytes that must be moved at the least: the input and the result, and backward the two gradients.

The engines share a process here, and their pools of threads get in each other's way; the ratios to quote come from
``python -m benchmarks.layers``, which gives each a process of its own.
"""

from __future__ import annotations

import contextlib
import functools
import math
from typing import Any

import pytest

from benchmarks import layers
from minidl import kernels
from minidl.errors import KernelError

# The operation whose implementations are compared, by how the work's name begins; the first that fits.
OPERATIONS = {
    "relu + max_pool": "max_pool2d",
    "relu": "relu",
    "max_pool": "max_pool2d",
    "avg_pool": "avg_pool2d",
    "batch_norm in use": "affine",
    "log_softmax": "softmax",
    "softmax": "softmax",
    "cross_entropy": "cross_entropy",
}
REFERENCES = dict.fromkeys((*OPERATIONS.values(), "normalize"), "reference")


def _operation(work: str) -> str:
    return next((op for start, op in OPERATIONS.items() if work.startswith(start)), "normalize")


def _runs() -> list[Any]:
    """Each work with each implementation, and with PyTorch in the memory formats that there are."""
    runs = []
    for work, parameters in layers.WORKS.items():
        engines = ["torch", *["torch channels-last"] * (len(parameters.shape) == 4)]
        mark = pytest.mark.benchmark(group=work)
        runs += [
            pytest.param(work, how, id=f"{work}-{how}", marks=mark)
            for how in (*kernels.available(_operation(work)), *engines)
        ]
    return runs


@functools.lru_cache(maxsize=1)
def _expected(work: str) -> float:
    with kernels.use(**REFERENCES):
        return layers.number(layers.prepare(f"minidl: {work}")())


@pytest.mark.parametrize(("work", "how"), _runs())
def test_layer(benchmark: Any, work: str, how: str) -> None:
    ours = not how.startswith("torch")
    if not ours:
        pytest.importorskip("torch")
    with kernels.use(**{_operation(work): how}) if ours else contextlib.nullcontext():
        try:
            step = layers.prepare(f"{'minidl' if ours else how}: {work}")
        except KernelError as error:
            pytest.skip(str(error))
        assert layers.number(step()) == pytest.approx(_expected(work), rel=layers.TOLERANCE)
        benchmark(step)
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["GB/s"] = round(_bytes(work) / seconds / 1e9, 1)


def _bytes(work: str) -> int:
    """Of float32: the input and the result, and their gradients. A 2x2 pool's result is a quarter, a loss's nothing."""
    pooled, loss = "pool" in work, "cross_entropy" in work
    elements = math.prod(layers.WORKS[work].shape)
    return int(
        4 * elements * (1 + (0.25 if pooled else 0 if loss else 1)) * (1 + layers.WORKS[work].backward)
    )
