"""One step of stochastic gradient descent, with momentum.

    g = g + weight_decay * p
    b = momentum * b + (1 - dampening) * g            (b = g at the first step)
    g = g + momentum * b   with nesterov, else   g = b
    p = p - lr * g

``maximize`` starts from -g. Without momentum only the first and the last line remain. The operations and
their order are those of ``torch.optim.SGD``.

Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013 (whose
momentum PyTorch applies without the learning rate).
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import check_alike, compiled_for, is_plain
from minidl.kernels.registry import Operation, register


def policy(dtype: np.dtype, plain: bool) -> str:
    """One pass where it is compiled for these arrays."""
    return "fused" if plain and compiled_for(dtype) else "reference"


operation = Operation("sgd", ("step",), policy)
register("sgd", "reference", module="minidl.kernels.sgd.reference")
register("sgd", "fused", module="minidl.kernels.sgd.fused")


def step(
    out: np.ndarray,
    g: np.ndarray,
    state_momentum: np.ndarray | None,
    first: bool,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> None:
    """Move the parameter ``out`` one step along, and ``state_momentum`` with it; both are changed in place.

    Args:
        out: the parameter p.
        g: its gradient; not changed.
        state_momentum: the buffer b; None where momentum is 0.
        first: whether this is the first step: what the buffer holds is then ignored.

    Raises:
        ShapeError, DTypeError: the arrays are not all of one shape and dtype.
    """
    check_alike("sgd", out, g=g, state_momentum=state_momentum)
    kernel = operation.select(out.dtype, is_plain(out, state_momentum))
    kernel.step(out, g, state_momentum, first, lr, momentum, dampening, nesterov, weight_decay, maximize)
