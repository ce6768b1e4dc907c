"""What all schedules share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from minidl.errors import ArgumentError, DTypeError, WeightsError, must
from minidl.optim.optimizer import Optimizer
from minidl.tensor import Tensor


class LRScheduler:
    """The base of schedules: a subclass defines :meth:`get_lr`.

    A schedule sets the rates of its first epoch when it is made, and those of the next at each :meth:`step`, which is
    called after the optimizer's steps of an epoch (or after each, if the schedule counts those).

    Args:
        optimizer: whose groups' ``"lr"`` it sets. The rate that a group had is kept in its ``"initial_lr"``.
        last_epoch: -1 for a new run; the epoch that was done last, for one that goes on with groups that have an
            ``"initial_lr"``.

    Attributes:
        base_lrs: the rates of the groups at the beginning.
        last_epoch: the epoch that the present rates are for, from 0.

    Raises:
        DTypeError: ``optimizer`` is none.
        WeightsError: ``last_epoch`` is given, and a group has no ``"initial_lr"``.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked_optimizer(self, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", as_number(group["lr"]))
            elif "initial_lr" not in group:
                op = type(self).__name__
                expected = "one that went through a schedule, with an 'initial_lr', when last_epoch is given"
                raise WeightsError(must(op, f"param_groups[{i}]", expected, "none"))
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._begin()

    def _begin(self) -> None:
        """Set the rates of the first epoch."""
        self._initial = True
        self.step()
        self._initial = False

    def _begin_anew(self) -> None:
        """Set the rates of epoch 0, whatever they are now."""
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr
        self.last_epoch = -1
        self._begin()

    @property
    def rates(self) -> list[float]:
        """The present rates of the groups."""
        return [as_number(group["lr"]) for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """The groups' rates for epoch ``last_epoch``, from those of the epoch before and from ``base_lrs``."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The rates that the last :meth:`step` set."""
        return list(self._last_lr)

    def step(self) -> None:
        """Set the rates of the next epoch."""
        self.last_epoch += 1
        self._set(self.get_lr())

    def _set(self, rates: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self.rates

    def state_dict(self) -> dict[str, Any]:
        """All of it but the optimizer and functions: what :meth:`load_state_dict` takes, and :func:`minidl.save`."""
        return {
            name: copy.copy(value)
            for name, value in vars(self).items()
            if name != "optimizer" and not callable(value)
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned. The rates themselves are the optimizer's, in its own state."""
        for name, value in state_dict.items():
            setattr(self, name, copy.copy(value))


def checked_optimizer(scheduler: Any, optimizer: Any) -> Optimizer:
    """``optimizer``, if it is one."""
    if not isinstance(optimizer, Optimizer):
        got = type(optimizer).__name__
        raise DTypeError(must(type(scheduler).__name__, "optimizer", "an Optimizer", got))
    return optimizer


def as_number(value: Any) -> float:
    """A rate, which may be a tensor."""
    return value.item() if isinstance(value, Tensor) else value


def for_each_group(op: str, name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group: a list or tuple of them, or one for all.

    Raises:
        ArgumentError: a list of another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ArgumentError(must(op, name, f"a value for each of the {groups} groups", f"{len(value)}"))
    return list(value)


def check_count(op: str, name: str, value: Any, low: int = 1) -> None:
    """Raise unless ``value`` is an int of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ArgumentError(must(op, name, f"an int of at least {low}", repr(value)))
