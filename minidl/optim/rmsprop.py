"""RMSprop, plain and centered, in PyTorch's form and in Keras's."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels import rmsprop
from minidl.optim.optimizer import Optimizer, Parameters
from minidl.tensor import Tensor


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of the squared gradient, as ``torch.optim.RMSprop``.

    For each parameter p with gradient g, in this order::

        g = -g                                              if maximize
        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g                     if centered, else a = 0
        d = g / (sqrt(v - a**2) + eps)                      or, if eps_inside,  g / sqrt(v - a**2 + eps)
        b = momentum * b + d                                if momentum is not 0, else b = d
        p = p - lr * b

    v, a and b are ``state[p]``'s ``"square_avg"``, ``"grad_avg"`` and ``"momentum_buffer"``.

    Keras: lr is 1e-3, alpha (there ``rho``) 0.9, eps 1e-7, and eps stands inside the root. This gives its RMSprop:
    ``RMSprop(params, lr=1e-3, alpha=0.9, eps=1e-7, eps_inside=True)``; with momentum, as long as lr is constant.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with options of their own; see :class:`Optimizer`.
        lr: the learning rate.
        alpha: the share of the running means that lasts to the next step.
        eps: keeps the divisor from zero.
        weight_decay: the factor of the L2 penalty ``weight_decay / 2 * p**2``.
        momentum: the share of the buffer that lasts to the next step.
        centered: divide by an estimate of the gradient's standard deviation instead.
        maximize: climb instead of descend.
        eps_inside: add eps under the root.
        implementation: PyTorch's foreach, capturable and differentiable; see :class:`Optimizer`.

    Sources: Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012; Graves, "Generating sequences with recurrent neural
    networks", 2013 (centered).
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        eps_inside: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
            "eps_inside": eps_inside,
        }
        super().__init__(params, defaults, **implementation)

    def check(self, options: dict[str, Any]) -> None:
        for name in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            self.check_range(name, options[name])

    def update(self, p: Tensor, g: np.ndarray, group: dict[str, Any]) -> None:
        rmsprop.step(
            p.array,
            g,
            self.buffer(p, "square_avg"),
            self.buffer(p, "momentum_buffer") if group["momentum"] else None,
            self.buffer(p, "grad_avg") if group["centered"] else None,
            lr=float(group["lr"]),
            alpha=float(group["alpha"]),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            momentum=float(group["momentum"]),
            maximize=group["maximize"],
            eps_inside=group["eps_inside"],
        )
