"""Callbacks that change the learning rate. The rate of an epoch stands in its logs as ``lr``, the first group's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minidl.errors import ArgumentError, DTypeError, must
from minidl.ops.arguments import one_of
from minidl.optim import lr_scheduler
from minidl.optim.lr_scheduler import LRScheduler
from minidl.training.callbacks.base import Callback
from minidl.training.callbacks.monitor import Monitor, say
from minidl.training.history import is_number


class LearningRateScheduler(Callback):
    """Sets the rate of each epoch by a function, as Keras's: ``schedule(epoch, lr) -> lr``, or ``schedule(epoch)``.

    ``lr`` is the rate of the epoch before. Each group of the optimizer is asked about on its own.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            got = type(schedule).__name__
            raise DTypeError(must("LearningRateScheduler", "schedule", "a function of epoch and rate", got))
        self.schedule, self.verbose = schedule, verbose
        try:
            inspect.signature(schedule).bind(0, 0.1)
            self._takes_rate = True
        except TypeError:
            self._takes_rate = False
        except ValueError:  # a builtin that does not tell
            self._takes_rate = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        for group in self.trainer.optimizer.param_groups:
            lr = self.schedule(epoch, float(group["lr"])) if self._takes_rate else self.schedule(epoch)
            if not is_number(lr):
                got = type(lr).__name__
                raise DTypeError(must("LearningRateScheduler", "what schedule returns", "a number", got))
            group["lr"] = float(lr)
        if self.verbose:
            say(f"epoch {epoch + 1}: the learning rate is {self.trainer.learning_rate:.4g}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        logs["lr"] = self.trainer.learning_rate


class ReduceLROnPlateau(Monitor):
    """Multiplies the rates by ``factor`` when what it looks at has not improved for ``patience`` epochs, as Keras's.

    Args:
        monitor, min_delta, mode: see :class:`~minidl.training.callbacks.monitor.Monitor`.
        verbose: 1 says it when it reduces them.
        cooldown: epochs after a reduction that do not count.
        min_lr: the lowest rate.

    Raises:
        ArgumentError: ``factor`` is not below 1.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, min_delta, mode)
        if not 0 < factor < 1:
            raise ArgumentError(must("ReduceLROnPlateau", "factor", "between 0 and 1", factor))
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self._forget()

    def _forget(self) -> None:
        self.best = self.worst
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self._forget()
        self.check()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        value = self.value(logs)
        logs["lr"] = self.trainer.learning_rate
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        reduced = False
        for group in self.trainer.optimizer.param_groups:
            old = float(group["lr"])
            if old > self.min_lr:
                group["lr"] = max(old * self.factor, self.min_lr)
                reduced = True
        if not reduced:
            return
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose:
            say(f"epoch {epoch + 1}: the learning rate is now {self.trainer.learning_rate:.4g}")

    def state_dict(self) -> dict[str, Any]:
        """The best so far, and how long it has been."""
        return {name: getattr(self, name) for name in ("best", "wait", "cooldown_counter")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        for name, value in state.items():
            setattr(self, name, value)


class Schedule(Callback):
    """Steps a schedule of :mod:`minidl.optim.lr_scheduler`: after each epoch, or after each step of the optimizer.

    Args:
        scheduler: a schedule of the trainer's optimizer; or a function that makes one, called when a run begins:
            ``lambda optimizer: CosineAnnealingLR(optimizer, T_max=10)``.
        per: "epoch"; or "step", for OneCycleLR and CyclicLR, which count the optimizer's steps.
        monitor: the number in the logs that optim's ReduceLROnPlateau looks at.

    >>> from minidl.optim.lr_scheduler import StepLR
    >>> schedule = Schedule(lambda optimizer: StepLR(optimizer, step_size=5))
    """

    def __init__(
        self,
        scheduler: LRScheduler | Callable[[Any], LRScheduler],
        per: str = "epoch",
        monitor: str = "val_loss",
    ) -> None:
        one_of("Schedule", "per", per, ("epoch", "step"))
        self._given, self.per, self.monitor = scheduler, per, monitor
        self.scheduler: Any = scheduler if isinstance(scheduler, LRScheduler) else None
        if self.scheduler is None and not callable(scheduler):
            expected = "a schedule, or a function that makes one of an optimizer"
            raise DTypeError(must("Schedule", "scheduler", expected, type(scheduler).__name__))

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        if not isinstance(self._given, LRScheduler):
            for group in self.trainer.optimizer.param_groups:
                group.pop("initial_lr", None)  # an earlier run's, whose end is this one's beginning
            self.scheduler = self._given(self.trainer.optimizer)
            if not isinstance(self.scheduler, LRScheduler):
                got = type(self.scheduler).__name__
                raise DTypeError(must("Schedule", "what scheduler returns", "a schedule", got))
        if self.scheduler.optimizer is not self.trainer.optimizer:
            expected = "of the trainer's optimizer; or give a function that makes it"
            raise ArgumentError(must("Schedule", "scheduler", expected, "another one's"))

    def on_step_end(self) -> None:
        if self.per == "step":
            self.scheduler.step()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        logs["lr"] = self.trainer.learning_rate
        if self.per != "epoch":
            return
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            if self.monitor not in logs:
                expected = f"one of {', '.join(logs)}"
                raise ArgumentError(must("Schedule", "monitor", expected, repr(self.monitor)))
            self.scheduler.step(logs[self.monitor])
        else:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """The schedule's."""
        return {} if self.scheduler is None else self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.scheduler.load_state_dict(state)
