"""Cases for losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minidl.kernels.cases.case import Case, dtype_only, exact, random


def _bce_with_logits_cases() -> Iterator[Case]:
    for shape in ((256, 33), (7,), (), (0, 3), (2, 5, 3, 4), (1024,), (1025,)):
        x, t = exact(4 * random(1, *shape)), exact(np.abs(np.sin(random(2, *shape))))
        for want_gradient in (False, True):
            yield Case("forward", (x, t, 0.25, want_gradient), dtype_only)


def _cross_entropy_cases() -> Iterator[Case]:
    for shape in ((6, 10), (300, 70), (5, 1000), (2, 5, 4, 3), (1, 1)):
        x, samples = exact(3 * random(1, *shape)), (shape[0], 1, *shape[2:])
        t = np.random.default_rng(2).integers(0, shape[1], samples).astype(np.intp)
        c = exact(np.abs(random(3, *samples)))
        if c.size > 1:
            c.flat[1] = 0
            x[0, -1] = -np.inf
            t[0] = 0
        for smoothing in (0.0, 0.1)[: shape[1]]:  # the gradient of a single class is 0, but for rounding
            if smoothing > 0 and c.size > 1:
                x = np.maximum(x, -9)  # an infinity among all classes makes the loss infinite
            for want_gradient in (False, True):
                arguments = (x, t, c, 2.5, smoothing, want_gradient)
                yield Case("forward", arguments, lambda dtype: (dtype, True))


CASES: dict[str, Callable[[], Iterator[Case]]] = {
    "bce_with_logits": _bce_with_logits_cases,
    "cross_entropy": _cross_entropy_cases,
}
