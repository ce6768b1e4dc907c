"""The autoencoder and its pretrainer: what they compute, how they begin, what they learn, what they refuse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minidl import nn, optim
from minidl.data import MNIST, DataLoader, Dataset, SyntheticDigits, TensorDataset, synthetic_digits
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.models import MLP, Autoencoder
from minidl.pretrain import AutoencoderPretrainer
from minidl.random import Generator, manual_seed
from minidl.serialization import load, save
from minidl.tensor import Tensor


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """2,000 pictures, float32 (2000, 28, 28) in [0, 1]."""
    images, _ = synthetic_digits(2000)
    return np.divide(images, np.float32(255))


def weights(module: nn.Module) -> list[np.ndarray]:
    return [parameter.detach().array.copy() for parameter in module.parameters()]


# --- The network ----------------------------------------------------------------------------------------------


def test_an_autoencoder_computes_what_its_definition_says() -> None:
    model = Autoencoder(12, code=3, hidden=(5,))
    x = np.random.default_rng(0).random((4, 3, 2, 2), "float32")
    w1, b1, w2, b2, w3, b3, w4, b4 = (w.astype(np.float64) for w in weights(model))
    assert [w.shape for w in (w1, w2, w3, w4)] == [(5, 12), (3, 5), (5, 3), (12, 5)]
    h = np.maximum(x.reshape(4, 12) @ w1.T + b1, 0)
    code = np.maximum(h @ w2.T + b2, 0)
    logits = (np.maximum(code @ w3.T + b3, 0) @ w4.T + b4).reshape(x.shape)
    np.testing.assert_allclose(model.encoder(Tensor(x)).detach().array, code, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.logits(Tensor(x)).detach().array, logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(Tensor(x)).detach().array, 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_without_sigmoid_the_reconstruction_is_the_decoders_sums() -> None:
    model, x = Autoencoder(6, code=2, sigmoid=False), Tensor(np.ones((3, 6), "float32"))
    np.testing.assert_array_equal(model(x).detach().array, model.logits(x).detach().array)


def test_weights_begin_as_glorots_and_biases_as_zeros() -> None:
    w1, b1, w2, b2 = weights(Autoencoder(784, code=32))
    bound = math.sqrt(6 / (784 + 32))
    for w in (w1, w2):
        assert abs(w).max() <= bound
        assert abs(w.mean()) < 0.01 * bound
        assert w.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)  # that of U(-bound, bound)
    assert not b1.any()
    assert not b2.any()


def test_the_initial_values_come_from_the_generator() -> None:
    manual_seed(1)
    first = weights(Autoencoder(9, code=2, generator=Generator().manual_seed(5)))
    manual_seed(2)
    second = weights(Autoencoder(9, code=2, generator=Generator().manual_seed(5)))
    other = weights(Autoencoder(9, code=2, generator=Generator().manual_seed(6)))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_an_autoencoder_can_be_saved_and_rebuilt(tmp_path: Path) -> None:
    model, x = Autoencoder(8, code=2, hidden=(4,), sigmoid=False), Tensor(np.ones((1, 8), "float32"))
    save(model, tmp_path / "model.safetensors")
    got = load(tmp_path / "model.safetensors")
    assert type(got) is Autoencoder
    np.testing.assert_array_equal(got(x).detach().array, model(x).detach().array)


def test_an_mlp_needs_an_input_and_an_output() -> None:
    with pytest.raises(
        ArgumentError, match=r"MLP: sizes must be those of an input and an output .*, got \[3\]"
    ):
        MLP([3])


# --- Training -------------------------------------------------------------------------------------------------


def test_it_learns_digits_and_says_so(digits: np.ndarray) -> None:
    pretrainer = AutoencoderPretrainer(784, code=32, batch_size=50)
    before = pretrainer.evaluate(digits)
    assert before == pytest.approx(math.log(2), rel=0.1)  # logits near 0
    history = pretrainer.fit(digits, epochs=6, validation_data=digits[:500], verbose=0)
    assert history is pretrainer.history
    assert len(history["loss"]) == len(history["val_loss"]) == 6
    assert history["loss"] == sorted(history["loss"], reverse=True)
    mean = digits.mean(axis=0, dtype=np.float64).clip(1e-7, 1 - 1e-7)
    of_the_mean = -(digits * np.log(mean) + (1 - digits) * np.log(1 - mean)).mean()
    assert pretrainer.evaluate(digits) < 0.8 * of_the_mean  # more than the best constant


def test_evaluate_is_the_mean_over_all_elements(digits: np.ndarray) -> None:
    pretrainer = AutoencoderPretrainer(784, code=4, batch_size=64)  # 100 samples: a last batch of 36
    p = pretrainer.model(Tensor(digits[:100])).detach().array.astype(np.float64)
    x = digits[:100].astype(np.float64)
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).mean()
    assert pretrainer.evaluate(digits[:100]) == pytest.approx(expected, rel=1e-5)


def test_mse_trains_on_data_of_any_range() -> None:
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((600, 2)) @ rng.standard_normal((2, 10)) * 3 + 5).astype("float32")
    pretrainer = AutoencoderPretrainer(10, code=4, hidden=(16,), loss="mse", batch_size=32)
    expected = ((pretrainer.model(Tensor(data)).detach().array - data) ** 2).mean(dtype=np.float64)
    assert pretrainer.evaluate(data) == pytest.approx(expected, rel=1e-5)
    pretrainer.fit(data, epochs=40, verbose=0)
    assert pretrainer.evaluate(data) < 0.05 * data.var()


def test_the_optimizer_can_be_chosen(digits: np.ndarray) -> None:
    pretrainer = AutoencoderPretrainer(code=4, optimizer=lambda p: optim.SGD(p, lr=0.0))
    before = weights(pretrainer.model)
    pretrainer.fit(digits[:100], epochs=1, verbose=0)
    assert type(pretrainer.optimizer) is optim.SGD
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(pretrainer.model), strict=True))


def test_the_same_seed_gives_the_same_weights(digits: np.ndarray) -> None:
    def trained(seed: int) -> list[np.ndarray]:
        pretrainer = AutoencoderPretrainer(code=8, batch_size=100, seed=seed)
        pretrainer.fit(digits[:500], epochs=2, verbose=0)
        return weights(pretrainer.model)

    manual_seed(1)
    first = trained(seed=3)
    manual_seed(2)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, trained(seed=3), strict=True))
    assert not np.array_equal(first[0], trained(seed=4)[0])


def test_fitting_twice_goes_on(digits: np.ndarray) -> None:
    once, twice = (AutoencoderPretrainer(code=4, batch_size=100) for _ in range(2))
    once.fit(digits[:300], epochs=3, verbose=0)
    twice.fit(digits[:300], epochs=1, verbose=0)
    twice.fit(digits[:300], epochs=2, verbose=0)
    assert twice.history == once.history


def test_the_progress_bar(digits: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    pretrainer = AutoencoderPretrainer(code=4)
    pretrainer.fit(digits[:300], epochs=2, verbose=0)
    assert capsys.readouterr() == ("", "")
    pretrainer.fit(digits[:300], epochs=2)
    assert "epoch 2/2: 100%|██████████| 4/4 [" in capsys.readouterr().err


# --- Data -----------------------------------------------------------------------------------------------------


class Pairs(Dataset[Any]):
    """A dataset that reads one sample at a time."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __getitem__(self, index: int) -> Any:
        return self.images[index], index

    def __len__(self) -> int:
        return len(self.images)


