"""The Trainer against loops written by hand, in minidl and in Keras; its data, its results, its errors."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, Dataset, IterableDataset, SubsetRandomSampler, TensorDataset
from minidl.errors import ArgumentError, DataError, DTypeError, GradError, ShapeError
from minidl.nn.functional import cross_entropy
from minidl.tensor import Tensor
from minidl.training import Callback, History, LambdaCallback, Trainer


def network(features: int = 5, classes: int = 3, dropout: float = 0.0) -> nn.Sequential:
    minidl.manual_seed(7)
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, classes))


def problem(samples: int = 50, features: int = 5, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and classes that follow from them."""
    random = np.random.default_rng(3)
    x = random.normal(size=(samples, features)).astype(np.float32)
    return x, (x @ random.normal(size=(features, classes))).argmax(1)


def bits(model: nn.Module) -> list[bytes]:
    return [tensor.array.tobytes() for tensor in model.state_dict().values()]


def test_fit_is_the_loop_one_would_write() -> None:
    """Bit for bit, with dropout, shuffling, a smaller last batch and validation."""
    x, y = problem()
    ours, theirs = network(dropout=0.3), network(dropout=0.3)
    loader = DataLoader(TensorDataset(minidl.tensor(x), minidl.tensor(y)), batch_size=16, shuffle=True)
    trainer = Trainer(ours, lambda p: optim.Adam(p, lr=0.01))
    minidl.manual_seed(1)
    history = trainer.fit(loader, epochs=3, validation_data=(x, y), verbose=0)

    minidl.manual_seed(1)
    optimizer, losses, accuracies = optim.Adam(theirs.parameters(), lr=0.01), [], []
    for _ in range(3):
        total, right = Fraction(0), 0
        for inputs, targets in loader:
            optimizer.zero_grad()
            output = theirs(inputs)
            loss = cross_entropy(output, targets)
            loss.backward()
            optimizer.step()
            total += Fraction(loss.item()) * len(inputs)
            right += (output.argmax(1) == targets).sum().item()
        losses.append(float(total / 50))
        accuracies.append(right / 50)
    assert bits(ours) == bits(theirs)
    assert history.history["loss"] == losses
    assert history.history["accuracy"] == accuracies
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == [0, 1, 2]


def test_arrays_loaders_and_datasets_give_the_same() -> None:
    x, y = problem()
    dataset = TensorDataset(minidl.tensor(x), minidl.tensor(y))
    results = []
    for data in ((x, y), dataset, DataLoader(dataset, batch_size=32, shuffle=True, seed=4)):
        model = network()
        Trainer(model, seed=4).fit(data, epochs=2, verbose=0)
        results.append(bits(model))
    assert results[0] == results[1] == results[2]


def test_a_list_of_pairs_is_a_dataset() -> None:
    x, y = problem()
    listed, whole = network(), network()
    Trainer(listed, seed=2).fit([(row, int(label)) for row, label in zip(x, y, strict=True)], verbose=0)
    Trainer(whole, seed=2).fit((x, y), verbose=0)
    assert bits(listed) == bits(whole)


def test_minidl_has_it() -> None:
    assert minidl.Trainer is Trainer


def test_arrays_take_the_models_dtype() -> None:
    x, y = problem()
    model = network()
    Trainer(model).fit((x.astype(np.float64), y.astype(np.int32)), verbose=0)
    assert {p.dtype for p in model.parameters()} == {minidl.float32}


def test_the_seed_decides_order_and_dropout() -> None:
    x, y = problem()

    def run(seed: int) -> list[bytes]:
        model = network(dropout=0.5)
        minidl.rand(int(minidl.randint(1, 9, (1,))))  # whatever was drawn before
        Trainer(model, seed=seed).fit((x, y), epochs=2, verbose=0)
        return bits(model)

    assert run(1) == run(1) != run(2)


