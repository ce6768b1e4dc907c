"""Learning curves, and originals above their reconstructions."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, DataError, ShapeError, must
from minidl.viz.figures import StrPath, as_array, finished, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = {"lr": "learning rate"}


def plot_history(history: Any, path: StrPath | None = None, ylabel: str = "loss") -> Figure:
    """The curves of a training run: a panel for each quantity, with training and validation in it.

    Args:
        history: what ``Trainer.fit`` returned; its ``history``, a dict of lists with a value per epoch (lists that are
            empty are left out); or a file history.csv.
        path: also save the figure there; the ending says in which format.
        ylabel: what the loss is called.

    Raises:
        ArgumentError: there are no values.
        DataError: the file is no table of numbers.
        MissingDependencyError: matplotlib is missing.
    """
    curves = {name: values for name, values in history_of(history).items() if len(values)}
    if not curves:
        raise ArgumentError(must("plot_history", "history", "of at least one value", "none"))
    panels = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = new_figure(6 if columns == 1 else 4 * columns, 4 if columns == 1 else 3.2 * rows)
    for axes, name in zip(figure.subplots(rows, columns, squeeze=False).flat, panels, strict=False):
        _draw_curves(axes, {key: curves[key] for key in (name, f"val_{name}") if key in curves})
        axes.set(xlabel="epoch", ylabel=ylabel if name == "loss" else LABELS.get(name, name))
    for axes in figure.axes[len(panels) :]:
        axes.set_axis_off()
    return finished(figure, path)


def _draw_curves(axes: Any, curves: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for name, values in curves.items():
        epochs = range(1, len(values) + 1)
        seen = np.flatnonzero(np.isfinite(np.asarray(values, float)))
        label = "validation" if name.startswith("val_") else "training"
        axes.plot(epochs, values, marker="o" if len(seen) < 2 else None, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(alpha=0.3)
    if len(curves) > 1 or "loss" in curves:
        axes.legend()


def history_of(value: Any, keep: Sequence[str] = ()) -> dict[str, list[float]]:
    """A History, a dict, or the file history.csv as a dict of lists; of ``epoch`` and ``seconds`` those to ``keep``."""
    if isinstance(value, (str, os.PathLike)):
        value = _read_csv(value)
    value = getattr(value, "history", value)
    left_out = {"epoch", "seconds"} - set(keep)
    return {name: values for name, values in value.items() if name not in left_out}


def _read_csv(path: StrPath) -> dict[str, list[float]]:
    with open(path, encoding="utf-8", newline="") as file:
        try:
            names, *rows = list(csv.reader(file, strict=True)) or [[]]
            columns = zip(*[map(_number, row) for row in rows], strict=True) if rows else [()] * len(names)
            return {name: list(values) for name, values in zip(names, columns, strict=True)}
        except (ValueError, csv.Error) as error:
            raise DataError(f"history: {path} is no table of numbers: {error}") from error


def _number(text: str) -> float:
    return float(text) if text else math.nan


def plot_reconstructions(
    originals: Any, reconstructions: Any, path: StrPath | None = None, n: int = 10
) -> Figure:
    """The first ``n`` originals in a row, each above its reconstruction.

    Args:
        originals: grey pictures in [0, 1], a Tensor or array (N, H, W), (N, 1, H, W), or (N, H*W) of squares.
        reconstructions: of the same shape.
        path: also save the figure there; the ending says in which format.

    Raises:
        ShapeError: the shapes differ, or are not those of grey pictures.
        MissingDependencyError: matplotlib is missing.
    """
    above, below = _pictures("originals", originals), _pictures("reconstructions", reconstructions)
    if above.shape != below.shape:
        expected = f"of the originals' shape {above.shape}"
        raise ShapeError(must("plot_reconstructions", "reconstructions", expected, below.shape))
    n = min(n, len(above))
    figure = new_figure(max(0.8 * n, 1.2), 2)
    rows = figure.subplots(2, n, squeeze=False)
    for axes, picture in zip(rows.flat, [*above[:n], *below[:n]], strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
    for row, title in zip(rows, ("originals", "reconstructions"), strict=True):
        row[0].set_title(title, loc="left", fontsize="small").set_in_layout(False)
    return finished(figure, path)


def _pictures(name: str, value: Any) -> np.ndarray:
    """``value`` as an array (N, H, W)."""
    array = as_array(value)
    if array.ndim == 2 and math.isqrt(array.shape[1]) ** 2 == array.shape[1]:
        side = math.isqrt(array.shape[1])
        array = array.reshape(-1, side, side)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 3 or not len(array):
        expected = "grey pictures (N, H, W), (N, 1, H, W), or (N, H*W) of squares"
        raise ShapeError(must("plot_reconstructions", name, expected, f"shape {array.shape}"))
    return array
