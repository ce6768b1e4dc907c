"""Callbacks: when their hooks are called, when a run ends, what they write; against Keras's where it has the same."""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.errors import ArgumentError, DTypeError, MissingDependencyError, WeightsError
from minidl.optim import lr_scheduler
from minidl.training import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    Schedule,
    TensorBoard,
    TerminateOnNaN,
    Trainer,
)

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = np.arange(40) % 3


def network() -> nn.Sequential:
    minidl.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def fit(callbacks: list[Any], epochs: int = 3, **options: Any) -> tuple[Trainer, History]:
    trainer = Trainer(network(), lambda p: optim.SGD(p, lr=0.5), seed=1)
    options = {"validation_data": (X, Y), "verbose": 0, "batch_size": 16, **options}
    return trainer, trainer.fit((X, Y), epochs, callbacks=callbacks, **options)


def bits(model: nn.Module) -> list[bytes]:
    return [tensor.array.tobytes() for tensor in model.state_dict().values()]


kerass_warnings = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # for PyTorch


def keras_callbacks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch", reason="Keras needs a backend")
    return pytest.importorskip("keras", reason="Keras is what callbacks are compared with")


# ---- Hooks

KERAS_HOOKS = [
    f"on_{what}_{when}"
    for what in ("train", "epoch", "train_batch", "test", "test_batch")
    for when in ("begin", "end")
]


