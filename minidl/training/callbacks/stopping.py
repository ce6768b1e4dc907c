"""Callbacks that end a run before its time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.anomaly import detect_anomaly
from minidl.errors import AnomalyError, warn
from minidl.random import default_generator
from minidl.tensor import Tensor
from minidl.training.callbacks.base import Callback, EndTraining
from minidl.training.callbacks.monitor import Monitor, say


class EarlyStopping(Monitor):
    """Ends the run when what it looks at has not improved for ``patience`` epochs, as Keras's.

    Args:
        monitor, min_delta, mode: see :class:`~minidl.training.callbacks.monitor.Monitor`.
        patience: epochs without an improvement to wait for.
        verbose: 1 says it when it stops.
        baseline: only what is better than this counts against the waiting.
        restore_best_weights: give the model, at the end of the run, the weights and buffers of its best epoch.
            (Keras does so only if told to.)
        start_from_epoch: epochs before this one do not count.

    Attributes:
        stopped_epoch: the epoch after which it stopped; 0 if it did not.
        best, best_epoch: the best number, and its epoch.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, min_delta, mode)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._forget()

    def _forget(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.worst
        self.best_weights: dict[str, Tensor] | None = None

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self._forget()
        self.check()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        value = self.value(logs)
        if epoch < self.start_from_epoch:
            return
        if self.best_weights is None:
            self._keep(epoch)
        self.wait += 1
        if self.improves(value, self.best):
            self.best = value
            self._keep(epoch)
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.trainer.stop_training = True

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            state = self.model.state_dict()
            self.best_weights = {name: Tensor(np.array(tensor.array)) for name, tensor in state.items()}

    def on_train_end(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        if self.verbose and self.stopped_epoch:
            best = f"the best was epoch {self.best_epoch + 1}, {self.monitor} {self.best:.4g}"
            kept = "; its weights are restored" if self.best_weights is not None else ""
            say(f"stopped after epoch {self.stopped_epoch + 1}: {best}{kept}")

    def state_dict(self) -> dict[str, Any]:
        """The best so far, its weights, and how long it has been."""
        names = ("wait", "stopped_epoch", "best_epoch", "best", "best_weights")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        for name, value in state.items():
            setattr(self, name, value)


class TerminateOnNaN(Callback):
    """Ends the run when the loss or a gradient becomes nan or infinite, before they spoil the weights, and says why.

    The step is left out, and the batch gone through again under :class:`minidl.detect_anomaly`, which names the first
    operation that made the value and the line that called it. A warning says it, and ``reason`` keeps it. Looking
    at the gradients costs one pass over them in each step.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._batches: list[
            tuple[Any, Any, Any]
        ] = []  # since the last step, and the random state before each

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self.reason = None
        self._batches = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self._random = default_generator.get_state()

    def on_forward_end(self, loss: float, inputs: Any, targets: Any) -> None:
        self._batches.append((self._random, inputs, targets))
        if not math.isfinite(loss):
            self._stop(f"the loss is {loss}", backward=False)

    def on_backward_end(self) -> None:
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None and not _finite(parameter.grad.array):
                self._stop(f"the gradient of {name} is not finite", backward=True)

    def on_step_end(self) -> None:
        self._batches = []

    def _stop(self, what: str, backward: bool) -> None:
        where = f"epoch {self.trainer.epoch + 1}, batch {self.trainer.batch + 1}"
        self.reason = f"{where}: {what}: {self._cause(backward)}"
        self._batches = []
        warn(f"training ends in {self.reason}")
        raise EndTraining

    def _cause(self, backward: bool) -> str:
        for name, parameter in self.model.named_parameters():
            if not _finite(parameter.array):
                return f"the parameter {name} was not finite before"
        try:
            for random, inputs, targets in self._batches:
                for part, tensor in (("input", inputs), ("target", targets)):
                    if isinstance(tensor, Tensor) and not _finite(tensor.array):
                        bad = ~np.isfinite(tensor.array).reshape(len(tensor), -1).all(axis=1)
                        return f"the {part} is not finite, first in sample {int(bad.argmax())} of its batch"
                default_generator.set_state(random)
                with detect_anomaly():
                    loss = self.trainer.loss(self.trainer.network(inputs), targets)
                    if backward:
                        self.model.zero_grad()
                        loss.backward()
        except AnomalyError as error:
            return str(error)
        return "no single operation made it; it comes from outside of them, or from a sum"


def _finite(array: np.ndarray) -> bool:
    """Whether all is finite; one pass over the array, without another of its size."""
    if array.dtype.kind != "f":
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())
