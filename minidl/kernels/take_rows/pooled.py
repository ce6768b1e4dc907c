"""Rows copied by all threads: a row is one memcpy, and some rows make a task."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import jit
from minidl.kernels.gather import copy_run
from minidl.kernels.launch import launch
from minidl.kernels.simd import pointer
from minidl.kernels.threads import parallel

TASK = 1 << 13  # elements


def supports(dtype: np.dtype, width: int) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.take_rows.forward``."""
    y = np.empty((len(rows), *x.shape[1:]), x.dtype.newbyteorder("="))
    if y.size:
        width = y.size // len(rows)
        together = max(1, TASK // width)
        _take.sized(y.size)(
            -(-len(rows) // together),
            plain(x).reshape(-1),
            plain(rows),
            y.reshape(-1),
            len(x),
            width,
            together,
        )
    return y


@jit
def _take_task(task: Any, x: Any, rows: Any, y: Any, count: Any, width: Any, together: Any) -> None:
    for i in range(task * together, min(rows.size, (task + 1) * together)):
        row = rows[i] + (count if rows[i] < 0 else 0)
        copy_run(pointer(y, i * width), pointer(x, row * width), width)


@parallel
def _take(pool: Any, tasks: Any, x: Any, rows: Any, y: Any, count: Any, width: Any, together: Any) -> None:
    launch(pool, tasks, _take_task, (x, rows, y, count, width, together))
