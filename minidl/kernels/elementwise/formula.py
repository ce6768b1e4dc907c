"""A formula on one element, compiled as a ufunc.

The same Python function is run on tensors, whose operators record what they do; on arrays of other dtypes, by NumPy;
and compiled, for float32 and float64. Compiled, ``np`` is :mod:`minidl.kernels.elementwise.mathematics`, an operation
stands for its own formula, and constants are of the arrays' dtype (one float64 constant would make all that follows
float64, and half as fast).
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.kernels.compile import CONTRACT, jit, keep_on_disk
from minidl.kernels.elementwise import mathematics


def compiled(function: Callable[..., Any], name: str, kinds: str, dtype: np.dtype) -> np.ufunc:
    """The ufunc of a formula for one dtype.

    Args:
        function: takes numbers and returns one, with no branches.
        name: a name for it that no other formula has, by which its machine code is cached.
        kinds: a letter for each argument, "f" for one of ``dtype``, "?" for a bool.
    """
    import numba

    letters = {"f": "f4" if dtype.itemsize == 4 else "f8", "?": "b1"}
    signature = f"{letters['f']}({','.join([letters[k] for k in kinds])})"
    body = jit(_scalar(function, name, dtype), inline=True)
    loop = numba.vectorize(fastmath=set(CONTRACT))(
        _inlined(body, f"{name}_{dtype.name}_loop", len(kinds), function)
    )
    keep_on_disk(loop._dispatcher, "cache")
    loop.add(signature)
    return loop.ufunc


def _inlined(body: Any, name: str, count: int, origin: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls ``body``, to be put into the ufunc's loop itself: a loop of calls is ten times slower."""
    arguments = ", ".join([f"x{i}" for i in range(count)])
    source = f"def {name}({arguments}):\n    inline_me()\n    return body({arguments})"
    names = {"inline_me": mathematics.inline_me, "body": body}
    exec(compile(source, origin.__code__.co_filename, "exec"), names)
    wrapper: Any = names[name]
    wrapper.__module__ = origin.__module__
    return wrapper


def _scalar(function: Callable[..., Any], name: str, dtype: np.dtype) -> Callable[..., Any]:
    """The function on scalars of one dtype."""
    code = function.__code__
    constants = tuple([dtype.type(c) if isinstance(c, float) else c for c in code.co_consts])
    used = {n: function.__globals__[n] for n in code.co_names if n in function.__globals__}
    meanings = {n: _meaning(value, dtype) for n, value in used.items()}
    name = f"{name}_{dtype.name}"
    scalar = types.FunctionType(code.replace(co_consts=constants, co_name=name), meanings, name)
    scalar.__qualname__ = name
    scalar.__module__ = function.__module__
    return scalar


def _meaning(value: Any, dtype: np.dtype) -> Any:
    """What a global name of a formula means in its compiled form."""
    if value is np:
        return mathematics
    if isinstance(value, float):
        return dtype.type(value)
    function = getattr(
        getattr(value, "forward", value), "formula", None
    )  # of an operation, or of a formula itself
    return value if function is None else jit(_scalar(function[0], function[1], dtype), inline=True)
