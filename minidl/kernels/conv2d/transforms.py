"""The transforms of Winograd's convolution, as vector instructions.

A correlation of r taps that gives m results is, transposed, the product of two polynomials, of n = m + r - 1
coefficients, and those are known from the product's values at n points. So both factors are evaluated at the points
and the values multiplied, n products for what takes m*r directly, and the result found from them (Toom, 1963; Cook,
1966; Winograd, 1980). In two dimensions, with matrices that evaluate pixels (B) and filters (G) and find results (A):

    y = A' [ (G w G') * (B' x B) ] A          with ' for the transpose and * element by element

One point may be infinity, where a polynomial's value is its leading coefficient. F(2x2, 3x3), on 4 points, takes 16
multiplications where 4 results of 9 taps take 36; F(4x4, 3x3), on 6, takes 36 for 144.

**The points decide the error.** Powers of a large point are large, and sums of large numbers of either sign lose
digits. Points in pairs p and -p share their sums of even and of odd terms. Among such pairs for 6 points, 0, ±5/8,
±3/2 and infinity lost least of those tried; their powers are exact in float32. Errors on outputs of unit variance,
64 channels, root mean square, in units of 1e-7 (direct summation 4.5):

    0, ±1, ±2, inf (Lavin and Gray, 2016)    18.7      0, ±1/sqrt 2, ±sqrt 2, inf    8.7
    0, ±1, ±1/2, inf                         18.8      0, ±5/8, ±3/2, inf            8.4
    0, ±1, 1/2, -2, inf (Barabasz)           12.0      F(2x2): 0, ±1, inf            2.7

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016; Barabasz et al., "Error analysis
and improving the accuracy of Winograd convolution for deep neural networks", 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minidl.kernels.simd import BIAS, I32, I64, RELU, Emitter

Vectors = list[Any]
Matrix = tuple[tuple[float, ...], ...]

POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.625, -0.625, 1.5, -1.5)}


def matrices(m: int, r: int, points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """B' (n, n), G (n, r) and A' (m, n) of F(m, r) at the points and infinity, where n = m + r - 1.

    Row i of B' holds the coefficients of the polynomial with zeros at all other points, G the powers of the points
    over that polynomial's value at its own point, A' the powers of the points.
    """
    n = m + r - 1
    pixels, filters, results = np.zeros((n, n)), np.zeros((n, r)), np.zeros((m, n))
    for i, p in enumerate(points):
        others = [q for q in points if q != p]
        pixels[i, : n - 1] = np.poly(others)[::-1]
        filters[i] = [p**e / np.prod([p - q for q in others]) for e in range(r)]
        results[:, i] = [p**e for e in range(m)]
    pixels[-1] = np.poly(points)[::-1]
    filters[-1, -1] = results[-1, -1] = 1
    return pixels, filters, results


def _forms() -> dict[tuple[int, int], Matrix]:
    """The matrices by their shapes, which all differ."""
    forms = {}
    for m, points in POINTS.items():
        for matrix in (*matrices(m, 3, points), *matrices(3, m, points)[1:]):
            forms[matrix.shape] = tuple(tuple(float(x) for x in row) for row in matrix)
    return forms


FORMS = _forms()


class Transform(Emitter):
    """Emits M d M' for a square d of vectors, along rows and columns."""

    def combine(self, terms: list[tuple[float, Any]]) -> tuple[float, Any]:
        """The sum of coefficient * vector, as a common factor and a vector: terms of the factor 1 need no product."""
        terms = sorted(((c, v) for c, v in terms if c), key=lambda term: abs(term[0]) != 1)
        factor, total = terms[0]
        for c, v in terms[1:]:
            total = self._plus(total, c / factor, v)
        return factor, total

    def _plus(self, total: Any, c: float, v: Any) -> Any:
        if abs(c) == 1:
            return self.builder.fadd(total, v) if c > 0 else self.builder.fsub(total, v)
        return self.builder.call(self.fma, [ir.Constant(self.vec, [c] * self.w), v, total])

    def scaled(self, factor: float, v: Any) -> Any:
        return v if factor == 1 else self.builder.fmul(ir.Constant(self.vec, [factor] * self.w), v)

    def line(self, matrix: Matrix, d: Vectors) -> Vectors:
        """The matrix times a line of vectors. Rows or columns of points p and -p share what they have in common."""
        pairs = [j for j in range(1, len(d) - 1) if self._mirrored([row[j : j + 2] for row in matrix])]
        if len(matrix) < len(d) and pairs:  # columns: the results are found from sums and differences
            j = pairs[0]
            both = [self.builder.fadd(d[j], d[j + 1]), self.builder.fsub(d[j], d[j + 1])]
            folded = tuple(
                (*row[:j], *((row[j], 0.0) if row[j] == row[j + 1] else (0.0, row[j])), *row[j + 2 :])
                for row in matrix
            )
            return self.line(folded, [*d[:j], *both, *d[j + 2 :]])
        result: Vectors = []
        for i, row in enumerate(matrix):
            if len(result) > i:
                continue
            following = matrix[i + 1] if i + 1 < len(matrix) else None
            if following and self._mirrored(list(zip(row, following, strict=True))):
                result += self._pair(row, following, d)
            else:
                result.append(self.scaled(*self.combine(list(zip(row, d, strict=True)))))
        return result

    @staticmethod
    def _mirrored(pairs: list[Any]) -> bool:
        """Whether the two numbers of every pair are the same up to their sign, some equal and some opposite."""
        return all(abs(a) == abs(b) for a, b in pairs) and 0 < sum(a != b for a, b in pairs) < sum(
            a != 0 for a, _ in pairs
        )

    def _pair(self, row: tuple[float, ...], mirror: tuple[float, ...], d: Vectors) -> Vectors:
        same = [(c, v) for c, e, v in zip(row, mirror, d, strict=True) if c == e]
        other = [(c, v) for c, e, v in zip(row, mirror, d, strict=True) if c != e]
        (even, p), (odd, q) = self.combine(same), self.combine(other)
        p = self.scaled(even, p)
        return [self._plus(p, sign * odd, q) for sign in (1, -1)]

    def sandwich(self, matrix: Matrix, load: Any) -> Vectors:
        """M d M', row by row, where ``load(i)`` loads the i-th of d's vectors."""
        k = len(matrix[0])
        columns = [self.line(matrix, [load(r * k + s) for r in range(k)]) for s in range(k)]
        return [v for r in range(len(matrix)) for v in self.line(matrix, [columns[s][r] for s in range(k)])]

    def element(self, table: Any, i: int, offset: Any, scalar: Any) -> Any:
        """The address in a table's i-th place, and ``offset`` elements on."""
        base = self.builder.load(self.builder.gep(table, [I64(i)]))
        return self.builder.gep(self.builder.inttoptr(base, scalar.as_pointer()), [offset])


