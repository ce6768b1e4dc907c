"""Cases for the steps of optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.kernels.cases.case import Case, exact, random

PARAMETERS: tuple[Any, ...] = ((5, 7), (33,), (), (0,), (170, 300))  # the last is more than one block


def _in_place(dtype: np.dtype) -> tuple[Any, ...]:
    return (dtype, True)


def _parameters(*shape: int) -> tuple[np.ndarray, ...]:
    """A parameter, its gradient, a mean of gradients and two of their squares."""
    p, g, m, square = (random(seed, *shape) for seed in range(4))
    return p, g, exact(m / 8), exact(np.abs(square) + 1), exact(np.abs(square) + 1.5)


def _adam_cases() -> Iterator[Case]:
    for shape in PARAMETERS:
        p, g, m, v, vmax = _parameters(*shape)
        for largest in (None, vmax):
            for decay, maximize, decoupled in ((0.0, False, False), (0.1, True, False), (0.1, False, True)):
                rest = (3, 0.1, 0.9, 0.99, 1e-8, decay, maximize, decoupled)
                yield Case("step", (p, g, m, v, largest, *rest), _in_place)
        yield Case("step", (p, g, m, v, None, 1, 0.1, 0.25, 0.5, 1e-3, 0.0, False, False), _in_place)


def _sgd_cases() -> Iterator[Case]:
    for shape in PARAMETERS:
        p, g, m, *_ = _parameters(*shape)
        yield Case("step", (p, g, None, False, 0.1, 0.0, 0.0, False, 0.1, True), _in_place)
        for first in (True, False):
            yield Case("step", (p, g, m, first, 0.1, 0.9, 0.25, False, 0.0, False), _in_place)
            yield Case("step", (p, g, m, first, 0.1, 0.9, 0.0, True, 0.1, True), _in_place)


def _rmsprop_cases() -> Iterator[Case]:
    for shape in PARAMETERS:
        p, g, m, v, _ = _parameters(*shape)
        for buffer, momentum in ((None, 0.0), (m, 0.9)):
            for mean in (None, exact(m / 2)):
                for alpha, decay, maximize, inside in ((0.9, 0.0, False, False), (0.25, 0.1, True, True)):
                    rest = (0.1, alpha, 1e-3, decay, momentum, maximize, inside)
                    yield Case("step", (p, g, v, buffer, mean, *rest), _in_place)


CASES: dict[str, Callable[[], Iterator[Case]]] = {
    "adam": _adam_cases,
    "sgd": _sgd_cases,
    "rmsprop": _rmsprop_cases,
}
