"""What a call costs beside its arithmetic: 40 common operations on 8x8 float32. ``python -m benchmarks.overhead``

Two tables: the forward alone, on tensors that require no gradient, and the forward with its backward, on tensors that
do, for the operations that have one. minidl and PyTorch take turns, each in a process of its own. A table is sorted by
the ratio of minidl's time to PyTorch's; the geometric mean stands below.
"""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import ratio, take_turns

ENGINES = ("minidl", "torch")
TOLERANCE = 1e-4

OPERATIONS: dict[str, Callable[..., Any]] = {  # of the module and two tensors
    "add": lambda _, x, y: x + y,
    "add a number": lambda _, x, y: x + 1.5,
    "sub": lambda _, x, y: x - y,
    "mul": lambda _, x, y: x * y,
    "div": lambda _, x, y: x / y,
    "neg": lambda _, x, y: -x,
    "pow": lambda _, x, y: x**2,
    "exp": lambda _, x, y: x.exp(),
    "log": lambda _, x, y: y.log(),
    "sqrt": lambda _, x, y: y.sqrt(),
    "abs": lambda _, x, y: x.abs(),
    "tanh": lambda _, x, y: x.tanh(),
    "sigmoid": lambda _, x, y: x.sigmoid(),
    "relu": lambda _, x, y: x.relu(),
    "sin": lambda _, x, y: x.sin(),
    "clamp": lambda _, x, y: x.clamp(-0.5, 0.5),
    "maximum": lambda m, x, y: m.maximum(x, y),
    "where": lambda m, x, y: m.where(x > 0, x, y),
    "gt": lambda _, x, y: x > y,
    "eq": lambda _, x, y: x == y,
    "sum": lambda _, x, y: x.sum(),
    "sum of rows": lambda _, x, y: x.sum(1),
    "mean": lambda _, x, y: x.mean(),
    "max": lambda _, x, y: x.max(),
    "argmax": lambda _, x, y: x.argmax(1),
    "var": lambda _, x, y: x.var(),
    "softmax": lambda _, x, y: x.softmax(1),
    "log_softmax": lambda _, x, y: x.log_softmax(1),
    "matmul": lambda _, x, y: x @ y,
    "linear": lambda m, x, y: m.nn.functional.linear(x, y),
    "reshape": lambda _, x, y: x.reshape(4, 16),
    "transpose": lambda _, x, y: x.transpose(0, 1),
    "permute": lambda _, x, y: x.permute(1, 0),
    "unsqueeze": lambda _, x, y: x.unsqueeze(0),
    "flatten": lambda _, x, y: x.flatten(),
    "cat": lambda m, x, y: m.cat([x, y]),
    "stack": lambda m, x, y: m.stack([x, y]),
    "index a row": lambda _, x, y: x[1],
    "clone": lambda _, x, y: x.clone(),
    "mse_loss": lambda m, x, y: m.nn.functional.mse_loss(x, y),
}


DIFFERENTIABLE = [name for name in OPERATIONS if name not in ("gt", "eq", "argmax")]
BACKWARD = " and its backward"  # ends the name of a job


def number(result: Any) -> float:
    return float(
        np.abs(np.asarray(result, dtype=np.float64)).sum()
    )  # a gradient may sum to 0 but for rounding


def prepare(job: str) -> Callable[[], Any]:
    """The step of ``"engine: operation"``, or of that operation and its backward."""
    engine, name = job.split(": ")
    module = importlib.import_module(engine)
    random = np.random.default_rng(0)
    x = module.tensor(random.standard_normal((8, 8)).astype(np.float32))
    y = module.tensor(random.random((8, 8)).astype(np.float32) + 0.5)
    operation = OPERATIONS[name.removesuffix(BACKWARD)]
    if name.endswith(BACKWARD):
        return _with_backward(module, operation, x, y)
    return lambda: operation(module, x, y)


def _with_backward(module: Any, operation: Callable[..., Any], x: Any, y: Any) -> Callable[[], Any]:
    """A step that returns the gradient with respect to x, or to y if the operation does not read x."""
    x.requires_grad_()
    y.requires_grad_()
    gradient = module.ones_like(operation(module, x, y)).detach()

    def step() -> Any:
        operation(module, x, y).backward(gradient)
        found = y.grad if x.grad is None else x.grad
        x.grad = y.grad = None
        return found

    return step


def measure(title: str, names: list[str], steps: int, suffix: str = "") -> None:
    """Print a table of the operations, those on which PyTorch is ahead the most first."""
    rows = []
    for name in names:
        jobs = [f"{engine}: {name}{suffix}" for engine in ENGINES]
        ours, theirs = take_turns(__spec__.name, jobs, 15, steps)
        medians = [statistics.median(record.seconds) for record in (ours, theirs)]
        rows.append((ratio(ours, theirs), name, *medians))
    print(f"{title:<34}{'minidl':>10}{'PyTorch':>10}{'ratio':>8}")
    for share, name, ours_, theirs_ in sorted(rows, reverse=True):
        print(f"{name:<34}{ours_ * 1e6:>7.2f} µs{theirs_ * 1e6:>7.2f} µs{share:>8.2f}")
    print(f"{'geometric mean':<54}{statistics.geometric_mean(row[0] for row in rows):>8.2f}\n")


def main() -> None:
    measure("8x8 float32, forward", list(OPERATIONS), 2000)
    measure("8x8 float32, forward and backward", DIFFERENTIABLE, 500, BACKWARD)


if __name__ == "__main__":
    main()