def test_a_second_fit_goes_on_with_another_order() -> None:
    x, y = problem()
    orders: list[list[float]] = []
    trainer = Trainer(network(), seed=0)
    callback = LambdaCallback(on_forward_end=lambda loss, inputs, targets: orders.append(inputs.tolist()))
    for _ in range(2):
        history = trainer.fit((x, y), epochs=1, callbacks=[callback], batch_size=50, verbose=0)
        assert history.epoch == [0]
        assert len(history) == 1
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


# ---- Accumulation and clipping


@pytest.mark.parametrize(("batch_size", "accumulate"), [(10, 5), (10, 3), (16, 2), (7, 100)])
def test_accumulated_batches_are_one_large_batch(batch_size: int, accumulate: int) -> None:
    """Steps of batch_size * accumulate samples, the last of them with what is left."""
    x, y = problem()
    x = x.astype(np.float64)
    small, large = network().double(), network().double()
    whole = (minidl.tensor(x), minidl.tensor(y))
    trainer = Trainer(small, lambda p: optim.SGD(p, lr=0.5, momentum=0.9))
    trainer.fit(DataLoader(TensorDataset(*whole), batch_size), 3, accumulate=accumulate, verbose=0)
    optimizer, size = optim.SGD(large.parameters(), lr=0.5, momentum=0.9), batch_size * accumulate
    for _ in range(3):
        for start in range(0, 50, size):
            optimizer.zero_grad()
            part = slice(start, start + size)
            cross_entropy(large(whole[0][part]), whole[1][part]).backward()
            optimizer.step()
    assert trainer.steps == 3 * math.ceil(50 / size)
    for a, b in zip(small.parameters(), large.parameters(), strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-12, atol=1e-14)


class Stream(IterableDataset):
    """Samples whose number is not known before."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Any:
        return iter(zip(minidl.tensor(self.x), minidl.tensor(self.y), strict=True))


def test_data_of_unknown_length() -> None:
    """The last group of an accumulation is seen only when the batches end."""
    x, y = problem()
    streamed, known = network(), network()
    trainer = Trainer(streamed)
    trainer.fit(Stream(x, y), epochs=2, accumulate=3, batch_size=8, validation_data=Stream(x, y), verbose=0)
    loader = DataLoader(TensorDataset(minidl.tensor(x), minidl.tensor(y)), 8)
    Trainer(known).fit(loader, epochs=2, accumulate=3, verbose=0)
    assert bits(streamed) == bits(known)
    assert trainer.steps == 6


def test_clipping_is_that_of_clip_grad_norm() -> None:
    x, y = problem()
    ours, theirs = network(), network()
    Trainer(ours, lambda p: optim.SGD(p, lr=1.0)).fit(
        (x, y), clip_norm=0.01, batch_size=50, verbose=0, epochs=2
    )
    optimizer = optim.SGD(theirs.parameters(), lr=1.0)
    for _ in range(2):
        order = minidl.randperm(50)
        optimizer.zero_grad()
        cross_entropy(theirs(minidl.tensor(x)[order]), minidl.tensor(y)[order]).backward()
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.01)
        assert norm > 0.01
        optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-4, atol=1e-6)


# ---- evaluate and predict


def test_evaluate_is_exact_over_unequal_batches() -> None:
    x, y = problem()
    model = network()
    trainer = Trainer(model)
    result = trainer.evaluate((x, y), batch_size=16)
    parts = [slice(0, 16), slice(16, 32), slice(32, 48), slice(48, 50)]
    with minidl.no_grad():
        losses = [cross_entropy(model.eval()(minidl.tensor(x[p])), minidl.tensor(y[p])).item() for p in parts]
    exact = sum(Fraction(loss) * size for loss, size in zip(losses, (16, 16, 16, 2), strict=True)) / 50
    assert result["loss"] == float(exact)
    found = model(minidl.tensor(x)).array.argmax(1)
    assert result["accuracy"] == (found == y).mean()
    assert result["per_class"] == {
        c: {"accuracy": (found == y)[y == c].mean(), "count": (y == c).sum()} for c in range(3)
    }


class Named(Dataset):
    """Samples with names of classes and files."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y
        self.classes = ["cat", "dog", "owl"]
        self.files = [f"{i}.png" for i in range(len(x))]

    def __getitem__(self, index: int) -> Any:
        return self.x[index], int(self.y[index])

    def __len__(self) -> int:
        return len(self.x)


