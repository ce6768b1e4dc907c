"""The overhead of the tape: 60 small operations, forward and backward. ``python -m benchmarks.chain``

20 times ``x = (x * b + b).tanh()`` on 8x8 float32, then ``x.sum().backward()``. The arithmetic itself is almost
nothing, so what is measured is the price of recording an operation and walking back over it. (The walk is
sequential; PyTorch's threads have nothing to do here.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import report, take_turns

ENGINES = ("minidl", "torch")
TOLERANCE = 1e-4


def number(gradient: Any) -> float:
    return gradient[0, 0].item()


def prepare(engine: str) -> Callable[[], Any]:
    random = np.random.default_rng(0)
    start, b = (random.random((8, 8), dtype=np.float32) for _ in range(2))
    x0, factor = _leaf(engine, start), _leaf(engine, b)

    def step() -> Any:
        x = x0
        for _ in range(20):
            x = (x * factor + factor).tanh()
        x.sum().backward()
        gradient = factor.grad
        x0.grad = factor.grad = None
        return gradient

    return step


def _leaf(engine: str, array: np.ndarray) -> Any:
    if engine == "torch":
        import torch

        return torch.tensor(array, requires_grad=True)
    import minidl

    return minidl.tensor(array, requires_grad=True)


if __name__ == "__main__":
    print(
        report(
            "20 x (x * b + b).tanh(), sum, backward; 8x8 float32", take_turns(__spec__.name, ENGINES, 31, 100)
        )
    )
