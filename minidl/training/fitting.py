"""One call of fit: its epochs, batches and steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minidl.data import DataLoader
from minidl.errors import DataError, GradError
from minidl.nn import Module
from minidl.nn.utils import clip_grad_norm_
from minidl.random import default_generator
from minidl.training import data
from minidl.training.callbacks.base import Callback, CallbackList, EndTraining
from minidl.training.collector import Collector
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
    ) -> None:
        self.trainer, self.train, self.validation, self.epochs = trainer, train, validation, epochs
        self.accumulate, self.clip_norm = accumulate, clip_norm
        self.steps = data.batches_of(train)
        params = {"epochs": epochs, "steps": self.steps, "verbose": verbose}
        self.callbacks = CallbackList(callbacks, trainer, params)
        self.recorders = CallbackList(recorders, trainer, params)
        self.collector = Collector(trainer.metrics)
        self.group_batches = self.group_samples = self.group_first = (
            0  # of the step that is being accumulated
        )
        self.epoch_random = default_generator.get_state()  # when the epoch began, for drawing its order again
        self.order_random: Any = None  # the same of the loader's own generator
        self.saved: dict[str, Any] | None = None  # where to go on from

    def call(self, hook: str, *args: Any) -> None:
        """Call a hook of all callbacks."""
        self.callbacks.call(hook, *args)
        self.recorders.call(hook, *args)

    def run(self, saved: dict[str, Any] | None = None) -> History:
        """All epochs; ``saved``, this fit's part of a Trainer's state, says that it goes on in the middle of a run."""
        trainer = self.trainer
        logs: dict[str, Any] = {}
        with modes_kept(trainer.model):
            try:
                self.call("on_train_begin", {})
                if saved is not None:
                    self.load_state_dict(saved)
                while trainer.epoch < self.epochs and not trainer.stop_training:
                    logs = self._epoch(trainer.epoch)
            finally:
                self.call("on_train_end", logs)
        return trainer.history

    def _epoch(self, epoch: int) -> dict[str, Any]:
        trainer = self.trainer
        trainer.model.train()
        data.set_epoch(self.train, trainer.first_epoch + epoch)
        self.call("on_epoch_begin", epoch, {})
        try:
            for batch in self._batches():
                number = trainer.batch
                self.call("on_train_batch_begin", number, {})
                self._batch(*data.unpack("Trainer.fit", batch), last=number + 1 == self.steps)
                trainer.batch += 1
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
        """The epoch's batches from ``trainer.batch`` on; those before it are drawn again and passed over."""
        generator = self.train.generator
        saved, done = self.saved, self.trainer.batch
        self.saved = None
        if saved is None or not done:
            self.collector.reset()
            self.epoch_random = default_generator.get_state()
            self.order_random = None if generator is None else generator.get_state()
            return iter(self.train)
        self.epoch_random, self.order_random = saved["epoch_random"], saved["order_random"]
        now = default_generator.get_state()
        default_generator.set_state(self.epoch_random)
        if generator is not None and self.order_random is not None:
            generator.set_state(self.order_random)
        batches = iter(self.train)
        for _ in itertools.islice(batches, done):
            pass
        default_generator.set_state(now)
        return batches

    def _batch(self, inputs: Any, targets: Any, last: bool) -> None:
        """Forward and backward of a batch, and the optimizer's step if it completes one."""
        trainer, count = self.trainer, data.count(inputs)
        if not self.group_batches:
            trainer.optimizer.zero_grad()
            self.group_first, self.group_samples = count, 0
        output = trainer.model(inputs)
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
        from minidl.training.evaluation import collect

        collector = Collector(self.trainer.metrics, "val_")
        self.call("on_test_begin", {})
        collect("Trainer.fit", self.trainer, validation, collector, self.call)
        logs = collector.logs()
        self.call("on_test_end", logs)
        return logs

    def state_dict(self) -> dict[str, Any]:
        """What a Trainer's state has of the run: between two steps it is all that is needed to go on."""
        return {
            "callbacks": self.callbacks.state_dict(),
            "collector": self.collector.state_dict(),
            "epoch_random": self.epoch_random,
            "order_random": self.order_random,
            "random": default_generator.get_state(),
            "order": None if self.train.generator is None else self.train.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.callbacks.load_state_dict(state["callbacks"])
        self.collector.load_state_dict(state["collector"])
        default_generator.set_state(state["random"])
        if self.train.generator is not None and state["order"] is not None:
            self.train.generator.set_state(state["order"])
        self.saved = state


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Afterwards each part of the model is in training or evaluation mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