def test_results_go_by_the_datas_names() -> None:
    x, y = problem()
    y[y == 2] = 1  # no owl
    trainer = Trainer(network())
    per_class = trainer.evaluate(Named(x, y))["per_class"]
    assert list(per_class) == ["cat", "dog", "owl"]
    assert per_class["owl"]["count"] == 0
    assert math.isnan(per_class["owl"]["accuracy"])
    predictions = trainer.predict(Named(x, y))
    assert predictions.files == [f"{i}.png" for i in range(50)]
    assert predictions.names == [["cat", "dog", "owl"][i] for i in predictions.labels]
    assert predictions.targets.tolist() == y.tolist()


def test_evaluating_changes_nothing() -> None:
    x, y = problem()
    model = network(dropout=0.5)
    model[0].eval()
    before, state = bits(model), minidl.get_rng_state()
    trainer = Trainer(model)
    trainer.evaluate((x, y))
    trainer.predict(x)
    assert bits(model) == before
    assert minidl.equal(state, minidl.get_rng_state())
    assert [module.training for module in model] == [False, True, True, True]
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    "kind", ["shuffle", "drop_last", "subset", "batch_sampler", "weighted", "own", "own batches"]
)
def test_predict_keeps_the_datas_own_order(kind: str) -> None:
    x, y = problem()
    dataset, indices = Named(x, y), np.arange(50)
    if kind == "shuffle":
        loader = DataLoader(dataset, 16, shuffle=True)
    elif kind == "drop_last":
        loader = DataLoader(dataset, 16, shuffle=True, drop_last=True)
    elif kind == "subset":
        indices = np.array([7, 3, 5, 1, 30])
        loader = DataLoader(dataset, 2, sampler=SubsetRandomSampler(indices.tolist()))
    elif kind == "batch_sampler":
        sampler = minidl.data.BatchSampler(minidl.data.RandomSampler(dataset), 7, drop_last=False)
        loader = DataLoader(dataset, batch_sampler=sampler)
    elif kind == "weighted":
        weighted = minidl.data.WeightedRandomSampler([1.0] * 50, 20)
        loader = DataLoader(dataset, 16, sampler=weighted)
    else:  # an order that is not known before it is drawn, and is not drawn twice
        indices = np.array([7, 3, 5, 1, 30])
        sampler = iter([[7, 3], [5, 1, 30]]) if kind == "own batches" else iter(indices.tolist())
        order = {"batch_sampler": sampler} if kind == "own batches" else {"sampler": sampler}
        loader = DataLoader(dataset, **order)
    model = network()
    predictions = Trainer(model).predict(loader)
    expected = model(minidl.tensor(x[indices])).array
    np.testing.assert_allclose(np.asarray(predictions), expected, rtol=1e-6, atol=1e-6)
    assert predictions.targets.tolist() == y[indices].tolist()
    assert predictions.files == [f"{i}.png" for i in indices]
    assert len(predictions) == len(indices)


def test_predict_takes_inputs_alone() -> None:
    x, _ = problem()
    predictions = Trainer(network()).predict(x)
    assert predictions.targets is None
    assert predictions.files is None
    assert predictions.names is None
    assert repr(predictions) == "Predictions(outputs of shape (50, 3))"
    assert predictions[3].shape == (3,)
    assert np.asarray(predictions, dtype=np.float64).dtype == np.float64
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-12)


