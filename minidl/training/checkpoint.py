"""Checkpoints: all that a run needs to go on, in one file, so that a run that was killed ends as if it had not been.

The file is written by :func:`minidl.save`: safetensors, with the structure around the tensors in its metadata, and no
code. It holds what :meth:`Trainer.state_dict` returns (the model as ``model.0.weight`` ..., the optimizer, callbacks,
epoch and batch, history, the states of random generators and of the data's order), and what the run was of, so that
one of something else is not taken for it. It replaces the one before it when it is complete on the disk: whatever
happens while it is written, one of the two is there, whole.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl import nn
from minidl.data.randomness import fingerprint
from minidl.errors import ArgumentError, WeightsError, must, warn
from minidl.serialization import load, save
from minidl.training import data
from minidl.training.callbacks.base import Callback

if TYPE_CHECKING:
    from minidl.training.fitting import Fit
    from minidl.training.trainer import Trainer

LAST = "last.safetensors"
VERSION = 1
EVERY = 300.0  # seconds


def checkpoint_file(path: str | os.PathLike[str]) -> Path:
    """``path`` itself, or the file for checkpoints in it if it is a folder, or names one: it has no ending."""
    path = Path(path)
    return path / LAST if path.is_dir() or not path.suffix else path


def expected(trainer: Trainer, fit: Fit) -> dict[str, Any]:
    """What a run that goes on must have in common with this one, in words and numbers."""
    return {
        "model": type(trainer.model).__name__,
        "optimizer": type(trainer.optimizer).__name__,
        "parameters": [len(group["params"]) for group in trainer.optimizer.param_groups],
        "samples": data.samples_of(fit.train),
        "batches": data.batches_of(fit.train),
        "accumulate": fit.accumulate,
        "clip_norm": fit.clip_norm,
        "data": fingerprint(fit.train.dataset),
    }


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of the checkpoint at ``path``, a file or the folder of a run.

    Raises:
        FileNotFoundError: there is none.
        WeightsError: the file is damaged, or something else.
    """
    file = checkpoint_file(path)
    if not file.exists() and file != Path(path):
        raise FileNotFoundError(2, f"there is no checkpoint {LAST} in the folder", str(path))
    state = load(file)
    if not isinstance(state, dict) or state.get("checkpoint") != VERSION:
        raise WeightsError(must("Trainer.fit", f"resume, {file},", "a checkpoint of a run", "another file"))
    return state


def check_state(state: Any, trainer: Trainer, fit: Fit) -> None:
    """Raise, before anything is loaded, if ``state`` is of another run than the one that is to go on.

    Data that may have been changed, but has as many samples, is worth a warning.

    Raises:
        WeightsError: model, optimizer or data are others. The message says what was, and what is.
    """
    if not isinstance(state, dict) or not {"model", "optimizer"} <= state.keys() or not state.get("run"):
        got = (
            "that of one that has not run"
            if isinstance(state, dict) and "run" in state
            else type(state).__name__
        )
        raise WeightsError(
            must("Trainer.fit", "resume", "a checkpoint's path, or a Trainer's state_dict()", got)
        )
    was, now = state.get("expects"), expected(trainer, fit)
    _check_names(trainer.model, state["model"], (was or now)["model"])
    for name, what in (
        ("optimizer", "the optimizer"), ("parameters", "the numbers of parameters in the optimizer's groups"),
        ("samples", "the number of samples"), ("batches", "the number of batches in an epoch"),
        ("accumulate", "accumulate"), ("clip_norm", "clip_norm"),
    ):  # fmt: skip
        if was is not None and was[name] != now[name]:
            raise WeightsError(
                must("Trainer.fit", what, f"that of the run to resume, {was[name]}", now[name])
            )
    fit.callbacks.check_states(state["run"]["callbacks"])
    if was is not None and None not in (was["data"], now["data"]) and was["data"] != now["data"]:
        warn(
            "Trainer.fit: the training data has changed since the checkpoint was written; the run goes on with it, but "
            "ends with other weights"
        )


def _check_names(model: nn.Module, saved: Any, name: str) -> None:
    own = {key: tensor.shape for key, tensor in model.state_dict().items()}
    stored = {key: tensor.shape for key, tensor in saved.items()}
    if own == stored:
        return
    lines = [f"Trainer.fit: the model is not that of the run to resume, a {name}; nothing was loaded"]
    for what, keys in (
        ("missing there", [key for key in own if key not in stored]),
        ("unknown here", [key for key in stored if key not in own]),
        ("of another shape", [k for k in own if k in stored and own[k] != stored[k]]),
    ):
        if keys:
            lines.append(f"  {what}: {', '.join(keys[:8])}{' ...' if len(keys) > 8 else ''}")
    raise WeightsError("\n".join(lines))


class Checkpoint(Callback):
    """Writes checkpoints of the run: after each epoch, and within long ones; ``fit(resume=path)`` goes on from there.

    ``Trainer(run_dir=...)`` has one already. It may stand anywhere among the callbacks: it is called after all others.

    Args:
        path: the file, or a folder, in which it is called ``last.safetensors``.
        batches: write one after so many batches too.
        seconds: write one when so much time has gone by since the last; None: only after epochs.

    Raises:
        OSError: the file cannot be written, which is tried before training begins. What was there stays as it was.
    """

    _expects: dict[str, Any]

    def __init__(
        self, path: str | os.PathLike[str], batches: int | None = None, seconds: float | None = EVERY
    ) -> None:
        for name, value in (("batches", batches), ("seconds", seconds)):
            if value is not None and not (isinstance(value, (int, float)) and value > 0):
                raise ArgumentError(must("Checkpoint", name, "positive or None", repr(value)))
        self.path = checkpoint_file(path)
        self.batches, self.seconds = batches, seconds

    @property
    def fit(self) -> Any:
        return self.trainer._fit

    def save(self) -> None:
        """Write a checkpoint now, in place of the last one; between two steps of the optimizer.

        Raises:
            OSError: it cannot be written; the last one is as it was. The message says so.
        """
        content = {"checkpoint": VERSION, **self.trainer.state_dict(), "expects": self._expects}
        if self.trainer._folder is not None:
            content["run_folder"] = self.trainer._folder.state_dict()
        try:
            save(content, self.path)
        except OSError as error:
            kept = "; the one before it is whole" if self.path.exists() else ""
            said = f"the checkpoint cannot be written ({error.strerror or error}){kept}"
            raise OSError(error.errno, said, str(self.path)) from error
        self.written = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self.path.parent.mkdir(parents=True, exist_ok=True)
        clean(self.path)
        self._expects = expected(self.trainer, self.fit)
        self.written = time.monotonic()
        if not self.fit.resumed:
            self.save()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        many = self.batches is not None and (batch + 1) % self.batches == 0
        late = self.seconds is not None and time.monotonic() - self.written >= self.seconds
        if (many or late) and not self.fit.group_batches:
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self.save()


def clean(path: Path) -> None:
    """Remove what a process left that was killed while it wrote to ``path``."""
    leftover = re.compile(rf"\.{re.escape(path.name[:50])}\.[0-9a-f]{{8}}")
    for file in path.parent.iterdir():
        if leftover.fullmatch(file.name):
            file.unlink(missing_ok=True)
