"""Schedules that go up and down, with the momentum in the opposite direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.ops.arguments import one_of
from minidl.optim.lr_scheduler.base import LRScheduler, check_count, checked_optimizer, for_each_group
from minidl.optim.optimizer import Optimizer


class _WithMomentum(LRScheduler):
    """A schedule of the rate and, with ``cycle_momentum``, of ``momentum`` or the first of ``betas``."""

    cycle_momentum: bool

    def _begin_momentum(self, optimizer: Optimizer, base: Any, highest: Any, new: bool) -> None:
        if not self.cycle_momentum:
            return
        op, defaults = type(self).__name__, optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            expected = "False for an optimizer without momentum and betas"
            raise ArgumentError(must(op, "cycle_momentum", expected, True))
        self.use_beta1 = "betas" in defaults
        bases = for_each_group(op, "base_momentum", optimizer, base)
        tops = for_each_group(op, "max_momentum", optimizer, highest)
        if new:
            for group, low, high in zip(optimizer.param_groups, bases, tops, strict=True):
                group["base_momentum"], group["max_momentum"] = low, high
                self._set_momentum(group, high)

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_WithMomentum):
    """The rate goes in lines from ``base_lr`` to ``max_lr`` and back, again and again; it is stepped after each batch.

    With s going from 0 to 1 in ``step_size_up`` steps and back in ``step_size_down``, in cycle c = 1, 2, ..., step t::

        lr = base_lr + (max_lr - base_lr) * s * scale
        momentum = max_momentum - (max_momentum - base_momentum) * s * scale
        scale = 1 ("triangular"), 1 / 2**(c - 1) ("triangular2") or gamma**t ("exp_range")

    or, if given, ``scale_fn(c)``, with ``scale_mode`` "iterations" ``scale_fn(t)``, which is not part of
    ``state_dict``.

    Source: Smith, "Cyclical learning rates for training neural networks", 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        checked_optimizer(self, optimizer)
        if scale_fn is None:
            one_of("CyclicLR", "mode", mode, ("triangular", "triangular2", "exp_range"))
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        one_of("CyclicLR", "scale_mode", scale_mode, ("cycle", "iterations"))
        self.mode, self.gamma, self._scale_fn, self.scale_mode = mode, gamma, scale_fn, scale_mode
        base_lrs = for_each_group("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = for_each_group("CyclicLR", "max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = lr
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.cycle_momentum = cycle_momentum
        self._begin_momentum(optimizer, base_momentum, max_momentum, last_epoch == -1)
        self._lows = base_lrs
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _scale(self, cycle: int) -> float:
        x = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self._scale_fn is not None:
            return self._scale_fn(x)
        return {"triangular": 1.0, "triangular2": 2.0 ** (1 - x), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self._scale(cycle)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                low, high = group["base_momentum"], group["max_momentum"]
                self._set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self._lows, self.max_lrs, strict=True)]


class OneCycleLR(_WithMomentum):
    """The rate goes up to ``max_lr`` and then down to next to nothing, once; it is stepped after each batch.

    It starts at ``max_lr / div_factor``, reaches ``max_lr`` after ``pct_start`` of the steps, and ends at
    ``max_lr / div_factor / final_div_factor``; along half cosines, or lines with ``anneal_strategy="linear"``. With
    ``three_phase`` it goes down as it went up, and what is left leads to the end. Momentum, or the first of betas, goes
    from ``max_momentum`` to ``base_momentum`` and back.

    Args:
        total_steps: how many steps there will be; or ``epochs`` and ``steps_per_epoch``.

    Raises:
        ArgumentError: at :meth:`step`, if there are more of them.

    Source: Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2019.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        checked_optimizer(self, optimizer)
        total_steps = _total(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ArgumentError(must("OneCycleLR", "pct_start", "in [0, 1]", pct_start))
        one_of("OneCycleLR", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self._phases = _phases(pct_start * total_steps - 1, total_steps - 1, three_phase)
        if last_epoch == -1:
            highest = for_each_group("OneCycleLR", "max_lr", optimizer, max_lr)
            for group, lr in zip(optimizer.param_groups, highest, strict=True):
                group["initial_lr"], group["max_lr"] = lr / div_factor, lr
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        self._begin_momentum(optimizer, base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def get_lr(self) -> list[float]:
        step, start = self.last_epoch, 0.0
        if step > self.total_steps:
            expected = f"called at most total_steps, {self.total_steps}, times"
            raise ArgumentError(must("OneCycleLR", "step", expected, f"the {step}th call"))
        phase = next((i for i, (end, *_) in enumerate(self._phases) if step <= end), -1)
        end, lr_from, lr_to, momentum_from, momentum_to = self._phases[phase]
        if phase:
            start = self._phases[phase - 1][0]
        share = (step - start) / (end - start)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                momentum = self._between(group[momentum_from], group[momentum_to], share)
                self._set_momentum(group, momentum)
        return [self._between(g[lr_from], g[lr_to], share) for g in self.optimizer.param_groups]


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """How many steps OneCycleLR makes, however that was said."""
    if total_steps is None:
        if epochs is None or steps_per_epoch is None:
            expected = "given, or epochs and steps_per_epoch"
            raise ArgumentError(must("OneCycleLR", "total_steps", expected, None))
        check_count("OneCycleLR", "epochs", epochs)
        check_count("OneCycleLR", "steps_per_epoch", steps_per_epoch)
        total_steps = epochs * steps_per_epoch
    check_count("OneCycleLR", "total_steps", total_steps)
    return total_steps


def _phases(rise: float, last: float, three: bool) -> list[tuple[float, str, str, str, str]]:
    """Each phase of OneCycleLR: its last step, and between which of a group's rates and momenta it goes."""
    up = (rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three:
        return [up, (last, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    down = (2 * rise, "max_lr", "initial_lr", "base_momentum", "max_momentum")
    return [up, down, (last, "initial_lr", "min_lr", "max_momentum", "max_momentum")]
