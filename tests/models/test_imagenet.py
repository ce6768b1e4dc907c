"""Names of ImageNet's classes, and decoding outputs to them."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.models import decode_predictions, imagenet_classes


def test_there_are_a_thousand_different_names():
    names = imagenet_classes()
    assert len(names) == len(set(names)) == 1000
    assert all(name == name.strip() and name for name in names)


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (0, "tench"), (1, "goldfish"), (151, "Chihuahua"), (207, "golden retriever"), (281, "tabby"),
        (285, "Egyptian cat"), (388, "giant panda"), (404, "airliner"), (468, "cab"), (517, "crane"),
        (638, "maillot"), (817, "sports car"), (954, "banana"), (999, "toilet tissue"),
    ],
)  # fmt: skip
def test_the_order_is_that_of_the_challenge(index, name):
    """From the challenge's published list."""
    assert imagenet_classes()[index] == name


def test_the_likeliest_come_first():
    probabilities = np.array([[0.1, 0.6, 0.3], [0.2, 0.4, 0.4]])
    got = decode_predictions(probabilities, top=2, classes=["a", "b", "c"])
    assert got == [[("b", 0.6, 1), ("c", 0.3, 2)], [("b", 0.4, 1), ("c", 0.4, 2)]]


def test_logits_are_made_probabilities():
    logits = minidl.tensor([1.0, 3.0, 2.0], requires_grad=True)
    ((first, second, third),) = decode_predictions(logits, top=3, classes="xyz")
    assert (first.name, second.name, third.name) == ("y", "z", "x")
    want = np.exp(np.array([3.0, 2.0, 1.0]))
    np.testing.assert_allclose(
        [first.probability, second.probability, third.probability], want / want.sum(), rtol=1e-6
    )


def test_large_logits_do_not_overflow():
    ((first, _),) = decode_predictions(np.array([[1e4, 0.0]]), top=2, classes="ab")
    assert first == ("a", 1.0, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: decode_predictions(minidl.zeros(1, 10)), ShapeError,
         r"decode_predictions: outputs must be \(N, 1000\) \(give classes= .*\), got \(1, 10\)"),
        (lambda: decode_predictions(minidl.zeros(1, 2, 1), classes="ab"), ShapeError,
         r"decode_predictions: outputs must be \(N, 2\), got \(1, 2, 1\)"),
        (lambda: decode_predictions(minidl.zeros(1, 1000), top=0), ArgumentError,
         "decode_predictions: top must be from 1 to 1000, got 0"),
        (lambda: decode_predictions([0.5, 0.5], classes="ab"), DTypeError,
         "decode_predictions: outputs must be a Tensor or an array, got list"),
    ],
)  # fmt: skip
def test_wrong_calls_are_answered_clearly(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("top", [1.5, "3", True])
def test_top_is_a_whole_number(top):
    with pytest.raises(DTypeError, match="decode_predictions: top must be an int, got"):
        decode_predictions(np.zeros((1, 3)), top=top, classes="abc")
