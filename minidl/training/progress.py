"""What is shown of a run: a bar in a terminal or notebook, lines elsewhere."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.training.callbacks.base import Callback
from minidl.training.history import is_number

LONG = 60.0  # seconds from which on a run's time is estimated at its beginning
SILENCE = 30.0  # seconds after which a line says how far an epoch is


def worded(logs: Mapping[str, Any]) -> str:
    """Numbers for people: ``loss 0.4321, accuracy 0.8701``.

    >>> worded({"loss": 0.43212, "lr": 0.00001, "count": 12})
    'loss 0.4321, lr 1e-05, count 12'
    """
    return ", ".join(f"{name} {_number(value)}" for name, value in logs.items() if is_number(value))


def _number(value: Any) -> str:
    if isinstance(value, (int, np.integer)):
        return str(value)
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 10000 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(8.2), duration(190), duration(8000)
    ('8 s', '3 min', '2 h 13 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def is_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def make_bar(total: int | None, verbose: int, **options: Any) -> Any:
    """A tqdm bar on the standard output; None where that is no terminal or notebook, or ``verbose`` is not 1."""
    if verbose != 1 or not (is_notebook() or sys.stdout.isatty()):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a notebook lacks ipywidgets, in which case the bar is text
        from tqdm.auto import tqdm
    return tqdm(total=total, file=sys.stdout, **options)


class Progress(Callback):
    """Shows epoch, loss and metrics so far, images per second and time left.

    Args:
        verbose: 0 shows nothing; 1 a bar for each epoch, or a line where the output is no terminal; 2 a line.
        epochs: how many there will be.
        samples: how many one has, if that is known.
        batches: how many one has, if that is known; with those of the validation, which take a third of the time.
    """

    def __init__(self, verbose: int, epochs: int, samples: int | None, batches: float | None) -> None:
        self.verbose, self.epochs, self.samples, self.batches = verbose, epochs, samples, batches
        self.bar: Any = None
        self.unit = "samples"
        self.estimated = False

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch + 1}/{self.epochs}"

    def _say(self, text: str) -> None:
        if self.bar is None:
            print(text, flush=True)
        else:
            self.bar.write(text, file=sys.stdout)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        done, steps = self.trainer.batch, self.params.get("steps")
        options = {"initial": self.samples * done // steps} if self.samples and steps and done else {}
        self.bar = make_bar(
            self.samples, self.verbose, desc=self._name(epoch), unit=f" {self.unit}", **options
        )
        self.start = self.spoke = time.perf_counter()
        self.seen = 0
        self.clock: float | None = None
        self.first_batch = self.trainer.batch

    def on_forward_end(self, loss: float, inputs: Any, targets: Any) -> None:  # noqa: ARG002
        self.size = len(inputs) if hasattr(inputs, "__len__") else 1
        if getattr(inputs, "ndim", 0) == 4 and self.unit != "images":
            self.unit = "images"
            if self.bar is not None:
                self.bar.unit = " images"

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self.seen += self.size
        now = time.perf_counter()
        if not self.estimated:
            self._estimate(batch, now)
        if self.bar is not None:
            self.bar.set_postfix_str(worded(logs), refresh=False)
            self.bar.update(self.size)
        elif self.verbose == 1 and now - self.spoke > SILENCE:
            self.spoke = now
            left = self._left(batch, now)
            self._say(f"{self._name(self.trainer.epoch)}, {self._speed(now)}{left}: {worded(logs)}")

    def _left(self, batch: int, now: float) -> str:
        total = self.params.get("steps")
        done = batch + 1 - self.first_batch
        return "" if not total else f", {duration((now - self.start) / done * (total - batch - 1))} left"

    def _speed(self, now: float) -> str:
        return f"{self.seen / max(now - self.start, 1e-9):.0f} {self.unit}/s"

    def _estimate(self, batch: int, now: float) -> None:
        """Say how long the run will take, as soon as batches after the first, which compiles, have taken a second."""
        if self.batches is None:
            self.estimated = True
            return
        if self.clock is None:
            self.clock, self.clocked = now, batch
            return
        if now - self.clock < 1:
            return
        seconds = (now - self.clock) / (batch - self.clocked)
        self.estimated = True
        total = seconds * self.batches * (self.epochs - self.trainer.epoch)
        if total > LONG:
            self._say(f"about {duration(total)} for {self.epochs - self.trainer.epoch} epochs")

    def on_test_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        if self.bar is not None:
            self.bar.set_description(f"{self._name(self.trainer.epoch)}, validation")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        now = time.perf_counter()
        if self.bar is not None:
            self.bar.set_description(self._name(epoch), refresh=False)
            self.bar.set_postfix_str(worded(logs))
            self._close()
        elif self.verbose:
            self._say(
                f"{self._name(epoch)}: {worded(logs)}, {duration(now - self.start)}, {self._speed(now)}"
            )

    def on_train_end(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
