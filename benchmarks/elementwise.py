"""Operations element by element and reductions on 1 MB, against PyTorch. ``python -m benchmarks.elementwise``

The engines take turns, each in a process of its own: in a turn one of them runs all operations, several times each.
The table is sorted by the ratio of PyTorch's time to minidl's, medians of neighbouring turns; the geometric means stand
below. ``--backward`` adds to each operation the way backward from a given gradient.
"""

from __future__ import annotations

import argparse
import importlib
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import take_turns

ENGINES = ("minidl", "torch")
TOLERANCE = 1e-4
SIDE = 512  # 512 x 512 float32 are 1 MB
IMAGES = (8, 16, 56, 56)  # 1.6 MB, channels-last

# Of the module, a tensor of normal numbers, one of numbers from 0.5 to 1.5, one of its rows, one of its columns.
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": lambda m, x, y, row, column: x + y,
    "add a row": lambda m, x, y, row, column: x + row,
    "add a column": lambda m, x, y, row, column: x + column,
    "add a number": lambda m, x, y, row, column: x + 1.5,
    "sub": lambda m, x, y, row, column: x - y,
    "mul": lambda m, x, y, row, column: x * y,
    "mul by a row": lambda m, x, y, row, column: x * row,
    "mul by a column": lambda m, x, y, row, column: x * column,
    "div": lambda m, x, y, row, column: x / y,
    "neg": lambda m, x, y, row, column: -x,
    "abs": lambda m, x, y, row, column: x.abs(),
    "exp": lambda m, x, y, row, column: x.exp(),
    "log": lambda m, x, y, row, column: y.log(),
    "sqrt": lambda m, x, y, row, column: y.sqrt(),
    "square": lambda m, x, y, row, column: x.square(),
    "rsqrt": lambda m, x, y, row, column: y.rsqrt(),
    "pow 3": lambda m, x, y, row, column: x**3,
    "pow 1.5": lambda m, x, y, row, column: y**1.5,
    "sin": lambda m, x, y, row, column: x.sin(),
    "cos": lambda m, x, y, row, column: x.cos(),
    "tanh": lambda m, x, y, row, column: x.tanh(),
    "sigmoid": lambda m, x, y, row, column: x.sigmoid(),
    "relu": lambda m, x, y, row, column: x.relu(),
    "gelu": lambda m, x, y, row, column: m.nn.functional.gelu(x),
    "silu": lambda m, x, y, row, column: m.nn.functional.silu(x),
    "softplus": lambda m, x, y, row, column: m.nn.functional.softplus(x),
    "elu": lambda m, x, y, row, column: m.nn.functional.elu(x),
    "clamp": lambda m, x, y, row, column: x.clamp(-0.5, 0.5),
    "maximum": lambda m, x, y, row, column: m.maximum(x, y),
    "where": lambda m, x, y, row, column: m.where(x > 0, x, y),
    "gt": lambda m, x, y, row, column: x > y,
    "eq": lambda m, x, y, row, column: x == y,
}
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": lambda m, x, y, row, column: x.sum(),
    "sum of columns": lambda m, x, y, row, column: x.sum(0),
    "sum of rows": lambda m, x, y, row, column: x.sum(1),
    "mean": lambda m, x, y, row, column: x.mean(),
    "mean of columns": lambda m, x, y, row, column: x.mean(0),
    "mean of rows": lambda m, x, y, row, column: x.mean(1),
    "var": lambda m, x, y, row, column: x.var(),
    "var of columns": lambda m, x, y, row, column: x.var(0),
    "var of rows": lambda m, x, y, row, column: x.var(1),
    "max": lambda m, x, y, row, column: x.max(),
    "max of columns": lambda m, x, y, row, column: x.amax(0),
    "max of rows": lambda m, x, y, row, column: x.amax(1),
    "argmax": lambda m, x, y, row, column: x.argmax(),
    "argmax of columns": lambda m, x, y, row, column: x.argmax(0),
    "argmax of rows": lambda m, x, y, row, column: x.argmax(1),
    "logsumexp": lambda m, x, y, row, column: x.logsumexp((0, 1)),
    "logsumexp of columns": lambda m, x, y, row, column: x.logsumexp(0),
    "logsumexp of rows": lambda m, x, y, row, column: x.logsumexp(1),
}
OF_IMAGES: dict[str, Callable[..., Any]] = {
    "images: add": lambda m, x: x + x,
    "images: sigmoid": lambda m, x: x.sigmoid(),
    "images: sum of channels": lambda m, x: x.sum((0, 2, 3)),
    "images: mean of channels": lambda m, x: x.mean((0, 2, 3)),
    "images: var of channels": lambda m, x: x.var((0, 2, 3)),
    "images: max of channels": lambda m, x: x.amax((0, 2, 3)),
}
NO_GRADIENT = ("gt", "eq", "argmax", "argmax of columns", "argmax of rows")


