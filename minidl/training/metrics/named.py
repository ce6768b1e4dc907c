"""The metrics that a Trainer is given: by name, as objects, or as functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minidl.errors import ArgumentError, DTypeError, must
from minidl.nn.freezing import near
from minidl.training.metrics.base import FunctionMetric, Metric
from minidl.training.metrics.classification import (
    F1,
    Accuracy,
    ConfusionMatrix,
    Precision,
    Recall,
    TopKAccuracy,
)
from minidl.training.metrics.regression import MeanAbsoluteError, MeanSquaredError

_NAMED: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "top5": TopKAccuracy,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "confusion_matrix": ConfusionMatrix,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
}


def as_metrics(metrics: Iterable[Any] | Mapping[str, Any], kind: str | None = None) -> list[Metric]:
    """The Metric behind each name ("accuracy", "top3", "f1" ...), Metric, Metric class or ``function(output, target)``.

    Args:
        metrics: a list; or a dict, whose keys are the metrics' names in the history.
        kind: how outputs are read, where a metric does not say.

    Raises:
        ArgumentError: an unknown name, or two metrics of one name.
        DTypeError: something else.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        got = repr(metrics) if isinstance(metrics, str) else type(metrics).__name__
        raise DTypeError(must("Trainer", "metrics", "a list of metrics", got))
    pairs = metrics.items() if isinstance(metrics, Mapping) else ((None, metric) for metric in metrics)
    found = [_as_metric(metric, name) for name, metric in pairs]
    names = [metric.name for metric in found]
    for metric in found:
        if names.count(metric.name) > 1 or metric.name in ("loss", "per_class", "lr"):
            raise ArgumentError(
                must("Trainer", "metrics", "metrics of different names", f"{metric.name!r} again")
            )
        if metric.kind is None:
            metric.kind = kind
    return found


def _as_metric(metric: Any, name: str | None) -> Metric:
    if isinstance(metric, str):
        if top := re.fullmatch(r"top([1-9]\d*)", metric):
            made: Metric = TopKAccuracy(int(top[1]))
        elif metric in _NAMED:
            made = _NAMED[metric]()
        else:
            expected = f"one of {', '.join(_NAMED)}, a Metric or a function"
            raise ArgumentError(must("Trainer", "a metric", expected, repr(metric) + near(metric, _NAMED)))
    elif isinstance(metric, Metric):
        made = metric
    elif isinstance(metric, type) and issubclass(metric, Metric):
        made = metric()  # type: ignore[call-arg]
    elif callable(metric):
        return FunctionMetric(metric, name)
    else:
        raise DTypeError(must("Trainer", "a metric", "a name, a Metric or a function", type(metric).__name__))
    if name is not None:
        made.name = name
    return made
