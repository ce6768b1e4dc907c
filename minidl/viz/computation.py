"""The computation graph of a tensor as a picture: what was computed from what, with shapes and gradients.

The picture is SVG, which browsers and notebooks show, and is written here by hand: no other program is needed.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minidl.autograd import graph_nodes, watch_gradient
from minidl.errors import ArgumentError, DTypeError, GradError, must
from minidl.nn.module import Module
from minidl.tensor import Tensor
from minidl.viz.layout import Placed, layered

LETTER, LINE, MARGIN = 7.3, 17.0, 10.0  # of a 12-pixel monospaced font, and around boxes
FILLS = {
    "operation": ("#eef3fb", "#4a6fa5"),
    "parameter": ("#e9f6ec", "#3c8d5a"),
    "leaf": ("#fff8e1", "#b8860b"),
    "constant": ("#f4f4f4", "#8a8a8a"),
}


@dataclass
class Box:
    """What is drawn as one box: an operation, a parameter, another leaf, or a constant that went in."""

    kind: str
    title: str
    shape: tuple[int, ...]
    dtype: str
    outputs: int = 0  # of an operation with several
    norm: float | None = None  # of the gradient, once it is known

    def lines(self) -> list[str]:
        text = f"{self.outputs} outputs" if self.outputs else str(self.shape) if self.shape else "scalar"
        gradient = [] if self.norm is None else [f"‖g‖ {self.norm:.2e}"]
        return [self.title, text if self.dtype == "float32" else f"{text} {self.dtype}", *gradient]


class Graph:
    """The graph of a computation, drawn from above down; made by :func:`graph`.

    ``boxes`` are what is drawn, ``edges`` pairs of their numbers, from what goes in to what comes out. A notebook shows
    it as a picture.
    """

    def __init__(self, boxes: list[Box], edges: list[tuple[int, int]]) -> None:
        self.boxes, self.edges = boxes, edges

    def __repr__(self) -> str:
        kinds = [box.kind for box in self.boxes]
        return f"Graph({kinds.count('operation')} operations, {kinds.count('parameter')} parameters)"

    def svg(self) -> str:
        """The picture as the text of an ``<svg>`` element; with norms of gradients if a backward has been since."""
        sizes = []
        for box in self.boxes:
            lines = box.lines()
            sizes.append((LETTER * max(map(len, lines)) + 2 * MARGIN, LINE * len(lines) + 9))
        return _draw(self, sizes, layered(sizes, self.edges))

    _repr_svg_ = svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to ``path``, a file that ends in .svg.

        Raises:
            ArgumentError: the ending is another.
        """
        if Path(path).suffix.lower() != ".svg":
            raise ArgumentError(must("Graph.save", "path", "a file that ends in .svg", repr(str(path))))
        Path(path).write_text(self.svg() + "\n", encoding="utf-8")


def graph(loss: Tensor, model: Module | Mapping[str, Tensor] | None = None, *, max_boxes: int = 400) -> Graph:
    """The graph that ``loss`` was computed by, to look at.

    Made before ``backward``, it also notes the norm of each gradient while the backward passes, and draws them from
    then on. A backward frees the graph, so it cannot be drawn afterwards (unless with ``retain_graph=True``).

    Args:
        loss: any tensor that requires a gradient.
        model: names its parameters; or a dict of tensors by name.
        max_boxes: a graph of more is refused, for nobody could look at it.

    Raises:
        GradError: ``loss`` requires no gradient, or its graph has been freed.
        ArgumentError: it has more than ``max_boxes``.

    >>> import minidl
    >>> w = minidl.tensor([1.0, 2.0], requires_grad=True)
    >>> g = graph((w * w).sum(), {"w": w})
    >>> g
    Graph(2 operations, 1 parameters)
    >>> [box.lines() for box in g.boxes]
    [['w', '(2,)'], ['mul', '(2,)'], ['sum', 'scalar']]
    """
    if not isinstance(loss, Tensor):
        raise DTypeError(must("graph", "loss", "a Tensor", type(loss).__name__))
    if loss.node is None:
        raise GradError(must("graph", "loss", "a tensor that requires a gradient", "a constant"))
    nodes = graph_nodes(loss, limit=4 * max_boxes)
    made = _Maker(_names(model))
    for node in nodes:
        made.add(node)
        if len(made.boxes) > max_boxes:
            expected = f"of at most {max_boxes} boxes to be looked at (max_boxes allows more)"
            raise ArgumentError(must("graph", "the graph", expected, f"at least {len(nodes)}"))
    result = Graph(made.boxes, sorted(made.edges))
    _collect_norms(result, made.nodes)
    return result


def _names(model: Any) -> dict[int, str]:
    """Names by the ids of Nodes, and, for what has none, of arrays."""
    if model is None:
        return {}
    if isinstance(model, Module):
        tensors = dict(model.named_parameters())
    elif isinstance(model, Mapping):
        tensors = dict(model)
    else:
        raise DTypeError(must("graph", "model", "a Module or a dict of tensors", type(model).__name__))
    return {
        id(tensor.array if tensor.node is None else tensor.node): name for name, tensor in tensors.items()
    }


