"""Loss curves, and originals above their reconstructions.

The figures are matplotlib's own objects, made without pyplot: no display is needed, and nothing stays open.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, MissingDependencyError, ShapeError, must
from minidl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {"loss": "training", "val_loss": "validation"}


def _figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` by ``height`` inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("viz needs matplotlib: pip install minidl[plot]") from error
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def _finished(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    if path is not None:
        figure.savefig(path)
    return figure


def plot_history(
    history: Mapping[str, Sequence[float]],
    path: str | os.PathLike[str] | None = None,
    ylabel: str = "loss",
) -> Figure:
    """One curve per entry of ``history``, a value per epoch, such as a pretrainer's; empty ones are left out.

    Args:
        path: also save the figure there; the ending says in which format.

    Raises:
        ArgumentError: there are no values.
        MissingDependencyError: matplotlib is missing.
    """
    curves = {name: values for name, values in history.items() if len(values)}
    if not curves:
        raise ArgumentError(must("plot_history", "history", "of at least one value", "none"))
    figure = _figure(6, 4)
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    for name, values in curves.items():
        epochs = range(1, len(values) + 1)
        axes.plot(epochs, values, marker="o" if len(values) == 1 else None, label=CAPTIONS.get(name, name))
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(alpha=0.3)
    axes.legend()
    return _finished(figure, path)


def plot_reconstructions(
    originals: Any, reconstructions: Any, path: str | os.PathLike[str] | None = None, n: int = 10
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
        raise ShapeError(
            must(
                "plot_reconstructions",
                "reconstructions",
                f"of the originals' shape {above.shape}",
                below.shape,
            )
        )
    n = min(n, len(above))
    figure = _figure(max(0.8 * n, 1.2), 2)
    rows = figure.subplots(2, n, squeeze=False)
    for axes, picture in zip(rows.flat, [*above[:n], *below[:n]], strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
    for row, title in zip(rows, ("originals", "reconstructions"), strict=True):
        row[0].set_title(title, loc="left", fontsize="small").set_in_layout(False)
    return _finished(figure, path)


def _pictures(name: str, value: Any) -> np.ndarray:
    """``value`` as an array (N, H, W)."""
    array = np.asarray(value.detach().array if isinstance(value, Tensor) else value)
    if array.ndim == 2 and math.isqrt(array.shape[1]) ** 2 == array.shape[1]:
        side = math.isqrt(array.shape[1])
        array = array.reshape(-1, side, side)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 3 or not len(array):
        expected = "grey pictures (N, H, W), (N, 1, H, W), or (N, H*W) of squares"
        raise ShapeError(must("plot_reconstructions", name, expected, f"shape {array.shape}"))
    return array