def test_hooks_are_called_as_keras_calls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hooks in the same order, with the same numbers and the same names in the logs."""
    keras = keras_callbacks(monkeypatch)

    def record(calls: list[Any]) -> dict[str, Callable[..., None]]:
        def hook(name: str) -> Callable[..., None]:
            numbered = "batch" in name or "epoch" in name

            def call(self: Any, *args: Any, logs: Any = None) -> None:
                named = sorted(logs or args[-1] or {}) if name == "on_epoch_end" else []
                calls.append((name, args[0] if numbered else None, named))

            return call

        return {name: hook(name) for name in KERAS_HOOKS}

    ours: list[Any] = []
    theirs: list[Any] = []
    loader = DataLoader(TensorDataset(minidl.tensor(X), minidl.tensor(Y)), 16)
    Trainer(network()).fit(
        loader, 2, (X, Y), [type("Record", (Callback,), record(ours))()], verbose=0, batch_size=16
    )
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    recorder = type("Record", (keras.callbacks.Callback,), record(theirs))()
    model.fit(
        X,
        Y,
        batch_size=16,
        epochs=2,
        validation_data=(X, Y),
        validation_batch_size=16,
        callbacks=[recorder],
        verbose=0,
    )
    assert ours == theirs


@kerass_warnings
def test_evaluate_and_predict_have_hooks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = keras_callbacks(monkeypatch)
    what = ("test", "test_batch", "predict", "predict_batch")
    names = [f"on_{part}_{when}" for part in what for when in ("begin", "end")]
    calls: dict[Any, list[Any]] = {}

    def recorder(base: type) -> Any:
        def hook(name: str) -> Callable[..., None]:
            def call(self: Any, *args: Any, logs: Any = None) -> None:
                found = logs or args[-1]
                number = args[0] if "batch" in name else None
                calls.setdefault(base, []).append(
                    (name, number, sorted(found) if isinstance(found, dict) else [])
                )

            return call

        return type("Record", (base,), {name: hook(name) for name in names})()

    trainer = Trainer(network())
    trainer.evaluate((X, Y), batch_size=16, callbacks=[recorder(Callback)])
    trainer.predict((X, Y), batch_size=16, callbacks=[recorder(Callback)])
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.evaluate(X, Y, batch_size=16, callbacks=[recorder(keras.callbacks.Callback)], verbose=0)
    model.predict(X, batch_size=16, callbacks=[recorder(keras.callbacks.Callback)], verbose=0)
    assert calls[Callback] == calls[keras.callbacks.Callback]


def test_the_hooks_of_a_step() -> None:
    calls: list[str] = []
    hooks = ("on_forward_end", "on_backward_end", "on_step_end", "on_train_batch_end")
    recorder = LambdaCallback(**{name: (lambda *args, name=name: calls.append(name)) for name in hooks})
    fit([recorder], epochs=1, accumulate=2, validation_data=None)
    forward, backward, step, end = hooks
    assert calls == [forward, end, forward, backward, step, end, forward, backward, step, end]


def test_what_a_callback_knows_and_adds() -> None:
    class Own(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
            assert self.model is self.trainer.model
            assert self.params["epochs"] == 3
            assert self.params["steps"] == 3
            assert self.params["metrics"] == ["loss", "accuracy", "val_loss", "val_accuracy"]
            if epoch == 1:
                logs["extra"] = 7
                self.trainer.stop_training = True

    _, history = fit([Own()])
    assert len(history) == 2
    assert math.isnan(history.history["extra"][0])
    assert history.history["extra"][1] == 7
    assert repr(history) == "History(2 epochs: loss, accuracy, val_loss, val_accuracy, extra)"


def test_stopping_in_the_middle_of_an_epoch() -> None:
    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
            self.trainer.stop_training = batch == 1

    trainer, history = fit([Stop()], accumulate=4)
    assert trainer.steps == 1  # of the two batches that there were
    assert len(history) == 1


# ---- EarlyStopping and ReduceLROnPlateau


def drive(callback: Any, values: list[float], stand: Any) -> None:
    """Epochs that have these values."""
    callback.on_train_begin({})
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, {"val_loss": value})
        if stand.stop_training:
            break
    callback.on_train_end({})


class Stand:
    """What a callback needs of a trainer or, for Keras, of a model."""

    stop_training = False

    def __init__(self) -> None:
        self.optimizer: Any = optim.SGD([minidl.zeros(1, requires_grad=True)], lr=0.8)

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])


SEQUENCES = [
    [*np.round(np.random.default_rng(seed).normal(size=14) * 8 - slope * np.arange(14)) / 8, math.nan]
    for seed in range(12)
    for slope in (0, 1)
]
OPTIONS: list[dict[str, Any]] = [
    {}, {"patience": 2}, {"patience": 3, "min_delta": 0.5}, {"patience": 2, "mode": "max"},
    {"patience": 2, "baseline": -1.0}, {"patience": 1, "start_from_epoch": 4}, {"patience": 1, "min_delta": -0.3},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_early_stopping_stops_where_keras_does(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = keras_callbacks(monkeypatch)
    for values in SEQUENCES:
        ours, theirs = (
            EarlyStopping("val_loss", **options, restore_best_weights=False),
            keras.callbacks.EarlyStopping("val_loss", **options),
        )
        own, other = Stand(), Stand()
        ours.set_params({"metrics": ["val_loss"]})
        ours.set_trainer(own)
        theirs.set_model(other)
        drive(ours, values, own)
        drive(theirs, values, other)
        assert own.stop_training == other.stop_training, values
        assert ours.stopped_epoch == theirs.stopped_epoch, values


PLATEAUS: list[dict[str, Any]] = [
    {"patience": 1}, {"patience": 2, "factor": 0.5}, {"patience": 1, "cooldown": 2}, {"patience": 1, "min_lr": 0.1},
    {"patience": 2, "mode": "max", "min_delta": 0.4},
]  # fmt: skip


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # of PyTorch's tensors, in Keras
@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_a_plateau_is_where_keras_sees_one(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    keras = keras_callbacks(monkeypatch)
    for values in SEQUENCES:
        ours, theirs = ReduceLROnPlateau(**options), keras.callbacks.ReduceLROnPlateau(**options)
        own, other = Stand(), Stand()
        other.optimizer = keras.optimizers.SGD(0.8)
        rates: tuple[list[float], list[float]] = ([], [])
        ours.set_params({"metrics": ["val_loss"]})
        ours.set_trainer(own)
        theirs.set_model(other)
        own_rate = LambdaCallback(
            on_epoch_end=lambda *_, own=own, rates=rates: rates[0].append(own.learning_rate)
        )
        for callback, rate in ((ours, own_rate), (theirs, None)):
            callback.on_train_begin({})
            for epoch, value in enumerate(values):
                callback.on_epoch_end(epoch, {"val_loss": value})
                if rate is not None:
                    rate.on_epoch_end(epoch, {})
                else:
                    rates[1].append(float(other.optimizer.learning_rate))
        assert rates[0] == pytest.approx(rates[1], rel=1e-6), values


def test_the_best_weights_are_restored() -> None:
    """Those of the epoch whose number was best, of a run whose rate is far too large."""
    weights: list[list[bytes]] = []
    keep = LambdaCallback(on_epoch_end=lambda *_: weights.append(bits(trainer.model)))
    stop = EarlyStopping(patience=4)
    trainer = Trainer(network(), lambda p: optim.SGD(p, lr=20.0), seed=1)
    history = trainer.fit((X, Y), 20, (X, Y), [keep, stop], verbose=0)
    best = int(np.argmin(history.history["val_loss"]))
    assert stop.best_epoch == best < len(history) - 1 == stop.stopped_epoch < 19
    assert bits(trainer.model) == weights[best] != weights[-1]


def test_a_run_that_is_interrupted_restores_them_too() -> None:
    weights: list[list[bytes]] = []

    class Interrupt(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
            weights.append(bits(self.model))
            logs["score"] = -epoch
            if epoch == 2:
                raise KeyboardInterrupt

    stop = EarlyStopping("score", mode="max", patience=9)
    trainer = Trainer(network(), seed=1)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit((X, Y), 5, callbacks=[Interrupt(), stop], verbose=0)
    assert bits(trainer.model) == weights[0] != weights[-1]


@pytest.mark.parametrize(("monitor", "mode"), [
    ("val_loss", "min"), ("accuracy", "max"), ("val_top5", "max"), ("f1_macro", "max"), ("val_mae", "min"),
    ("topology", "min"),
])  # fmt: skip
def test_the_direction_follows_from_the_name(monitor: str, mode: str) -> None:
    assert EarlyStopping(monitor).mode == mode


def test_verbose_callbacks_say_what_they_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stop = EarlyStopping("loss", min_delta=9, patience=1, verbose=1)
    plateau = ReduceLROnPlateau("loss", min_delta=9, patience=1, verbose=1)
    rate = LearningRateScheduler(lambda epoch, lr: lr / 2, verbose=1)
    fit([rate, plateau, ModelCheckpoint(tmp_path / "{epoch}", verbose=1), stop])
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1: the learning rate is 0.25",
        f"epoch 1: saved {tmp_path / '1'}",
        "epoch 2: the learning rate is 0.125",
        "epoch 2: the learning rate is now 0.0125",
        f"epoch 2: saved {tmp_path / '2'}",
        f"stopped after epoch 2: the best was epoch 1, loss {stop.best:.4g}; its weights are restored",
    ]


# ---- Learning rates


def test_rates_stand_in_the_history() -> None:
    _, history = fit([LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))])
    assert history.history["lr"] == [0.1, 0.05, 0.1 / 3]
    _, history = fit([LearningRateScheduler(lambda epoch, lr: lr * 0.5)])
    assert history.history["lr"] == [0.25, 0.125, 0.0625]
    _, history = fit([Schedule(lambda o: lr_scheduler.ExponentialLR(o, 0.5))])
    assert history.history["lr"] == [0.5, 0.25, 0.125]
    _, history = fit([Schedule(lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.99))])
    assert history.history["lr"] == pytest.approx([0.5, 0.5, 0.05])


def test_each_group_has_its_own_rate() -> None:
    model = network()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters(), "lr": 0.01}]
    trainer = Trainer(model, optim.SGD(groups))
    trainer.fit((X, Y), 2, callbacks=[LearningRateScheduler(lambda epoch, lr: lr / 2)], verbose=0)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.025, 0.0025]


def test_one_cycle_counts_steps() -> None:
    """9 batches, 2 in a step, an epoch's last step with what is left: 5 steps."""
    rates: list[float] = []
    record = LambdaCallback(on_backward_end=lambda: rates.append(trainer.learning_rate))
    schedule = Schedule(lambda o: lr_scheduler.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=5), per="step")
    trainer = Trainer(network(), lambda p: optim.SGD(p, lr=0.5, momentum=0.9))
    trainer.fit((X[:36], Y[:36]), 2, callbacks=[schedule, record], verbose=0, batch_size=4, accumulate=2)
    optimizer = optim.SGD([minidl.zeros(1, requires_grad=True)], momentum=0.9)
    expected = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10)
    for rate in rates:
        assert rate == expected.get_last_lr()[0]
        expected.step()
    assert len(rates) == 10


