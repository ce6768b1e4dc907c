"""The folder of a run: what was trained on what, how it went, and the networks that came of it.

``Trainer(run_dir=DIR)`` keeps these files in it, each replaced as a whole, so that none is ever half written:

``settings.json``
    What the run is, written when it begins, and again after each epoch. An object of

    - ``"format"``: ``"minidl run"``, and ``"version"``: 1.
    - ``"status"``: ``"running"``, ``"finished"``, ``"interrupted"`` (Ctrl-C) or ``"failed"``. A run that was killed
      says ``"running"``.
    - ``"started"`` and ``"changed"``: times in UTC, ``2026-03-01T12:00:00+00:00``; ``"seconds"``: of training, those
      before an interruption included; ``"epochs_done"``.
    - ``"model"``: ``{"class", "text" (what prints), "parameters", "trainable", "frozen", "input_size" (the shape of
      one sample; null until a batch has been seen)}``.
    - ``"optimizer"``: ``{"class", "groups": [{"lr": ..., every other option, "parameters": numbers in it}]}``.
    - ``"loss"``: a name; ``"metrics"``: a list of names.
    - ``"training"``: ``{"epochs", "batch_size", "batches", "accumulate", "clip_norm", "seed", "callbacks": [names],
      "cached_features"}``.
    - ``"data"``: ``{"train": ..., "validation": ...}``, each null or ``{"dataset": class, "samples", "batches",
      "batch_size", "transform" (as it prints, or null), "classes": [names] or null, "counts": [samples of each class]
      or null}``.
    - ``"best"``: null or ``{"epoch", "monitor": "val_loss" or "loss", "value"}``.
    - ``"versions"``: ``{"minidl", "python", "numpy", "numba"}``; ``"machine"``: ``{"system", "processor", "cores"}``.

``history.csv``
    A line for each complete epoch: ``epoch`` (from 1), ``seconds`` (of that epoch), then each name of the history
    (``loss,accuracy,val_loss,val_accuracy,lr``). Numbers have all their digits; nan where there is none.

``last.safetensors``
    The run's last checkpoint, for ``fit(..., resume=DIR)``; see :mod:`minidl.training.checkpoint`.

``best.safetensors``
    The model after the epoch with the least ``val_loss``, or ``loss`` where nothing is validated: ``minidl.load`` it.

``pictures/``
    ``curves.png``, the history's curves, where matplotlib is installed; drawn when a run ends. Other pictures that
    belong to the run may be put there.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import math
import os
import platform
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, must
from minidl.nn.modes import evaluating
from minidl.rebuilding import full_name
from minidl.serialization import save
from minidl.tensor import Tensor
from minidl.training import data
from minidl.training.checkpoint import EVERY, LAST, Checkpoint, clean
from minidl.training.pictures import draw_curves
from minidl.weights.files import replacing

if TYPE_CHECKING:
    from minidl.training.fitting import Fit
    from minidl.training.trainer import Trainer

SETTINGS, HISTORY, BEST = "settings.json", "history.csv", "best.safetensors"


class RunFolder(Checkpoint):
    """Keeps the folder of a run, as this module describes it; the Trainer calls it after all other callbacks.

    Args:
        folder: made when training begins.
        batches, seconds: after how many batches, or how much time, a checkpoint is written within an epoch.

    Raises:
        ArgumentError: training begins anew in a folder that has a run of another Trainer.
    """

    def __init__(
        self, folder: str | os.PathLike[str], batches: int | None = None, seconds: float | None = EVERY
    ) -> None:
        super().__init__(Path(folder) / LAST, batches, seconds)
        self.folder = Path(folder)
        self._owned = False  # the run in the folder is this Trainer's
        self._rows: list[dict[str, Any]] = []
        self._best: dict[str, Any] | None = None
        self._input_size: list[int] | None = None
        self._started = self._status = ""
        self._seconds = 0.0  # of training, before `_clock`

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has of it, as ``run_folder``."""
        return {
            "rows": self._rows,
            "best": self._best,
            "started": self._started,
            "seconds": self._elapsed(),
        }

    def resume(self, state: Mapping[str, Any], owned: bool) -> None:
        """Go on from a checkpoint; ``owned``: it is that of the run in this folder."""
        self._owned = self._owned or owned
        kept = state.get("run_folder")
        if kept is not None:
            self._rows, self._best = list(kept["rows"]), kept["best"]
            self._started, self._seconds = kept["started"], kept["seconds"]

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        if not self._owned and (self.folder / LAST).exists():
            expected = f"another folder, or resume=True given to fit: {self.folder} has a run already"
            raise ArgumentError(must("Trainer", "run_dir", expected, "a new run"))
        self._owned = True
        self._started = self._started or _now()
        self._clock = self._epoch_clock = time.monotonic()
        self._status = "running"
        super().on_train_begin(logs)
        for name in (SETTINGS, HISTORY, BEST):
            clean(self.folder / name)
        self._write_settings()

    def on_forward_end(self, loss: float, inputs: Any, targets: Any) -> None:  # noqa: ARG002
        if self._input_size is None and self.fit.network is self.trainer.model:  # else these are features
            self._input_size = [int(n) for n in getattr(inputs, "shape", ())[1:]] or None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self._epoch_clock = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        seconds = time.monotonic() - self._epoch_clock
        history = self.trainer.history.history
        last = {name: values[-1] for name, values in history.items()}
        number = self.trainer.first_epoch + epoch + 1
        self._rows.append({"epoch": number, "seconds": round(seconds, 3), **last})
        self._keep_best(number, last)
        self._write_history()
        super().on_epoch_end(epoch, logs)
        self._write_settings()

    def on_train_end(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        if self._status != "running":  # it did not begin
            return
        error = sys.exc_info()[0]
        if error is None:
            self._status = "finished"
        else:
            self._status = "interrupted" if issubclass(error, KeyboardInterrupt) else "failed"
        if not (error is not None and issubclass(error, OSError)):  # else the disk is what failed
            self._write_settings()
            draw_curves(self._rows, self.folder / "pictures" / "curves.png")

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._clock

    def _keep_best(self, epoch: int, logs: Mapping[str, float]) -> None:
        monitor = "val_loss" if "val_loss" in logs else "loss"
        value = logs[monitor]
        before = math.inf if self._best is None or self._best["monitor"] != monitor else self._best["value"]
        if value < before:
            self._best = {"epoch": epoch, "monitor": monitor, "value": value}
            with evaluating(self.trainer.model):
                save(self.trainer.model, self.folder / BEST)

    def _write_history(self) -> None:
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names, restval="nan", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        with replacing(self.folder / HISTORY) as file:
            file.write(text.getvalue().encode())

    def _write_settings(self) -> None:
        settings = {
            "format": "minidl run",
            "version": 1,
            "status": self._status,
            "started": self._started,
            "changed": _now(),
            "seconds": round(self._elapsed(), 3),
            "epochs_done": len(self._rows),
            **describe(self.trainer, self.fit),
            "best": self._best,
        }
        settings["model"]["input_size"] = self._input_size
        with replacing(self.folder / SETTINGS) as file:
            file.write(json.dumps(plain(settings), indent=2, ensure_ascii=False).encode())


def describe(trainer: Trainer, fit: Fit) -> dict[str, Any]:
    """What is trained, how, on what and where: the greater part of ``settings.json``."""
    return {
        "model": _model(trainer.model),
        "optimizer": {
            "class": type(trainer.optimizer).__name__,
            "groups": [_group(group) for group in trainer.optimizer.param_groups],
        },
        "loss": trainer.loss.name,
        "metrics": [metric.name for metric in trainer.metrics],
        "training": {
            "epochs": fit.epochs,
            "batch_size": fit.train.batch_size,
            "batches": data.batches_of(fit.train),
            "accumulate": fit.accumulate,
            "clip_norm": fit.clip_norm,
            "seed": trainer.seed,
            "callbacks": [type(callback).__name__ for callback in fit.callbacks.callbacks],
            "cached_features": fit.network is not trainer.model,
        },
        "data": {
            "train": _data(fit.train),
            "validation": None if fit.validation is None else _data(fit.validation),
        },
        "versions": _versions(),
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
    }


def _model(model: Any) -> dict[str, Any]:
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {
        "class": full_name(type(model)),
        "text": repr(model),
        "parameters": sum(size for size, _ in sizes),
        "trainable": sum(size for size, trained in sizes if trained),
        "frozen": sum(size for size, trained in sizes if not trained),
    }


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in group.items() if name not in ("params", "param_names")}
    return {**options, "parameters": sum(p.numel() for p in group["params"])}


def _data(loader: Any) -> dict[str, Any]:
    dataset = getattr(loader.dataset, "source", loader.dataset)
    classes = data.classes_of(loader)
    return {
        "dataset": type(dataset).__name__,
        "samples": data.samples_of(loader),
        "batches": data.batches_of(loader),
        "batch_size": loader.batch_size,
        "transform": repr(dataset.transform) if getattr(dataset, "transform", None) is not None else None,
        "classes": classes,
        "counts": _counts(dataset, classes),
    }


def _counts(dataset: Any, classes: list[str] | None) -> list[int] | None:
    """How many samples of each class the dataset has, if it tells without opening them."""
    targets = getattr(dataset, "targets", None)
    if classes is None or targets is None:
        return None
    return np.bincount(np.asarray(getattr(targets, "array", targets)), minlength=len(classes)).tolist()


def _versions() -> dict[str, str]:
    return {
        "minidl": sys.modules["minidl"].__version__,  # which imports this module, not the other way
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": importlib.metadata.version("numba"),
    }


def _processor() -> str:
    """What the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def plain(value: Any) -> Any:
    """``value`` as JSON has it: a number that is none, or infinite, as null; what JSON does not have as it prints."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)
