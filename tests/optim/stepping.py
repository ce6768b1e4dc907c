"""What the tests of optimizers share: optimizers with state of every kind, parameters, and gradients that repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minidl.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from minidl.tensor import Tensor

MAKERS: list[Any] = [
    pytest.param(lambda params: SGD(params, lr=0.1, momentum=0.9, dampening=0.5), id="SGD"),
    pytest.param(lambda params: Adam(params, weight_decay=0.1, amsgrad=True), id="Adam"),
    pytest.param(lambda params: AdamW(params), id="AdamW"),
    pytest.param(lambda params: RMSprop(params, momentum=0.9, centered=True, eps_inside=True), id="RMSprop"),
]


def parameter(*shape: int, value: float = 1.0) -> Tensor:
    return Tensor(np.full(shape, value, np.float32), requires_grad=True)


def parameters() -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [
        Tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
        for shape in ((4, 3), (), (5,))
    ]


def steps(optimizer: Optimizer, first: int, last: int) -> None:
    """Steps ``first`` to ``last``, each with gradients of its own."""
    for i in range(first, last):
        rng = np.random.default_rng(i)
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = Tensor(np.asarray(rng.standard_normal(p.shape), p.dtype))
        optimizer.step()