def test_a_second_run_begins_its_schedule_with_the_rate_it_finds() -> None:
    trainer = Trainer(network(), lambda p: optim.SGD(p, lr=0.4))
    schedule = Schedule(lambda o: lr_scheduler.ExponentialLR(o, 0.5))
    for expected in ([0.4, 0.2], [0.1, 0.05]):
        history = trainer.fit((X, Y), 2, callbacks=[schedule], verbose=0)
        assert history.history["lr"] == pytest.approx(expected)


def test_runs_with_all_of_them_go_on_bit_for_bit(tmp_path: Path) -> None:
    """From the middle of an epoch, in a new Trainer with new callbacks, through a file."""

    def callbacks(folder: str) -> list[Callback]:
        return [
            Schedule(lambda o: lr_scheduler.OneCycleLR(o, 0.9, total_steps=60), per="step"),
            ReduceLROnPlateau("loss", patience=1, min_delta=0.2, cooldown=1),
            EarlyStopping("loss", patience=3, min_delta=0.05),
            ModelCheckpoint(tmp_path / folder / "{epoch}", "loss", save_best_only=True),
            CSVLogger(tmp_path / f"{folder}.csv"),
        ]

    file = io.BytesIO()

    def save(batch: int, logs: dict[str, Any]) -> None:
        if (trainer.epoch, batch) == (2, 1):
            minidl.save(trainer.state_dict(), file)

    def run(folder: str, **options: Any) -> History:
        keep = LambdaCallback(on_train_batch_end=save)
        return trainer.fit((X, Y), 9, (X, Y), [*callbacks(folder), keep], verbose=0, batch_size=16, **options)

    trainer = Trainer(network(), lambda p: optim.SGD(p, lr=0.9, momentum=0.5), seed=3)
    expected, weights = run("whole"), bits(trainer.model)
    (tmp_path / "again.csv").write_text(
        (tmp_path / "whole.csv").read_text()
    )  # with epochs that are not to be kept
    trainer = Trainer(network(), lambda p: optim.SGD(p, lr=0.9, momentum=0.5), seed=3)
    history = run("again", resume=minidl.load(io.BytesIO(file.getvalue())))
    assert history.history == expected.history
    assert bits(trainer.model) == weights
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "whole.csv").read_text()
    saved = {path.name for path in (tmp_path / "whole").iterdir() if int(path.name) > 2}
    assert {path.name for path in (tmp_path / "again").iterdir()} == saved