def calls(engine: str, requires_grad: bool = False) -> dict[str, Callable[[], Any]]:
    """Each operation on its tensors."""
    module = importlib.import_module(engine)
    random = np.random.default_rng(0)
    x, y = random.standard_normal((SIDE, SIDE)), random.random((SIDE, SIDE)) + 0.5
    images = np.ascontiguousarray(random.standard_normal(IMAGES).transpose(0, 2, 3, 1)).astype(np.float32)

    def leaf(array: np.ndarray) -> Any:
        return module.tensor(array.astype(np.float32), requires_grad=requires_grad)

    operands = [leaf(x), leaf(y), leaf(y[:1]), leaf(y[:, :1])]
    image = module.from_numpy(images).permute(0, 3, 1, 2)
    if requires_grad:
        image.requires_grad_()
    found = {
        name: _call(f, module, operands, name, requires_grad)
        for name, f in (ELEMENTWISE | REDUCTIONS).items()
    }
    return found | {name: _call(f, module, [image], name, requires_grad) for name, f in OF_IMAGES.items()}


def _call(
    f: Callable[..., Any], module: Any, operands: list[Any], name: str, backward: bool
) -> Callable[[], Any]:
    if not backward or name in NO_GRADIENT:
        return lambda: f(module, *operands)
    gradient = f(module, *operands).detach() * 0 + 1

    def step() -> Any:
        y = f(module, *operands)
        y.backward(gradient)
        gradients = [operand.grad for operand in operands if operand.grad is not None]
        for operand in operands:
            operand.grad = None
        return gradients[0]

    return step


def number(result: Any) -> float:
    return float(np.abs(np.asarray(result, dtype=np.float64)).sum())


def prepare(job: str) -> Callable[[], Any]:
    """The step of ``"engine: operation"``, or of ``"engine, backward: operation"``."""
    engine, name = job.split(": ", 1)
    return calls(engine.split(",")[0], engine.endswith("backward"))[name]


def table(names: list[str], backward: bool, turns: int) -> str:
    """Ratios and times of all operations, in one line each."""
    kind, rows = ", backward" if backward else "", {}
    for name in names:
        jobs = [f"{engine}{kind}: {name}" for engine in ENGINES]
        ours, theirs = take_turns(__spec__.name, jobs, turns, 20)
        share = statistics.median(b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True))
        rows[name] = share, statistics.median(ours.seconds), statistics.median(theirs.seconds)
    lines = [f"{'1 MB float32, forward' + kind:<28}{'minidl':>10}{'PyTorch':>10}{'speed':>8}"]
    for name, (share, a, b) in sorted(rows.items(), key=lambda item: item[1][0]):
        lines.append(f"{name:<28}{a * 1e6:>7.0f} µs{b * 1e6:>7.0f} µs{share:>8.2f}")
    mean = math.exp(statistics.fmean(math.log(r[0]) for r in rows.values()))
    return "\n".join([*lines, f"{'geometric mean':<48}{mean:>8.2f}"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Operations on 1 MB, minidl and PyTorch in turn.")
    parser.add_argument("operations", nargs="*", help="some of them (default: all)")
    parser.add_argument("--backward", action="store_true", help="forward and backward")
    parser.add_argument("--turns", type=int, default=9, help="turns that count (default 9)")
    options = parser.parse_args()
    chosen = options.operations or [*ELEMENTWISE, *REDUCTIONS, *OF_IMAGES]
    print(table(chosen, options.backward, options.turns))
