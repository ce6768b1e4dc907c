"""Cases for rows by their numbers: negative ones, one twice, none; rows of no elements, and more than one task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from minidl.kernels.cases.case import Case, random


def _problem(shape: tuple[int, ...]) -> Callable[[np.dtype], tuple[object, ...]]:
    return lambda dtype: (dtype, int(np.prod(shape[1:])))


def _take_rows_cases() -> Iterator[Case]:
    calls: tuple[tuple[tuple[int, ...], Sequence[int]], ...] = (
        ((5, 3), [0, -1, 2, 2]),
        ((4, 2, 3), [-4, 3]),
        ((3, 7), []),
        ((3, 0), [1, 2]),
        ((9,), [8, 0]),
        ((90, 33, 31), range(-90, 90)),
    )
    for shape, rows in calls:
        yield Case("forward", (random(1, *shape), np.array(rows, np.int64)), _problem(shape))


CASES: dict[str, Callable[[], Iterator[Case]]] = {"take_rows": _take_rows_cases}
