"""Cases for pooling: overlapping and separate windows, padding, windows that hold no pixel, NaN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.kernels import registry
from minidl.kernels.cases.case import Case, dtype_only, random
from minidl.kernels.windows import output_sizes

# x shape, kernel, stride, padding, dilation, ceil_mode
_POOLS: tuple[Any, ...] = (
    ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 17, 9, 7), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((2, 17, 8, 7), (3, 2), (2, 3), (1, 1), (1, 1), True),
    ((1, 64, 9, 7), (2, 2), (2, 2), (0, 0), (1, 1), False),  # a row and a column are in no window
    ((2, 5, 7, 7), (2, 2), (2, 2), (0, 0), (1, 1), True),  # the last windows hang over
    ((2, 33, 80, 82), (2, 2), (2, 2), (0, 0), (1, 1), False),  # large enough for the pool of threads
    ((2, 24, 60, 60), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((1, 4, 7, 10), (2, 3), (3, 4), (0, 0), (1, 1), True),
    ((2, 2, 9, 9), (3, 3), (1, 1), (1, 0), (2, 3), False),
    ((1, 1, 2, 5), (2, 2), (1, 1), (1, 1), (3, 1), False),  # some windows hold no pixel
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0), (1, 1), False),
    ((0, 3, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
)


def _max_pool2d_cases() -> Iterator[Case]:
    reference = registry.operation("max_pool2d").load("reference")
    for x_shape, *rest in _POOLS:
        x = np.round(random(1, *x_shape) * 2)  # many are equal, so that the choice among equals is compared
        if x.size > 8:
            x.flat[5] = np.nan
            x.flat[-1] = -np.inf
        y, indices = reference.forward(x, *rest, True)
        for want_indices in (True, False):
            yield Case("forward", (x, *rest, want_indices), dtype_only, True)
        g = random(2, *y.shape)
        yield Case("input_grad", (g, indices, x_shape, *rest[:-1]), dtype_only, True)
        yield Case("scatter", (g, indices, x_shape), dtype_only, True)
        yield Case("gather", (random(3, *x_shape), indices), dtype_only, True)


def _avg_pool2d_cases() -> Iterator[Case]:
    for x_shape, kernel, stride, padding, dilation, ceil_mode in _POOLS:
        if dilation != (1, 1):
            continue
        for count_include_pad, divisor_override in ((True, None), (False, None), (False, 5)):
            rest = (kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)
            size = output_sizes(x_shape[2:], kernel, stride, padding, (1, 1), ceil_mode)
            g = random(2, *x_shape[:2], *size)
            yield Case("forward", (random(1, *x_shape), *rest), dtype_only, True)
            yield Case("input_grad", (g, x_shape, *rest), dtype_only, True)


CASES: dict[str, Callable[[], Iterator[Case]]] = {
    "max_pool2d": _max_pool2d_cases,
    "avg_pool2d": _avg_pool2d_cases,
}
