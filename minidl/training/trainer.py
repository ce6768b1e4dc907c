"""The Trainer: data in, a trained network out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minidl import optim
from minidl.dtypes import get_default_dtype
from minidl.errors import ArgumentError, DTypeError, GradError, must
from minidl.nn import Module
from minidl.random import default_generator
from minidl.training import data
from minidl.training.callbacks.base import Callback
from minidl.training.checkpoint import Checkpoint, check_state, checkpoint_file, read_checkpoint
from minidl.training.evaluation import evaluate, predict
from minidl.training.features import FeatureCache
from minidl.training.fitting import Fit
from minidl.training.history import History
from minidl.training.losses import Loss
from minidl.training.metrics import as_metrics
from minidl.training.predictions import Predictions
from minidl.training.progress import Progress
from minidl.training.run import RunFolder

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "rmsprop": optim.RMSprop,
    "sgd": optim.SGD,
}


class Trainer:
    """Trains a model, evaluates it, and predicts with it, with Keras's contract.

    Data, in all its methods, are batches ``(input, target)``: a DataLoader, which keeps its own batch size and order;
    or a Dataset; or arrays ``(x, y)``, NumPy's or minidl's, of samples along their first dimension. fit shuffles the
    latter two anew in every epoch.

    Args:
        model: any Module.
        optimizer: "adam", "adamw", "rmsprop" or "sgd", at its defaults; or an Optimizer; or a function of the
            parameters, as in ``lambda p: optim.SGD(p, lr=0.1)``.
        loss: "cross_entropy", "bce_with_logits", "bce", "nll_loss", "mse", "mae", "huber_loss" or "smooth_l1_loss"; or
            a module such as ``nn.CrossEntropyLoss(label_smoothing=0.1)``; or ``function(output, target)``. It must be
            a mean over samples.
        metrics: names, Metrics, or functions; see :mod:`minidl.training.metrics`.
        run_dir: a folder that keeps the run: settings, history, the last checkpoint and the best network, pictures.
            Its layout: :mod:`minidl.training.run`. A :class:`RunFolder` says how often checkpoints are written.
        seed: decides the order of the samples and what is drawn while training, such as dropout. Default: they come
            from minidl's default generator. (The initial weights are the model's, made before.)

    Attributes:
        history: the History of the last or running fit, also when that was interrupted.
        epoch, batch: where the run stands: what comes next, counted from 0.
        steps: how many steps the optimizer made in all.
        feature_cache: the features that were kept, for a later fit; its ``clear()`` frees them.
        stop_training: set it in a callback, and the run ends after the batch.

    Raises:
        ArgumentError, DTypeError: an argument is not what it should be.

    >>> import minidl
    >>> x = minidl.linspace(-1, 1, 64).reshape(64, 1)
    >>> trainer = Trainer(minidl.nn.Linear(1, 1), optimizer="adam", loss="mse", metrics=[])
    >>> history = trainer.fit((x, 3 * x), epochs=2, verbose=0)
    >>> list(history.history), len(history)
    (['loss'], 2)
    """

    def __init__(
        self,
        model: Module,
        optimizer: str | optim.Optimizer | Callable[..., optim.Optimizer] = "adam",
        loss: Any = "cross_entropy",
        metrics: Iterable[Any] | Mapping[str, Any] = ("accuracy",),
        seed: int | None = None,
        run_dir: str | os.PathLike[str] | RunFolder | None = None,
    ) -> None:
        if not isinstance(model, Module):
            raise DTypeError(must("Trainer", "model", "a minidl.nn.Module", data.named(model)))
        if seed is not None and (not isinstance(seed, (int, np.integer)) or isinstance(seed, bool)):
            raise DTypeError(must("Trainer", "seed", "an int or None", type(seed).__name__))
        self.model = model
        self.loss = Loss(loss)
        self.metrics = as_metrics(metrics, self.loss.kind)
        self.optimizer: Any = as_optimizer(optimizer, model)
        self.seed = seed
        self.history = History()
        self.epoch = self.batch = self.steps = 0
        self.first_epoch = 0  # how many epochs earlier calls of fit have made
        self.stop_training = False
        self._folder = RunFolder(run_dir) if isinstance(run_dir, (str, os.PathLike)) else run_dir
        if not (self._folder is None or isinstance(self._folder, RunFolder)):
            raise DTypeError(must("Trainer", "run_dir", "a path", type(run_dir).__name__))
        self.run_dir = None if self._folder is None else self._folder.folder
        self._fit: Fit | None = None
        self.feature_cache: FeatureCache | None = None

    def fit(
        self,
        train: Any,
        epochs: int = 1,
        validation_data: Any = None,
        callbacks: Iterable[Any] = (),
        resume: Any = None,
        cache_features: bool | FeatureCache = False,
        accumulate: int = 1,
        clip_norm: float | None = None,
        verbose: int = 1,
        batch_size: int = 32,
    ) -> History:
        """Train for ``epochs`` epochs; a later call goes on with the weights as they are.

        Args:
            train: the data to train on.
            epochs: times to go through it.
            validation_data: data to evaluate after each epoch; its numbers stand in the history as ``val_loss`` ...
            callbacks: see :mod:`minidl.training.callbacks`.
            resume: what a run with the same arguments, data and model is to go on from, to end with the bits that it
                would have had: a checkpoint's path, or that of a run's folder; True for that in ``run_dir``, if there
                is one, and a new run otherwise; or a ``state_dict()`` of a Trainer.
            cache_features: run a frozen base once for each image, and train the head on what it returned, with the
                same result to the last bit; a :class:`FeatureCache` says how. Where the model or the data does not
                allow it, a warning says why.
            accumulate: batches per step; the step is that of one batch of all their samples, whatever their sizes
                (but that BatchNorm sees them one by one).
            clip_norm: scale gradients down to this norm where it is larger.
            verbose: 0 shows nothing; 1 a bar, or lines where the output is no terminal; 2 a line for each epoch.
            batch_size: of data that is no DataLoader.

        Returns:
            The History. After Ctrl-C, ``trainer.history`` has the epochs that were complete.

        Raises:
            GradError: the model has no parameter that is trained.
            ArgumentError, DTypeError, ShapeError, DataError: arguments or data are not what they should be.
            WeightsError: what is resumed was a run of another model, optimizer or data, or is damaged.
            OSError: a checkpoint cannot be read, or written; the one before it is whole.
        """
        op = "Trainer.fit"
        self._check_fit(clip_norm, epochs=epochs, accumulate=accumulate, batch_size=batch_size)
        loader = data.as_loader(op, train, batch_size, self._dtype, shuffle=True, seed=self.seed)
        validation = None
        if validation_data is not None:
            validation = data.as_loader(op, validation_data, batch_size, self._dtype)
        recorders: list[Callback] = [] if self._folder is None else [self._folder]
        recorders += [self._progress(loader, validation, epochs, verbose)] if verbose else []
        callbacks = list(callbacks) if isinstance(callbacks, Iterable) else callbacks
        if isinstance(callbacks, list):
            recorders += [callback for callback in callbacks if isinstance(callback, Checkpoint)]
            callbacks = [callback for callback in callbacks if not isinstance(callback, Checkpoint)]
        self._fit = Fit(
            self,
            loader,
            validation,
            epochs,
            callbacks,
            recorders,
            accumulate,
            clip_norm,
            verbose,
            self._features(cache_features),
        )
        state = self._state_to_resume(resume)
        if state is None:
            self._begin()
            return self._fit.run()
        check_state(state, self, self._fit)
        self.load_state_dict(state)
        return self._fit.run(state)

    def _check_fit(self, clip_norm: Any, **counts: Any) -> None:
        """Raise unless fit's numbers make sense, and there is something to train."""
        op = "Trainer.fit"
        _check(op, **counts)
        if clip_norm is not None and not (isinstance(clip_norm, (int, float)) and clip_norm > 0):
            raise ArgumentError(must(op, "clip_norm", "a positive number or None", repr(clip_norm)))
        if not any(p.requires_grad for p in self.model.parameters()):
            raise GradError(must(op, "the model", "one with a parameter that is not frozen", "none"))

    def _state_to_resume(self, resume: Any) -> Any:
        """What fit's ``resume`` stands for: a Trainer's state, or None for a new run."""
        if resume is None or resume is False:
            return None
        if resume is True:
            if self._folder is None:
                expected = "a path where the Trainer has no run_dir"
                raise ArgumentError(must("Trainer.fit", "resume", expected, resume))
            if not self._folder.path.exists():
                return None
            resume = self._folder.path
        if not isinstance(resume, (str, os.PathLike)):
            return resume
        state = read_checkpoint(resume)
        if self._folder is not None:
            self._folder.resume(state, checkpoint_file(resume).absolute() == self._folder.path.absolute())
        return state

    def _features(self, cache_features: Any) -> FeatureCache | None:
        """Where to keep features; the one of an earlier fit, if there is one, and the user gives none."""
        if isinstance(cache_features, FeatureCache):
            self.feature_cache = cache_features
        elif not isinstance(cache_features, bool):
            got = type(cache_features).__name__
            raise DTypeError(must("Trainer.fit", "cache_features", "a bool or a FeatureCache", got))
        elif cache_features and self.feature_cache is None:
            self.feature_cache = FeatureCache()
        return self.feature_cache if cache_features else None

    def _begin(self) -> None:
        """Forget where an earlier fit stood."""
        self.first_epoch += self.epoch
        self.history = History()
        self.epoch = self.batch = 0
        self.stop_training = False
        if self.seed is not None:
            default_generator.manual_seed(self.seed + self.first_epoch)

    def _progress(self, loader: Any, validation: Any, epochs: int, verbose: int) -> Progress:
        batches = data.batches_of(loader)
        if batches is not None and validation is not None:
            batches += (data.batches_of(validation) or 0) / 3  # type: ignore[assignment]
        return Progress(verbose, epochs, data.samples_of(loader), batches)

    def evaluate(
        self,
        data_: Any,
        batch_size: int = 32,
        verbose: int = 1,
        cache_features: bool = False,
        callbacks: Iterable[Any] = (),
    ) -> dict[str, Any]:
        """The loss and the metrics of the data, in evaluation mode.

        ``cache_features`` takes the features that :meth:`fit` kept of these data, and keeps those that it did not.

        Returns:
            ``{"loss": float, each metric's name: number, "per_class": {class: {"accuracy": float, "count": int}}}``.
            Classes go by name where the data has ``classes``, else by number; ``per_class`` is missing where targets
            are no classes.
        """
        op = "Trainer.evaluate"
        _check(op, batch_size=batch_size)
        loader = data.as_loader(op, data_, batch_size, self._dtype)
        network = None
        if features := self._features(cache_features):
            network, loader, _ = features.apply(self.model, loader)
        return evaluate(self, loader, callbacks, verbose, network)

    def predict(
        self, data_: Any, batch_size: int = 32, verbose: int = 1, callbacks: Iterable[Any] = ()
    ) -> Predictions:
        """The model's outputs for all samples, in evaluation mode and in the data's own order.

        Data may be inputs alone: an array x, or a Dataset of single tensors. Of a DataLoader that shuffles, the
        dataset's order is taken, and each sample once, the last smaller batch included.
        """
        op = "Trainer.predict"
        _check(op, batch_size=batch_size)
        loader = data.unshuffled(data.as_loader(op, data_, batch_size, self._dtype))
        return predict(self, loader, callbacks, verbose)

    @property
    def network(self) -> Module:
        """What is called with the batches of a run: the model, or its head where features are kept."""
        return self.model if self._fit is None else self._fit.network

    @property
    def learning_rate(self) -> float:
        """The present rate of the optimizer's first group."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def _dtype(self) -> np.dtype:
        """What floats the model computes with."""
        floats = (p.dtype for p in self.model.parameters() if p.is_floating_point())
        return next(floats, get_default_dtype())

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on, in a callback or after it: nested dicts and lists of tensors and numbers.

        Its tensors are those of the model and the optimizer, and change with the next step.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "batch": self.batch,
            "first_epoch": self.first_epoch,
            "steps": self.steps,
            "stop_training": self.stop_training,
            "history": self.history.state_dict(),
            "run": None if self._fit is None else self._fit.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where :meth:`state_dict` was called; ``fit(resume=state)`` does it, and goes on."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.batch, self.steps = state["epoch"], state["batch"], state["steps"]
        self.first_epoch, self.stop_training = state["first_epoch"], state["stop_training"]
        self.history = History()
        self.history.load_state_dict(state["history"])


def as_optimizer(optimizer: Any, model: Module) -> optim.Optimizer | None:
    """The optimizer of the model's parameters; None where there are none.

    Raises:
        ArgumentError: an unknown name.
        DTypeError: it is no optimizer, and makes none.
    """
    expected = f"{', '.join(map(repr, OPTIMIZERS))}, an Optimizer or a function of the parameters"
    if isinstance(optimizer, optim.Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        if optimizer.lower() not in OPTIMIZERS:
            near = difflib.get_close_matches(optimizer.lower(), OPTIMIZERS, n=1)
            hint = f"; near it: {near[0]!r}" if near else ""
            raise ArgumentError(must("Trainer", "optimizer", f"one of {expected}", repr(optimizer) + hint))
        optimizer = OPTIMIZERS[optimizer.lower()]
    elif not callable(optimizer):
        raise DTypeError(must("Trainer", "optimizer", f"one of {expected}", data.named(optimizer)))
    parameters = list(model.parameters())
    if not parameters:
        return None
    made = optimizer(parameters)
    if not isinstance(made, optim.Optimizer):
        got = type(made).__name__
        raise DTypeError(must("Trainer", "what the function optimizer returns", "an Optimizer", got))
    return made


def _check(op: str, **numbers: Any) -> None:
    for name, value in numbers.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            if hasattr(value, "shape"):
                raise ArgumentError(
                    f"{op}: {name} must be a positive int, got an array; data is one tuple, (x, y)"
                )
            raise ArgumentError(must(op, name, "a positive int", repr(value)))
