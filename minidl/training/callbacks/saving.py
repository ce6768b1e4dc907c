"""The callback that saves the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.serialization import save
from minidl.training.callbacks.monitor import Monitor, say


class ModelCheckpoint(Monitor):
    """Saves the model with :func:`minidl.save` after epochs, as Keras's: for use, where a checkpoint is to go on from.

    Args:
        filepath: where to; it may name the epoch (from 1), the batch and what is in the logs:
            ``"out/{epoch:02d}-{val_loss:.3f}.safetensors"``. Folders are made.
        monitor, mode: which epochs are better; see :class:`~minidl.training.callbacks.monitor.Monitor`.
        verbose: 1 says it when it saves.
        save_best_only: only after epochs that are better than all before.
        save_weights_only: the ``state_dict`` alone, also of a class that ``minidl.load`` could rebuild.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: the number that the first epoch must be better than.

    Raises:
        ArgumentError: ``save_freq`` is something else; or, in fit, ``filepath`` names what is not in the logs.
        OSError: in fit, the file cannot be written; one that was there is as it was.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode=mode)
        number = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not number:
            expected = "'epoch' or a number of batches"
            raise ArgumentError(must("ModelCheckpoint", "save_freq", expected, repr(save_freq)))
        self.filepath, self.verbose, self.save_freq = os.fspath(filepath), verbose, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.best = self.worst if initial_value_threshold is None else initial_value_threshold
        self.batches = 0

    def on_train_begin(self, logs: dict[str, Any]) -> None:  # noqa: ARG002
        if self.save_best_only and self.save_freq == "epoch":
            self.check()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if self.save_freq == "epoch":
            return
        self.batches += 1
        if self.batches % int(self.save_freq) == 0:
            self._save(self.trainer.epoch, logs, {"batch": batch + 1})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs, {})

    def _save(self, epoch: int, logs: Mapping[str, Any], position: Mapping[str, int]) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if not self.improves(value, self.best):
                return
            self.best = value
        names = {**logs, "epoch": epoch + 1, **position}
        try:
            path = Path(self.filepath.format(**names))
        except (LookupError, AttributeError) as error:  # {nothing}, {}, {epoch.nothing}
            expected = f"a path that names none but {', '.join(names)}"
            raise ArgumentError(must("ModelCheckpoint", "filepath", expected, error)) from error
        except ValueError as error:
            expected = "a path that formats numbers"
            raise ArgumentError(
                must("ModelCheckpoint", "filepath", expected, f"{self.filepath!r}: {error}")
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)
        save(self.model.state_dict() if self.save_weights_only else self.model, path)
        if self.verbose:
            say(f"epoch {epoch + 1}: saved {path}")

    def state_dict(self) -> dict[str, Any]:
        """The best so far."""
        return {"best": self.best, "batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.best, self.batches = state["best"], state["batches"]
