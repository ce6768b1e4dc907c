"""Going through data without training: for evaluate, predict, and fit's validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from minidl.data import DataLoader
from minidl.errors import DataError, DTypeError, must
from minidl.grad_mode import no_grad
from minidl.nn import Module
from minidl.nn.modes import modes_kept
from minidl.tensor import Tensor
from minidl.training import data
from minidl.training.callbacks.base import CallbackList
from minidl.training.collector import Collector, PerClass
from minidl.training.predictions import Predictions
from minidl.training.progress import make_bar, worded

if TYPE_CHECKING:
    from minidl.training.trainer import Trainer


class Hooks(Protocol):
    """What hooks are called on: a CallbackList, or several."""

    def call(self, hook: str, *args: Any) -> None: ...

    def wants(self, hook: str) -> bool: ...


class Pass:
    """A bar that shows how far an evaluation or a prediction is, and goes away."""

    def __init__(self, loader: DataLoader, what: str, verbose: int) -> None:
        self.bar = make_bar(data.samples_of(loader), verbose, desc=what, unit=" samples", leave=False)

    def update(self, size: int, logs: Callable[[], dict[str, Any]] = dict) -> None:
        """A batch of this size is done; ``logs()`` says what was measured so far."""
        if self.bar is not None:
            self.bar.set_postfix_str(worded(logs()), refresh=False)
            self.bar.update(size)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()


def collect(
    op: str,
    trainer: Trainer,
    loader: DataLoader,
    collector: Collector,
    hooks: Hooks,
    network: Module | None = None,
    bar: Pass | None = None,
) -> None:
    """Count the loss and metrics of all batches in, in evaluation mode and without gradients.

    ``network`` is what is called, the model unless given.

    Raises:
        DataError: there is no batch.
    """
    with modes_kept(trainer.model), no_grad():
        trainer.model.eval()
        for number, batch in enumerate(loader):
            hooks.call("on_test_batch_begin", number, {})
            x, target = data.unpack(op, batch)
            output = (trainer.model if network is None else network)(x)
            count = data.count(x)
            collector.update(trainer.loss(output, target).item(), count, output, target)
            if hooks.wants("on_test_batch_end"):
                hooks.call("on_test_batch_end", number, collector.logs())
            if bar is not None:
                bar.update(count, collector.logs)
    if not collector.loss.count:
        raise DataError(f"{op}: the data gave no batch")


def evaluate(
    trainer: Trainer,
    loader: DataLoader,
    callbacks: Iterable[Any],
    verbose: int,
    network: Module | None = None,
) -> dict[str, Any]:
    """The loss, the metrics, and how each class is served, of the loader's samples; ``network`` as in collect."""
    per_class = PerClass(trainer.loss.kind)
    collector = Collector(trainer.metrics, per_class=per_class)
    hooks = CallbackList(callbacks, trainer, {"steps": data.batches_of(loader), "verbose": verbose})
    bar = Pass(loader, "evaluate", verbose)
    try:
        hooks.call("on_test_begin", {})
        collect("Trainer.evaluate", trainer, loader, collector, hooks, network, bar)
    finally:
        bar.close()
    logs = collector.logs()
    hooks.call("on_test_end", logs)
    if (classes := per_class.result(data.classes_of(loader))) is not None:
        logs["per_class"] = classes
    return logs


def shown_batches(loader: DataLoader, what: str, verbose: int) -> Iterator[Any]:
    """The loader's batches, with a bar that shows how far it is."""
    bar = Pass(loader, what, verbose)
    try:
        for batch in loader:
            yield batch
            bar.update(data.count(data.inputs(batch)[0]))
    finally:
        bar.close()


def predict(trainer: Trainer, loader: DataLoader, callbacks: Iterable[Any], verbose: int) -> Predictions:
    """The outputs for all samples, in the loader's order.

    Raises:
        DTypeError: an output is no tensor.
        DataError: there is no batch.
    """
    outputs: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    hooks = CallbackList(callbacks, trainer, {"steps": data.batches_of(loader), "verbose": verbose})
    hooks.call("on_predict_begin", {})
    with modes_kept(trainer.model), no_grad():
        trainer.model.eval()
        for number, batch in enumerate(shown_batches(loader, "predict", verbose)):
            hooks.call("on_predict_batch_begin", number, {})
            x, target = data.inputs(batch)
            output = trainer.model(x)
            if not isinstance(output, Tensor):
                got = type(output).__name__
                raise DTypeError(must("Trainer.predict", "what the model returns", "a tensor", got))
            outputs.append(np.array(output.array))
            if isinstance(target, Tensor):
                targets.append(np.array(target.array))
            hooks.call("on_predict_batch_end", number, {"outputs": output})
    hooks.call("on_predict_end", {})
    if not outputs:
        raise DataError("Trainer.predict: the data gave no batch")
    known = np.concatenate(targets) if len(targets) == len(outputs) else None
    result = np.concatenate(outputs)
    files = data.files_of(loader)
    if files is not None and len(files) != len(result):
        files = None
    return Predictions(result, trainer.loss.kind, data.classes_of(loader), known, files)
