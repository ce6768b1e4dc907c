"""What becomes of the losses of single elements or samples: their mean, their sum, or themselves."""

from __future__ import annotations

import math
from typing import Any

from minidl.errors import warn
from minidl.ops import reduce as reductions
from minidl.ops.arguments import one_of


def chosen(
    op: str, reduction: str, size_average: bool | None = None, reduce: bool | None = None, *more: str
) -> str:
    """``reduction``, which is "mean", "sum", "none" or one of ``more``; or what PyTorch's older arguments mean by it.

    ``size_average`` and ``reduce`` are True unless given: both give "mean", ``reduce`` alone "sum", else "none".
    """
    if size_average is None and reduce is None:
        one_of(op, "reduction", reduction, ("mean", *more, "sum", "none"))
        return reduction
    averages, reduces = (flag is None or bool(flag) for flag in (size_average, reduce))
    found = "none" if not reduces else "mean" if averages else "sum"
    warn(f"{op}: size_average and reduce are deprecated, write reduction={found!r} instead")
    return found


def reduced(losses: Any, reduction: str) -> Any:
    """The losses' mean or sum, or themselves."""
    if reduction == "none":
        return losses
    return reductions.mean(losses) if reduction == "mean" else reductions.sum(losses)


def scale(shape: tuple[int, ...], reduction: str) -> float:
    """What the sum of losses of that shape is multiplied by; nan for the mean of none."""
    return 1.0 / (math.prod(shape) or math.nan) if reduction == "mean" else 1.0
