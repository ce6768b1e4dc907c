"""The walk backward over the tape: each Node once, the latest first, and what arrives at it summed up.

Every use of a value is younger than the value. So when a Node is the latest of those that wait, all of its gradient
has arrived, and no order need be worked out beforehand.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minidl import anomaly
from minidl.errors import GradError
from minidl.grad_mode import thread
from minidl.tape import Node, sum_to


class _Arrivals:
    """The gradients that have arrived at Nodes, summed up; to be taken out with the latest Node first."""

    def __init__(self, needed: set[Node] | None) -> None:
        self.needed = needed  # None: all Nodes
        self.waiting: dict[int, list[Any]] = {}  # number -> [node, gradient, what it was made from]
        self.heap: list[int] = []  # -number: the latest Node comes first

    def add(self, node: Node, g: Any, source: Any) -> None:
        """Add ``g``, which a vjp made from ``source``, to what waits at ``node``."""
        if self.needed is not None and node not in self.needed:
            return
        if g.shape != node.shape:
            _check_broadcast(node, g)
            g = sum_to(g, node.shape)
        if g.dtype is not node.dtype and g.dtype != node.dtype:
            raise GradError(
                f"backward: a gradient of dtype {g.dtype} has arrived at {node.name} of {node.dtype}"
            )
        number = node.number
        if number not in self.waiting:
            # A leaf is older than all results and waits to the end: to hold the source so long would keep the
            # gradients of all layers alive.
            self.waiting[number] = [node, g, source if source is g or type(source) is list else None]
            heapq.heappush(self.heap, -number)
            return
        entry = self.waiting[number]
        if is_new(entry[1], entry[2]):
            entry[1] += g
        else:
            entry[1], entry[2] = entry[1] + g, None

    def add_output(self, output: Node, g: Any) -> None:
        """Hand ``g``, the gradient of one output of a multi Op, to the Node of the call."""
        output.check_not_freed()
        (call,) = output.edges
        if call.number not in self.waiting:
            self.waiting[call.number] = [call, [None] * call.outputs, None]
            heapq.heappush(self.heap, -call.number)
        self.waiting[call.number][1][output.output] = g


def _check_broadcast(node: Node, g: Any) -> None:
    """Raise unless ``node``'s shape broadcasts to ``g``'s: a vjp may leave only that to be summed."""
    lead = len(g.shape) - len(node.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(node.shape, g.shape[lead:], strict=True)):
        raise GradError(
            f"backward: a gradient of shape {g.shape} has arrived at {node.name} of shape {node.shape}"
        )


def is_new(g: Any, source: Any) -> bool:
    """Whether ``g``, made by a vjp from ``source``, is an array that no one else holds, so that it may be changed."""
    if g is source or type(g) is not np.ndarray or g.base is not None:
        return False
    return type(source) is not list or all(
        g is not other for other in source
    )  # a list: of a multi Op's outputs


def _between(roots: Iterable[Node], inputs: Iterable[Node]) -> set[Node]:
    """The Nodes on a path from ``roots`` to ``inputs``, both included."""
    seen, stack = set(roots), list(roots)
    while stack:
        node = stack.pop()
        node.check_not_freed()
        for edge in node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    leading = set(inputs)
    for node in sorted(seen, key=lambda n: n.number):  # arguments before results
        if any(edge in leading for edge in node.edges):
            leading.add(node)
    return leading


def backward(
    roots: Sequence[tuple[Node, Any]],
    inputs: Sequence[Node] | None = None,
    *,
    wrap: Callable[..., Any] | None = None,
    retain_graph: bool = False,
    deliver: Callable[[Node, Any, bool], None],
) -> None:
    """Walk the graph backward from ``roots``, pairs of a Node and the gradient to begin with.

    Args:
        roots: where to begin.
        inputs: walk only over paths that lead to these Nodes; None means all paths.
        wrap: None to compute on arrays. ``wrap(array, node, memory) -> Tensor`` computes on tensors instead, so that
            the walk itself is recorded and can be differentiated (``create_graph``).
        retain_graph: keep what the vjps read, for another walk; else it is freed on the way.
        deliver: called with (node, gradient, new) at leaves, Nodes that retain their gradient, and ``inputs``, once
            the gradient is complete; ``new`` says that it is an array that no one else holds.

    Raises:
        GradError: the graph has been freed, or a value that a vjp reads was changed in place.
    """
    wanted = frozenset(inputs or ())
    arrivals = _Arrivals(None if inputs is None else _between([node for node, _ in roots], inputs))
    for node, g in roots:
        arrivals.add(node, g, g)
    detecting, arrive = thread.mode.detecting, arrivals.add
    with np.errstate(all="ignore"):
        while arrivals.heap:
            node, g, source = arrivals.waiting.pop(-heapq.heappop(arrivals.heap))  # the latest Node
            if node.hooks:
                source = g = _call_hooks(node, g)
            if node.retains_grad or (wanted and node in wanted):
                deliver(node, g, is_new(g, source))
            if node.op is None:
                continue
            if node.output is not None:
                arrivals.add_output(node, g)
            else:
                node.pull_back(g, wrap, anomaly.checked(node, arrive) if detecting else arrive)
            if not retain_graph:
                node.y = node.saved = None
                node.edges = node.watched = ()


def _call_hooks(node: Node, g: Any) -> Any:
    for hook in list((node.hooks or {}).values()):
        changed = hook(g)
        g = g if changed is None else changed
    return g


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook off. Also a context manager that does."""

    _last = 0

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        RemovableHandle._last += 1
        self.id, self._hooks = RemovableHandle._last, hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()
