"""Callbacks that write down what was measured, for other programs."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

from minidl.errors import ArgumentError, MissingDependencyError, must
from minidl.training.callbacks.base import Callback
from minidl.training.history import is_number
from minidl.weights.files import replacing


class CSVLogger(Callback):
    """Writes a line for each epoch to a file of comma-separated values, which has the names in its first line.

    A run that goes on in the middle keeps the lines of the epochs before, and no others.

    Args:
        filename: the file; its folder is made.
        separator: between values.
        append: add to a file that is there.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._file: Any = None
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        goes_on = self.trainer.epoch > 0 or self.trainer.batch > 0
        self.filename.parent.mkdir(parents=True, exist_ok=True)
        names, rows = [], []
        if (self.append or goes_on) and self.filename.exists():
            with self.filename.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file, delimiter=self.separator)
                rows = list(reader)
                names = list(reader.fieldnames or ())
        if goes_on:
            rows = [row for row in rows if (row.get("epoch") or "").isdigit()]
            rows = [row for row in rows if int(row["epoch"]) < self.trainer.epoch]
        with replacing(self.filename) as file:  # so that an interruption here loses no line
            text = io.TextIOWrapper(file, "utf-8", newline="")
            if names:
                self._columns(text, names).writerows(rows)
            text.detach()
        self._file = self.filename.open("a", newline="", encoding="utf-8")
        if names:
            self._writer = csv.DictWriter(self._file, names, delimiter=self.separator, extrasaction="ignore")

    def _columns(self, file: Any, names: list[str]) -> Any:
        """A writer of lines, which has written the first."""
        writer = csv.DictWriter(file, names, delimiter=self.separator, extrasaction="ignore")
        writer.writeheader()
        return writer

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        numbers = {name: value for name, value in logs.items() if is_number(value)}
        if self._writer is None:
            self._writer = self._columns(self._file, ["epoch", *numbers])
        self._writer.writerow({"epoch": epoch, **{name: float(value) for name, value in numbers.items()}})
        self._file.flush()

    def on_train_end(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None


class TensorBoard(Callback):
    """Writes what was measured for TensorBoard (``tensorboard --logdir logs``): ``pip install minidl[tensorboard]``.

    Numbers of training and validation go to the folders ``train`` and ``validation`` under the same names, as Keras's,
    and so into the same picture: ``epoch_loss`` by epoch; with ``update_freq``, also ``batch_loss`` by step.

    Args:
        log_dir: the folder.
        update_freq: "epoch"; "batch"; or a number of batches, after which numbers are written.

    Raises:
        MissingDependencyError: in fit, tensorboardX is missing.
        ArgumentError: ``update_freq`` is something else.
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs", update_freq: str | int = "epoch") -> None:
        number = isinstance(update_freq, int) and not isinstance(update_freq, bool) and update_freq > 0
        if update_freq not in ("epoch", "batch") and not number:
            expected = "'epoch', 'batch' or a number of batches"
            raise ArgumentError(must("TensorBoard", "update_freq", expected, repr(update_freq)))
        self.log_dir = Path(log_dir)
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self._batches = 0
        self._writer("train")

    def _writer(self, folder: str) -> Any:
        if folder not in self._writers:
            try:
                from tensorboardX import SummaryWriter
            except ImportError as error:
                text = "TensorBoard needs tensorboardX: pip install minidl[tensorboard]"
                raise MissingDependencyError(text) from error
            self._writers[folder] = SummaryWriter(str(self.log_dir / folder))
        return self._writers[folder]

    def _write(self, prefix: str, logs: dict[str, Any], step: int) -> None:
        for name, value in logs.items():
            if is_number(value):
                folder = "validation" if name.startswith("val_") else "train"
                self._writer(folder).add_scalar(prefix + name.removeprefix("val_"), float(value), step)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self._batches += 1
        if self.update_freq != "epoch" and self._batches % int(self.update_freq) == 0:
            self._write("batch_", logs, self.trainer.steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self._write("epoch_", logs, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