def test_yes_and_no() -> None:
    """Labels (N,) of ints for one output (N, 1), as an image folder of two classes gives them."""
    x, y = problem()
    y = (y > 0).astype(np.int64)
    for loss, last in (("bce_with_logits", nn.Identity()), ("bce", nn.Sigmoid())):
        model = nn.Sequential(network(classes=1), last)
        trainer = Trainer(model, lambda p: optim.Adam(p, lr=0.05), loss=loss)
        trainer.fit((x, y), epochs=20, verbose=0)
        result, predictions = trainer.evaluate((x, y)), trainer.predict((x, y))
        assert result["accuracy"] > 0.9
        assert result["accuracy"] == (predictions.labels == y).mean()
        assert [c["count"] for c in result["per_class"].values()] == [(y == 0).sum(), (y == 1).sum()]
        probabilities = predictions.probabilities[:, 0]
        assert ((probabilities > 0.5) == predictions.labels).all()
        right = np.where(y == 1, probabilities, 1 - probabilities)
        exact = -np.maximum(np.log(right), -100).mean()
        np.testing.assert_allclose(result["loss"], exact, rtol=1e-5)


def test_numbers_have_no_classes() -> None:
    x, _ = problem()
    y = x.sum(axis=1)
    trainer = Trainer(network(classes=1), loss="mse", metrics=["mae"])
    trainer.fit((x, y), verbose=0)
    result = trainer.evaluate((x, y))
    assert set(result) == {"loss", "mae"}
    predictions = trainer.predict((x, y))
    assert predictions.labels is None
    assert predictions.probabilities is None
    difference = np.float64(predictions.outputs[:, 0]) - np.float64(y)
    np.testing.assert_allclose(result["mae"], np.abs(difference).mean(), rtol=1e-14)


