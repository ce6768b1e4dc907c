"""Whether operations are recorded: a switch for each thread, with the contexts that turn it."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])


_quiet = contextvars.ContextVar("minidl_quiet", default=False)


class Mode:
    """What holds for the operations of one thread.

    ``recording`` says whether they leave Nodes, ``serial`` whether they leave the pool of threads to others (those that
    load data do), ``detecting`` whether they look out for NaN and infinity (see
    :mod:`minidl.anomaly`); ``quietly(f, *args)`` calls ``f`` without NumPy's warnings.

    As in PyTorch, a division by zero gives inf and no warning. Entering ``np.errstate`` for every operation would
    cost more than the operation; running it in a context of its own, where errstate has been entered once, does not.
    That context cannot be entered twice: within it ``quietly`` raises a RuntimeError, and ``at_once`` goes on.
    """

    def __init__(self) -> None:
        self.recording = True
        self.serial = False  # whether kernels stay in this thread, however large the work
        self.detecting = False
        self.watcher: Callable[..., None] | None = None  # is told of each operation, while detecting
        context = contextvars.copy_context()
        context.run(np.seterr, all="ignore")
        context.run(_quiet.set, True)
        self.quietly = context.run

    def at_once(self, f: Callable[..., Any], *args: Any) -> Any:
        """``f(*args)``, after ``quietly`` has raised: if it could not be entered, for we are within it already."""
        if not _quiet.get():
            raise
        return f(*args)


class _Thread(threading.local):
    def __init__(self) -> None:
        self.mode = Mode()


thread = _Thread()  # thread.mode is the running thread's


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return thread.mode.recording


class set_grad_enabled(contextlib.ContextDecorator):
    """Record operations or not: at once, until changed back; or for the length of a ``with`` block."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._before = thread.mode.recording
        thread.mode.recording = self.mode

    def _recreate_cm(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __call__(self, function: Function) -> Function:
        # Used as a decorator, nothing happens until the function is called.
        thread.mode.recording = self._before
        return super().__call__(function)

    def __enter__(self) -> set_grad_enabled:
        thread.mode.recording = self.mode
        return self

    def __exit__(self, *exc: object) -> None:
        thread.mode.recording = self._before


class _Switch(contextlib.ContextDecorator):
    """A context, and a decorator with or without brackets, within which ``recording`` has one value."""

    recording: bool
    _before: list[bool]  # a stack, so that one object can be entered within itself

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        self._before = []
        return self if function is None else self(function)

    def __enter__(self) -> _Switch:
        self._before.append(thread.mode.recording)
        thread.mode.recording = self.recording
        return self

    def __exit__(self, *exc: object) -> None:
        thread.mode.recording = self._before.pop()

    def __call__(self, function: Function) -> Function:
        decorate = self._steps if inspect.isgeneratorfunction(function) else super().__call__
        return decorate(function)

    def _steps(self, function: Callable[..., Any]) -> Any:
        """A generator function that runs within the context, and leaves it while its caller has the turn."""

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            advance, given = generator.send, None
            while True:
                try:
                    with self:
                        value = advance(given)
                except StopIteration as end:
                    return end.value
                try:
                    advance, given = generator.send, (yield value)
                except GeneratorExit:
                    with self:
                        generator.close()
                    raise
                except BaseException as error:
                    advance, given = generator.throw, error

        return generate


class no_grad(_Switch):
    """Within this context, or a function so decorated, nothing is recorded and results need no gradient.

    >>> import minidl
    >>> w = minidl.ones(2, requires_grad=True)
    >>> with minidl.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    recording = False


class enable_grad(_Switch):
    """Within this context, or a function so decorated, operations are recorded, also inside ``no_grad``."""

    recording = True
