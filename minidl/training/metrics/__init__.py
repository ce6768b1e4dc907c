"""Metrics: how good outputs are, in numbers that people read. Each is a function, and a class that collects batches.

>>> import minidl
>>> from minidl.training import metrics
>>> output = minidl.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 0.5]])
>>> metrics.accuracy(output, minidl.tensor([0, 1, 2]))
0.6666666666666666
>>> metric = metrics.Accuracy()
>>> metric.update(output[:2], minidl.tensor([0, 1]))
>>> metric.update(output[2:], minidl.tensor([2]))
>>> metric.result()
0.6666666666666666

Outputs are logits, log-probabilities or probabilities (N, C, ...) of classes, and the largest counts; or numbers (N,)
or (N, 1) that say yes above a threshold: 0 for logits, 0.5 for probabilities. Targets are classes (N, ...) or one-hot
(N, C, ...); 0 and 1, (N,) or (N, 1), for yes and no. Negative classes, such as -100, do not count.
"""

from minidl.training.metrics.base import FunctionMetric, Metric
from minidl.training.metrics.classification import (
    F1,
    Accuracy,
    ConfusionMatrix,
    Precision,
    Recall,
    TopKAccuracy,
    accuracy,
    confusion_matrix,
    f1,
    precision,
    recall,
    top_k_accuracy,
)
from minidl.training.metrics.named import as_metrics
from minidl.training.metrics.regression import MeanAbsoluteError, MeanSquaredError, mae, mse

__all__ = [
    "Metric", "FunctionMetric", "Accuracy", "TopKAccuracy", "Precision", "Recall", "F1", "ConfusionMatrix",
    "MeanSquaredError", "MeanAbsoluteError", "accuracy", "top_k_accuracy", "precision", "recall", "f1",
    "confusion_matrix", "mse", "mae", "as_metrics",
]  # fmt: skip
