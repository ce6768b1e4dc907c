"""The tile of registers whose rows lie anywhere: it makes a matrix product of a convolution, and copies no windows.

A convolution's matrix of windows is never stored. An element of it is an element of the image, and where that lies is
a sum of two parts, one that depends on the pixel and one that depends on the tap and channel:

    windows[pixel, step] = image[pixels[pixel] + steps[step]]

So the tile reads both parts from tables. The pixels' parts stay in (or beside) registers for the whole sum, one more
load per step fetches the step's part; 28 fused multiply-adds hide both. The sums stay in registers over all taps and
channels: nothing is added up in memory. The same tile with the two tables exchanged is the product for the weights'
gradient, which sums over pixels.

    gathered(rows, vectors)     broadcasts an element of the image to all columns: columns are filters
    lanewise(rows, vectors)     multiplies vectors of the image with vectors of b, lane by lane: columns are channels,
                                each with its own filter (depthwise convolution)
    dotted(rows, columns)       the same with one filter after another, and each sum's lanes are added up at the end:
                                for a few filters of many channels, which fill no vector

Source: Dukhan, "The indirect convolution algorithm", 2019 (who keeps a table of pointers per pixel and tap).
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from minidl.kernels.simd import ACCUMULATE, BIAS, I1, I32, I64, RELU, Emitter, machine


def _register() -> str:
    """What LLVM calls a vector register in a piece of assembly; empty where that is not known."""
    triple = cpu_target.target_context.codegen().magic_tuple()[0]
    if triple.startswith(("x86_64", "amd64")):
        return "v" if machine().name == "AVX-512" else "x"
    return "w" if machine().name == "NEON" else ""


class _Gather(Emitter):
    """Emits a tile whose rows and steps are found through tables."""

    def gather_sums(
        self, a: Any, pixels: Any, steps: Any, k: Any, b: Any, b_k: Any, broadcast: bool
    ) -> list[list[Any]]:
        """For every row and vector: the sum over ``k`` steps of a[pixels[row] + steps[step]] * b[step]."""
        offsets = self._table(pixels)

        def step(index: Any, pb: Any, sums: list[list[Any]]) -> list[list[Any]]:
            pa = self.builder.gep(a, [self._entry(steps, index)])
            bs = [self.load(pb, j) for j in range(self.vectors)]
            new = []
            for offset, row in zip(offsets, sums, strict=True):
                p = self.builder.gep(pa, [offset])
                if broadcast:
                    xs = [self.splat(self.builder.load(p, align=self.size))] * self.vectors
                else:
                    xs = [self.load(p, j) for j in range(self.vectors)]
                sums_of_row = [
                    self.builder.call(self.fma, [*xy, s]) for *xy, s in zip(xs, bs, row, strict=True)
                ]
                new.append(self._fence(sums_of_row))
            return new

        return self._loop(k, b, b_k, step)

    def _fence(self, row: list[Any]) -> list[Any]:
        """The row's sums, such that loads that follow are not moved ahead of what computes them.

        LLVM would load all rows' elements first, and push the sums out of the registers for them: half the speed. An
        empty piece of assembly that claims to change sums and memory keeps the rows in their order.
        """
        register, count = _register(), len(row)
        if not register:
            return row
        kind = self.vec if count == 1 else ir.LiteralStructType([self.vec] * count)
        constraints = [f"={register}"] * count + [str(j) for j in range(count)] + ["~{memory}"]
        fence = ir.InlineAsm(
            ir.FunctionType(kind, [self.vec] * count), "", ",".join(constraints), side_effect=True
        )
        fenced = self.builder.call(fence, row)
        return [fenced] if count == 1 else [self.builder.extract_value(fenced, j) for j in range(count)]

    def _table(self, table: Any) -> list[Any]:
        """The entries for the tile's rows."""
        return [self._entry(table, I64(r)) for r in range(self.rows)]

    def _entry(self, table: Any, index: Any) -> Any:
        return self.builder.load(self.builder.gep(table, [index]))

    def _loop(self, k: Any, b: Any, b_k: Any, step: Any) -> list[list[Any]]:
        builder, before = self.builder, self.builder.block
        loop, done = builder.append_basic_block("gather.loop"), builder.append_basic_block("gather.done")
        builder.cbranch(builder.icmp_signed(">", k, I64(0)), loop, done)
        builder.position_at_end(loop)
        index, pb = builder.phi(I64), builder.phi(b.type)
        sums = [[builder.phi(self.vec) for _ in range(self.vectors)] for _ in range(self.rows)]
        new = step(index, pb, sums)
        following = builder.add(index, I64(1))
        pairs = [(p, n) for ps, ns in zip(sums, new, strict=True) for p, n in zip(ps, ns, strict=True)]
        phis = [(index, I64(0), following), (pb, b, builder.gep(pb, [b_k]))]
        for phi, first, then in (*phis, *((p, self.zero, n) for p, n in pairs)):
            phi.add_incoming(first, before)
            phi.add_incoming(then, loop)
        builder.cbranch(builder.icmp_signed("<", following, k), loop, done)
        builder.position_at_end(done)
        return [[self._merge((self.zero, before), (n, loop)) for n in row] for row in new]

    def targets(self, c: Any, table: Any) -> list[Any]:
        """Where each row of the result lies."""
        return [self.builder.gep(c, [offset]) for offset in self._table(table)]


