"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, must
from minidl.kernels import sgd
from minidl.optim.optimizer import Optimizer, Parameters
from minidl.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, as ``torch.optim.SGD``.

    For each parameter p with gradient g, in this order::

        g = -g                                              if maximize
        g = g + weight_decay * p
        b = momentum * b + (1 - dampening) * g              if momentum is not 0; at the first step b = g
        g = g + momentum * b   if nesterov, else   g = b
        p = p - lr * g

    The buffer b is ``state[p]["momentum_buffer"]``; without momentum there is no state.

    Keras: the same learning rate has another default, 0.01; and its momentum includes the rate
    (``b = momentum * b - lr * g; p = p + b``), which differs when the rate changes during training.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with options of their own; see :class:`Optimizer`.
        lr: the learning rate.
        momentum: the share of the buffer that lasts to the next step.
        dampening: the share of the gradient that is kept out of the buffer.
        weight_decay: the factor of the L2 penalty ``weight_decay / 2 * p**2``.
        nesterov: look ahead by one step of momentum; needs momentum and no dampening.
        maximize: climb instead of descend.
        implementation: PyTorch's foreach, fused and differentiable; see :class:`Optimizer`.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **implementation)

    def check(self, options: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            self.check_range(name, options[name])
        self.check_range("dampening", options["dampening"], low=-math.inf)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            got = f"momentum {options['momentum']} and dampening {options['dampening']}"
            raise ArgumentError(must("SGD", "nesterov", "used with momentum and without dampening", got))

    def update(self, p: Tensor, g: np.ndarray, group: dict[str, Any]) -> None:
        buffer, first = None, False
        if group["momentum"]:
            first = self.state[p].get("momentum_buffer") is None
            buffer = self.buffer(p, "momentum_buffer")
        sgd.step(
            p.array,
            g,
            buffer,
            first,
            lr=float(group["lr"]),
            momentum=float(group["momentum"]),
            dampening=float(group["dampening"]),
            nesterov=group["nesterov"],
            weight_decay=float(group["weight_decay"]),
            maximize=group["maximize"],
        )