class _Maker:
    """Makes boxes of Nodes that are added in their order."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.boxes: list[Box] = []
        self.edges: set[tuple[int, int]] = set()
        self.numbers: dict[int, int] = {}  # the box of a Node or array, by its id
        self.nodes: dict[int, Any] = {}  # the Node of a box

    def add(self, node: Any) -> None:
        if node.output is not None:  # one of several outputs: the box is that of the call
            self.numbers[id(node)] = self.numbers[id(node.edges[0])]
            return
        inputs = [self.box_of(value) for value in node.inputs()]
        if node.op is None:
            kind = "parameter" if id(node) in self.names else "leaf"
            box = Box(kind, self.names.get(id(node), "leaf"), node.shape, node.dtype.name)
        else:
            box = Box("operation", node.name, node.shape, node.dtype.name, node.outputs)
        self.put(node, box)
        self.nodes[len(self.boxes) - 1] = node
        self.edges.update((number, len(self.boxes) - 1) for number in inputs)

    def box_of(self, value: Any) -> int:
        if id(value) not in self.numbers:  # no Node, or it would have come before
            title = self.names.get(id(value), "constant")
            self.put(value, Box("constant", title, tuple(value.shape), value.dtype.name))
        return self.numbers[id(value)]

    def put(self, value: Any, box: Box) -> None:
        self.numbers[id(value)] = len(self.boxes)
        self.boxes.append(box)


def _collect_norms(result: Graph, nodes: dict[int, Any]) -> None:
    """Let the next backward that comes by write the norms into the boxes; once, and not if the graph is gone."""
    handles = []

    def watch(number: int, node: Any) -> None:
        graph_of = weakref.ref(result)

        def note(g: Any) -> None:
            handle.remove()
            if (alive := graph_of()) is not None:
                alive.boxes[number].norm = _norm(g)

        handle = watch_gradient(node, note)
        handles.append(handle)

    for number, node in nodes.items():
        watch(number, node)
    weakref.finalize(result, _remove, handles)


def _remove(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()


def _norm(g: Any) -> float:
    """The square root of the sum of squares, of one gradient or of several together."""
    parts = [np.asarray(getattr(part, "array", part)) for part in (g if isinstance(g, list) else [g])]
    squares = [np.square(part, dtype=np.float64) for part in parts if part.dtype.kind == "f"]  # no None
    return math.sqrt(float(sum(np.sum(square) for square in squares)))


# ---- drawing


def _draw(picture: Graph, sizes: list[tuple[float, float]], placed: Placed) -> str:
    width, height = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN:g} {-MARGIN:g} {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" style="max-width:100%;height:auto" role="img" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12">',
        f"<title>{escape(repr(picture))}</title>",
        f'<rect x="{-MARGIN:g}" y="{-MARGIN:g}" width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
    ]
    for (start, end), path in zip(picture.edges, placed.paths, strict=True):
        parts.append(_line(path, sizes[start][1] / 2, sizes[end][1] / 2))
    largest = max((box.norm for box in picture.boxes if box.norm and math.isfinite(box.norm)), default=0.0)
    for box, size, centre in zip(picture.boxes, sizes, placed.centres, strict=True):
        parts.append(_box(box, size, centre, largest))
    return "\n".join([*parts, "</svg>"])


def _line(path: list[tuple[float, float]], down: float, up: float) -> str:
    """A curve through ``path``, from the lower side of the first box to a tip at the upper side of the last."""
    points = [(path[0][0], path[0][1] + down), *path[1:-1], (path[-1][0], path[-1][1] - up - 5)]
    d = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (y0 + y1) / 2
        d += f" C{x0:.1f} {half:.1f} {x1:.1f} {half:.1f} {x1:.1f} {y1:.1f}"
    x, y = points[-1]
    tip = f"M{x - 3.5:.1f} {y - 1:.1f}h7l-3.5 6z"
    return f'<path d="{d}" fill="none" stroke="#777"/><path d="{tip}" fill="#777"/>'


def _box(box: Box, size: tuple[float, float], centre: tuple[float, float], largest: float) -> str:
    (width, height), (x, y) = size, centre
    fill, stroke = FILLS[box.kind]
    left, top = x - width / 2, y - height / 2
    note = f"{box.kind} {box.title}, {box.dtype} {box.shape}"
    parts = [
        f"<g><title>{escape(note)}</title>",
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5" fill="{fill}" '
        f'stroke="{stroke}"/>',
    ]
    if box.norm is not None:
        parts.append(
            f'<rect x="{left + 4:.1f}" y="{top + height - LINE - 4:.1f}" width="{width - 8:.1f}" height="{LINE:g}" '
            f'rx="3" fill="{_heat(box.norm, largest)}"/>'
        )
    for i, text in enumerate(box.lines()):
        weight = ' font-weight="bold"' if i == 0 else ' fill="#444"'
        parts.append(
            f'<text x="{x:.1f}" y="{top + LINE * (i + 1):.1f}" text-anchor="middle"{weight}>{escape(text)}</text>'
        )
    return "".join([*parts, "</g>"])


def _heat(norm: float, largest: float) -> str:
    """From white, for a ten-thousandth of the largest norm or less, to orange; red for what is no number."""
    if not math.isfinite(norm):
        return "#ff6b6b"
    share = max(0.0, 1 + math.log10(norm / largest) / 4) if norm and largest else 0.0
    return f"rgb(255,{255 - 75 * share:.0f},{255 - 165 * share:.0f})"
