"""CategoricalCrossEntropy: the definition in float64, Keras's loss, and as stable behind a Softmax as on logits."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.tensor import Tensor


def probabilities(rows: int = 5, classes: int = 4, seed: int = 0) -> np.ndarray:
    p = np.random.default_rng(seed).random((rows, classes)) + 0.01
    return p / p.sum(axis=1, keepdims=True)


CLASSES = np.array([0, 3, 1, 1, 2])
ONE_HOT = np.eye(4)[CLASSES]
SOFT = probabilities(seed=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("target", "shares"),
    [
        (CLASSES, ONE_HOT), (CLASSES[:, None], ONE_HOT), (CLASSES.astype(np.uint8), ONE_HOT), (ONE_HOT, ONE_HOT),
        (ONE_HOT.astype(np.int64), ONE_HOT), (ONE_HOT.astype(bool), ONE_HOT), (SOFT, SOFT),
    ],
    ids=["classes", "column of classes", "bytes", "one-hot", "ints", "bools", "soft"],
)  # fmt: skip
def test_is_the_definition(target, shares, reduction, smoothing):
    p = probabilities()
    losses = -((shares * (1 - smoothing) + smoothing / 4) * np.log(p)).sum(axis=1)
    want = losses if reduction == "none" else getattr(losses, reduction)()
    loss = nn.CategoricalCrossEntropy(smoothing, reduction)
    np.testing.assert_allclose(loss(Tensor(p), Tensor(target)).numpy(), want, rtol=1e-12)
    behind = nn.Softmax(1)(Tensor(np.log(p)))
    np.testing.assert_allclose(loss(behind, Tensor(target)).numpy(), want, rtol=1e-12)


def test_the_gradient_is_the_definitions():
    p = Tensor(probabilities(), requires_grad=True)
    nn.CategoricalCrossEntropy()(p, Tensor(CLASSES)).backward()
    rows = np.arange(5)
    want = np.ones((5, 4)) / 5  # of log(sum of p), which is 0
    want[rows, CLASSES] -= 1 / (5 * p.detach().numpy()[rows, CLASSES])
    np.testing.assert_allclose(p.grad.numpy(), want, rtol=1e-9)


class TestBehindSoftmax:
    def losses(self, logits: np.ndarray, loss) -> tuple[float, np.ndarray]:
        x = minidl.tensor(logits, requires_grad=True)
        value = loss(x)
        value.backward()
        return value.item(), x.grad.numpy()

    @pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
    def test_is_as_stable_as_on_logits(self, scale):
        """Probabilities of 0 and 1 in float32: loss and gradient equal those of cross_entropy on the logits."""
        logits = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32) * np.float32(scale)
        target = minidl.tensor(np.arange(6) % 5)
        net = nn.Sequential(nn.Identity(), nn.Softmax(1))
        got = self.losses(logits, lambda x: nn.CategoricalCrossEntropy()(net(x), target))
        want = self.losses(logits, lambda x: nn.functional.cross_entropy(x, target))
        assert got[0] == pytest.approx(want[0], rel=1e-6)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-5, atol=1e-9)

    def test_nll_loss_of_a_log_softmax_is_too(self):
        target = minidl.tensor([1])
        got = self.losses(
            np.array([[200.0, 0.0]], np.float32),
            lambda x: nn.NLLLoss()(nn.LogSoftmax(1)(x), target),
        )
        assert got[0] == 200.0
        np.testing.assert_allclose(got[1], [[1.0, -1.0]], atol=1e-6)

    def test_second_derivatives_go_through(self):
        x = minidl.tensor(np.random.default_rng(0).standard_normal((2, 3)), requires_grad=True)
        loss = nn.CategoricalCrossEntropy()(nn.Softmax(1)(x), minidl.tensor([0, 2]))
        (grad,) = minidl.grad(loss, x, create_graph=True)
        (second,) = minidl.grad((grad**2).sum(), x)
        assert second.shape == (2, 3)
        assert second.any()

    def test_what_was_changed_since_counts_as_it_is_now(self):
        p = nn.Softmax(1)(minidl.tensor([[200.0, 0.0]]))
        p[0, 1] = 0.5
        p[0, 0] = 0.5
        assert nn.CategoricalCrossEntropy()(p, minidl.tensor([1])).item() == pytest.approx(np.log(2))

    def test_along_another_dimension_it_is_no_distribution_over_classes(self):
        p = nn.Softmax(0)(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]))
        rows = p.numpy() / p.numpy().sum(axis=1, keepdims=True)
        got = nn.CategoricalCrossEntropy()(p, minidl.tensor([0, 1]))
        assert got.item() == pytest.approx(-np.log(rows[[0, 1], [0, 1]]).mean(), rel=1e-5)


def test_probabilities_of_0_and_1_are_kept_from_them():
    p = minidl.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    losses = nn.CategoricalCrossEntropy(reduction="none")(p, minidl.tensor([0, 0]))
    np.testing.assert_allclose(
        losses.detach().numpy(), [-np.log1p(-1e-7), -np.log(1e-7)], rtol=2e-1, atol=1e-12
    )
    losses.sum().backward()
    assert np.isfinite(p.grad.numpy()).all()


@pytest.mark.parametrize("one_hot", [True, False])
def test_equals_kerass(monkeypatch, one_hot):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="compares with Keras's own loss")
    p = probabilities().astype(np.float32)
    p[0] = [1.0, 0.0, 0.0, 0.0]
    name = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
    target = ONE_HOT.astype(np.float32) if one_hot else CLASSES
    want = np.asarray(getattr(keras.losses, name)(target, p))
    got = nn.CategoricalCrossEntropy(reduction="none")(minidl.tensor(p), minidl.tensor(target)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.CategoricalCrossEntropy(1.5), ArgumentError,
         "CategoricalCrossEntropy: label_smoothing must be from 0 to 1, got 1.5"),
        (lambda: nn.CategoricalCrossEntropy(epsilon=0.7), ArgumentError,
         "CategoricalCrossEntropy: epsilon must be from 0 to 0.5, got 0.7"),
        (lambda: nn.CategoricalCrossEntropy(reduction="max"), ArgumentError, "reduction must be"),
        (lambda: nn.CategoricalCrossEntropy()(minidl.zeros(3), minidl.tensor([1])), ShapeError,
         r"CategoricalCrossEntropy: input must be \(N, C\), got \(3,\)"),
        (lambda: nn.CategoricalCrossEntropy()(minidl.ones(2, 3), minidl.tensor([0, 1, 2])), ShapeError,
         r"CategoricalCrossEntropy: target must be classes \(2,\) of ints, or \(2, 3\) to match input, got int64 of "
         r"shape \(3,\)"),
        (lambda: nn.CategoricalCrossEntropy()(minidl.ones(2, 3), minidl.tensor([0.0, 1.0])), ShapeError,
         r"got float32 of shape \(2,\)"),
        (lambda: nn.CategoricalCrossEntropy()(minidl.tensor([[1, 2]]), minidl.tensor([0])), DTypeError, "floats"),
    ],
)  # fmt: skip
def test_wrong_calls_are_answered_clearly(call, error, message):
    with pytest.raises(error, match=message):
        call()