def test_all_kinds_of_data_mean_the_same(digits: np.ndarray) -> None:
    images = digits[:300]
    kinds = [
        images,
        images.astype(np.float64),
        images.reshape(300, 784),
        images[:, None],
        Tensor(images),
        TensorDataset(Tensor(images), Tensor(np.arange(300))),
        Pairs(images),
        DataLoader(Pairs(images), batch_size=100),
        DataLoader(TensorDataset(Tensor(images.reshape(300, 784)))),
    ]
    pretrainer = AutoencoderPretrainer(code=4)
    losses = [pretrainer.evaluate(data) for data in kinds]
    assert losses == pytest.approx([losses[0]] * len(kinds), rel=1e-6)

    weights_after = []
    for data in kinds[:-2]:
        pretrainer = AutoencoderPretrainer(code=4)
        pretrainer.fit(data, epochs=1, verbose=0)
        weights_after.append(weights(pretrainer.model))
    for after in weights_after[1:]:
        for a, b in zip(weights_after[0], after, strict=True):
            np.testing.assert_array_equal(a, b)


def test_digits_as_pictures_are_taken_as_they_are() -> None:
    pictures = SyntheticDigits(n=300)
    pretrainer = AutoencoderPretrainer(code=4)
    assert pretrainer.evaluate(pictures) == pretrainer.evaluate(pictures.tensor_dataset())


