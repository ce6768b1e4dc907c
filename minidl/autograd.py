"""Differentiation under PyTorch's names: ``minidl.autograd.grad``, ``backward``, and the contexts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.anomaly import detect_anomaly
from minidl.errors import ArgumentError, GradError, must
from minidl.grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from minidl.ops.arguments import check_tensor
from minidl.tape import Node
from minidl.tensor import Tensor, accumulate, as_tensor, run_backward
from minidl.walk import RemovableHandle

__all__ = [
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "graph_nodes",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
    "watch_gradient",
]

Tensors = Tensor | Sequence[Tensor]
Gradients = Tensor | None | Sequence[Tensor | None]


def _sequence(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _tensors(op: str, argument: str, x: Any) -> list[Tensor]:
    found = _sequence(x)
    for tensor in found:
        check_tensor(op, argument, tensor)
    return found


def _gradients(op: str, outputs: list[Tensor], gradients: Gradients) -> list[Tensor | None]:
    found = [None] * len(outputs) if gradients is None else _sequence(gradients)
    if len(found) != len(outputs):
        raise ArgumentError(must(op, "the gradients", f"as many as the outputs, {len(outputs)}", len(found)))
    return found


def backward(
    tensors: Tensors,
    grad_tensors: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """``Tensor.backward`` for several tensors in one walk: their gradients are added up."""
    outputs = _tensors("backward", "tensors", tensors)
    targets = None if inputs is None else _tensors("backward", "inputs", inputs)
    gradients = _gradients("backward", outputs, grad_tensors)
    run_backward("backward", outputs, gradients, targets, retain_graph, create_graph, accumulate)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, returned and not added to ``.grad``.

    Args:
        outputs: one tensor or several; the gradients are of their sum, weighted by ``grad_outputs``.
        inputs: leaves, or computed tensors on the way to the outputs.
        grad_outputs: one per output, of its shape; may be left out for outputs of one element.
        retain_graph: keep the graph for another walk; default: ``create_graph``.
        create_graph: record the walk, so that the gradients can be differentiated.
        only_inputs: must be True: the gradients are returned and added nowhere.
        allow_unused: give None for an input that the outputs do not depend on, instead of an error.
        is_grads_batched: must be False: ``grad_outputs`` is for one walk.
        materialize_grads: give zeros instead of None.

    >>> import minidl
    >>> x = minidl.tensor(3.0, requires_grad=True)
    >>> (dx,) = minidl.autograd.grad(x**3, x, create_graph=True)
    >>> minidl.autograd.grad(dx, x)
    (tensor(18.),)
    """
    targets, found = _tensors("grad", "inputs", inputs), dict[Node | None, Any]()
    if not only_inputs or is_grads_batched:
        raise ArgumentError(must("grad", "only_inputs", "True, and is_grads_batched False", "other values"))
    if not targets:
        raise ArgumentError(must("grad", "inputs", "at least one tensor", "none"))
    wanted = {t.node for t in targets}

    def deliver(node: Node, g: Any, new: bool) -> None:
        if node in wanted:
            found[node] = as_tensor(g if new or isinstance(g, Tensor) else np.copy(g, order="K"))

    tensors = _tensors("grad", "outputs", outputs)
    gradients = _gradients("grad", tensors, grad_outputs)
    run_backward("grad", tensors, gradients, targets, retain_graph, create_graph, deliver)
    results = [found.get(t.node) for t in targets]
    if materialize_grads:
        return tuple(
            as_tensor(np.zeros(t.shape, t.dtype)) if g is None else g
            for t, g in zip(targets, results, strict=True)
        )
    unused = [i for i, g in enumerate(results) if g is None]
    if unused and not allow_unused:
        raise GradError(
            f"grad: the outputs do not depend on input {unused[0]}; pass allow_unused=True to get None for it"
        )
    return tuple(results)


def graph_nodes(tensor: Tensor, limit: int | None = None) -> list[Node]:
    """The Nodes that lead to ``tensor``, each once, in the order in which they were made: for looking at the graph.

    Args:
        limit: stop looking when there are more; ``limit + 1`` are then returned, of which none need be the first.

    Raises:
        GradError: the tensor does not require a gradient, or the graph has been freed by a backward.

    >>> import minidl
    >>> x = minidl.ones(3, requires_grad=True)
    >>> [node.name for node in graph_nodes((2 * x).exp().sum())]
    ['leaf', 'mul', 'exp', 'sum']
    """
    check_tensor("graph_nodes", "tensor", tensor)
    if tensor.node is None:
        raise GradError(must("graph_nodes", "tensor", "one that requires a gradient", "a constant"))
    found, waiting = {tensor.node}, [tensor.node]
    while waiting and (limit is None or len(found) <= limit):
        for value in waiting.pop().inputs():
            if isinstance(value, Node) and value not in found:
                found.add(value)
                waiting.append(value)
    return sorted(found, key=lambda node: node.number)[-(len(found) if limit is None else limit + 1) :]


def watch_gradient(node: Node, callback: Callable[[Any], None]) -> RemovableHandle:
    """Call ``callback`` with each gradient of ``node`` that a backward completes: an array, or a Tensor under
    ``create_graph``; of a call with several outputs a list of them, with None for those that were not used.

    Returns a handle, whose ``remove()`` ends it.
    """
    if node.hooks is None:
        node.hooks = {}
    return RemovableHandle(node.hooks, callback)
