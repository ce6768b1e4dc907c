"""Panels: parts of a matrix copied together in the order in which tiles of registers read them, and the rows that go
by them. Products and convolutions are made of these.
"""

from __future__ import annotations

from typing import Any

from minidl.kernels.compile import jit
from minidl.kernels.simd import ahead, copy, machine, tile, transpose

ROWS, VECTORS = machine().rows, machine().vectors

_tile = tile(ROWS, VECTORS)
_tile4 = tile(4, VECTORS)
_tile1 = tile(1, VECTORS)
_narrow = tile(ROWS, 1)
_narrow4 = tile(4, 1)
_narrow1 = tile(1, 1)
_copy_row = copy(VECTORS)


# --- Rows against one panel ---------------------------------------------------------------------------------------


@jit
def rows(
    a: Any,
    a_row: Any,
    a_k: Any,
    m: Any,
    b: Any,
    b_k: Any,
    k: Any,
    c: Any,
    c_row: Any,
    n: Any,
    bias: Any,
    mode: Any,
    w: Any,
) -> None:
    """m rows of c, and n columns (at most those of a tile): the product of m rows of a and one panel of b.

    Pointers and distances as for ``simd.tile``; w is the number of lanes.
    """
    i = 0
    if n > w:
        while i + ROWS <= m:
            _tile(ahead(a, i * a_row), a_row, a_k, b, b_k, k, ahead(c, i * c_row), c_row, n, bias, mode)
            i += ROWS
        while i + 4 <= m:
            _tile4(ahead(a, i * a_row), a_row, a_k, b, b_k, k, ahead(c, i * c_row), c_row, n, bias, mode)
            i += 4
        while i < m:
            _tile1(ahead(a, i * a_row), a_row, a_k, b, b_k, k, ahead(c, i * c_row), c_row, n, bias, mode)
            i += 1
    else:
        while i + ROWS <= m:
            _narrow(ahead(a, i * a_row), a_row, a_k, b, b_k, k, ahead(c, i * c_row), c_row, n, bias, mode)
            i += ROWS
        while i + 4 <= m:
            _narrow4(ahead(a, i * a_row), a_row, a_k, b, b_k, k, ahead(c, i * c_row), c_row, n, bias, mode)
            i += 4
        while i < m:
            _narrow1(ahead(a, i * a_row), a_row, a_k, b, b_k, k, ahead(c, i * c_row), c_row, n, bias, mode)
            i += 1


# --- Copying together ---------------------------------------------------------------------------------------------


@jit
def pack_columns(b: Any, b_k: Any, b_col: Any, k: Any, n: Any, panel: Any, w: Any) -> None:
    """Copy n columns of k steps of b into a panel, whose rows are VECTORS * w elements; what is missing is 0."""
    width = VECTORS * w
    if b_col == 1 and n == width:
        for step in range(k):
            _copy_row(ahead(panel, step * width), ahead(b, step * b_k))
        return
    first = 0
    if b_k == 1:  # columns of b are contiguous: squares of them are turned in registers
        while first + w <= n:
            step = 0
            while step + w <= k:
                transpose(ahead(panel, step * width + first), width, ahead(b, first * b_col + step), b_col)
                step += w
            while step < k:
                for j in range(first, first + w):
                    panel[step * width + j] = b[j * b_col + step]
                step += 1
            first += w
    for step in range(k):
        for j in range(first, n):
            panel[step * width + j] = b[step * b_k + j * b_col]
        for j in range(n, width):
            panel[step * width + j] = 0


@jit
def pack_rows(a: Any, a_row: Any, a_k: Any, m: Any, k: Any, panels: Any, w: Any) -> None:
    """Copy m rows of k steps of a into panels of ROWS rows each, the elements of a step side by side.

    ``panels`` has room for w elements more.
    """
    for i in range(0, m, ROWS):
        count = min(ROWS, m - i)
        panel, source = ahead(panels, i * k), ahead(a, i * a_row)
        step = 0
        if a_k == 1 and w >= ROWS and i + w <= m:
            # Squares of w rows, turned in registers. What they write beyond ROWS is overwritten by the next step.
            while step + w <= k:
                transpose(ahead(panel, step * ROWS), ROWS, ahead(source, step), a_row)
                step += w
        while step < k:
            for r in range(count):
                panel[step * ROWS + r] = source[r * a_row + step * a_k]
            step += 1
