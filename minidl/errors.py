"""The errors that minidl raises, and the one form in which they speak.

Every error is a :class:`MinidlError`, and also the built-in kind that a PyTorch user would catch: a wrong shape is a
``ValueError`` and a ``RuntimeError``, a wrong type a ``TypeError``, a dimension out of range an ``IndexError``.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

_PACKAGE = str(Path(__file__).parent) + os.sep


class MinidlError(Exception):
    """The base of all errors that minidl raises on purpose."""


class ShapeError(MinidlError, ValueError, RuntimeError):
    """An array has a shape that the operation cannot take."""


class DimensionError(ShapeError, IndexError):
    """A dimension, or an index along one, is out of range."""


class DTypeError(MinidlError, TypeError, RuntimeError):
    """An argument has a type, or an array a dtype, that the operation cannot take."""


class ArgumentError(MinidlError, ValueError, RuntimeError):
    """An argument of the right type has a value outside what the operation defines."""


class GradError(MinidlError, RuntimeError):
    """A gradient cannot be computed: no graph, a freed graph, or a value changed since it was recorded."""


class AnomalyError(GradError):
    """``detect_anomaly`` found the first operation that made a NaN or an infinity."""


class KernelError(MinidlError, RuntimeError):
    """No kernel of that name, or a forced kernel that does not support the call."""


class WeightsError(MinidlError, ValueError, RuntimeError):
    """Stored weights and a network do not fit, or a weight file is damaged."""


class DataError(MinidlError, ValueError):
    """A data file is damaged, truncated, or not what it should be."""


class DownloadError(MinidlError, OSError):
    """A file could not be fetched from any of its sources."""


class MissingDependencyError(MinidlError, ImportError):
    """An optional package is needed; the message says how to install it."""


def must(op: str, argument: str, expected: str, got: object) -> str:
    """The wording of every complaint: ``op: argument must be EXPECTED, got GOT``.

    >>> must("conv2d", "stride", "positive", 0)
    'conv2d: stride must be positive, got 0'
    """
    return f"{op}: {argument} must be {expected}, got {got}"


def warn(message: str) -> None:
    """A UserWarning at the line of the user's program that called into minidl, and so shown once for each such line."""
    depth = 1
    while (frame := sys._getframe(depth)).f_code.co_filename.startswith(
        _PACKAGE
    ) and frame.f_back is not None:
        depth += 1
    warnings.warn(message, stacklevel=depth + 1)
