"""The calls on which all implementations of an operation are compared: a file per family of operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minidl.kernels.cases import (
    activations,
    convolutions,
    losses,
    matmul,
    norms,
    optimizer_steps,
    pooling,
    rows,
)
from minidl.kernels.cases.case import Case

__all__ = ["CASES", "Case"]

CASES: dict[str, Callable[[], Iterator[Case]]] = {
    **matmul.CASES,
    **convolutions.CASES,
    **activations.CASES,
    **pooling.CASES,
    **losses.CASES,
    **norms.CASES,
    **optimizer_steps.CASES,
    **rows.CASES,
}
