"""One call of fit: its epochs, batches and steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from minidl.data import DataLoader
from minidl.errors import DataError, GradError, warn
from minidl.nn import Module
from minidl.nn.modes import modes_kept
from minidl.nn.utils import clip_grad_norm_
from minidl.random import default_generator
from minidl.training import data
from minidl.training.callbacks.base import Callback, CallbackList, EndTraining
from minidl.training.collector import Collector
from minidl.training.evaluation import collect, shown_batches
from minidl.training.features import FeatureCache
from minidl.training.history import History

if TYPE_CHECKING:
    from minidl.training.trainer import Trainer


class Fit:
    """The loop over epochs, from where its Trainer stands (``trainer.epoch`` and ``trainer.batch``) to the last.

    Args:
        trainer: whose model is trained.
        train: the training data's batches.
        validation: batches to evaluate after each epoch, or None.
        epochs: the number of the epoch before which it ends.
        callbacks: the user's.
        recorders: callbacks called after the user's, and at the end of an epoch after the history has it: what they
            see then is all that a checkpoint needs.
        accumulate: batches per step.
        clip_norm: the largest norm of the gradients in a step, or None.
        features: where features of the model's frozen bottom are kept, or None.

    Attributes:
        network: what is called with the training batches: the model, or its head where features are kept.
        resumed: whether it goes on from a checkpoint.
    """

    def __init__(
        self,
        trainer: Trainer,
        train: DataLoader,
        validation: DataLoader | None,
        epochs: int,
        callbacks: Iterable[Any],
        recorders: Iterable[Callback],
        accumulate: int = 1,
        clip_norm: float | None = None,
        verbose: int = 0,
        features: FeatureCache | None = None,
    ) -> None:
        self.trainer, self.train, self.validation, self.epochs = trainer, train, validation, epochs
        self.accumulate, self.clip_norm = accumulate, clip_norm
        self.steps = data.batches_of(train)
        names = ["loss", *(metric.name for metric in trainer.metrics)]
        if validation is not None:
            names += [f"val_{name}" for name in names]
        params = {"epochs": epochs, "steps": self.steps, "verbose": verbose, "metrics": names}
        self.callbacks = CallbackList(callbacks, trainer, params)
        self.recorders = CallbackList(recorders, trainer, params)
        self.collector = Collector(trainer.metrics)
        # Of the step that is being accumulated:
        self.group_batches = self.group_samples = self.group_first = 0
        self.features, self.verbose = features, verbose
        self.network: Module = trainer.model
        self.network_of_validation: Module = trainer.model
        self.plain = (train, validation)  # before features take their place
        self.resumed = False
        self.interrupted: dict[str, Any] | None = None  # the state of the loader, in an epoch to go on in

    def call(self, hook: str, *args: Any) -> None:
        """Call a hook of all callbacks."""
        self.callbacks.call(hook, *args)
        self.recorders.call(hook, *args)

    def wants(self, hook: str) -> bool:
        """Whether a callback defines this hook."""
        return self.callbacks.wants(hook) or self.recorders.wants(hook)

    def run(self, saved: dict[str, Any] | None = None) -> History:
        """All epochs; ``saved``, a Trainer's state, says that it goes on in the middle of a run."""
        trainer = self.trainer
        logs: dict[str, Any] = {}
        with modes_kept(trainer.model):
            try:
                self.callbacks.call("on_train_begin", {})
                if saved is not None:
                    trainer.load_state_dict(saved)  # again: what begins may have set the learning rate
                    self.load_state_dict(saved["run"])
                self.recorders.call("on_train_begin", {})
                if self.features is not None and trainer.epoch < self.epochs:
                    self._keep_features(self.features)
                while trainer.epoch < self.epochs and not trainer.stop_training:
                    logs = self._epoch(trainer.epoch)
            finally:
                self.call("on_train_end", logs)
        return trainer.history

    def _keep_features(self, features: FeatureCache) -> None:
        """Go through features instead of the data, as far as the model and the data allow it."""
        model, (train, validation) = self.trainer.model, self.plain
        progress = partial(shown_batches, verbose=self.verbose)
        self.network, self.train, cached = features.apply(model, train, progress)
        if cached and validation is not None:
            self.network_of_validation, self.validation, _ = features.apply(model, validation, progress)

    def _check_features(self) -> None:
        """Go back to the model and the data if a callback changed what the features were made by."""
        if self.network is not self.trainer.model and self.features and not self.features.is_valid():
            warn(
                "cache_features: training goes on without kept features, because the frozen part was changed"
            )
            self.network = self.network_of_validation = self.trainer.model
            self.train, self.validation = self.plain

    def _epoch(self, epoch: int) -> dict[str, Any]:
        trainer = self.trainer
        trainer.model.train()
        self.call("on_epoch_begin", epoch, {})
        self._check_features()
        self.train.set_epoch(trainer.first_epoch + epoch)
        try:
            for batch in self._batches():
                number = trainer.batch
                self.call("on_train_batch_begin", number, {})
                self._batch(*data.unpack("Trainer.fit", batch), last=number + 1 == self.steps)
                trainer.batch += 1
                if self.wants("on_train_batch_end"):
                    self.call("on_train_batch_end", number, self.collector.logs())
                if trainer.stop_training:
                    break
            if self.group_batches:
                self._step()
        except EndTraining:
            self.group_batches = 0
            trainer.stop_training = True
        if not self.collector.loss.count:
            raise DataError("Trainer.fit: the training data gave no batch")
        logs = self.collector.logs()
        if self.validation is not None:
            logs.update(self._validate(self.validation))
        self.callbacks.call("on_epoch_end", epoch, logs)
        trainer.history.append(epoch, logs)
        trainer.epoch, trainer.batch = epoch + 1, 0
        self.recorders.call("on_epoch_end", epoch, logs)
        return logs

    def _batches(self) -> Iterator[Any]:
        """The epoch's batches; those that come after ``trainer.batch``, in the epoch in which a run was interrupted."""
        if self.interrupted is None:
            self.collector.reset()
        else:
            self.train.load_state_dict(self.interrupted)
            self.interrupted = None
        return iter(self.train)

    def _batch(self, inputs: Any, targets: Any, last: bool) -> None:
        """Forward and backward of a batch, and the optimizer's step if it completes one."""
        trainer, count = self.trainer, data.count(inputs)
        if not self.group_batches:
            trainer.optimizer.zero_grad()
            self.group_first, self.group_samples = count, 0
        output = self.network(inputs)
        loss = trainer.loss(output, targets)
        if not loss.requires_grad:
            raise GradError("Trainer.fit: the loss depends on no parameter that is trained")
        value = loss.item()
        self.collector.update(value, count, output, targets)
        self.call("on_forward_end", value, inputs, targets)
        del output
        if count != self.group_first:  # a mean over other samples than the first batch of this step has
            loss = loss * (count / self.group_first)
        loss.backward()
        self.group_batches += 1
        self.group_samples += count
        if last or self.group_batches == self.accumulate:
            self._step()

    def _step(self) -> None:
        """Move the parameters by the gradient of the mean loss of all samples since the last step."""
        trainer = self.trainer
        if self.group_samples != self.group_first:
            for parameter in trainer.model.parameters():
                if parameter.grad is not None:
                    grad = parameter.grad.detach()
                    grad.mul_(self.group_first / self.group_samples)
                    parameter.grad = grad
        self.group_batches = 0
        self.call("on_backward_end")
        if self.clip_norm is not None:
            clip_grad_norm_(trainer.model.parameters(), self.clip_norm)
        trainer.optimizer.step()
        trainer.steps += 1
        self.call("on_step_end")

    def _validate(self, validation: DataLoader) -> dict[str, Any]:
        collector = Collector(self.trainer.metrics, "val_")
        validation.set_epoch(self.trainer.first_epoch + self.trainer.epoch)
        self.call("on_test_begin", {})
        collect("Trainer.fit", self.trainer, validation, collector, self, self.network_of_validation)
        logs = collector.logs()
        self.call("on_test_end", logs)
        return logs

    def state_dict(self) -> dict[str, Any]:
        """What a Trainer's state has of the run: between two steps it is all that is needed to go on."""
        return {
            "callbacks": self.callbacks.state_dict(),
            "collector": self.collector.state_dict(),
            "random": default_generator.get_state(),
            "loader": self.train.state_dict(),
            "validation": None if self.validation is None else self.validation.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.callbacks.load_state_dict(state["callbacks"])
        self.collector.load_state_dict(state["collector"])
        self.train.load_state_dict(state["loader"])
        self.interrupted = state["loader"] if self.trainer.batch else None
        if self.validation is not None and state["validation"] is not None:
            self.validation.load_state_dict(state["validation"])
        default_generator.set_state(state["random"])
        self.resumed = True
