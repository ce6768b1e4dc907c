"""Adam, and its variants AMSGrad and AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.errors import DTypeError, must
from minidl.kernels import adam
from minidl.optim.optimizer import Optimizer, Parameters
from minidl.tensor import Tensor


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square, as ``torch.optim.Adam``.

    For each parameter p with gradient g, at its step t = 1, 2, ..., in this order::

        g = -g                                              if maximize
        g = g + weight_decay * p                            or, if decoupled_weight_decay (AdamW),
        p = p - lr * weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = max(w, v)                                       if amsgrad, else w = v
        p = p - lr * (m / (1 - beta1**t)) / (sqrt(w / (1 - beta2**t)) + eps)

    The divisors 1 - beta**t make up for means that start at zero. t, m, v and w are ``state[p]``'s ``"step"`` (an
    int), ``"exp_avg"``, ``"exp_avg_sq"`` and ``"max_exp_avg_sq"``; a parameter's t counts its own updates.

    Keras: eps is 1e-7, and is added to sqrt(w) before that is divided by sqrt(1 - beta2**t) ("epsilon hat" in the
    paper), which matters in the first steps.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with options of their own; see :class:`Optimizer`.
        lr: the learning rate, which is about the largest change of an element in one step.
        betas: beta1 and beta2, the shares of the running means that last to the next step.
        eps: keeps the divisor from zero.
        weight_decay: the factor of the L2 penalty ``weight_decay / 2 * p**2``; the rate of decay if decoupled.
        amsgrad: divide by the largest v so far, so that steps never grow.
        maximize: climb instead of descend.
        decoupled_weight_decay: shrink p itself instead of penalising it through g; see :class:`AdamW`.
        implementation: PyTorch's foreach, fused, capturable and differentiable; see :class:`Optimizer`.

    Sources: Kingma and Ba, "Adam: a method for stochastic optimization", 2015; Reddi et al., "On the convergence of
    Adam and beyond", 2018 (AMSGrad, applied to v before its correction, as PyTorch does).
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, **implementation)

    def check(self, options: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            self.check_range(name, options[name])
        betas = options["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise DTypeError(must(type(self).__name__, "betas", "two numbers", repr(betas)))
        for i, beta in enumerate(betas):
            self.check_range(f"betas[{i}]", beta, below=1.0)

    def update(self, p: Tensor, g: np.ndarray, group: dict[str, Any]) -> None:
        state = self.state[p]
        state["step"] = state.get("step", 0) + 1
        beta1, beta2 = group["betas"]
        adam.step(
            p.array,
            g,
            self.buffer(p, "exp_avg"),
            self.buffer(p, "exp_avg_sq"),
            self.buffer(p, "max_exp_avg_sq") if group["amsgrad"] else None,
            state["step"],
            lr=float(group["lr"]),
            beta1=float(beta1),
            beta2=float(beta2),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            maximize=group["maximize"],
            decoupled=group["decoupled_weight_decay"],
        )


class AdamW(Adam):
    """Adam whose weight decay is a decay, as ``torch.optim.AdamW``: ``p = p - lr * weight_decay * p`` at each step.

    As a penalty in the gradient it would be divided by sqrt(v) with the rest, and so be weakest on the weights whose
    gradients are largest. All else is as in :class:`Adam`, but for the default of ``weight_decay``, 1e-2.

    Keras: weight_decay is 4e-3, and eps 1e-7 as in its Adam.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            **implementation,
        )
