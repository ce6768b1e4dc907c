"""The picture that a run's folder has of its history."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minidl.weights.files import replacing

_BESIDE = ("epoch", "seconds", "lr")  # columns that are no curves


def draw_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Draw each number of ``rows``, one for each epoch, with the validation's beside it; whether that was done.

    It is not where there are no rows, or matplotlib is not installed.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _BESIDE))
    measured = [name for name in names if not name.startswith("val_")]
    measured += [name for name in names if name.startswith("val_") and name[4:] not in measured]
    if not measured or importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5 * len(measured), 3.6), layout="constrained", dpi=120)
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(figure.subplots(1, len(measured), squeeze=False)[0], measured, strict=True):
        for column, caption in ((name, "training"), (f"val_{name}", "validation")):
            if column in names:
                values = [row.get(column, float("nan")) for row in rows]
                axes.plot(epochs, values, ".-" if len(rows) < 40 else "-", label=caption)
        axes.set_xlabel("epoch")
        axes.set_title(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        figure.savefig(file, format="png")
    return True
