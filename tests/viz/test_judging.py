"""Pictures with predictions, worst mistakes, the confusion matrix, learning curves of several quantities."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl.errors import ArgumentError, DataError, ShapeError
from minidl.viz import plot_confusion_matrix, plot_history, plot_mistakes, plot_predictions

pytest.importorskip("matplotlib", reason="draws")

CLASSES = ["cat", "dog", "cow"]
LOGITS = np.log([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.8, 0.15, 0.05], [0.2, 0.3, 0.5], [0.6, 0.1, 0.3]])
TARGETS = np.array([0, 1, 1, 0, 2])  # the last three are mistakes: of 15 %, 20 % and 30 %


def titles(figure: Any) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.images]


def drawn(figure: Any) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


@pytest.mark.parametrize("form", ["logits", "probabilities", "tensor"])
def test_predictions_in_any_form(form: str) -> None:
    outputs: Any = {
        "logits": LOGITS + 3,
        "probabilities": np.exp(LOGITS),
        "tensor": minidl.tensor(LOGITS, requires_grad=True),
    }[form]
    images = np.random.default_rng(0).random((5, 3, 4, 6), "float32")
    figure = plot_predictions(outputs, images, minidl.tensor(TARGETS), CLASSES)
    assert titles(figure) == ["cat 70%", "dog 90%", "cat 80%\nis dog", "cow 50%\nis cat", "cat 60%\nis cow"]
    colours = [axes.title.get_color() for axes in figure.axes if axes.images]
    assert colours == ["#1b7837"] * 2 + ["#b2182b"] * 3
    for picture, image in zip(drawn(figure), images, strict=True):
        np.testing.assert_array_equal(picture, image.transpose(1, 2, 0))


def test_classes_alone_and_no_truth() -> None:
    figure = plot_predictions(np.array([1, 0]), np.zeros((2, 5, 5), "uint8"), n=1)
    assert titles(figure) == ["1"]


def test_what_a_trainer_predicts(tmp_path: Path) -> None:
    """Its files are the pictures; a single probability is that of the second class."""
    for i in range(3):
        Image.new("RGB", (8, 6), (80 * i, 0, 0)).save(tmp_path / f"{i}.png")
    predictions = SimpleNamespace(
        labels=np.array([0, 1, 1]), probabilities=np.array([0.1, 0.8, 0.7]), targets=np.array([0, 1, 0]),
        classes=["no", "yes"], files=[tmp_path / f"{i}.png" for i in range(3)],
    )  # fmt: skip
    figure = plot_predictions(predictions, path=tmp_path / "predictions.png")
    assert titles(figure) == ["no 90%", "yes 80%", "yes 70%\nis no"]
    assert [picture[0, 0, 0] for picture in drawn(figure)] == pytest.approx([0, 80 / 255, 160 / 255])
    assert (tmp_path / "predictions.png").read_bytes().startswith(b"\x89PNG")
    assert titles(plot_mistakes(predictions)) == ["yes 70%\nis no"]


def test_a_photo_of_sixteen_bits_is_not_clipped(tmp_path: Path) -> None:
    levels = np.array([[0, 13107, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    (picture,) = drawn(plot_predictions([0], [tmp_path / "deep.png"]))
    np.testing.assert_allclose(picture[..., 0], levels / 65535, atol=1e-6)


def test_a_photo_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (8, 4)).save(tmp_path / "photo.jpg", exif=exif)
    (picture,) = drawn(plot_predictions([0], [tmp_path / "photo.jpg"]))
    assert picture.shape == (8, 4, 3)


def test_the_worst_mistakes_come_first() -> None:
    images = np.arange(5, dtype="uint8")[:, None, None] * np.ones((1, 3, 3), "uint8")
    figure = plot_mistakes(LOGITS, images, TARGETS, CLASSES, n=2)
    assert titles(figure) == ["cat 80%\nis dog", "cow 50%\nis cat"]
    assert [round(255 * picture[0, 0]) for picture in drawn(figure)] == [2, 3]
    assert len(titles(plot_mistakes(LOGITS, list(images), TARGETS))) == 3
    assert titles(plot_mistakes(LOGITS.argmax(1), images, TARGETS)) == ["0\nis 1", "2\nis 0", "0\nis 2"]


def test_targets_that_are_not_known_do_not_count() -> None:
    targets, labels = np.array([0, -1, -100, 1, 2]), np.array([0, 1, 2, 0, 2])
    images = np.zeros((5, 3, 3))
    assert titles(plot_mistakes(labels, images, targets, CLASSES)) == [f"{CLASSES[0]}\nis {CLASSES[1]}"]
    shown = [labels[i] if targets[i] < 0 else None for i in range(5)]
    found = titles(plot_predictions(labels, images, targets, CLASSES))
    assert all(
        title == CLASSES[label] for title, label in zip(found, shown, strict=True) if label is not None
    )
    (matrix, _) = plot_confusion_matrix(labels, targets, CLASSES).axes
    np.testing.assert_array_equal(matrix.images[0].get_array(), [[1, 0, 0], [1, 0, 0], [0, 0, 1]])


def test_no_mistakes() -> None:
    figure = plot_mistakes(LOGITS, np.zeros((5, 3, 3)), LOGITS.argmax(1))
    assert [text.get_text() for text in figure.texts] == ["no mistakes"]


def test_the_confusion_matrix_counts(tmp_path: Path) -> None:
    expected = [[1, 0, 1], [1, 1, 0], [1, 0, 0]]
    for figure in (
        plot_confusion_matrix(LOGITS, TARGETS, CLASSES, tmp_path / "matrix.svg"),
        plot_confusion_matrix(np.array(expected), classes=CLASSES),
    ):
        axes = figure.axes[0]
        counts = {text.get_position(): text.get_text() for text in axes.texts}
        assert counts == {(j, i): str(expected[i][j]) for i in range(3) for j in range(3) if expected[i][j]}
        shares = np.array(expected) / np.sum(expected, 1, keepdims=True)
        np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), shares)
        assert [label.get_text() for label in axes.get_yticklabels()] == CLASSES
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert (tmp_path / "matrix.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot_predictions(LOGITS), ArgumentError, "images must be given, where the predictions know no"),
        (lambda: plot_predictions(LOGITS, ["nowhere.png"] * 5), ArgumentError, "the picture must be a file that"),
        (lambda: plot_predictions(LOGITS, np.zeros((5, 2, 3, 4))), ShapeError, "pictures of one or three channels"),
        (lambda: plot_predictions(LOGITS, np.zeros((5, 3))), ShapeError, r"images must be pictures \(N, C, H, W\)"),
        (lambda: plot_predictions(LOGITS[:0], []), ArgumentError, "predictions must be of at least one sample"),
        (lambda: plot_predictions(np.zeros(3), []), ShapeError, r"predictions must be Predictions of classes"),
        (lambda: plot_predictions(np.zeros((3, 1)), []), ShapeError, r"or outputs \(N, C\), got float64 of shape"),
        (
            lambda: plot_predictions(SimpleNamespace(labels=np.zeros((2, 2), int)), []),
            ShapeError, "predictions must be one class for each sample",
        ),
        (lambda: plot_predictions(LOGITS, [], TARGETS[:2]), ShapeError, "targets must be as many as .*, 5, got 2"),
        (lambda: plot_predictions(LOGITS, []), ShapeError, "images must be as many as .*, 5, got 0"),
        (lambda: plot_predictions(LOGITS, [], classes=["a"]), ArgumentError, "classes must be at least 3, .*, got 1"),
        (lambda: plot_mistakes(LOGITS, []), ArgumentError, "plot_mistakes: targets must be given, or known"),
        (lambda: plot_confusion_matrix(LOGITS), ArgumentError, "matrix: targets must be given, or known"),
        (
            lambda: plot_confusion_matrix(np.eye(3), classes=["a"]),
            ArgumentError, "classes must be 3, one for each row, got 1",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ---- learning curves


HISTORY = {
    "loss": [3.0, 2.0], "val_loss": [3.5, 2.5], "lr": [0.1, 0.1],
    "accuracy": [0.1, 0.5], "val_accuracy": [float("nan"), 0.4],
}  # fmt: skip


def panels(figure: Any) -> dict[str, dict[str, list[float]]]:
    return {
        axes.get_ylabel(): {line.get_label(): list(line.get_ydata()) for line in axes.lines}
        for axes in figure.axes
    }


def test_a_panel_for_each_quantity() -> None:
    found = panels(plot_history(SimpleNamespace(history=HISTORY)))
    assert list(found) == ["loss", "learning rate", "accuracy"]
    assert found["loss"] == {"training": [3.0, 2.0], "validation": [3.5, 2.5]}
    np.testing.assert_array_equal(found["accuracy"]["validation"], [np.nan, 0.4])


def test_curves_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("epoch,loss,val_loss\n0,3.0,3.5\n1,2.0,\n")
    found = panels(plot_history(file))
    assert list(found) == ["loss"]
    np.testing.assert_array_equal(found["loss"]["validation"], [3.5, np.nan])
    file.write_text("epoch,loss\n")
    with pytest.raises(ArgumentError, match="history must be of at least one value"):
        plot_history(file)
    for text in ("loss\nmuch\n", "loss,accuracy\n1\n2,3,4\n", 'loss\n"1\n'):
        file.write_text(text)
        with pytest.raises(DataError, match=rf"history: {file} is no table of numbers: "):
            plot_history(file)
    with pytest.raises(FileNotFoundError):
        plot_history(tmp_path / "none.csv")
