"""``detect_anomaly``: stop at the first operation that makes a NaN or an infinity, and say whose line called it."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import AnomalyError
from minidl.grad_mode import thread

if TYPE_CHECKING:
    from minidl.tape import Node

_PACKAGE = str(Path(__file__).parent) + os.sep


class detect_anomaly:
    """Within this context, the first operation that makes a NaN or an infinity raises an AnomalyError.

    It names the operation and the line of the program that called it, for a forward at that line, for a backward at
    the line of the forward call whose gradient it is (if that call was made within the context too). An infinity that
    comes in from data (a mask of ``-inf``) is let through; a NaN that comes in is named at the first operation that
    passes it on. Sums of gradients that meet at a tensor are seen at the next operation. Every result is looked at, so
    this is for finding a fault, not for everyday training.

    >>> import minidl
    >>> with minidl.detect_anomaly():
    ...     minidl.log(minidl.tensor([-1.0]))
    Traceback (most recent call last):
    minidl.errors.AnomalyError: log made nan in its result, shape (1,), first at index (0,); called at <doctest ...
    """

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode
        self._before: list[bool] = []  # a stack, so that one object can be entered within itself

    def __enter__(self) -> detect_anomaly:
        self._before.append(thread.mode.detecting)
        thread.mode.detecting = self.mode
        return self

    def __exit__(self, *exc: TracebackType | type | None) -> None:
        thread.mode.detecting = self._before.pop()


class watch_operations:
    """Within this context, ``watcher(name, args, outputs)`` is called after each operation of this thread.

    ``args`` are the operation's arguments as they were given, ``outputs`` its results as arrays. For looking on, such
    as counting; meant for ``no_grad``. While it lasts nobody looks for NaN.
    """

    def __init__(self, watcher: Callable[[str, Sequence[Any], Sequence[np.ndarray]], None]) -> None:
        self.watcher = watcher
        self._before: list[tuple[bool, Any]] = []

    def __enter__(self) -> watch_operations:
        mode = thread.mode
        self._before.append((mode.detecting, mode.watcher))
        mode.detecting, mode.watcher = True, self.watcher
        return self

    def __exit__(self, *exc: TracebackType | type | None) -> None:
        thread.mode.detecting, thread.mode.watcher = self._before.pop()


def users_line() -> str:
    """Where in the user's program the running call into minidl began: ``file:line, in function: code``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return "an unknown place"
    file, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(file, line).strip()
    return f"{file}:{line}, in {frame.f_code.co_name}" + (f": {code}" if code else "")


def _fault(array: Any) -> str | None:
    """ "nan" or "inf" if a floating array holds one."""
    if getattr(array, "dtype", None) is None or array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    return "nan" if np.isnan(array).any() else "inf"


def _arrays(values: Iterable[Any]) -> list[Any]:
    """The arrays behind ``values``: tensors' arrays, and numbers as arrays of no dimensions."""
    arrays = [getattr(v, "array", v) for v in values]
    return [np.asarray(a) if isinstance(a, float) else a for a in arrays]


def _first_index(array: np.ndarray) -> tuple[int, ...]:
    bad = np.argwhere(~np.isfinite(np.asarray(array)))
    return tuple(int(i) for i in bad[0])


def _blame(made: np.ndarray, given: Iterable[Any]) -> str | None:
    """How the fault in ``made`` came about, or None if it has none or only passes an infinity on."""
    fault = _fault(made)
    if fault is None:
        return None
    given_faults = {_fault(a) for a in given}
    if fault in given_faults:
        return None if fault == "inf" else "passed on a nan that came in with its arguments, to"
    return f"made {fault} in"


def check_forward(name: str, args: Sequence[Any], outputs: Iterable[np.ndarray]) -> None:
    """Raise if one of ``outputs`` holds a NaN or infinity that ``args`` do not account for; or tell the watcher."""
    if thread.mode.watcher is not None:
        thread.mode.watcher(name, args, list(outputs))
        return
    for y in outputs:
        how = _blame(y, _arrays(args))
        if how is not None:
            raise AnomalyError(
                f"{name} {how} its result, shape {y.shape}, first at index {_first_index(y)}; "
                f"called at {users_line()}"
            )


def checked(node: Node, arrive: Callable[[Node, Any, Any], None]) -> Callable[[Node, Any, Any], None]:
    """``arrive(edge, gradient, g)``, which raises if ``node`` made a fault in the gradient from a sound ``g``."""

    def arrive_checked(edge: Node, gradient: Any, g: Any) -> None:
        given = _arrays(g if isinstance(g, list) else [g])
        (array,) = _arrays([gradient])
        how = _blame(array, given)
        if how is not None:
            raise AnomalyError(
                f"the backward of {node.name} {how} the gradient of its argument {node.edges.index(edge) + 1}, "
                f"shape {array.shape}, first at index {_first_index(array)}; "
                f"the operation was called at {node.trace or 'a line outside detect_anomaly'}"
            )
        arrive(edge, gradient, g)

    return arrive_checked