@intrinsic
def sandwich(
    typing: Any,
    form: Any,
    source: Any,
    source_step: Any,
    target: Any,
    target_step: Any,
    offset: Any,
    count: Any,
    bias: Any,
    mode: Any,
) -> Any:
    """Load k x k vectors, transform them to m x m, store them.

    ``form`` is a pair of tuples of m and of k elements: the lengths, which are types, say which matrix. The vectors
    of the source, and those of the target, lie ``step`` elements apart; or, if it is a table of addresses (int64),
    ``offset`` elements after each address, where only ``count`` elements are there to be touched. On the way to
    addresses the bias (at ``offset``) is added and ReLU applied, as ``mode`` says.
    """
    m, k = form[0].count, form[1].count
    size = types.int64
    real = target.dtype if source.dtype == size else source.dtype

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, source, source_step, target, target_step, offset, count, bias, mode = args
        scalar = context.get_value_type(real)
        emitter = Transform(builder, scalar, real.bitwidth // 8, m * m, 1)
        mask = emitter.masks(count)[0]

        def load(i: int) -> Any:
            if sig.args[1].dtype == size:
                return emitter._masked(emitter.at(emitter.element(source, i, offset, scalar), 0), mask)
            return emitter.load(builder.gep(source, [builder.mul(source_step, I64(i))]), 0)

        values = [[v] for v in emitter.sandwich(FORMS[m, k], load)]
        to_table = sig.args[3].dtype == size
        if to_table:
            shift = emitter.at(builder.gep(bias, [offset]), 0)
            values = emitter._when(
                mode, BIAS, values, lambda _r, _j, x: builder.fadd(x, emitter._masked(shift, mask))
            )
            values = emitter._when(mode, RELU, values, lambda _r, _j, x: emitter._relu(x))
        for i, (v,) in enumerate(values):
            if to_table:
                to = emitter.at(emitter.element(target, i, offset, scalar), 0)
                builder.call(emitter.masked_store, [v, to, I32(emitter.size), mask])
            else:
                to = builder.gep(target, [builder.mul(target_step, I64(i))])
                builder.store(v, emitter.at(to, 0), align=emitter.size)
        return context.get_dummy_value()

    return types.void(form, source, size, target, size, size, size, bias, size), generate


@intrinsic
def addresses(typing: Any, form: Any, side: Any) -> Any:
    """A table for the k x k or m x m addresses of a form (``side`` is the tuple of its length), on the stack."""
    count = side.count**2

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        with builder.goto_entry_block():
            return builder.alloca(I64, I64(count))

    return types.CPointer(types.int64)(form, side), generate


@intrinsic
def address(typing: Any, p: Any) -> Any:
    """A pointer as a number."""
    return types.int64(p), lambda _context, builder, _sig, args: builder.ptrtoint(args[0], I64)
