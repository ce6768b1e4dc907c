"""Cases for products of matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minidl.kernels.cases.case import Case, dtype_only, random

# a shape, b shape
_PRODUCTS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1, 1), (1, 1)),
    ((1, 7), (7, 5)),
    ((3, 300), (300, 33)),
    ((14, 64), (64, 32)),
    ((29, 17), (17, 70)),
    ((57, 260), (260, 31)),
    ((130, 513), (513, 40)),
    ((600, 20), (20, 130)),
    ((100, 3), (3, 200)),
    ((5, 0), (0, 4)),
    ((0, 5), (5, 4)),
    ((4, 5), (5, 0)),
    ((3, 2, 6, 5), (2, 5, 7)),
    ((4, 9, 8), (4, 8, 40)),
    ((1, 4, 6), (3, 6, 4)),
    ((20, 3, 6), (6, 4)),
)


def _matmul_cases() -> Iterator[Case]:
    for a_shape, b_shape in _PRODUCTS:
        a, b = random(1, *a_shape), random(2, *b_shape)
        yield Case("forward", (a, b, None, False), dtype_only)
        yield Case("forward", (a, b, random(3, b_shape[-1]), True), dtype_only)


CASES: dict[str, Callable[[], Iterator[Case]]] = {"matmul": _matmul_cases}
