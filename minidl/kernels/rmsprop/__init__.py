"""One step of RMSprop.

    g = g + weight_decay * p
    s = alpha * s + (1 - alpha) * g*g
    a = a + (1 - alpha) * (g - a)                     (centered: state_mean is not None)
    d = sqrt(s) + eps,  or  sqrt(s - a*a) + eps       (centered)
    b = momentum * b + g / d                          (state_momentum is not None)
    p = p - lr * b,  or  p - lr * g / d               (without momentum)

``maximize`` starts from -g. With ``eps_inside`` (Keras's form) eps is added under the root. The operations
and their order are those of ``torch.optim.RMSprop``.

Sources: Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012; Graves, "Generating sequences with recurrent
neural networks", 2013 (centered).
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import check_alike, compiled_for, is_plain
from minidl.kernels.registry import Operation, register


def policy(dtype: np.dtype, plain: bool) -> str:
    """One pass where it is compiled for these arrays."""
    return "fused" if plain and compiled_for(dtype) else "reference"


operation = Operation("rmsprop", ("step",), policy)
register("rmsprop", "reference", module="minidl.kernels.rmsprop.reference")
register("rmsprop", "fused", module="minidl.kernels.rmsprop.fused")


def step(
    out: np.ndarray,
    g: np.ndarray,
    state_square: np.ndarray,
    state_momentum: np.ndarray | None,
    state_mean: np.ndarray | None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    maximize: bool = False,
    eps_inside: bool = False,
) -> None:
    """Move the parameter ``out`` one step along, and its ``state_*`` with it; all of them are changed in place.

    Args:
        out: the parameter p.
        g: its gradient; not changed.
        state_square: s, the running mean of g*g; zeros before the first step.
        state_momentum: b, zeros before the first step; None where momentum is 0.
        state_mean: a, the running mean of g, zeros before the first step; None where not centered.

    Raises:
        ShapeError, DTypeError: the arrays are not all of one shape and dtype.
    """
    states = {"state_square": state_square, "state_momentum": state_momentum, "state_mean": state_mean}
    check_alike("rmsprop", out, g=g, **states)
    kernel = operation.select(out.dtype, is_plain(out, *states.values()))
    kernel.step(out, g, *states.values(), lr, alpha, eps, weight_decay, momentum, maximize, eps_inside)
