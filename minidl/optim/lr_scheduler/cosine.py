"""Schedules that go down along half a cosine: slowly at first, then fast, then slowly again."""

from __future__ import annotations

import math

from minidl.errors import ArgumentError, must
from minidl.optim.lr_scheduler.base import LRScheduler, check_count
from minidl.optim.optimizer import Optimizer


def _half(t: float, period: float) -> float:
    return (1 + math.cos(math.pi * t / period)) / 2


class CosineAnnealingLR(LRScheduler):
    """``lr = eta_min + (base_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.

    Each rate is computed from the one before, as PyTorch's, so that the schedule chains with others; after ``T_max`` it
    goes up again.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        check_count("CosineAnnealingLR", "T_max", T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._initial:
            return self.rates
        t, period, low = self.last_epoch, self.T_max, self.eta_min
        if (t - 1 - period) % (2 * period) == 0:  # the rate before is the lowest, and says nothing
            rise = 1 - _half(1, period)
            return [lr + (base - low) * rise for lr, base in zip(self.rates, self.base_lrs, strict=True)]
        ratio = _half(t, period) / _half(t - 1, period)
        return [low + (lr - low) * ratio for lr in self.rates]


class CosineAnnealingWarmRestarts(LRScheduler):
    """``lr = eta_min + (base_lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2``, T_cur epochs after the last restart.

    The first period T_i is ``T_0`` epochs, and each next is ``T_mult`` times as long.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        check_count("CosineAnnealingWarmRestarts", "T_0", T_0)
        check_count("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        share = _half(self.T_cur, self.T_i)
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Set the rates of the next epoch, or of ``epoch``, a fraction too, as in ``step(e + batch / batches)``.

        Raises:
            ArgumentError: ``epoch`` is negative.
        """
        if epoch is None:
            epoch = self.last_epoch + 1
        if epoch < 0:
            raise ArgumentError(must("CosineAnnealingWarmRestarts.step", "epoch", "not negative", epoch))
        t, period = epoch, self.T_0
        if self.T_mult == 1:
            t %= period
        else:
            while t >= period:
                t -= period
                period *= self.T_mult
        self.T_cur, self.T_i = t, period
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())
