"""Callbacks: what a Trainer calls at each turn of a run, with Keras's hook names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from minidl.errors import ArgumentError, DTypeError, WeightsError, must
from minidl.nn.freezing import near
from minidl.optim.lr_scheduler import LRScheduler

if TYPE_CHECKING:
    from minidl.training.trainer import Trainer


class Callback:
    """The base of callbacks: a subclass defines the hooks that it wants.

    Epochs and batches are numbered from 0. ``logs`` is a dict of what was measured: on_train_batch_end has the means
    over the epoch so far, on_epoch_end those of the whole epoch and of the validation data (``val_loss`` ...). What a
    callback adds to the logs of on_epoch_end stands in the history.

    Attributes:
        trainer: the Trainer that runs; its ``stop_training = True`` ends the run after the current batch.
        model: its model.
        params: ``{"epochs": int, "steps": batches per epoch or None, "verbose": int, "metrics": [names in the logs]}``.

    >>> class Print(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(epoch, logs["loss"])
    """

    trainer: Trainer
    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Called once before a run."""
        self.model = model

    def set_trainer(self, trainer: Trainer) -> None:
        """Called once before a run."""
        self.trainer = trainer

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Called once before a run."""
        self.params = params

    def state_dict(self) -> dict[str, Any]:
        """What it must remember to go on after an interruption: nothing, unless a subclass says so."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned; called after on_train_begin."""

    # The hooks do nothing here; they are listed so that one can look up their names and arguments.

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        """A run begins."""

    def on_train_end(self, logs: dict[str, Any]) -> None:
        """A run ends, also by an error or Ctrl-C: the place to close files."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """An epoch ends, its validation included."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any]) -> None:
        """A batch has been read."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """A batch has been trained on."""

    def on_test_begin(self, logs: dict[str, Any]) -> None:
        """An evaluation begins."""

    def on_test_end(self, logs: dict[str, Any]) -> None:
        """An evaluation ends."""

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any]) -> None:
        """A batch of an evaluation has been read."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """A batch has been evaluated."""

    def on_predict_begin(self, logs: dict[str, Any]) -> None:
        """A prediction begins."""

    def on_predict_end(self, logs: dict[str, Any]) -> None:
        """A prediction ends."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any]) -> None:
        """A batch of a prediction has been read."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """A batch has been predicted."""

    # Keras has no such hooks.

    def on_forward_end(self, loss: float, inputs: Any, targets: Any) -> None:
        """The loss of a training batch is known; its backward has not begun."""

    def on_backward_end(self) -> None:
        """The gradients for a step are complete, and not yet clipped."""

    def on_step_end(self) -> None:
        """The optimizer has made a step."""


HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


class EndTraining(Exception):
    """Raised in on_forward_end or on_backward_end to end the run without the step that was to come."""


class LambdaCallback(Callback):
    """A callback made of functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))``.

    Raises:
        ArgumentError: there is no such hook.
    """

    def __init__(self, **hooks: Callable[..., Any]) -> None:
        for name, function in hooks.items():
            if name not in HOOKS:
                raise ArgumentError(
                    must("LambdaCallback", "every name", "a hook's", repr(name) + near(name, HOOKS))
                )
            if not callable(function):
                raise DTypeError(must("LambdaCallback", name, "a function", type(function).__name__))
            setattr(self, name, function)


class CallbackList:
    """Several callbacks as one: ``call(hook, *args)`` calls them in their order.

    Raises:
        DTypeError: one of them is no Callback.
    """

    def __init__(self, callbacks: Iterable[Any], trainer: Trainer, params: Mapping[str, Any]) -> None:
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            got = type(callbacks).__name__
            raise DTypeError(must("Trainer.fit", "callbacks", "a list of callbacks", got))
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                got = (
                    f"the class {callback.__name__}"
                    if isinstance(callback, type)
                    else type(callback).__name__
                )
                hint = "; wrap it: Schedule(scheduler)" if isinstance(callback, LRScheduler) else ""
                raise DTypeError(
                    must("Trainer.fit", "every callback", "a minidl.training.Callback", got + hint)
                )
            callback.set_trainer(trainer)
            callback.set_model(trainer.model)
            callback.set_params(params)
        self._hooks = {
            hook: [getattr(c, hook) for c in self.callbacks if _defines(c, hook)] for hook in HOOKS
        }

    def call(self, hook: str, *args: Any) -> None:
        """Call this hook of each callback that defines it."""
        for function in self._hooks[hook]:
            function(*args)

    def wants(self, hook: str) -> bool:
        """Whether one of them defines this hook."""
        return bool(self._hooks[hook])

    def state_dict(self) -> list[dict[str, Any]]:
        """The states of all."""
        return [{"callback": type(c).__name__, "state": c.state_dict()} for c in self.callbacks]

    def check_states(self, states: list[dict[str, Any]]) -> None:
        """Raise unless ``states`` are those of callbacks like these.

        Raises:
            WeightsError: they are of other callbacks.
        """
        saved, own = [s["callback"] for s in states], [type(c).__name__ for c in self.callbacks]
        if saved != own:
            expected = f"those of the run that goes on, [{', '.join(saved)}]"
            raise WeightsError(must("Trainer.fit", "callbacks", expected, f"[{', '.join(own)}]"))

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.check_states(states)
        for callback, state in zip(self.callbacks, states, strict=True):
            callback.load_state_dict(state["state"])


def _defines(callback: Callback, hook: str) -> bool:
    return hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)
