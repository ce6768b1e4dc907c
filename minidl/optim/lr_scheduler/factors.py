"""Schedules that multiply the rate: in steps, along a line or a power, or by a function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minidl.errors import ArgumentError, DTypeError, must
from minidl.optim.lr_scheduler.base import LRScheduler, check_count, checked_optimizer, for_each_group
from minidl.optim.optimizer import Optimizer


class _Factor(LRScheduler):
    """A schedule that multiplies every group's rate, whatever it is, by the same factor; so such schedules chain."""

    def factor(self) -> float:
        """What the rates of epoch ``last_epoch`` are of those of the epoch before; at 0, of the initial rates."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        factor = self.factor()
        return [lr * factor for lr in self.rates]


class StepLR(_Factor):
    """``lr = base_lr * gamma**(epoch // step_size)``."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        check_count("StepLR", "step_size", step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        return 1 if self._initial or self.last_epoch % self.step_size else self.gamma


class MultiStepLR(_Factor):
    """``lr = base_lr * gamma**(how many of the milestones are at or before the epoch)``."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        return self.gamma ** self.milestones.get(self.last_epoch, 0)


class ConstantLR(_Factor):
    """``lr = base_lr * factor`` before epoch ``total_iters``, and ``base_lr`` from there on."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 < factor <= 1:
            raise ArgumentError(must("ConstantLR", "factor", "in (0, 1]", factor))
        self._factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        if self.last_epoch == 0:
            return self._factor
        return 1 / self._factor if self.last_epoch == self.total_iters else 1


class LinearLR(_Factor):
    """``lr = base_lr * f``, f in a line from ``start_factor`` at epoch 0 to ``end_factor`` at ``total_iters``.

    From 1/3 to 1, as by default, it warms up: large steps wait until the first gradients have settled.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ArgumentError(must("LinearLR", "start_factor", "in (0, 1]", start_factor))
        if not 0 <= end_factor <= 1:
            raise ArgumentError(must("LinearLR", "end_factor", "in [0, 1]", end_factor))
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        if self._initial or self.last_epoch > self.total_iters:
            return 1
        rise = self.end_factor - self.start_factor
        return 1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)


class ExponentialLR(_Factor):
    """``lr = base_lr * gamma**epoch``."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        return 1 if self._initial else self.gamma


class PolynomialLR(_Factor):
    """``lr = base_lr * (1 - min(epoch, total_iters) / total_iters)**power``."""

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        if self._initial or self.last_epoch > self.total_iters:
            return 1
        left = (self.total_iters - self.last_epoch) / (self.total_iters - self.last_epoch + 1)
        return left**self.power


class LambdaLR(LRScheduler):
    """``lr = base_lr * lr_lambda(epoch)``, with one function for all groups or a list of one for each.

    The functions are not part of ``state_dict``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _functions(self, optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [
            base * function(self.last_epoch)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """All of it but the optimizer and the functions."""
        return {name: value for name, value in super().state_dict().items() if name != "lr_lambdas"}


class MultiplicativeLR(LambdaLR):
    """``lr = lr * lr_lambda(epoch)``, from the second epoch on, with one function for all groups or a list."""

    def get_lr(self) -> list[float]:
        if self._initial:
            return self.rates
        return [
            lr * function(self.last_epoch) for lr, function in zip(self.rates, self.lr_lambdas, strict=True)
        ]


def _functions(scheduler: LRScheduler, optimizer: Any, given: Any) -> list[Callable[[int], float]]:
    op = type(scheduler).__name__
    functions = for_each_group(op, "lr_lambda", checked_optimizer(scheduler, optimizer), given)
    for function in functions:
        if not callable(function):
            raise DTypeError(must(op, "lr_lambda", "a function of the epoch", type(function).__name__))
    return functions
