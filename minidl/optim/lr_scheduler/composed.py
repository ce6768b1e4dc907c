"""Schedules made of schedules: one after the other, or all together."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.optim.lr_scheduler.base import LRScheduler, checked_optimizer
from minidl.optim.lr_scheduler.plateau import ReduceLROnPlateau
from minidl.optim.optimizer import Optimizer


class _Composed(LRScheduler):
    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """The states of all its schedules too."""
        parts = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": parts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        super().load_state_dict({name: v for name, v in state_dict.items() if name != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


def _checked(op: str, schedulers: Sequence[LRScheduler], optimizer: Any) -> list[LRScheduler]:
    if not schedulers:
        raise ArgumentError(must(op, "schedulers", "at least one schedule", "none"))
    for i, scheduler in enumerate(schedulers):
        if isinstance(scheduler, ReduceLROnPlateau):
            expected = "a schedule that needs no metrics at its steps"
            raise ArgumentError(must(op, f"schedulers[{i}]", expected, "ReduceLROnPlateau"))
        if scheduler.optimizer is not optimizer:
            raise ArgumentError(must(op, f"schedulers[{i}]", "of the same optimizer", "another one's"))
    return list(schedulers)


class SequentialLR(_Composed):
    """One schedule after the other: the next begins, with its own epoch 0, at each of the ``milestones``.

    Raises:
        ArgumentError: there is not one milestone less than schedules, or they are of different optimizers.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked_optimizer(self, optimizer)
        self._schedulers = _checked("SequentialLR", schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            expected = f"{len(schedulers) - 1}, one less than schedules"
            raise ArgumentError(must("SequentialLR", "milestones", expected, len(milestones)))
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self._schedulers[0]._begin_anew()  # making the others has changed the rates
        self._last_lr = self._schedulers[0].get_last_lr()

    def _begin_anew(self) -> None:
        self.last_epoch = 0
        self._schedulers[0]._begin_anew()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:
        """Set the rates of the next epoch."""
        self.last_epoch += 1
        which = bisect.bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[which]
        if which > 0 and self._milestones[which - 1] == self.last_epoch:
            scheduler._begin_anew()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """All schedules at once: each changes the rates that the one before it has left.

    Raises:
        ArgumentError: there are none, or they are of different optimizers.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        own = schedulers[0].optimizer if schedulers and optimizer is None else optimizer
        self._schedulers = _checked("ChainedScheduler", schedulers, own)
        self.optimizer = self._schedulers[0].optimizer
        self._last_lr = self.rates

    def step(self) -> None:
        """Set the rates of the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self.rates
