"""Means over batches of different sizes, without rounding on the way."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np


class Mean:
    """The mean of numbers that each stand for ``count`` samples: ``sum(value * count) / sum(count)``.

    Every float is a fraction, and fractions add without error; so the mean is the float nearest to the true one,
    whatever the sizes of the batches and their order. nan and infinities come through as in floats.

    >>> mean = Mean()
    >>> mean.add(0.25, 64)
    >>> mean.add(0.75, 16)
    >>> mean.value
    0.35
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._sum = Fraction(0)
        self._special = 0.0  # the sum of what is no fraction: nan and infinities
        self.count = 0

    def add(self, value: float, count: int = 1) -> None:
        """Count ``value`` in as the mean of ``count`` samples."""
        self.count += count
        if math.isfinite(value):
            self._sum += Fraction(value) * count
        else:
            self._special += value

    def add_sum(self, array: np.ndarray) -> None:
        """Count in each element of ``array``; they are summed to 64 bits, which is enough for a right last digit."""
        self.count += array.size
        total = np.sum(array, dtype=np.longdouble)
        if not np.isfinite(total):
            self._special += float(total)
            return
        high = float(total)
        self._sum += Fraction(high) + Fraction(float(total - np.longdouble(high)))

    @property
    def value(self) -> float:
        """The mean so far; nan where there is none."""
        if self._special or math.isnan(self._special):
            return self._special
        return float(self._sum / self.count) if self.count else math.nan

    def state_dict(self) -> dict[str, Any]:
        """The sum and the count, to go on from."""
        return {"sum": str(self._sum), "special": self._special, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self._sum, self._special, self.count = Fraction(state["sum"]), state["special"], state["count"]
