"""One test for every kernel: compare an implementation with the reference, computed in float64.

A new implementation is tested by being registered:

    minidl.kernels.register("conv2d", "mine", module="my_kernels.conv2d")
    check_kernel("conv2d", "mine")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.errors import KernelError
from minidl.kernels import registry
from minidl.kernels.cases import CASES, Case

# The largest error, as a share of the largest element of the result.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def check_kernel(operation: str, name: str, cases: Sequence[Case] | None = None) -> int:
    """Compare an implementation with the operation's reference, in both dtypes and every order of memory.

    Checked are the values, NaNs and shapes of the results and of the arguments named ``out`` or ``state``,
    their dtype and memory order, and that no other argument is changed.

    Args:
        operation: the operation, for instance ``"conv2d"``.
        name: the name under which the implementation is registered.
        cases: what to compare on; the operation's own cases (``cases_of(operation)``) if None.

    Returns:
        How many calls were compared. Calls that the implementation does not support are left out.

    Raises:
        KernelError: a result differs; the message says in which call, and where. Or: no call is supported.
    """
    kernel, reference = (registry.operation(operation).load(n) for n in (name, "reference"))
    compared = 0
    for case in cases_of(operation) if cases is None else cases:
        for dtype in (np.dtype("float32"), np.dtype("float64")):
            if not kernel.supports(*case.problem(dtype)):
                continue
            expected = _call(reference, case, np.float64, _ORDERS["C"])
            for order, arrange in _ORDERS.items():
                where = f"{operation} kernel {name!r}: {case} in {dtype}, arguments {order}"
                results = _call(kernel, case, dtype, arrange, where)
                _compare(where, results, expected, dtype, case.channels_last)
                compared += 1
    if not compared:
        raise KernelError(f"{operation} kernel {name!r} supports none of the cases")
    return compared


def cases_of(operation: str) -> list[Case]:
    """The calls on which all implementations of an operation are compared.

    Raises:
        KernelError: there are none for this operation.
    """
    if operation not in CASES:
        raise KernelError(f"{operation} has no cases of its own: pass some to check_kernel")
    return list(CASES[operation]())


def _read_only(a: np.ndarray) -> np.ndarray:
    frozen = a.copy()
    frozen.flags.writeable = False
    return frozen


def _transposed(a: np.ndarray) -> np.ndarray:
    """Channels-last for images; the last axis first in memory otherwise."""
    axes = (0, 2, 3, 1) if a.ndim == 4 else tuple(reversed(range(a.ndim)))
    return a.transpose(axes).copy().transpose(np.argsort(axes))


# Orders of memory that an argument may have. All keep the values.
_ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": lambda a: a.copy(),
    "transposed": _transposed,
    "sliced": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "reversed": lambda a: a[::-1].copy()[::-1] if a.ndim else a,
    "read-only": _read_only,
}


def _call(
    module: Any, case: Case, dtype: Any, arrange: Callable[[np.ndarray], np.ndarray], where: str = ""
) -> list[np.ndarray]:
    """What the call returns, followed by the arguments that it may change."""
    function = getattr(module, case.function)
    arguments, changeable, fixed = [], [], []
    for name, value in zip(inspect.signature(function).parameters, case.arguments, strict=True):
        if isinstance(value, np.ndarray):
            value = value.astype(dtype) if value.dtype.kind == "f" else value
            if name == "out" or name.startswith("state"):
                value = np.array(value, order="C")
                changeable.append(value)
            else:
                value = arrange(value)
                fixed.append((name, value, value.tobytes()))
        arguments.append(value)
    result = function(*arguments)
    for name, value, before in fixed:
        if value.tobytes() != before:
            raise KernelError(f"{where}: changes its argument {name}")
    results = result if isinstance(result, tuple) else (result,)
    return [r for r in results if r is not None] + changeable


def _compare(
    where: str, results: list[np.ndarray], expected: list[np.ndarray], dtype: np.dtype, channels_last: bool
) -> None:
    if len(results) != len(expected):
        raise KernelError(f"{where}: gives {len(results)} arrays, the reference {len(expected)}")
    for got, want in zip(results, expected, strict=True):
        if got.shape != want.shape:
            raise KernelError(f"{where}: gives shape {got.shape}, the reference {want.shape}")
        if want.dtype.kind == "f" and got.dtype != dtype:
            raise KernelError(f"{where}: gives {got.dtype}")
        if channels_last and not got.transpose(0, 2, 3, 1).flags.c_contiguous:
            raise KernelError(f"{where}: gives memory that is not channels-last")
        scale = np.max(np.abs(want), initial=0, where=np.isfinite(want))
        allowed = TOLERANCE[dtype.name] * scale if want.dtype.kind == "f" else 0
        wrong = ~np.isclose(got, want, rtol=0, atol=allowed, equal_nan=True)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise KernelError(f"{where}: element {at} is {got[at]}, the reference has {want[at]}")
