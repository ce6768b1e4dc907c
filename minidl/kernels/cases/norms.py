"""Cases for normalisation: rows, channels of a sample and of a batch, and what is neither; few and many of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.kernels.cases.case import Case, exact, random

# x shape, axes, the parameters' shape, center
_NORMS: tuple[Any, ...] = (
    ((6, 10), (1,), (10,), True),
    ((6, 10), (1,), None, False),
    ((5, 4, 33), (1, 2), (4, 33), True),
    ((200, 700), (1,), (700,), True),  # more than one block
    ((200, 700), (1,), (700,), False),
    ((3, 1), (1,), (1,), True),
    ((0, 7), (1,), (7,), True),
    ((70, 5), (0,), (1, 5), True),
    ((2, 3, 5, 7), (0, 2, 3), (1, 3, 1, 1), True),
    ((4, 64, 12, 11), (0, 2, 3), (1, 64, 1, 1), True),
    ((3, 300, 9, 7), (0, 2, 3), None, True),
    ((5, 24, 40), (0, 2), (1, 24, 1), True),
    ((2, 6, 3, 4, 5), (0, 2, 3, 4), (1, 6, 1, 1, 1), True),
    ((3, 20, 9, 8), (2, 3), (1, 20, 1, 1), True),
    ((2, 300, 30), (2,), (1, 300, 1), True),
    ((0, 4, 3, 3), (0, 2, 3), (1, 4, 1, 1), True),
    ((2, 4, 3, 5, 6), (2, 3, 4), (1, 4, 3, 1, 1), True),
    ((3, 2, 40, 9, 30), (2, 3, 4), (1, 2, 40, 1, 1), True),
)


def _problem(*rest: Any) -> Callable[[np.dtype], tuple[Any, ...]]:
    return lambda dtype: (dtype, *rest)


def _normalize_cases() -> Iterator[Case]:
    for shape, axes, parameters, center in _NORMS:
        problem = _problem(shape, axes, parameters, center, "other")
        x, g = exact(random(1, *shape) + 3 * center), random(2, *shape)
        w, b = (None if parameters is None else random(seed, *parameters) for seed in (3, 4))
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
        mean = exact(random(5, *kept) / 4 + 3 * center) if center else np.zeros(kept)
        var = exact(np.abs(random(6, *kept)) + 0.5)
        if x.size:
            yield Case("forward", (x, w, b, axes, 1e-5, center), problem)
        if b is not None:
            yield Case("forward", (x, None, b, axes, 0.25, center), problem)
        all_of_them = (True, parameters is not None, parameters is not None)
        for needs in (all_of_them, (True, False, False)):
            arguments = (needs, g, x, w, parameters, axes, 1e-5, center, mean, var)
            yield Case("backward", arguments, problem)


def _affine_cases() -> Iterator[Case]:
    for shape in ((2, 3, 5, 7), (40, 9), (2, 24, 60, 61), (3, 5, 6, 2, 4), (0, 3, 4, 4)):
        x = random(1, *shape)
        of_channels = (1, shape[1], *(1,) * (len(shape) - 2))
        scale, shift = random(2, *of_channels), random(3, *of_channels)
        yield Case("forward", (x, scale, shift), _problem("other", x.size))


CASES: dict[str, Callable[[], Iterator[Case]]] = {"normalize": _normalize_cases, "affine": _affine_cases}
