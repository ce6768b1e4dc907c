"""What a case is, and the numbers that cases are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call to compare: a function of an operation, and its arguments.

    Attributes:
        function: the name of the function, for instance ``"forward"``.
        arguments: its arguments in order; the arrays are float64 with values that float32 holds exactly.
        problem: from a dtype, what ``supports`` is asked.
        channels_last: whether the result's memory must be channels-last.
    """

    function: str
    arguments: tuple[Any, ...]
    problem: Callable[[np.dtype], tuple[Any, ...]]
    channels_last: bool = False

    def __str__(self) -> str:
        words = (f"array{a.shape}" if isinstance(a, np.ndarray) else repr(a) for a in self.arguments)
        return f"{self.function}({', '.join(words)})"


def random(seed: int, *shape: int) -> np.ndarray:
    """Normal random numbers, float64 with values that float32 holds exactly."""
    return exact(np.random.default_rng(seed).standard_normal(shape))


def exact(a: Any) -> np.ndarray:
    """Rounded to what float32 holds exactly, as float64: both dtypes then start from the same numbers."""
    return np.asarray(np.asarray(a, np.float32), np.float64)


def dtype_only(dtype: np.dtype) -> tuple[Any, ...]:
    return (dtype,)
