"""What Numba's language cannot say: vector registers, and the processor's floating-point mode.

The heart of every fast product is a *tile*: a small block of the result, a few rows by a few vectors of columns, that
stays in registers while the inner dimension runs by. For every step of it the columns' vectors of B are loaded once
and serve all rows, each row's element of A is loaded once and serves all columns, and rows * vectors fused
multiply-adds follow from rows + vectors loads. With 14 rows and 2 vectors there are 28 independent sums: enough to
keep two multipliers busy over their 4 cycles of latency (8 would do), and 28 + 2 of AVX-512's 32 registers.

A compiler does not find this arrangement in loops, so it is written down for it: ``tile`` emits LLVM instructions for
the vectors of the machine at hand. One core of a Zen 4 processor runs it at its peak, 116 GFLOP/s in float32.

    processor       vector     tile             registers of
    AVX-512         512 bits   14 rows x 2      32
    AVX2 with FMA   256 bits   6 rows x 2       16
    NEON            128 bits   8 rows x 3       32      (compiled in the tests, not yet run)
    any other       128 bits   4 rows x 2       16      (LLVM makes of it what the machine has)

Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008; Van Zee and van de Geijn,
"BLIS: a framework for rapidly instantiating BLAS functionality", 2015.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))

# What a tile does with its sums: bits of ``mode``.
ACCUMULATE = 1  # add what the result holds already
BIAS = 2  # then add a vector, one element per column
RELU = 4  # then replace negative values by 0; NaN stays NaN


class Machine(NamedTuple):
    """The vectors of a processor, and the tile that fits its registers."""

    name: str
    bits: int  # of a vector
    rows: int
    vectors: int


@functools.cache
def machine() -> Machine:
    """The processor that Numba compiles for (``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` can name another)."""
    triple, _, listed = cpu_target.target_context.codegen().magic_tuple()
    return machine_of(triple, listed)


def machine_of(triple: str, listed: str) -> Machine:
    """The vectors of an LLVM target: its triple, and its features as "+avx2,-avx512f,..."."""
    features = {name[1:] for name in listed.split(",") if name.startswith("+")}
    if "avx512f" in features:
        return Machine("AVX-512", 512, 14, 2)
    if {"avx2", "fma"} <= features:
        return Machine("AVX2", 256, 6, 2)
    if triple.startswith(("aarch64", "arm64")):
        return Machine("NEON", 128, 8, 3)
    return Machine("generic", 128, 4, 2)


def lanes(itemsize: int) -> int:
    """How many elements of that many bytes a vector holds."""
    return machine().bits // (8 * itemsize)


def columns(itemsize: int) -> int:
    """How many columns the tile has: the width of a packed panel of B."""
    return machine().vectors * lanes(itemsize)


class Emitter:
    """Emits the instructions of one tile: sums over k in registers, then what becomes of them."""

    def __init__(self, builder: Any, scalar: Any, itemsize: int, rows: int, vectors: int) -> None:
        self.builder, self.size, self.rows, self.vectors = builder, itemsize, rows, vectors
        self.w = w = lanes(itemsize)
        self.vec = ir.VectorType(scalar, w)
        self.zero = ir.Constant(self.vec, [0.0] * w)
        suffix = f"v{w}f{8 * itemsize}"
        self.fma = self._function(f"llvm.fmuladd.{suffix}", self.vec, [self.vec] * 3)
        flags = ir.VectorType(I1, w)
        pointer = self.vec.as_pointer()
        self.masked_load = self._function(
            f"llvm.masked.load.{suffix}.p0", self.vec, [pointer, I32, flags, self.vec]
        )
        self.masked_store = self._function(
            f"llvm.masked.store.{suffix}.p0", ir.VoidType(), [self.vec, pointer, I32, flags]
        )

    def _function(self, name: str, result: Any, arguments: list[Any]) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def splat(self, x: Any) -> Any:
        """A vector with ``x`` in every lane."""
        first = self.builder.insert_element(
            ir.Constant(ir.VectorType(x.type, self.w), ir.Undefined), x, I32(0)
        )
        return self.builder.shuffle_vector(
            first, first, ir.Constant(ir.VectorType(I32, self.w), [0] * self.w)
        )

    def at(self, pointer: Any, j: int) -> Any:
        """The address of the ``j``-th vector from ``pointer`` on."""
        return self.builder.bitcast(self.builder.gep(pointer, [I64(j * self.w)]), self.vec.as_pointer())

    def load(self, pointer: Any, j: int) -> Any:
        return self.builder.load(self.at(pointer, j), align=self.size)

    def sums(self, a: Any, a_row: Any, a_k: Any, b: Any, b_k: Any, k: Any) -> list[list[Any]]:
        """For every row and vector: the sum over ``k`` steps of a * b, in the order of the steps."""
        builder, before = self.builder, self.builder.block
        loop, done = builder.append_basic_block("tile.loop"), builder.append_basic_block("tile.done")
        offsets = [builder.mul(a_row, I64(r)) for r in range(self.rows)]
        builder.cbranch(builder.icmp_signed(">", k, I64(0)), loop, done)
        builder.position_at_end(loop)
        step, pa, pb = builder.phi(I64), builder.phi(a.type), builder.phi(b.type)
        sums = [[builder.phi(self.vec) for _ in range(self.vectors)] for _ in range(self.rows)]
        bs = [self.load(pb, j) for j in range(self.vectors)]
        new = []
        for offset, row in zip(offsets, sums, strict=True):
            x = self.splat(builder.load(builder.gep(pa, [offset]), align=self.size))
            new.append([builder.call(self.fma, [x, y, total]) for y, total in zip(bs, row, strict=True)])
        following = builder.add(step, I64(1))
        for phi, first, then in (
            (step, I64(0), following),
            (pa, a, builder.gep(pa, [a_k])),
            (pb, b, builder.gep(pb, [b_k])),
            *(
                (p, self.zero, n)
                for ps, ns in zip(sums, new, strict=True)
                for p, n in zip(ps, ns, strict=True)
            ),
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(then, loop)
        builder.cbranch(builder.icmp_signed("<", following, k), loop, done)
        builder.position_at_end(done)
        return [[self._merge((self.zero, before), (n, loop)) for n in row] for row in new]

    def _merge(self, *incoming: tuple[Any, Any]) -> Any:
        phi = self.builder.phi(incoming[0][0].type)
        for value, block in incoming:
            phi.add_incoming(value, block)
        return phi

    def finish(
        self, sums: list[list[Any]], c: Any, c_row: Any, bias: Any, mode: Any, masks: list[Any]
    ) -> None:
        """Accumulate, add the bias, apply ReLU as ``mode`` says, and store the lanes that the masks name."""
        rows = [self.builder.gep(c, [self.builder.mul(c_row, I64(r))]) for r in range(self.rows)]
        self.finish_rows(sums, rows, bias, mode, masks)

    def finish_rows(
        self, sums: list[list[Any]], rows: list[Any], bias: Any, mode: Any, masks: list[Any]
    ) -> None:
        """The same where the rows of the result lie anywhere."""

        def accumulate(r: int, j: int, x: Any) -> Any:
            return self.builder.fadd(self._masked(self.at(rows[r], j), masks[j]), x)

        def shift(_r: int, j: int, x: Any) -> Any:
            return self.builder.fadd(x, self._masked(self.at(bias, j), masks[j]))

        sums = self._when(mode, ACCUMULATE, sums, accumulate)
        sums = self._when(mode, BIAS, sums, shift)
        sums = self._when(mode, RELU, sums, lambda _r, _j, x: self._relu(x))
        for r, row in enumerate(sums):
            for j, value in enumerate(row):
                self.builder.call(self.masked_store, [value, self.at(rows[r], j), I32(self.size), masks[j]])

    def _masked(self, pointer: Any, mask: Any) -> Any:
        return self.builder.call(self.masked_load, [pointer, I32(self.size), mask, self.zero])

    def _relu(self, x: Any) -> Any:
        return self.builder.select(self.builder.fcmp_unordered(">", x, self.zero), x, self.zero)

    def _when(
        self, mode: Any, bit: int, sums: list[list[Any]], change: Callable[[int, int, Any], Any]
    ) -> list[list[Any]]:
        """The sums, changed if ``mode`` has the bit."""
        builder, before = self.builder, self.builder.block
        changing, after = builder.append_basic_block("tile.change"), builder.append_basic_block("tile.next")
        builder.cbranch(builder.icmp_signed("!=", builder.and_(mode, I64(bit)), I64(0)), changing, after)
        builder.position_at_end(changing)
        new = [[change(r, j, x) for j, x in enumerate(row)] for r, row in enumerate(sums)]
        changing = builder.block
        builder.branch(after)
        builder.position_at_end(after)
        return [
            [self._merge((x, before), (y, changing)) for x, y in zip(xs, ys, strict=True)]
            for xs, ys in zip(sums, new, strict=True)
        ]

    def masks(self, count: Any) -> list[Any]:
        """For each vector: which of its lanes are among the first ``count`` columns."""
        counts, lane = self.splat(count), ir.VectorType(I64, self.w)
        return [
            self.builder.icmp_signed(">", counts, ir.Constant(lane, [j * self.w + t for t in range(self.w)]))
            for j in range(self.vectors)
        ]


@intrinsic
def pointer(typing: Any, array: Any, offset: Any) -> Any:
    """The address of element ``offset`` of an array's memory. It does not keep the array alive: take it in a function
    that has the array as an argument.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(context.make_array(sig.args[0])(context, builder, args[0]).data, [args[1]])

    return types.CPointer(array.dtype)(array, types.int64), generate


@intrinsic
def ahead(typing: Any, p: Any, count: Any) -> Any:
    """The pointer ``count`` elements on."""
    return p(p, types.int64), lambda _context, builder, _sig, args: builder.gep(args[0], [args[1]])


@functools.cache
def scratch(count: int) -> Any:
    """``scratch(p)``: room for ``count`` elements of p's type on the stack, until the calling function returns."""

    @intrinsic
    def emit(typing, p):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            with builder.goto_entry_block():
                room = builder.alloca(context.get_value_type(sig.args[0].dtype), I64(count))
                room.align = 64
            return room

        return p(p), generate

    return emit


@functools.cache
def tile(rows: int, vectors: int) -> Any:
    """The tile of that size, a function to call in compiled code:

        tile(a, a_row, a_k,  b, b_k,  k,  c, c_row,  n,  bias,  mode)

        c[r, j] = sum over k steps of a[r, step] * b[step, j]   for all rows, and the first n of the columns

    a, b, c and bias are pointers to elements of one type. Distances are in elements: ``a_row`` between two rows of a,
    ``a_k`` between two steps; the columns of b, c and bias are neighbours. b must hold whole vectors at every step,
    whatever n is; of c and the bias only n columns are touched. ``mode`` is a sum of ACCUMULATE, BIAS and RELU.
    """

    @intrinsic
    def emit(typing, a, a_row, a_k, b, b_k, k, c, c_row, n, bias, mode):
        size = types.int64
        signature = types.void(a, size, size, b, size, size, c, size, size, bias, size)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            a, a_row, a_k, b, b_k, k, c, c_row, n, bias, mode = args
            real = sig.args[0].dtype
            emitter = Emitter(builder, context.get_value_type(real), real.bitwidth // 8, rows, vectors)
            sums = emitter.sums(a, a_row, a_k, b, b_k, k)
            emitter.finish(sums, c, c_row, bias, mode, emitter.masks(n))
            return context.get_dummy_value()

        return signature, generate

    return emit


@functools.cache
def copy(vectors: int) -> Any:
    """``copy(target, source)``: that many vectors, from one pointer to another."""

    @intrinsic
    def emit(typing, target, source):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            real = sig.args[0].dtype
            emitter = Emitter(builder, context.get_value_type(real), real.bitwidth // 8, 1, vectors)
            for value, j in [(emitter.load(args[1], j), j) for j in range(vectors)]:
                builder.store(value, emitter.at(args[0], j), align=emitter.size)
            return context.get_dummy_value()

        return types.void(target, source), generate

    return emit


@intrinsic
def transpose(typing: Any, target: Any, target_row: Any, source: Any, source_row: Any) -> Any:
    """Copy a square of ``lanes`` rows and columns, transposed; the distances are those of two rows, in elements.

    In log2(lanes) rounds, each exchanging halves between pairs of vectors: 64 shuffles for 256 elements, where
    elements one by one would take 512 loads and stores.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to, to_row, source, source_row = args
        real = sig.args[0].dtype
        emitter = Emitter(builder, context.get_value_type(real), real.bitwidth // 8, 1, 1)
        w = emitter.w
        rows = [emitter.load(builder.gep(source, [builder.mul(source_row, I64(r))]), 0) for r in range(w)]
        half = w // 2
        while half:
            # In blocks of 2 * half rows: the upper right and the lower left square of side half change places.
            upper = [i if i % (2 * half) < half else w + i - half for i in range(w)]
            lower = [i + half if i % (2 * half) < half else w + i for i in range(w)]
            for r in range(w):
                if r % (2 * half) < half:
                    x, y = rows[r], rows[r + half]
                    rows[r], rows[r + half] = (
                        builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, w), order))
                        for order in (upper, lower)
                    )
            half //= 2
        for r, row in enumerate(rows):
            builder.store(
                row, emitter.at(builder.gep(to, [builder.mul(to_row, I64(r))]), 0), align=emitter.size
            )
        return context.get_dummy_value()

    size = types.int64
    return types.void(target, size, source, size), generate


# --- The floating-point mode --------------------------------------------------------------------------------------

# In x86's control register: denormal operands count as zero, and denormal results become zero.
_DENORMALS_ARE_ZERO, _FLUSH_TO_ZERO = 0x0040, 0x8000


def _mxcsr(builder: Any, name: str, slot: Any) -> None:
    address = builder.bitcast(slot, I8.as_pointer())
    function = ir.FunctionType(ir.VoidType(), [address.type])
    builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.x86.sse.{name}"), [address])


def _is_x86() -> bool:
    return cpu_target.target_context.codegen().magic_tuple()[0].startswith(("x86", "i686", "amd64"))


@intrinsic
def flush_denormals(typing: Any) -> Any:
    """Treat denormal numbers as zero from here on, in this thread; returns the mode to give to ``restore_mode``.

    Some processors take a hundred cycles for an operation on numbers below 1e-38. Where the register is another
    than x86's, nothing is changed.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not _is_x86():
            return I32(0)
        slot = cgutils.alloca_once(builder, I32)
        _mxcsr(builder, "stmxcsr", slot)
        before = builder.load(slot)
        builder.store(builder.or_(before, I32(_DENORMALS_ARE_ZERO | _FLUSH_TO_ZERO)), slot)
        _mxcsr(builder, "ldmxcsr", slot)
        return before

    return types.uint32(), generate


@intrinsic
def restore_mode(typing: Any, mode: Any) -> Any:
    """Put the floating-point mode back that ``flush_denormals`` returned."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _is_x86():
            slot = cgutils.alloca_once(builder, I32)
            builder.store(args[0], slot)
            _mxcsr(builder, "ldmxcsr", slot)
        return context.get_dummy_value()

    return types.void(types.uint32), generate