class _Dots(_Gather):
    """Emits a tile of dot products: lanes hold terms of one sum; ``vectors`` is the number of columns."""

    def dot_sums(
        self, a: Any, pixels: Any, steps: Any, masks: Any, k: Any, b: Any, b_column: Any
    ) -> list[list[Any]]:
        """For every row and column: a vector whose lanes make up the sum."""
        builder, offsets = self.builder, self._table(pixels)
        flags, columns = (
            ir.VectorType(I1, self.w),
            [builder.mul(b_column, I64(j)) for j in range(self.vectors)],
        )

        def step(index: Any, pb: Any, sums: list[list[Any]]) -> list[list[Any]]:
            pa = builder.gep(a, [self._entry(steps, index)])
            mask = builder.bitcast(builder.trunc(self._entry(masks, index), ir.IntType(self.w)), flags)
            bs = [self.load(builder.gep(pb, [column]), 0) for column in columns]
            new = []
            for offset, row in zip(offsets, sums, strict=True):
                x = self._masked(self.at(builder.gep(pa, [offset]), 0), mask)
                new.append(
                    self._fence([builder.call(self.fma, [x, y, s]) for y, s in zip(bs, row, strict=True)])
                )
            return new

        return self._loop(k, b, I64(self.w), step)

    def total(self, x: Any) -> Any:
        """The sum of a vector's lanes: halves are added until one is left."""
        width = self.w
        while width > 1:
            width //= 2
            halves = [
                ir.Constant(ir.VectorType(I32, width), [i + j for j in range(width)]) for i in (0, width)
            ]
            x = self.builder.fadd(*(self.builder.shuffle_vector(x, x, half) for half in halves))
        return self.builder.extract_element(x, I32(0))

    def finish_dots(self, sums: list[list[Any]], rows: list[Any], bias: Any, mode: Any) -> None:
        """Accumulate, add the bias, apply ReLU as ``mode`` says, and store."""
        builder, zero = self.builder, ir.Constant(self.vec.element, 0.0)

        def place(r: int, j: int) -> Any:
            return builder.gep(rows[r], [I64(j)])

        def shift(_r: int, j: int, x: Any) -> Any:
            return builder.fadd(x, builder.load(builder.gep(bias, [I64(j)]), align=self.size))

        def relu(_r: int, _j: int, x: Any) -> Any:
            return builder.select(builder.fcmp_unordered(">", x, zero), x, zero)

        totals = [[self.total(x) for x in row] for row in sums]
        old = lambda r, j, x: builder.fadd(builder.load(place(r, j), align=self.size), x)  # noqa: E731
        for bit, change in ((ACCUMULATE, old), (BIAS, shift), (RELU, relu)):
            totals = self._when(mode, bit, totals, change)
        for r, row in enumerate(totals):
            for j, x in enumerate(row):
                builder.store(x, place(r, j), align=self.size)


