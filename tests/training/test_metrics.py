"""Metrics against their definitions, counted one sample at a time; over batches against all at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.training import Trainer, metrics
from minidl.training.sums import Mean

CLASSES, N = 5, 203


def classified() -> tuple[np.ndarray, np.ndarray]:
    """Outputs (N, C) and classes (N,), of which one never is true and another never is found."""
    random = np.random.default_rng(5)
    true = random.integers(0, CLASSES - 1, N)
    output = random.normal(size=(N, CLASSES)).astype(np.float32)
    output[np.arange(N), true] += 1
    output[:, 0] = -9
    return output, true


def counted(output: np.ndarray, true: np.ndarray) -> tuple[list[int], list[int], list[int]]:
    """Of each class: true positives, false positives, false negatives."""
    tp, fp, fn = [0] * CLASSES, [0] * CLASSES, [0] * CLASSES
    for row, t in zip(output.tolist(), true.tolist(), strict=True):
        found = row.index(max(row))
        if found == t:
            tp[t] += 1
        else:
            fp[found] += 1
            fn[t] += 1
    return tp, fp, fn


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


DEFINITIONS: dict[str, Callable[[int, int, int], float]] = {
    "precision": lambda tp, fp, fn: share(tp, tp + fp),
    "recall": lambda tp, fp, fn: share(tp, tp + fn),
    "f1": lambda tp, fp, fn: share(2 * tp, 2 * tp + fp + fn),
}


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_averages_over_classes(name: str, one_hot: bool) -> None:
    output, true = classified()
    counts = list(zip(*counted(output, true), strict=True))
    each = [DEFINITIONS[name](*c) for c in counts]
    support = [tp + fn for tp, fp, fn in counts]
    occurring = [value for value, c in zip(each, counts, strict=True) if sum(c)]
    expected = {
        "none": each,
        "macro": sum(occurring) / len(occurring),
        None: sum(occurring) / len(occurring),
        "micro": DEFINITIONS[name](*map(sum, zip(*counts, strict=True))),
        "weighted": sum(v * n for v, n in zip(each, support, strict=True)) / N,
    }
    target = np.eye(CLASSES)[true] if one_hot else true
    function = getattr(metrics, name)
    for average, value in expected.items():
        assert function(output, target, average=average) == pytest.approx(value, rel=1e-14), average


def test_one_average_of_scikit_learn() -> None:
    """sklearn.metrics.f1_score([0, 1, 2, 2, 1], [0, 2, 2, 2, 0], average="macro") and its neighbours, written down."""
    output = np.eye(3)[[0, 2, 2, 2, 0]]
    target = np.array([0, 1, 2, 2, 1])
    assert metrics.f1(output, target, "macro") == pytest.approx(0.4888888888888889, rel=1e-15)
    assert metrics.precision(output, target, "weighted") == pytest.approx(0.3666666666666667, rel=1e-15)
    assert metrics.recall(output, target, "micro") == pytest.approx(0.6, rel=1e-15)


def test_a_class_that_does_not_occur_is_left_out_of_the_mean() -> None:
    assert metrics.f1(np.eye(4)[[0, 1]], np.array([0, 1])) == 1.0


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_yes_and_no(shape: tuple[int, ...]) -> None:
    output = np.array([3.0, 0.4, -1.0, 0.2, -2.0, 0.9]).reshape(shape)
    for target in (np.array([1, 1, 1, 0, 0, 0]), np.array([1.0, 1, 1, 0, 0, 0]).reshape(-1, 1)):
        assert metrics.precision(output, target) == 2 / 4
        assert metrics.recall(output, target) == 2 / 3
        assert metrics.f1(output, target) == pytest.approx(4 / 7, rel=1e-15)
        assert metrics.accuracy(output, target) == 3 / 6
        assert metrics.accuracy(output, target, threshold=0.5) == 3 / 6
        assert metrics.recall(output, target, threshold=0.5) == 1 / 3
        assert metrics.confusion_matrix(output, target).tolist() == [[1, 2], [1, 2]]


def test_two_logits_are_yes_and_no_too() -> None:
    output, target = np.array([[0.0, 1], [1, 0], [0, 1]]), np.array([1, 1, 0])
    assert metrics.precision(output, target) == 1 / 2
    assert metrics.precision(output, target, average="macro") == 1 / 4


def test_confusion_matrix_has_the_true_classes_in_its_rows() -> None:
    output, true = classified()
    expected = np.zeros((CLASSES, CLASSES), np.int64)
    for row, t in zip(output, true, strict=True):
        expected[t, row.argmax()] += 1
    np.testing.assert_array_equal(metrics.confusion_matrix(output, true), expected)


def test_accuracy_and_top_k() -> None:
    output, true = classified()
    for k in (1, 2, 3, 5, 9):
        right = sum(
            t in sorted(range(CLASSES), key=lambda c: -row[c])[:k]
            for row, t in zip(output, true, strict=True)
        )
        assert metrics.top_k_accuracy(minidl.tensor(output), minidl.tensor(true), k) == right / N
    assert metrics.accuracy(output, true) == metrics.top_k_accuracy(output, true, 1)
    ties = np.zeros((1, 4))
    assert [metrics.top_k_accuracy(ties, np.array([c]), 2) for c in range(4)] == [1, 1, 0, 0]


def test_pixels_count_one_by_one() -> None:
    """Outputs (N, C, H, W) and classes (N, H, W), some of which do not count."""
    random = np.random.default_rng(1)
    output, target = random.normal(size=(3, 4, 5, 6)), random.integers(0, 4, (3, 5, 6))
    target[0] = -100
    found = output.argmax(1)
    counts = target >= 0
    assert metrics.accuracy(output, target) == (found == target)[counts].mean()
    assert metrics.top_k_accuracy(output, target, 1) == (found == target)[counts].mean()
    assert metrics.confusion_matrix(output, target).sum() == 60


def test_numbers() -> None:
    random = np.random.default_rng(2)
    output, target = random.normal(size=(2, 1001)).astype(np.float32)
    differences = [float(o) - float(t) for o, t in zip(output, target, strict=True)]
    assert metrics.mse(output, target) == math.fsum(d * d for d in differences) / 1001
    assert metrics.mae(output[:, None], target) == math.fsum(map(abs, differences)) / 1001
    assert math.isnan(metrics.mse(np.array([1.0, np.nan]), np.array([1.0, 1.0])))


METRICS = [
    "accuracy", "top2", "precision", "recall", "f1", "confusion_matrix", metrics.F1("weighted"),
    metrics.Recall("micro"),
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_batches_are_as_good_as_all_at_once(metric: Any) -> None:
    output, true = classified()
    (collected,) = metrics.as_metrics([metric])
    expected = copy.deepcopy(collected)(output, true)
    state = None
    for start, stop in ((0, 64), (64, 65), (65, 200), (200, 203)):
        if start == 65:  # interrupted, and gone on
            (collected,) = metrics.as_metrics([copy.deepcopy(metric)])
            collected.reset()
            collected.load_state_dict(state)
        collected.update(output[start:stop], true[start:stop])
        state = copy.deepcopy(collected.state_dict())
    np.testing.assert_array_equal(collected.result(), expected)
    collected.reset()
    assert np.size(collected.result()) == 0 or math.isnan(collected.result())


def test_means_over_batches_are_right_to_the_last_digit() -> None:
    random = np.random.default_rng(0)
    values = (10.0 ** random.uniform(-20, 20, 1000)) * random.choice([-1, 1], 1000)
    counts = random.integers(1, 513, 1000)
    mean = Mean()
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        mean.add(value, count)
    exact = sum(Fraction(v) * c for v, c in zip(values.tolist(), counts.tolist(), strict=True))
    assert mean.value == float(exact / int(counts.sum()))
    again = Mean()
    again.load_state_dict(mean.state_dict())
    assert again.value == mean.value
    assert math.isnan(Mean().value)


@pytest.mark.parametrize(("values", "expected"), [
    ([1.0, math.inf], math.inf), ([math.inf, -math.inf], math.nan), ([math.nan, 2.0], math.nan),
    ([-math.inf], -math.inf),
])  # fmt: skip
def test_what_is_not_finite_comes_through(values: list[float], expected: float) -> None:
    one_by_one, together = Mean(), Mean()
    for value in values:
        one_by_one.add(value, 3)
    with np.errstate(invalid="ignore"):
        together.add_sum(np.array(values))
    for mean in (one_by_one, together):
        assert mean.value == expected or (math.isnan(mean.value) and math.isnan(expected))


# ---- In a Trainer

X = np.random.default_rng(9).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 3


def evaluate(names: Any, loss: Any = "cross_entropy", y: np.ndarray = Y, classes: int = 3) -> dict[str, Any]:
    trainer = Trainer(nn.Linear(4, classes), loss=loss, metrics=names)
    result = trainer.evaluate((X, y), batch_size=7)
    result["output"] = np.asarray(trainer.predict(X))
    return result


def test_functions_are_averaged_over_samples() -> None:
    def largest(output: minidl.Tensor, target: minidl.Tensor) -> minidl.Tensor:
        assert not output.requires_grad
        return output.max()

    result = evaluate([largest])
    parts = [result["output"][i : i + 7].max() for i in range(0, 30, 7)]
    exact = sum(Fraction(float(p)) * n for p, n in zip(parts, (7, 7, 7, 7, 2), strict=True)) / 30
    assert result["largest"] == float(exact)


def test_metrics_may_have_names() -> None:
    result = evaluate({"right": "accuracy", "least": lambda output, target: output.min().item()})
    assert result["right"] == (result["output"].argmax(1) == Y).mean()
    assert result["least"] < 0
    for metric in (metrics.Accuracy, metrics.Accuracy()):
        result = evaluate([metric])
        assert result["accuracy"] == (result["output"].argmax(1) == Y).mean()


def test_the_threshold_follows_from_the_loss() -> None:
    y = (Y > 0).astype(np.int64)
    logits = evaluate(["accuracy", "f1"], "bce_with_logits", y, classes=1)
    assert logits["accuracy"] == ((logits["output"][:, 0] > 0) == y).mean()
    model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    for loss in ("bce", nn.BCELoss()):
        trainer = Trainer(model, loss=loss, metrics=["accuracy", metrics.Recall(threshold=0.3)])
        targets = y if loss == "bce" else y[:, None].astype(np.float32)
        result, output = trainer.evaluate((X, targets)), np.asarray(trainer.predict(X))[:, 0]
        assert result["accuracy"] == ((output > 0.5) == y).mean()
        assert result["recall"] == (output > 0.3)[y == 1].mean()
        assert [c["count"] for c in result["per_class"].values()] == [10, 20]


def test_several_labels_for_a_sample_count_one_by_one() -> None:
    y = np.random.default_rng(3).integers(0, 2, (30, 3)).astype(np.float32)
    result = evaluate(["accuracy", "precision"], "bce_with_logits", y)
    found = result["output"] > 0
    assert result["accuracy"] == (found == y).mean()
    assert result["precision"] == pytest.approx(y[found].mean(), rel=1e-6)
    assert "per_class" not in result


def test_a_matrix_is_for_evaluate_and_not_for_the_history() -> None:
    trainer = Trainer(nn.Linear(4, 3), metrics=["confusion_matrix"])
    history = trainer.fit((X, Y), validation_data=(X, Y), verbose=0)
    assert list(history.history) == ["loss", "val_loss"]
    assert trainer.evaluate((X, Y))["confusion_matrix"].sum() == 30


def test_a_metric_of_ones_own() -> None:
    class Largest(metrics.Metric):
        collected = ("most",)

        def reset(self) -> None:
            self.most = -math.inf

        def update(self, output: Any, target: Any) -> None:
            self.most = max(self.most, output.max().item())

        def result(self) -> float:
            return self.most

    result = evaluate([Largest("largest")])
    assert result["largest"] == result["output"].max()
    assert repr(Largest("largest")) == "Largest(name='largest')"


OUTPUT, TRUE = classified()
CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: metrics.accuracy(OUTPUT, TRUE[:9]), ShapeError, r"accuracy: target must be classes \(203,\) or one-hot"),
    (lambda: metrics.accuracy(OUTPUT, TRUE + 4), ShapeError, "accuracy: target must be below 5, the number of classes"),
    (lambda: metrics.accuracy(OUTPUT[:, 0], TRUE[:3]), ShapeError, r"target must be of the output's shape \(203,\)"),
    (lambda: metrics.accuracy(3.0, 1), ShapeError, r"output must be of shape \(N, C, ...\), \(N, 1\) or \(N,\), got"),
    (lambda: metrics.top_k_accuracy(OUTPUT[:, 0], TRUE), ShapeError, "top5: output must be of shape"),
    (lambda: metrics.TopKAccuracy(0), ArgumentError, "TopKAccuracy: k must be a positive int, got 0"),
    (lambda: metrics.F1("mean"), ArgumentError, "F1: average must be one of 'binary', 'macro', .*, got 'mean'"),
    (lambda: metrics.f1(OUTPUT, TRUE, "binary"), ArgumentError, "average must be 'macro', .* for more than two"),
    (lambda: metrics.mse(OUTPUT, TRUE), ShapeError, r"mse: target must be of the output's shape \(203, 5\)"),
    (lambda: metrics.Metric("m").update(OUTPUT, TRUE), NotImplementedError, r"must define update\(output, target\)"),
    (lambda: metrics.Metric("m").result(), NotImplementedError, r"Metric must define result\(\)"),
    (lambda: evaluate([lambda o, t: "good"]), DTypeError, "what the metric <lambda> returns must be a number, got str"),
    (lambda: evaluate(["loss"]), ArgumentError, "a metric must be one of accuracy"),
    (lambda: evaluate({"loss": "accuracy"}), ArgumentError, "metrics of different names, got 'loss' again"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=[case[2][:40] for case in CASES])
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
