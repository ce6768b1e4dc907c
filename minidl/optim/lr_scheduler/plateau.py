"""The schedule that follows what is measured."""

from __future__ import annotations

import math
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.ops.arguments import one_of
from minidl.optim.lr_scheduler.base import LRScheduler, checked_optimizer, for_each_group
from minidl.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """``lr = max(lr * factor, min_lr)`` when what is measured has not improved for more than ``patience`` epochs.

    Args:
        mode: "min" if less is better, "max" if more is.
        threshold: what counts as an improvement on the best so far: a share of it, or with ``threshold_mode="abs"`` a
            difference.
        cooldown: epochs after a reduction that do not count.
        min_lr: the lowest rate; for all groups or a list.
        eps: a smaller change is left out.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = checked_optimizer(self, optimizer)
        if not factor < 1:
            raise ArgumentError(must("ReduceLROnPlateau", "factor", "below 1", factor))
        one_of("ReduceLROnPlateau", "mode", mode, ("min", "max"))
        one_of("ReduceLROnPlateau", "threshold_mode", threshold_mode, ("rel", "abs"))
        self.min_lrs = for_each_group("ReduceLROnPlateau", "min_lr", optimizer, min_lr)
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self.rates

    def _improves(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs":
            return sign * value > sign * (self.best + sign * self.threshold)
        return sign * value > sign * (self.best * (1 + sign * self.threshold))

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take in what was measured in an epoch, a number or a tensor of one, and set the rates of the next."""
        value = float(metrics)
        self.last_epoch += 1
        if self._improves(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self.rates
        if self.num_bad_epochs > self.patience:
            lower = [max(lr * self.factor, least) for lr, least in zip(rates, self.min_lrs, strict=True)]
            rates = [new if old - new > self.eps else old for old, new in zip(rates, lower, strict=True)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._set(rates)
