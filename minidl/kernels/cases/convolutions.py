"""Cases for convolution: strides, paddings, dilations, groups; one pixel, no image, many images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.kernels.cases.case import Case, random
from minidl.kernels.windows import output_sizes

# x shape, w shape, stride, padding, dilation, groups
_CONVOLUTIONS: tuple[Any, ...] = (
    ((2, 3, 8, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 1, 12, 12), (5, 1, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ((2, 16, 7, 5), (8, 16, 3, 2), (2, 1), (1, 0), (1, 1), 1),
    ((2, 9, 6, 7), (10, 9, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 4, 7, 7), (3, 4, 1, 1), (2, 3), (0, 0), (1, 1), 1),
    ((1, 2, 9, 11), (3, 2, 2, 2), (3, 4), (0, 1), (1, 1), 1),
    ((2, 3, 11, 10), (2, 3, 3, 3), (2, 2), (2, 3), (2, 3), 1),
    ((2, 6, 6, 6), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    ((2, 24, 5, 5), (6, 8, 3, 3), (2, 2), (1, 1), (1, 1), 3),
    ((2, 5, 6, 7), (5, 1, 3, 3), (1, 2), (1, 1), (1, 1), 5),
    ((2, 4, 6, 6), (8, 1, 3, 3), (1, 1), (1, 1), (2, 1), 4),
    ((1, 3, 4, 5), (2, 3, 4, 5), (1, 1), (0, 0), (1, 1), 1),
    ((1, 1, 1, 1), (1, 1, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((0, 3, 8, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 20, 13, 6), (35, 20, 3, 3), (1, 1), (0, 2), (1, 1), 1),  # tiles that reach beyond the image
    ((2, 5, 9, 8), (36, 5, 3, 3), (1, 1), (4, 3), (1, 1), 1),  # more padding than the filter reaches
    ((2, 40, 1, 1), (70, 40, 1, 1), (1, 1), (0, 0), (1, 1), 1),  # one pixel; more than two panels of filters
    ((3, 17, 9, 5), (33, 17, 2, 5), (1, 2), (2, 1), (2, 1), 1),  # one channel, one filter more than a vector
    ((2, 36, 7, 6), (72, 9, 3, 3), (2, 1), (0, 1), (1, 2), 4),
    ((2, 37, 9, 4), (37, 1, 5, 3), (2, 3), (2, 1), (1, 1), 37),
    ((1, 3, 6, 9), (12, 1, 3, 2), (3, 1), (1, 0), (1, 3), 3),
    ((0, 4, 6, 6), (4, 1, 3, 3), (1, 1), (1, 1), (1, 1), 4),
    ((200, 16, 20, 20), (2, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # more than one block of samples
)


def _conv2d_cases() -> Iterator[Case]:
    for x_shape, w_shape, *rest in _CONVOLUTIONS:
        size = output_sizes(x_shape[2:], w_shape[2:], *rest[:3])
        x, w = random(1, *x_shape), random(2, *w_shape)
        g, bias = random(3, x_shape[0], w_shape[0], *size), random(4, w_shape[0])
        calls = (
            ("forward", (x, w, *rest, None, False), True),
            ("forward", (x, w, *rest, bias, False), True),
            ("forward", (x, w, *rest, bias, True), True),
            ("input_grad", (g, w, x_shape, *rest), True),
            ("weight_grad", (x, g, w_shape, *rest), False),
        )
        for function, arguments, channels_last in calls:

            def problem(
                dtype: np.dtype, head: Any = (function,), tail: Any = (x_shape, w_shape, *rest)
            ) -> Any:
                return (*head, dtype, *tail)

            yield Case(function, arguments, problem, channels_last)


CASES: dict[str, Callable[[], Iterator[Case]]] = {"conv2d": _conv2d_cases}
