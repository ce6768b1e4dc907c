"""Operations element by element, on arrays of any size: ufuncs that work in the pool where they are large.

Two makers of functions on arrays:

    add = pooled(np.add)                                          a ufunc of NumPy's
    sigmoid = formula("sigmoid", lambda x: 1.0 / (1.0 + np.exp(-x)))    a formula of ours, in one pass

Both call one loop for arrays of every size and layout, small ones directly, large ones block by block in the pool
(:mod:`minidl.kernels.elementwise.pool`): an element's result is the same, to the last bit, alone and among a million.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["FORMULAS", "formula", "pooled"]

# From this many elements on, the pool pays for its launch: where a loop only moves its operands, and where it computes.
LARGE, LARGE_COSTLY = 1 << 16, 1 << 14

# All formulas by name, for the tests: the function, and the kinds of its arguments.
FORMULAS: dict[str, tuple[Callable[..., Any], str]] = {}

_ndarray = np.ndarray


def pooled(ufunc: np.ufunc, large: int = LARGE) -> Callable[..., Any]:
    """A ufunc of NumPy's, of one argument or two, that uses all threads for arrays from ``large`` elements on.

    Tensors pass through it to their own operation, as through the ufunc itself.
    """

    def unary(x: Any) -> Any:
        if x.__class__ is _ndarray and x.size >= large:
            return _spread(ufunc, (x,))
        return ufunc(x)

    def binary(a: Any, b: Any) -> Any:
        if (a.__class__ is _ndarray and a.size >= large) or (b.__class__ is _ndarray and b.size >= large):
            return _spread(ufunc, (a, b))
        return ufunc(a, b)

    call: Any = unary if ufunc.nin == 1 else binary
    call.__name__ = call.__qualname__ = ufunc.__name__
    call.ufunc = ufunc
    return call


def _spread(ufunc: np.ufunc, operands: tuple[Any, ...], fill: bool = False) -> Any:
    if not any(type(a) is _ndarray and a.dtype.char in "fd" for a in operands):
        return ufunc(*operands)
    from minidl.kernels.elementwise.pool import spread

    return spread(ufunc, operands, fill)


def formula(
    name: str,
    function: Callable[..., Any],
    kinds: str | None = None,
    plain: Callable[..., Any] | None = None,
    large: int = LARGE_COSTLY,
    within: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """The function on arrays that applies a formula to each element, in one pass.

    Args:
        name: its name, which no other formula has.
        function: the formula, in operators and NumPy's functions: ``lambda g, y: g * (1.0 - y * y)``. Constants are
            floats (``1.0``, not ``1``). It may call operations that are formulas themselves.
        kinds: a letter for each argument, "f" for a float, "?" for a bool; floats if None. The first float decides the
            dtype.
        plain: what is run on tensors, and on arrays that nothing is compiled for (float16, integers); ``function`` if
            None.
        large: the number of elements from which on the pool is used.
        within: what other formulas that call this one compute in its place; ``function`` if None.
    """
    kinds = kinds or "f" * function.__code__.co_argcount
    lead, plain = kinds.index("f"), plain or function
    loops: dict[Any, Any] = {}

    def call(*args: Any) -> Any:
        first = args[lead]
        if first.__class__ is _ndarray:
            ufunc = loops.get(first.dtype)
            if ufunc is not None:
                return ufunc(*args) if first.size < large else _spread(ufunc, args, True)
        return otherwise(args)

    def otherwise(args: tuple[Any, ...]) -> Any:
        """The first call for a dtype; numbers before arrays; and what is not compiled."""
        if any(hasattr(a, "__minidl_op__") for a in args):
            return plain(*args)
        floats = [a for a, kind in zip(args, kinds, strict=True) if kind == "f" and hasattr(a, "dtype")]
        if (
            not floats
            or floats[0].dtype.char not in "fd"
            or not all(a.dtype == floats[0].dtype for a in floats)
        ):
            return plain(*args)
        dtype = floats[0].dtype
        if dtype not in loops:
            from minidl.kernels.elementwise.formula import compiled

            loops[dtype] = compiled(function, name, kinds, dtype)
        big = any(a.size >= large for a in args if type(a) is _ndarray)
        return _spread(loops[dtype], args, True) if big else loops[dtype](*args)

    call.__name__ = call.__qualname__ = name
    call.formula = (within or function, name)  # type: ignore[attr-defined]
    FORMULAS[name] = function, kinds
    return call
