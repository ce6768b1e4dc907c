"""``summary``: what a network is made of, layer by layer, and what one forward pass of it costs.

The network is run once, on zeros. While it runs, hooks note the shape that each module gives, and every operation
is looked at: so a product inside a ``forward`` counts as one inside a layer does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.anomaly import watch_operations
from minidl.dtypes import as_dtype, get_default_dtype
from minidl.errors import ArgumentError, DTypeError, MinidlError, must
from minidl.grad_mode import no_grad
from minidl.nn.hooks import Hooks
from minidl.nn.modes import evaluating
from minidl.nn.module import Module
from minidl.tensor import Tensor

__all__ = ["Row", "Summary", "summary"]


def _multiply_adds(name: str, args: Sequence[Any], y: np.ndarray) -> int:
    """Of the operation ``name``, given its arguments and its result."""
    if name in ("conv2d", "conv2d_relu"):  # a filter, in/groups * kH * kW, for each element of the result
        return y.size * math.prod(args[1].shape[1:])
    if name == "conv2d_input_grad":  # a transposed convolution: a filter for each element of what it is given
        return args[0].size * math.prod(args[1].shape[1:])
    return y.size * args[0].shape[-1] if name in ("linear", "linear_relu", "matmul", "dot") else 0


@dataclass
class Row:
    """One module at one place in the tree."""

    name: str  # dotted; "" for the whole
    kind: str  # the class
    trainable: int = 0  # parameters of its own, not of its parts, that collect gradients
    frozen: int = 0  # and those that do not
    shared: str = ""  # the first name of the module or parameters, if they have been counted there
    output: Any = None  # the shape of what it returned: a tuple; a list of them for several tensors
    multiply_adds: int = 0  # its own, not those of its parts
    calls: int = 0

    @property
    def depth(self) -> int:
        return self.name.count(".") + 1 if self.name else 0


@dataclass
class Summary:
    """What :func:`summary` returns; printed, it is a table.

    ``rows`` are the modules in the order of the tree. ``multiply_adds`` is the number of multiplications whose results
    are summed: of convolutions and matrix products, by which the work of a network is usually told; what is done
    once for each element (bias, normalisation, activation, pooling) is not in it. ``activation_bytes`` are the results
    of all operations of the forward pass, views aside: about what training keeps for the backward pass at most.
    """

    rows: list[Row]
    input_sizes: list[tuple[int, ...]]
    dtypes: list[np.dtype]
    parameter_bytes: int
    buffer_bytes: int
    activation_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def trainable(self) -> int:
        return sum(row.trainable for row in self.rows)

    @property
    def frozen(self) -> int:
        return sum(row.frozen for row in self.rows)

    @property
    def parameters(self) -> int:
        return self.trainable + self.frozen

    @property
    def multiply_adds(self) -> int:
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self) -> str:
        inputs = ", ".join(f"{_shape(s)} {d}" for s, d in zip(self.input_sizes, self.dtypes, strict=True))
        memory = {"parameters": self.parameter_bytes, "buffers": self.buffer_bytes}
        memory["activations"] = self.activation_bytes
        totals = {
            "input": inputs,
            "parameters": f"{self.parameters:,}: {self.trainable:,} trainable, {self.frozen:,} frozen",
            "multiply-adds": f"{self.multiply_adds:,}{_giga(self.multiply_adds)}",
            "memory": ", ".join(f"{what} {n / 1e6:,.2f} MB" for what, n in memory.items() if n),
        }
        lines = [*_table(self.rows), *(f"{name:<14}{value}" for name, value in totals.items() if value)]
        return "\n".join(lines)

    __repr__ = __str__


def _giga(n: int) -> str:
    return f" ({n / 1e9:.2f} G)" if n >= 1e8 else ""


def _shape(shape: Any) -> str:
    if isinstance(shape, list):
        return ", ".join(map(_shape, shape))
    return "" if shape is None else str(tuple(shape))


def _table(rows: Sequence[Row]) -> Iterator[str]:
    head = ("layer", "output shape", "trainable", "frozen", "multiply-adds")
    cells = [head, *map(_cells, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    for number, row in enumerate(cells):
        left = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
        right = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
        yield "  ".join([*left, *right]).rstrip()
        if number in (0, len(rows)):
            yield rule


def _cells(row: Row) -> tuple[str, ...]:
    name = "  " * row.depth + (f"{row.name.rpartition('.')[2]}: " if row.name else "") + row.kind
    if row.shared:
        name += f" (shared with {row.shared})"
    output = _shape(row.output) + (f", {row.calls} calls" if row.calls > 1 else "")
    return name, output, *(f"{n:,}" if n else "" for n in (row.trainable, row.frozen, row.multiply_adds))


def summary(
    model: Module,
    input_size: Sequence[int] | Sequence[Sequence[int]],
    *,
    batch_size: int | None = None,
    dtypes: Any = None,
) -> Summary:
    """The layers of ``model`` with their output shapes, parameters and multiply-adds, as an object that prints a table.

    The model runs once on zeros, in evaluation mode and without recording gradients. Nothing of it changes: running
    statistics, training mode and hooks are afterwards as they were; hooks of the user's are not called.

    Args:
        input_size: the shape of the input, such as (3, 224, 224); for a model with several inputs a list of shapes. If
            the model does not take it as it stands, a batch of one is put before it.
        batch_size: put before each shape, which is then taken to be that of one sample.
        dtypes: of the inputs, one or a list; default: that of the model's parameters. ``minidl.int64`` for indices.

    Raises:
        ArgumentError: a size is negative, or there are none.
        ShapeError: the model does not take inputs of these sizes.

    >>> from minidl import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 10))
    >>> print(summary(model, (1, 28, 28)))
    layer         output shape    trainable  frozen  multiply-adds
    --------------------------------------------------------------
    Sequential    (1, 10)
      0: Conv2d   (1, 8, 26, 26)         80                 48,672
      1: ReLU     (1, 8, 26, 26)
      2: Flatten  (1, 5408)
      3: Linear   (1, 10)            54,090                 54,080
    --------------------------------------------------------------
    input         (1, 1, 28, 28) float32
    parameters    54,170: 54,170 trainable, 0 frozen
    multiply-adds 102,752
    memory        parameters 0.22 MB, activations 0.06 MB
    """
    if not isinstance(model, Module):
        raise DTypeError(must("summary", "model", "a Module", type(model).__name__))
    sizes = _sizes(input_size)
    kinds = _dtypes(model, dtypes, len(sizes))
    if batch_size is not None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 0:
            raise ArgumentError(must("summary", "batch_size", "a whole number, not negative", batch_size))
        return _run(model, [(batch_size, *size) for size in sizes], kinds)
    try:
        return _run(model, sizes, kinds)
    except (MinidlError, IndexError) as error:
        try:
            return _run(model, [(1, *size) for size in sizes], kinds)
        except (MinidlError, IndexError):
            raise error from None


def _sizes(input_size: Any) -> list[tuple[int, ...]]:
    several = isinstance(input_size, (list, tuple)) and any(
        isinstance(size, (list, tuple)) for size in input_size
    )
    sizes = list(input_size) if several else [input_size]
    for size in sizes:
        whole = isinstance(size, (list, tuple)) and all(
            isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 0 for n in size
        )
        if not whole or not size:
            raise ArgumentError(
                must("summary", "input_size", "a shape, or a list of shapes", repr(input_size))
            )
    return [tuple(int(n) for n in size) for size in sizes]


def _dtypes(model: Module, dtypes: Any, count: int) -> list[np.dtype]:
    if isinstance(dtypes, (list, tuple)):
        if len(dtypes) != count:
            raise ArgumentError(
                must("summary", "dtypes", f"as many as there are inputs, {count}", len(dtypes))
            )
        return [as_dtype("summary", dtype) for dtype in dtypes]
    if dtypes is not None:
        return [as_dtype("summary", dtypes)] * count
    floats = [p.dtype for p in model.parameters() if p.is_floating_point()]
    return [floats[0] if floats else get_default_dtype()] * count


def _run(model: Module, sizes: list[tuple[int, ...]], dtypes: list[np.dtype]) -> Summary:
    result = Summary(
        _rows(model),
        sizes,
        dtypes,
        parameter_bytes=sum(p.array.nbytes for p in model.parameters()),
        buffer_bytes=sum(b.array.nbytes for b in model.buffers()),
    )
    inputs = [Tensor(np.zeros(size, dtype)) for size, dtype in zip(sizes, dtypes, strict=True)]
    watcher = _Watcher(model, result)
    with no_grad(), evaluating(model), watcher.on_modules(), watch_operations(watcher.operation):
        model(*inputs)
    return result


def _rows(model: Module) -> list[Row]:
    """A row for each place in the tree; a parameter counts at the first that has it."""
    places: dict[int, str] = {}  # the first name of modules and parameters, by id
    rows = []
    for name, module in model.named_modules(remove_duplicate=False):
        row = Row(name, type(module).__name__)
        if id(module) in places:
            row.shared = places[id(module)] or "the whole"
        places.setdefault(id(module), name)
        for parameter in module._own_parameters().values():
            first = places.setdefault(id(parameter), name)
            if first != name:
                row.shared = row.shared or first
            elif parameter.requires_grad:
                row.trainable += parameter.numel()
            else:
                row.frozen += parameter.numel()
        rows.append(row)
    return rows


class _Watcher:
    """Looks on while the model runs: knows at which place of the tree, and notes what happens there."""

    def __init__(self, model: Module, result: Summary) -> None:
        self.model, self.result = model, result
        self.places: dict[int, list[Row]] = {}  # a module's rows, by its id
        for row, (_, module) in zip(result.rows, model.named_modules(remove_duplicate=False), strict=True):
            self.places.setdefault(id(module), []).append(row)
        self.inside = [result.rows[0]]  # the places of the calls that are running

    @contextmanager
    def on_modules(self) -> Iterator[None]:
        """Put hooks on all modules, in the place of those that are there."""
        modules = list(self.model.modules())
        before = [vars(module).get("_hooks") for module in modules]
        try:
            for module in modules:
                module._hooks = Hooks()
                module._hooks.register("pre", self.enter, False, False)
                module._hooks.register("forward", self.leave, False, False)
            yield
        finally:
            for module, hooks in zip(modules, before, strict=True):
                module._hooks = hooks
                if hooks is None:
                    del module._hooks  # back to the class's

    def enter(self, module: Module, _args: Any) -> None:
        rows, parent = self.places[id(module)], self.inside[-1]
        below = [row for row in rows if not parent.name or row.name.startswith(f"{parent.name}.")]
        row = min(below or rows, key=lambda row: row.calls)  # of several places below, the next in turn
        row.calls += 1
        self.inside.append(row)

    def leave(self, _module: Module, _args: Any, result: Any) -> None:
        shapes = [tuple(x.shape) for x in _tensors(result)]
        self.inside.pop().output = shapes[0] if len(shapes) == 1 else shapes or None

    def operation(self, name: str, args: Sequence[Any], outputs: Sequence[np.ndarray]) -> None:
        arrays = [getattr(arg, "array", arg) for arg in args]
        given = [a for a in arrays if isinstance(a, np.ndarray)]
        for y in outputs:
            self.inside[-1].multiply_adds += _multiply_adds(name, arrays, y)
            if not any(np.may_share_memory(y, a) for a in given):
                self.result.activation_bytes += y.nbytes


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in what a module returned."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
