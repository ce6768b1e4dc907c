"""Powers of arrays: by products and roots where the exponent is one of a few numbers, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.elementwise import LARGE_COSTLY, formula, pooled

_any_power = pooled(np.power, LARGE_COSTLY)

# The exponent, and what computes the power of an array of floats.
POWERS: dict[float, Any] = {
    3.0: formula("cube", lambda x: x * x * x),
    2.0: pooled(np.square),
    0.5: pooled(np.sqrt),
    -0.5: formula("rsqrt", lambda x: 1.0 / np.sqrt(x)),
    -1.0: pooled(np.reciprocal),
    -2.0: formula("inverse_square", lambda x: 1.0 / (x * x)),
}


def power(a: Any, b: Any) -> Any:
    """``a**b``, of arrays and numbers of which one at least is an array."""
    known = POWERS.get(b) if b.__class__ is float else None
    return _any_power(a, b) if known is None or a.dtype.kind != "f" else known(a)


def whole_power(a: Any, b: Any) -> Any:
    """Integers, of which a negative power is 0, but for those of 1 and -1."""
    one, odd = np.equal(a, 1), np.not_equal(np.bitwise_and(b, 1), 0)
    power = np.power(a, np.maximum(b, 0))
    return np.where(np.less(b, 0), one + np.equal(a, -1) * np.where(odd, -1, 1), power).astype(power.dtype)
