"""Cases for activations: every number of dimensions, the edges between blocks, signed zeros, NaN and infinities."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minidl.kernels.cases.case import Case, exact, random

SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (0, 3),
    (7,),
    (3, 5, 7),
    (2, 5, 6, 4),
    ((1 << 14) + 1,),  # one element more than a block
    (2, 9, 61, 67),
)


def _with_special_values(a: np.ndarray) -> np.ndarray:
    if a.size > 8:
        a.flat[1:8:2] = -0.0, np.nan, np.inf, -np.inf
    return a


def _problem(shape: tuple[int, ...]) -> Callable[[np.dtype], tuple[object, ...]]:
    return lambda dtype: (dtype, int(np.prod(shape)))


def _relu_cases() -> Iterator[Case]:
    for shape in SHAPES:
        x, g = _with_special_values(random(1, *shape)), random(2, *shape)
        yield Case("forward", (x,), _problem(shape))
        yield Case("input_grad", (g, np.asarray(np.maximum(x, 0))), _problem(shape))


def _softmax_cases() -> Iterator[Case]:
    for shape, axis in (
        ((7,), 0),
        ((3, 64), 1),
        ((70, 130), 1),
        ((9, 1000), 1),
        ((2, 5, 4, 3), 1),
        ((4, 7), 0),
        ((0, 3), 1),
    ):
        x, g = exact(3 * random(1, *shape)), random(2, *shape)
        if x.size > 100:
            x.flat[:3], x.flat[-1] = -np.inf, np.nan
        y = exact(np.exp(random(3, *shape) - 4))
        for log in (False, True):
            problem = _of_rows(axis)
            yield Case("forward", (x, (axis,), log), problem)
            yield Case("input_grad", (g, exact(np.log(y)) if log else y, (axis,), log), problem)


def _dropout_cases() -> Iterator[Case]:
    for shape in SHAPES:
        x = _with_special_values(random(1, *shape))
        for key, p in ((0x123456789ABCDEF0, 0.5), (7, 0.1), (7, 1.0)):
            yield Case("forward", (x, key, p), lambda dtype: (dtype,))


def _of_rows(axis: int) -> Callable[[np.dtype], tuple[object, ...]]:
    return lambda dtype: (dtype, (axis,), True)


CASES: dict[str, Callable[[], Iterator[Case]]] = {
    "relu": _relu_cases,
    "softmax": _softmax_cases,
    "dropout": _dropout_cases,
}
