"""Going through data without training: for evaluate, predict, and fit's validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.data import DataLoader
from minidl.errors import DataError, DTypeError, must
from minidl.grad_mode import no_grad
from minidl.nn import Module
from minidl.tensor import Tensor
from minidl.training import data
from minidl.training.collector import Collector
from minidl.training.fitting import modes_kept
from minidl.training.predictions import Predictions
from minidl.training.progress import make_bar, worded

if TYPE_CHECKING:
    from minidl.training.trainer import Trainer

Call = Callable[..., None]


def collect(
    op: str,
    trainer: Trainer,
    loader: DataLoader,
    collector: Collector,
    call: Call,
    network: Module | None = None,
) -> None:
    """Count the loss and metrics of all batches in, in evaluation mode and without gradients.

    ``network`` is what is called, the model unless given.

    Raises:
        DataError: there is no batch.
    """
    with modes_kept(trainer.model), no_grad():
        trainer.model.eval()
        for number, batch in enumerate(loader):
            call("on_test_batch_begin", number, {})
            x, target = data.unpack(op, batch)
            output = (trainer.model if network is None else network)(x)
            collector.update(trainer.loss(output, target).item(), data.count(x), output, target)
            call("on_test_batch_end", number, collector.logs())
    if not collector.loss.count:
        raise DataError(f"{op}: the data gave no batch")


def shown(loader: DataLoader, what: str, verbose: int) -> tuple[Call, Call]:
    """How far it is, in a bar that goes away: what to call after a batch with its size and logs, and at the end."""
    bar = make_bar(data.samples_of(loader), verbose, desc=what, unit=" samples", leave=False)
    if bar is None:
        return (lambda size, logs: None), (lambda: None)  # noqa: ARG005

    def update(size: int, logs: dict[str, Any]) -> None:
        bar.set_postfix_str(worded(logs), refresh=False)
        bar.update(size)

    return update, bar.close


def shown_batches(loader: DataLoader, what: str, verbose: int) -> Iterator[Any]:
    """The loader's batches, with a bar that shows how far it is."""
    update, close = shown(loader, what, verbose)
    try:
        for batch in loader:
            yield batch
            update(data.count(data.inputs(batch)[0]), {})
    finally:
        close()


def predict(trainer: Trainer, loader: DataLoader, verbose: int) -> Predictions:
    """The outputs for all samples, in the loader's order.

    Raises:
        DTypeError: an output is no tensor.
        DataError: there is no batch.
    """
    outputs: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    update, close = shown(loader, "predict", verbose)
    try:
        with modes_kept(trainer.model), no_grad():
            trainer.model.eval()
            for batch in loader:
                x, target = data.inputs(batch)
                output = trainer.model(x)
                if not isinstance(output, Tensor):
                    got = type(output).__name__
                    raise DTypeError(must("Trainer.predict", "what the model returns", "a tensor", got))
                outputs.append(np.array(output.array))
                if isinstance(target, Tensor):
                    targets.append(np.array(target.array))
                update(data.count(x), {})
    finally:
        close()
    if not outputs:
        raise DataError("Trainer.predict: the data gave no batch")
    known = np.concatenate(targets) if len(targets) == len(outputs) else None
    result = np.concatenate(outputs)
    files = data.files_of(loader)
    if files is not None and len(files) != len(result):
        files = None
    return Predictions(result, trainer.loss.kind, data.classes_of(loader), known, files)