def test_a_state_is_for_the_same_callbacks() -> None:
    trainer, _ = fit([EarlyStopping()], epochs=1)
    with pytest.raises(WeightsError, match=r"those of the run that goes on, \[EarlyStopping\], got \[\]"):
        fit([], resume=trainer.state_dict())


# ---- Saving


def test_the_best_models_are_saved(tmp_path: Path) -> None:
    scores = iter([0.3, 0.5, 0.4, 0.5, 0.6])
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(score=next(scores)))
    checkpoint = ModelCheckpoint(
        tmp_path / "new" / "{epoch:02d}-{score:.1f}.safetensors", "score", mode="max", save_best_only=True
    )
    trainer, _ = fit([add, checkpoint], epochs=5)
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["01-0.3.safetensors", "02-0.5.safetensors", "05-0.6.safetensors"]
    other = network()
    loaded = minidl.load(tmp_path / "new" / names[-1])
    other.load_state_dict(loaded.state_dict() if isinstance(loaded, nn.Module) else loaded)
    assert bits(other) == bits(trainer.model)


def test_saving_after_batches_and_above_a_threshold(tmp_path: Path) -> None:
    fit([ModelCheckpoint(tmp_path / "{epoch}.{batch}", save_freq=2, save_weights_only=True)], epochs=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.2", "2.1", "2.3"]
    never = ModelCheckpoint(tmp_path / "never", "loss", save_best_only=True, initial_value_threshold=0.0)
    fit([never])
    assert not (tmp_path / "never").exists()


# ---- Logs


def test_a_line_for_each_epoch(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.csv"
    _, history = fit([CSVLogger(path)])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("epoch") for row in rows] == ["0", "1", "2"]
    assert {name: [float(row[name]) for row in rows] for name in rows[0]} == history.history
    fit([CSVLogger(path, append=True)], epochs=1)
    assert len(path.read_text().splitlines()) == 5
    fit([CSVLogger(path, separator=";")], epochs=1)
    assert path.read_text().splitlines()[0] == "epoch;loss;accuracy;val_loss;val_accuracy"
    assert len(path.read_text().splitlines()) == 2


def test_a_log_is_whole_after_an_interruption(tmp_path: Path) -> None:
    def interrupt(epoch: int, logs: dict[str, Any]) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    logger = CSVLogger(tmp_path / "run.csv")
    with pytest.raises(KeyboardInterrupt):
        fit([LambdaCallback(on_epoch_end=interrupt), logger])
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 3
    assert logger._file is None


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="it writes TensorBoard's files")
    from tensorboardX.proto.event_pb2 import Event

    _, history = fit([TensorBoard(tmp_path, update_freq=2)])

    def scalars(folder: str) -> dict[str, list[tuple[int, float]]]:
        (path,) = (tmp_path / folder).iterdir()
        found: dict[str, list[tuple[int, float]]] = {}
        content = path.read_bytes()
        while content:  # length (8 bytes), its checksum (4), the event, its checksum (4)
            size = int.from_bytes(content[:8], "little")
            event = Event.FromString(content[12 : 12 + size])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            content = content[16 + size :]
        return found

    train, validation = scalars("train"), scalars("validation")
    for found, prefix in ((train, ""), (validation, "val_")):
        for name in ("loss", "accuracy"):
            expected = list(enumerate(history.history[prefix + name]))
            np.testing.assert_allclose(found[f"epoch_{name}"], expected, rtol=1e-6)
    assert [step for step, _ in train["batch_loss"]] == [2, 4, 6, 8]