# ---- Against Keras


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # of PyTorch's tensors, in Keras
def test_keras_gives_the_same_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch", reason="Keras needs a backend")
    keras = pytest.importorskip("keras", reason="Keras is what fit is compared with")
    x, y = problem()
    ours = network()
    theirs = keras.Sequential(
        [keras.layers.Input((5,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)]
    )
    for dense, linear in zip(theirs.layers, (ours[0], ours[3]), strict=True):
        dense.set_weights([linear.weight.array.T, linear.bias.array])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    expected = theirs.fit(x, y, batch_size=16, epochs=4, shuffle=False, validation_data=(x, y), verbose=0)
    loader = DataLoader(TensorDataset(minidl.tensor(x), minidl.tensor(y)), 16)
    trainer = Trainer(ours, lambda p: optim.SGD(p, lr=0.1, momentum=0.9))
    history = trainer.fit(loader, epochs=4, validation_data=(x, y), verbose=0)
    assert set(history.history) == set(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=2e-5, err_msg=name)
    np.testing.assert_allclose(trainer.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


# ---- Ctrl-C, and going on


def test_ctrl_c_leaves_a_history_and_closed_callbacks() -> None:
    x, y = problem()
    calls: list[str] = []

    class Interrupt(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
            if self.trainer.epoch == 2:
                signal.raise_signal(signal.SIGINT)

        def on_train_end(self, logs: dict[str, Any]) -> None:
            calls.append("end")

    model = network()
    trainer = Trainer(model)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit((x, y), epochs=5, callbacks=[Interrupt()], verbose=0)
    assert calls == ["end"]
    assert len(trainer.history) == 2
    assert (trainer.epoch, trainer.batch) == (2, 1)
    assert model.training


@pytest.mark.parametrize("at", [(0, 0), (1, 2), (2, 4)])
def test_a_state_goes_on_bit_for_bit(at: tuple[int, int]) -> None:
    """From any batch: weights, Adam's moments, shuffling, dropout, history, and the means of the epoch so far."""
    x, y = problem()

    def run(callbacks: Any = (), resume: Any = None) -> tuple[Trainer, History]:
        loader = DataLoader(TensorDataset(minidl.tensor(x), minidl.tensor(y)), 12, shuffle=True)
        trainer = Trainer(network(dropout=0.4), seed=5)
        return trainer, trainer.fit(loader, 4, (x, y), callbacks, resume, verbose=0)

    states = []

    class Save(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
            if (self.trainer.epoch, batch) == at:
                states.append(minidl_copy(self.trainer.state_dict()))

    whole, expected = run([Save()])
    resumed, history = run([Save()], states[0])
    assert bits(resumed.model) == bits(whole.model)
    assert history.history == expected.history
    assert history.epoch == expected.epoch
    assert resumed.steps == whole.steps


def minidl_copy(state: Any) -> Any:
    """Through a file, as a checkpoint goes."""
    import io

    file = io.BytesIO()
    minidl.save(state, file)
    return minidl.load(io.BytesIO(file.getvalue()))


# ---- What is refused

X, Y = problem()


def test_a_model_of_several_outputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Any:
            return self.output(x), x

    def loss(output: Any, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output[0], target)

    trainer = Trainer(Two(), loss=loss, metrics={"size": lambda output, target: float(len(target))})
    found = trainer.evaluate((X, Y), batch_size=32, verbose=0)
    assert "per_class" not in found
    assert found["size"] == (32 * 32 + 18 * 18) / 50


CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: Trainer(nn.Linear),
        DTypeError,
        "Trainer: model must be a minidl.nn.Module, got the class Linear",
    ),
    (lambda: Trainer(network(), "adan"), ArgumentError, "got 'adan'; near it: 'adam'"),
    (lambda: Trainer(network(), 0.1), DTypeError, "Trainer: optimizer must be one of 'adam', .*, got float"),
    (
        lambda: Trainer(network(), lambda p: None),
        DTypeError,
        "optimizer returns must be an Optimizer, got None",
    ),
    (
        lambda: Trainer(network(), loss="cross"),
        ArgumentError,
        "Trainer: loss must be one of cross_entropy, .*'cross'",
    ),
    (lambda: Trainer(network(), loss=None), DTypeError, "Trainer: loss must be a name, .*, got None"),
    (lambda: Trainer(network(), metrics=["acuracy"]), ArgumentError, "got 'acuracy'; near it: 'accuracy'"),
    (
        lambda: Trainer(network(), metrics="accuracy"),
        DTypeError,
        "metrics must be a list of metrics, got 'accuracy'",
    ),
    (
        lambda: Trainer(network(), metrics=[3]),
        DTypeError,
        "a metric must be a name, a Metric or a function, got int",
    ),
    (
        lambda: Trainer(network(), metrics=["f1", "f1"]),
        ArgumentError,
        "metrics of different names, got 'f1' again",
    ),
    (lambda: Trainer(network(), seed="a"), DTypeError, "Trainer: seed must be an int or None, got str"),
    (lambda: Trainer(network()).fit("train"), DTypeError, r"data must be a DataLoader, .* \(x, y\), got str"),
    (
        lambda: Trainer(History()),
        DTypeError,
        "must be a minidl.nn.Module, got minidl.training.history.History",
    ),
    (lambda: Trainer(network()).fit(History), DTypeError, r"arrays \(x, y\), got the class History"),
    (lambda: Trainer(network()).fit(iter([])), DTypeError, r"arrays \(x, y\), got list_iterator"),
    (lambda: Trainer(network()).fit([]), DTypeError, "got a list of nothing"),
    (lambda: Trainer(network()).fit(None), DTypeError, "data must be a DataLoader, .*, got None"),
    (lambda: Trainer(network()).fit(X), DTypeError, "a batch must be an input and its target, got 1 parts"),
    (lambda: Trainer(network()).fit((X.tolist(), Y.tolist())), DTypeError, "got a tuple of list, list"),
    (lambda: Trainer(network()).fit((X, Y, Y)), DTypeError, "got a tuple of ndarray, ndarray, ndarray"),
    (
        lambda: Trainer(network()).fit((X, Y[:9])),
        ShapeError,
        "y must be one target for each of 50 inputs, got 9",
    ),
    (
        lambda: Trainer(network()).fit((X[:0], Y[:0])),
        ShapeError,
        "data must be at least one sample, got none",
    ),
    (lambda: Trainer(network()).fit((X, np.array(["a"] * 50))), DTypeError, "y must be an array of numbers"),
    (
        lambda: Trainer(network()).fit((X, np.array(1.0))),
        ShapeError,
        "y must be an array of samples",
    ),
    (
        lambda: Trainer(network()).fit(DataLoader(Named(X, Y), 64, drop_last=True)),
        ShapeError,
        "Trainer.fit: data must be a loader of at least one batch, got an empty one",
    ),
    (lambda: Trainer(network()).fit(Stream(X[:0], Y[:0])), DataError, "the training data gave no batch"),
    (lambda: Trainer(network()).evaluate(Stream(X[:0], Y[:0])), DataError, "the data gave no batch"),
    (lambda: Trainer(network()).predict(Stream(X[:0], Y[:0])), DataError, "the data gave no batch"),
    (
        lambda: Trainer(network()).fit((X, Y[:, None])),
        ShapeError,
        r"target must be \(32,\) to match input \(32, 3\)",
    ),
    (
        lambda: Trainer(network()).fit((X, Y + 1)),
        ValueError,
        r"target must be in \[0, 2\] for 3 classes, got 3",
    ),
    (
        lambda: Trainer(network(), loss="mse", metrics=[]).fit((X, Y)),
        ShapeError,
        r"mse: target must be of the output's shape \(32, 3\), got \(32,\)",
    ),
    (
        lambda: Trainer(network(), loss=lambda o, t: None).fit((X, Y)),
        DTypeError,
        "what the loss <lambda> returns must be a tensor of one number, got None",
    ),
    (
        lambda: Trainer(network(), loss=nn.CrossEntropyLoss(reduction="none")).fit((X, Y)),
        ShapeError,
        r"what the loss CrossEntropyLoss returns must be one number, got shape \(32,\)",
    ),
    (
        lambda: Trainer(network(), metrics=[lambda o, t: o]).fit((X, Y)),
        DTypeError,
        r"what the metric <lambda> returns must be a number, got shape \(32, 3\)",
    ),
    (lambda: Trainer(network().freeze()).fit((X, Y)), GradError, "a parameter that is not frozen, got none"),
    (
        lambda: Trainer(nn.ReLU()).fit((X, Y)),
        GradError,
        "the model must be one with a parameter that is not frozen",
    ),
    (
        lambda: Trainer(network(), loss=lambda o, t: o.detach().mean()).fit((X, Y)),
        GradError,
        "Trainer.fit: the loss depends on no parameter that is trained",
    ),
    (lambda: Trainer(network()).fit((X, Y), epochs=0), ArgumentError, "epochs must be a positive int, got 0"),
    (
        lambda: Trainer(network()).fit((X, Y), accumulate=0.5),
        ArgumentError,
        "accumulate must be a positive int",
    ),
    (
        lambda: Trainer(network()).fit((X, Y), batch_size=True),
        ArgumentError,
        "batch_size must be a positive int",
    ),
    (
        lambda: Trainer(network()).fit((X, Y), clip_norm=-1),
        ArgumentError,
        "clip_norm must be a positive number",
    ),
    (lambda: Trainer(network()).fit((X, Y), callbacks=[Callback]), DTypeError, "got the class Callback"),
    (
        lambda: Trainer(network()).fit((X, Y), callbacks=[print]),
        DTypeError,
        "every callback must be .*, got builtin",
    ),
    (
        lambda: Trainer(network()).fit((X, Y), callbacks=Callback()),
        DTypeError,
        "callbacks must be a list of callbacks",
    ),
    (
        lambda: LambdaCallback(on_epoch=print),
        ArgumentError,
        "every name must be a hook's, got 'on_epoch'; near it",
    ),
    (lambda: LambdaCallback(on_epoch_end=3), DTypeError, "on_epoch_end must be a function, got int"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=[case[2][:40] for case in CASES])
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_what_keras_users_would_write_is_told_apart() -> None:
    trainer = Trainer(nn.Linear(2, 1), loss="mse", metrics=[])
    x = np.zeros((4, 2), np.float32)
    with pytest.raises(
        ArgumentError, match=r"epochs must be a positive int, got an array; data is one tuple"
    ):
        trainer.fit(x, x[:, :1])
    with pytest.raises(DTypeError, match=r"loss must be an object, MSELoss\(\.\.\.\), got the class MSELoss"):
        Trainer(nn.Linear(2, 1), loss=nn.MSELoss)
