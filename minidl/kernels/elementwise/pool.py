"""Any ufunc on large arrays, in the pool: its own inner loop, called for blocks of fixed size.

A ufunc is, within, a loop in C for each combination of dtypes: ``loop(pointers, &n, steps, data)``. NumPy calls it once
for an array; here threads of the pool call it for one block each. So a large array is computed by the same code as a
small one, to the last bit, whichever thread does it.

What this does about the machine: NumPy's loops are vectorised, and use one core. On two, a sine of 1 MB takes 76 µs
instead of 143, and a row added to 1 MB 31 instead of 51; an addition of arrays that no cache holds gains nothing.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minidl.kernels.compile import jit
from minidl.kernels.launch import launch
from minidl.kernels.threads import parallel

BLOCK = 1 << 13  # elements
SHORT = 64  # rows below this length cost more in calls than threads save
MOST_OPERANDS = 6  # the result among them


class _Ufunc(ctypes.Structure):
    """The beginning of NumPy's PyUFuncObject, which is part of its C interface (numpy/ufuncobject.h)."""

    _fields_ = [
        ("references", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
    ]


class _Array(ctypes.Structure):
    """The beginning of PyArrayObject: reading the address here takes a quarter of ``array.ctypes.data``'s time."""

    _fields_ = [
        ("references", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("data", ctypes.c_ssize_t),
    ]


@functools.cache
def _loop(ufunc: np.ufunc, kinds: str) -> tuple[int, int, np.dtype] | None:
    """The address of the loop for operands of these dtypes and of what it takes besides, and the result's dtype."""
    for k, signature in enumerate(ufunc.types):
        operands, result = signature.split("->")
        if operands == kinds and len(result) == 1:
            within = _Ufunc.from_address(id(ufunc))
            if (within.nin, within.nargs, within.ntypes) != (ufunc.nin, ufunc.nargs, ufunc.ntypes):
                return None  # a NumPy that is built otherwise
            return within.functions[k], (within.data and within.data[k]) or 0, np.dtype(result)
    return None


def spread(ufunc: np.ufunc, operands: tuple[Any, ...], fill: bool = False) -> Any:
    """``ufunc(*operands)``, by all threads. One of the operands is an array of floats, the rest arrays or numbers.

    ``fill`` says that the loop is fast only where it steps through all of its operands; a number is then repeated for
    the length of a block.

    Memory order is the one that NumPy gives to the result. What does not fit the loop (dtypes that differ, more than
    three axes that cannot be joined) is left to NumPy.
    """
    dtype = next(a.dtype for a in operands if type(a) is np.ndarray and a.dtype.kind == "f")
    arrays = [a if type(a) is np.ndarray else np.asarray(a, dtype) for a in operands]
    loop = _loop(ufunc, "".join([a.dtype.char for a in arrays]))
    if loop is None or not all(a.dtype.isnative and a.flags.aligned for a in arrays):
        return ufunc(*operands)
    address, data, result = loop
    lead = max(arrays, key=lambda a: a.size)
    steps = _flat_steps(lead, arrays)
    if steps is None:
        return _spread_rows(ufunc, address, data, result, arrays)
    y = np.empty_like(lead, result)
    advance = [step * BLOCK for step in steps]
    if fill and 0 in steps:
        arrays = [a if step else np.full(BLOCK, a, a.dtype) for a, step in zip(arrays, steps, strict=True)]
        steps = [a.itemsize for a in arrays]
    pointers = [_Array.from_address(id(a)).data for a in arrays]
    rest = (0,) * (MOST_OPERANDS - len(arrays) - 1)
    _flat(
        address,
        data,
        lead.size,
        (*pointers, _Array.from_address(id(y)).data, *rest),
        (*advance, BLOCK * y.itemsize, *rest),
        (*steps, y.itemsize, *rest),
    )
    return y


def _flat_steps(lead: np.ndarray, arrays: list[np.ndarray]) -> list[int] | None:
    """From one element to the next, where all arrays are as dense as ``lead`` and in its order, or single numbers."""
    in_c_order = lead.flags.c_contiguous
    if not in_c_order and np.empty_like(lead).strides != lead.strides:
        return None
    steps = []
    for a in arrays:
        if a.size == 1 and a.ndim <= lead.ndim:
            steps.append(0)
        elif a.shape == lead.shape and (
            a.flags.c_contiguous
            if in_c_order
            else a.strides == _scaled(lead.strides, lead.itemsize, a.itemsize)
        ):
            steps.append(a.itemsize)
        else:
            return None
    return steps


def _scaled(strides: tuple[int, ...], itemsize: int, other: int) -> tuple[int, ...]:
    return strides if itemsize == other else tuple([s // itemsize * other for s in strides])


def _spread_rows(ufunc: np.ufunc, address: int, data: int, result: np.dtype, arrays: list[np.ndarray]) -> Any:
    """Operands that are broadcast, strided, or of different orders: NumPy's iterator says which axes can be joined."""
    flags: list[Any] = [*[["readonly"]] * len(arrays), ["writeonly", "allocate"]]
    iterator = np.nditer([*arrays, None], ["external_loop"], flags, [*[a.dtype for a in arrays], result])
    views = iterator.itviews
    ndim = views[0].ndim
    if ndim > 3 or views[0].shape[-1] < SHORT:
        return ufunc(*arrays)
    rest = (0,) * (MOST_OPERANDS - len(views))
    axes = [
        tuple([v.strides[axis] for v in views]) + rest if axis >= 0 else (0,) * MOST_OPERANDS
        for axis in range(ndim - 3, ndim)
    ]
    shape = (1,) * (3 - ndim) + views[0].shape
    pointers = tuple([_Array.from_address(id(v)).data for v in views]) + rest
    _rows(address, data, *shape, pointers, *axes)
    return iterator.operands[-1]


_byte = ir.IntType(8).as_pointer()
_word = ir.IntType(64)


@intrinsic
def _call(typing_context: Any, address: Any, data: Any, n: Any, pointers: Any, steps: Any) -> Any:
    """Call the loop at ``address`` for n elements; pointers and steps, which it wants in memory, lie on the stack."""
    count = pointers.count

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, data, n, pointers, steps = args
        pointer_array = cgutils.alloca_once(builder, _byte, size=count)
        step_array = cgutils.alloca_once(builder, _word, size=count)
        size = cgutils.alloca_once_value(builder, n)
        for k in range(count):
            at = [ir.Constant(_word, k)]
            pointer = builder.inttoptr(builder.extract_value(pointers, k), _byte)
            builder.store(pointer, builder.gep(pointer_array, at))
            builder.store(builder.extract_value(steps, k), builder.gep(step_array, at))
        kinds = [_byte.as_pointer(), _word.as_pointer(), _word.as_pointer(), _byte]
        loop = builder.inttoptr(address, ir.FunctionType(ir.VoidType(), kinds).as_pointer())
        builder.call(loop, [pointer_array, size, step_array, builder.inttoptr(data, _byte)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, pointers, steps), generate


@jit
def _flat_block(i: Any, address: Any, data: Any, n: Any, p: Any, advance: Any, s: Any) -> None:
    at = (
        p[0] + i * advance[0], p[1] + i * advance[1], p[2] + i * advance[2],
        p[3] + i * advance[3], p[4] + i * advance[4], p[5] + i * advance[5],
    )  # fmt: skip
    _call(address, data, min(BLOCK, n - i * BLOCK), at, s)


@parallel
def _flat(pool: Any, address: Any, data: Any, n: Any, p: Any, advance: Any, s: Any) -> None:
    launch(pool, (n + BLOCK - 1) // BLOCK, _flat_block, (address, data, n, p, advance, s))


@jit
def _row_block(
    i: Any, address: Any, data: Any, together: Any, n0: Any, n1: Any, n2: Any, p: Any, s: Any, t: Any, u: Any
) -> None:
    """Some rows of n2 elements out of n0 * n1; s, t and u are the strides of the three axes."""
    for row in range(i * together, min((i + 1) * together, n0 * n1)):
        a, b = row // n1, row % n1
        at = (
            p[0] + a * s[0] + b * t[0], p[1] + a * s[1] + b * t[1], p[2] + a * s[2] + b * t[2],
            p[3] + a * s[3] + b * t[3], p[4] + a * s[4] + b * t[4], p[5] + a * s[5] + b * t[5],
        )  # fmt: skip
        _call(address, data, n2, at, u)


@parallel
def _rows(
    pool: Any, address: Any, data: Any, n0: Any, n1: Any, n2: Any, p: Any, s: Any, t: Any, u: Any
) -> None:
    together = max(1, BLOCK // n2)
    blocks = (n0 * n1 + together - 1) // together
    launch(pool, blocks, _row_block, (address, data, together, n0, n1, n2, p, s, t, u))