@functools.cache
def dotted(rows: int, columns: int) -> Any:
    """The tile of dot products, a function to call in compiled code:

        tile(a, pixels, steps, masks, k,  b, b_column,  c, targets,  bias,  mode)

        c[targets[r] + j] = sum over k steps, and the lanes of masks[step],
                            of a[pixels[r] + steps[step] + lane] * b[j * b_column + step * lanes + lane]

    for all rows and columns. A mask has a bit for each lane, the first one's the lowest: of a nothing else is read. The
    rest is as for :func:`gathered`.
    """

    @intrinsic
    def emit(typing, a, pixels, steps, masks, k, b, b_column, c, targets, bias, mode):
        size = types.int64
        signature = types.void(a, pixels, steps, masks, size, b, size, c, targets, bias, size)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            a, pixels, steps, masks, k, b, b_column, c, targets, bias, mode = args
            real = sig.args[0].dtype
            emitter = _Dots(builder, context.get_value_type(real), real.bitwidth // 8, rows, columns)
            sums = emitter.dot_sums(a, pixels, steps, masks, k, b, b_column)
            emitter.finish_dots(sums, emitter.targets(c, targets), bias, mode)
            return context.get_dummy_value()

        return signature, generate

    return emit


@functools.cache
def gathered(rows: int, vectors: int, broadcast: bool = True) -> Any:
    """The tile of that size, a function to call in compiled code:

        tile(a, pixels, steps, k,  b, b_k,  c, targets,  n,  bias,  mode)

        c[targets[r] + j] = sum over k steps of a[pixels[r] + steps[step]] * b[step * b_k + j]

    for all rows, and the first n of the columns. a, b, c and bias are pointers to elements of one type, the tables
    pointers to int64. b must hold whole vectors at every step, whatever n is; of c and the bias only n columns are
    touched. ``mode`` is a sum of ACCUMULATE, BIAS and RELU. Two rows may be the same: the result is right all the same.
    """

    @intrinsic
    def emit(typing, a, pixels, steps, k, b, b_k, c, targets, n, bias, mode):
        size = types.int64
        signature = types.void(a, pixels, steps, size, b, size, c, targets, size, bias, size)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            a, pixels, steps, k, b, b_k, c, targets, n, bias, mode = args
            real = sig.args[0].dtype
            emitter = _Gather(builder, context.get_value_type(real), real.bitwidth // 8, rows, vectors)
            sums = emitter.gather_sums(a, pixels, steps, k, b, b_k, broadcast)
            emitter.finish_rows(sums, emitter.targets(c, targets), bias, mode, emitter.masks(n))
            return context.get_dummy_value()

        return signature, generate

    return emit


def lanewise(rows: int, vectors: int) -> Any:
    """The tile that multiplies lane by lane: a[pixels[r] + steps[step] + j] instead of a[pixels[r] + steps[step]].

    a must hold whole vectors at every pixel and step.
    """
    return gathered(rows, vectors, broadcast=False)


@intrinsic
def copy_run(typing: Any, to: Any, source: Any, count: Any) -> Any:
    """Copy ``count`` elements: C's memcpy. A loop would be compiled to much more code, to be as fast at best."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        size = builder.mul(args[2], I64(sig.args[0].dtype.bitwidth // 8))
        cgutils.raw_memcpy(builder, args[0], args[1], size, 1)
        return context.get_dummy_value()

    return types.void(to, source, types.int64), generate


@intrinsic
def clear_run(typing: Any, to: Any, count: Any) -> Any:
    """Make ``count`` elements zero."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        size = builder.mul(args[1], I64(sig.args[0].dtype.bitwidth // 8))
        cgutils.memset(builder, args[0], size, 0)
        return context.get_dummy_value()

    return types.void(to, types.int64), generate


@intrinsic
def move(typing: Any, to: Any, source: Any) -> Any:
    """Copy one element, in a loop that is to stay a plain loop: elements that lie apart gain nothing from vectors."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # An atomic load is an ordinary instruction, but nothing that LLVM makes a vector of.
        value = builder.load_atomic(args[1], "monotonic", sig.args[0].dtype.bitwidth // 8)
        builder.store(value, args[0])
        return context.get_dummy_value()

    return types.void(to, source), generate


@intrinsic
def add_up(typing: Any, to: Any, source: Any, distance: Any, count: Any) -> Any:
    """One vector: the sum of ``count`` (at least 1) vectors that lie ``distance`` elements apart, in their order."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to, source, distance, count = args
        real = sig.args[0].dtype
        emitter = Emitter(builder, context.get_value_type(real), real.bitwidth // 8, 1, 1)
        first = emitter.load(source, 0)
        total = cgutils.alloca_once_value(builder, first)
        with cgutils.for_range(builder, count, start=I64(1), intp=I64) as loop:
            further = emitter.load(builder.gep(source, [builder.mul(loop.index, distance)]), 0)
            builder.store(builder.fadd(builder.load(total), further), total)
        builder.store(builder.load(total), emitter.at(to, 0), align=emitter.size)
        return context.get_dummy_value()

    size = types.int64
    return types.void(to, source, size, size), generate