def test_without_tensorboardx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingDependencyError, match=re.escape("pip install minidl[tensorboard]")):
        fit([TensorBoard(tmp_path)])


# ---- NaN


class Fault(nn.Module):
    """Takes a root of what the weights make of the input, or of its size, or does nothing strange."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        minidl.manual_seed(1)
        self.linear, self.drop, self.output, self.kind = (
            nn.Linear(4, 6),
            nn.Dropout(0.5),
            nn.Linear(6, 3),
            kind,
        )

    def forward(self, x: minidl.Tensor) -> minidl.Tensor:
        h = self.drop(self.linear(x))
        if self.kind == "forward":
            h = minidl.sqrt(h)
        elif self.kind == "backward":
            h = minidl.sqrt(h * h)  # 0, which dropout makes, has the root 0, whose slope is infinite
        return self.output(h)


@pytest.mark.parametrize(("kind", "expected"), [
    ("forward", "epoch 1, batch 1: the loss is nan: sqrt made nan in its result, .* called at .*test_callbacks.py"),
    ("backward", "the gradient of linear.weight is not finite: the backward of sqrt made inf .*h = minidl.sqrt"),
])  # fmt: skip
@pytest.mark.parametrize("accumulate", [1, 3])
def test_it_ends_at_nan_and_names_the_operation(kind: str, expected: str, accumulate: int) -> None:
    """Before the step, so the weights are what they were."""
    model = Fault(kind)
    before = bits(model)
    stop = TerminateOnNaN()
    trainer = Trainer(model)
    with pytest.warns(UserWarning, match=f"training ends in .*{expected}"):
        history = trainer.fit((X, Y), 5, callbacks=[stop], verbose=0, accumulate=accumulate, batch_size=8)
    assert re.search(expected, stop.reason)
    assert bits(model) == before
    assert len(history) == 1
    assert math.isnan(history.history["loss"][0]) == (kind == "forward")
    assert trainer.steps == 0


def test_nan_that_comes_from_elsewhere() -> None:
    x = X.copy()
    x[17, 2] = np.nan
    stop = TerminateOnNaN()
    loader = DataLoader(TensorDataset(minidl.tensor(x), minidl.tensor(Y)), 8)
    with pytest.warns(
        UserWarning, match="batch 3: .*: the input is not finite, first in sample 1 of its batch"
    ):
        Trainer(network()).fit(loader, callbacks=[stop], verbose=0)
    model = network()
    with minidl.no_grad():
        model[0].weight[0, 0] = math.inf
    with pytest.warns(UserWarning, match="the parameter 0.weight was not finite before"):
        Trainer(model).fit(loader, callbacks=[stop], verbose=0)
    targets = minidl.tensor(np.where(np.arange(40) == 9, np.inf, 1.0).astype(np.float32)[:, None])
    loader = DataLoader(TensorDataset(minidl.tensor(X), targets), 8)
    with pytest.warns(UserWarning, match="the target is not finite, first in sample 1 of its batch"):
        Trainer(nn.Linear(4, 1), loss="mse", metrics=[]).fit(loader, callbacks=[stop], verbose=0)
    calls = iter([1.0, math.nan] + [1.0] * 9)
    odd = Trainer(network(), loss=lambda o, t: o.mean() * next(calls), metrics=[])
    with pytest.warns(UserWarning, match="batch 2: the loss is nan: no single operation made it"):
        odd.fit((X, Y), callbacks=[stop], verbose=0)


def test_a_sound_run_is_left_alone() -> None:
    stop = TerminateOnNaN()
    assert bits(fit([stop])[0].model) == bits(fit([])[0].model)
    assert stop.reason is None


# ---- What is refused

OTHER = lr_scheduler.StepLR(optim.SGD([minidl.zeros(1, requires_grad=True)]), 2)
CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: EarlyStopping(mode="low"),
        ArgumentError,
        "EarlyStopping: mode must be 'auto' or 'min' or 'max'",
    ),
    (
        lambda: fit([EarlyStopping()], validation_data=None),
        ArgumentError,
        "monitor must be measured: give fit valid",
    ),
    (
        lambda: fit([EarlyStopping("val_los")]),
        ArgumentError,
        "must be one of loss, .*, got 'val_los'; near it: 'val_l",
    ),
    (lambda: ReduceLROnPlateau(factor=1.5), ArgumentError, "factor must be between 0 and 1, got 1.5"),
    (
        lambda: LearningRateScheduler(0.1),
        DTypeError,
        "schedule must be a function of epoch and rate, got float",
    ),
    (
        lambda: fit([LearningRateScheduler(lambda e: None)]),
        DTypeError,
        "schedule returns must be a number, got None",
    ),
    (
        lambda: Schedule(0.1),
        DTypeError,
        "Schedule: scheduler must be a schedule, or a function .*, got float",
    ),
    (lambda: Schedule(OTHER, per="batch"), ArgumentError, "Schedule: per must be 'epoch' or 'step'"),
    (
        lambda: fit([Schedule(lambda o: None)]),
        DTypeError,
        "what scheduler returns must be a schedule, got None",
    ),
    (lambda: fit([Schedule(OTHER)]), ArgumentError, "scheduler must be of the trainer's optimizer"),
    (lambda: fit([OTHER]), DTypeError, r"got StepLR; wrap it: Schedule\(scheduler\)"),
    (
        lambda: fit([Schedule(lr_scheduler.ReduceLROnPlateau, monitor="score")]),
        ArgumentError,
        "Schedule: monitor must be one of loss, .*, got 'score'",
    ),
    (
        lambda: ModelCheckpoint("a", save_freq=0),
        ArgumentError,
        "must be 'epoch' or a number of batches, got 0",
    ),
    (
        lambda: fit([ModelCheckpoint("{vali_loss}")]),
        ArgumentError,
        "filepath must be a path that names none but .*'v",
    ),
    (lambda: fit([ModelCheckpoint("{}")]), ArgumentError, "filepath must be a path that names none but loss"),
    (
        lambda: fit([ModelCheckpoint("{epoch.x}")]),
        ArgumentError,
        "filepath must be a path that names none but",
    ),
    (
        lambda: fit([ModelCheckpoint("{loss:d}")]),
        ArgumentError,
        "filepath must be a path that formats numbers, got '{loss:d}': Unknown format code 'd'",
    ),
    (
        lambda: TensorBoard(update_freq="never"),
        ArgumentError,
        "update_freq must be 'epoch', 'batch' or a number",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=[case[2][:40] for case in CASES])
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
