"""Pictures: what is drawn, what is written, and what is said when matplotlib is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minidl.errors import ArgumentError, MissingDependencyError, ShapeError
from minidl.tensor import Tensor
from minidl.viz import plot_history, plot_reconstructions


@pytest.fixture
def _matplotlib() -> None:
    pytest.importorskip("matplotlib")


@pytest.mark.usefixtures("_matplotlib")
def test_history_has_one_curve_per_entry(tmp_path: Path) -> None:
    history = {"loss": [3.0, 2.0, 1.5], "val_loss": [3.5, 2.5, 2.0], "lr": []}
    figure = plot_history(history, tmp_path / "loss.png", ylabel="cross-entropy")
    (axes,) = figure.axes
    curves = {line.get_label(): line for line in axes.lines}
    assert set(curves) == {"training", "validation"}
    np.testing.assert_array_equal(curves["training"].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(curves["validation"].get_ydata(), [3.5, 2.5, 2.0])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "cross-entropy")
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.size == (720, 480)


@pytest.mark.usefixtures("_matplotlib")
def test_a_single_epoch_is_a_visible_point() -> None:
    (line,) = plot_history({"loss": [0.5]}).axes[0].lines
    assert line.get_marker() == "o"


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_no_history_is_refused(history: dict[str, list[float]]) -> None:
    with pytest.raises(ArgumentError, match="plot_history: history must be of at least one value, got none"):
        plot_history(history)


@pytest.mark.usefixtures("_matplotlib")
@pytest.mark.parametrize("shape", [(12, 8, 8), (12, 1, 8, 8), (12, 64)])
def test_each_original_is_above_its_reconstruction(shape: tuple[int, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    originals, reconstructions = rng.random(shape, "float32"), rng.random(shape, "float32")
    path = tmp_path / "pictures.png"
    figure = plot_reconstructions(originals, Tensor(reconstructions, requires_grad=True), path, n=5)
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert len(drawn) == 10
    for i in range(5):
        np.testing.assert_array_equal(drawn[i], originals[i].reshape(8, 8))
        np.testing.assert_array_equal(drawn[5 + i], reconstructions[i].reshape(8, 8))
        above, below = figure.axes[i].get_position(), figure.axes[5 + i].get_position()
        assert above.x0 == pytest.approx(below.x0)
        assert above.y0 > below.y1
    assert all(axes.images[0].get_clim() == (0, 1) for axes in figure.axes)  # no stretching of contrast
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("_matplotlib")
def test_fewer_pictures_than_asked_for() -> None:
    assert len(plot_reconstructions(np.zeros((2, 4, 4)), np.zeros((2, 4, 4))).axes) == 4


@pytest.mark.parametrize("shape", [(4,), (3, 10), (3, 3, 8, 8), (0, 8, 8)])
def test_what_are_no_grey_pictures_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ShapeError, match=r"plot_reconstructions: originals must be grey pictures .*, got shape \("
    ):
        plot_reconstructions(np.zeros(shape), np.zeros(shape))


def test_shapes_that_differ_are_refused() -> None:
    message = r"reconstructions must be of the originals' shape \(2, 4, 4\), got \(2, 5, 5\)"
    with pytest.raises(ShapeError, match=message):
        plot_reconstructions(np.zeros((2, 4, 4)), np.zeros((2, 5, 5)))


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # makes its import fail
    with pytest.raises(MissingDependencyError, match=r"viz needs matplotlib: pip install minidl\[plot\]"):
        plot_history({"loss": [1.0]})


def test_importing_viz_does_not_load_matplotlib() -> None:
    check = "import sys, minidl.viz; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.usefixtures("_matplotlib")
def test_drawing_needs_no_pyplot() -> None:
    check = (
        "import io, sys; from minidl.viz import plot_history; plot_history({'loss': [1]}, io.BytesIO()); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