def test_a_loader_is_gone_through_anew_in_each_epoch(digits: np.ndarray) -> None:
    read = []

    class Counting(Pairs):
        def __getitem__(self, index: int) -> Any:
            read.append(index)
            return super().__getitem__(index)

    pretrainer = AutoencoderPretrainer(code=4)
    pretrainer.fit(DataLoader(Counting(digits[:20]), batch_size=8), epochs=3, verbose=0)
    assert read == [*range(20)] * 3
    read.clear()
    pretrainer.fit(Counting(digits[:20]), epochs=3, verbose=0)
    assert read == [*range(20)]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            np.full((3, 784), 255, "uint8"),
            ArgumentError,
            r"in \[0, 1\] .* 255, .*, got values from 255 to 255",
        ),
        (np.full((3, 784), -0.1), ArgumentError, r"in \[0, 1\] .*, got values from -0.1 to -0.1"),
        (np.full((3, 784), np.nan), ArgumentError, r"in \[0, 1\] .*, got values from nan to nan"),
        (np.zeros((3, 783)), ShapeError, r"samples \(N, \.\.\.\) of 784 numbers each, got shape \(3, 783\)"),
        (np.zeros((0, 784)), ShapeError, r"samples .* got shape \(0, 784\)"),
        (np.zeros(784), ShapeError, r"samples .* got shape \(784,\)"),
        (Pairs(np.zeros((0, 784))), ShapeError, "at least one sample, got none"),
        (
            DataLoader(Pairs(np.zeros((3, 784))), 4, drop_last=True),
            ShapeError,
            "at least one sample, got none",
        ),
        ([[0.0] * 784], DTypeError, "a Tensor, NumPy array, Dataset or DataLoader, got list"),
    ],
)
def test_wrong_data_is_refused(data: Any, error: type[Exception], message: str) -> None:
    pretrainer = AutoencoderPretrainer()
    for call in (pretrainer.fit, pretrainer.evaluate, pretrainer.dead_units):
        with pytest.raises(error, match=f"AutoencoderPretrainer: data must be {message}"):
            call(data)


def test_a_loaders_batches_are_checked_too() -> None:
    images = np.zeros((20, 784), "float32")
    images[15] = 2
    with pytest.raises(ArgumentError, match=r"must be in \[0, 1\]"):
        AutoencoderPretrainer().fit(DataLoader(TensorDataset(Tensor(images)), batch_size=10), verbose=0)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"AutoencoderPretrainer: loss must be .*'bce'.*'mse'"):
        AutoencoderPretrainer(loss="mae")


# --- The encoder ----------------------------------------------------------------------------------------------


def test_dead_units_are_found_and_named(digits: np.ndarray) -> None:
    pretrainer = AutoencoderPretrainer(code=6, batch_size=100)
    assert pretrainer.dead_units(digits) == []
    bias = pretrainer.encoder.get_parameter("layers.1.bias")
    bias.array[[1, 4]] = -1000
    assert pretrainer.dead_units(digits) == [1, 4]
    line = pretrainer.report(digits)
    assert line.startswith("autoencoder 784-6-784: bce 0.")
    assert line.endswith(", 2 of 6 code units dead (0 for every sample): 1, 4")


def test_a_unit_that_one_sample_wakes_is_not_dead() -> None:
    pretrainer = AutoencoderPretrainer(4, code=1, batch_size=2)
    pretrainer.encoder.get_parameter("layers.1.weight").array[...] = 1
    pretrainer.encoder.get_parameter("layers.1.bias").array[...] = -3.5
    samples = np.zeros((5, 4), "float32")
    assert pretrainer.dead_units(samples) == [0]
    samples[2] = 1
    assert pretrainer.dead_units(samples) == []


def test_a_frozen_encoder_stays_as_it_is_under_a_classifier(digits: np.ndarray, tmp_path: Path) -> None:
    _, labels = synthetic_digits(2000)
    pretrainer = AutoencoderPretrainer(batch_size=50)
    pretrainer.fit(digits, epochs=2, verbose=0)
    save(pretrainer.encoder.freeze(), tmp_path / "encoder.safetensors")
    encoder = load(tmp_path / "encoder.safetensors")
    before = weights(encoder)
    classifier = nn.Sequential(encoder, nn.Linear(32, 10))
    optimizer = optim.Adam(classifier.parameters(), lr=0.01)
    batches = DataLoader(TensorDataset(Tensor(digits[:, None]), Tensor(labels)), 50, seed=0)
    for _ in range(6):
        for x, t in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(classifier(x), t).backward()
            optimizer.step()
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, weights(encoder), strict=True))
    found = classifier(Tensor(digits[:, None])).detach().array.argmax(axis=1)
    assert (found == labels).mean() > 0.4  # by chance: 0.1


def test_mnist_in_five_epochs(test_data: Any) -> None:
    root = test_data("mnist")
    pretrainer = AutoencoderPretrainer()
    pretrainer.fit(MNIST(root, download=False), epochs=5, verbose=0)
    # PyTorch, trained by the same recipe, is at 0.1134 to 0.1135 after five epochs, for each of three seeds.
    assert pretrainer.evaluate(MNIST(root, train=False, download=False)) < 0.115
