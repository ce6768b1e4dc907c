"""How an Op runs on tensors: its forward on the arrays behind them, and then the history of the result.

On small tensors this file is what an operation costs, so it is short where nearly all calls go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl import anomaly
from minidl.grad_mode import Mode, thread
from minidl.inplace import View, history, link
from minidl.tape import SMALL, Memory, Node, Op, output_node, record

ndarray = np.ndarray
Tensor: Any = None  # the class, which says here that it exists


class Dispatch:
    """The base of Tensor that runs Ops. A tensor is four things: its array, its Node, its View and its Memory.

    Any call of an Op may come in by ``__minidl_op__``. The two other ways in are for most calls, and shorter: for one
    tensor beside plain values, and for two tensors that NumPy may take as they are.
    """

    # Without defaults in the class, for where it has some Python is slower to find a tensor's own.
    array: np.ndarray
    _node: Node | None  # None for a constant
    _view: View | None  # None unless it is a view
    _cell: Memory | None  # None until it is asked for

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        global Tensor
        Tensor = Tensor or cls

    @property
    def _memory(self) -> Memory:
        """The Memory that it shares with its views; most results never need one."""
        if self._cell is None:
            self._cell = Memory()
        return self._cell

    def __minidl_unary__(self: Any, op: Op, rest: tuple[Any, ...] = ()) -> Any:
        """``op(self, *rest)``, with no tensor in ``rest``."""
        mode = thread.mode
        quietly = mode.quietly
        try:
            forward = op.forward if self.array.size < SMALL else op.large
            if not rest:
                y = quietly(forward, self.array)
            elif len(rest) == 1:  # to unpack one would take longer than this line
                y = quietly(forward, self.array, rest[0])
            else:
                y = quietly(forward, self.array, *rest)
        except RuntimeError:
            y = mode.at_once(op.forward, self.array, *rest)
        if y.__class__ is not ndarray and y.__class__ is not tuple:
            y = np.asarray(y)  # NumPy gives a scalar for a result of no dimensions
        node = self._node if self._view is None else history(self)
        if node is None and y.__class__ is ndarray and not mode.detecting:
            result = make(y)
            if op.view:
                link(result, self, op, rest, mode)
            return result
        return _finish(op, (self, *rest), (self.array, *rest), (node, *[None] * len(rest)), y, mode)

    def __minidl_binary__(self: Any, op: Op, other: Any) -> Any:
        """``op(self, other)`` for a tensor of the same dtype, or for a number beside floats. For others None."""
        if not isinstance(other, Tensor):
            weak = other.__class__ is float or other.__class__ is int
            return self.__minidl_unary__(op, (other,)) if weak and self.array.dtype.kind == "f" else None
        a, b = self.array, other.array
        if a.dtype is not b.dtype:
            return None
        mode = thread.mode
        quietly = mode.quietly
        try:
            y = quietly(op.forward if a.size < SMALL > b.size else op.large, a, b)
        except RuntimeError:
            y = mode.at_once(op.forward, a, b)
        if y.__class__ is not ndarray and y.__class__ is not tuple:
            y = np.asarray(y)
        node = self._node if self._view is None else history(self)
        other_node = other._node if other._view is None else history(other)
        if node is None is other_node and y.__class__ is ndarray and not mode.detecting:
            return make(y)
        return _finish(op, (self, other), (a, b), (node, other_node), y, mode)

    def __minidl_list__(self: Any, op: Op, d: int, tensors: Sequence[Any]) -> Any:
        """``op(d, *tensors)`` for tensors, of which this is one."""
        arrays = []
        for x in tensors:
            if x._node is not None or x._view is not None:
                return self.__minidl_op__(op, (d, *tensors))
            arrays.append(x.array)
        mode = thread.mode
        quietly = mode.quietly
        if mode.detecting:
            return self.__minidl_op__(op, (d, *tensors))
        try:
            return make(quietly(op.forward, d, *arrays))
        except RuntimeError:
            return make(mode.at_once(op.forward, d, *arrays))

    @staticmethod
    def __minidl_op__(op: Op, args: tuple[Any, ...], with_extras: bool = False) -> Any:
        """``op(*args)``, or ``op.with_extras(*args)``."""
        arrays = []
        constant = True
        for a in args:
            if isinstance(a, Tensor):
                arrays.append(a.array)
                if a._node is not None or a._view is not None:
                    constant = False
            else:
                arrays.append(a)
        mode = thread.mode
        quietly = mode.quietly
        try:
            y = quietly(op.large, *arrays)  # this way is not for what must be quick
        except RuntimeError:
            y = mode.at_once(op.forward, *arrays)
        if y.__class__ is not ndarray and y.__class__ is not tuple:
            y = np.asarray(y)
        if constant and y.__class__ is ndarray and not op.view and not mode.detecting:
            return make(y)
        edges = [history(a) if isinstance(a, Tensor) else None for a in args]
        return _finish(op, args, arrays, edges, y, mode, with_extras)


def make(array: np.ndarray, node: Node | None = None, memory: Memory | None = None) -> Any:
    """A Tensor from its parts, without the checks of its constructor."""
    tensor = _new(Tensor)
    tensor.array, tensor._node, tensor._view, tensor._cell = array, node, None, memory
    return tensor


_new: Any = object.__new__


def _finish(
    op: Op,
    args: tuple[Any, ...],
    arrays: Sequence[Any],
    edges: Sequence[Any],
    y: Any,
    mode: Mode,
    with_extras: bool = False,
) -> Any:
    """The tensor of ``y``, what the forward of ``op`` returned, with its history if an argument has one."""
    extras: Sequence[Any] = ()
    if y.__class__ is not ndarray:
        if y.__class__ is tuple:
            y, *extras = y
        if not op.multi:
            y = np.asarray(y)
    if mode.detecting:
        anomaly.check_forward(op.name, args, y if op.multi else [y])
    node = None
    if mode.recording and op.differentiable and any(edges):
        node = record(op, args, arrays, edges, y, extras)
        if mode.detecting:
            node.trace = anomaly.users_line()
    if op.multi:
        return _outputs(op, args, y, node, mode)
    result = make(y, node)
    if op.view:
        link(result, args[0], op, args[1:], mode)
    if node is not None and node.y is not None:
        node.watched += ((0, result._memory),)
    return (result, *_watched(extras, node, 1 + len(args))) if with_extras else result


def _outputs(
    op: Op, args: tuple[Any, ...], ys: tuple[np.ndarray, ...], call: Node | None, mode: Mode
) -> tuple[Any, ...]:
    """The results of a multi Op. Those that are views of the argument share its Memory."""
    results = []
    for k, y in enumerate(ys):
        result = make(y, None if call is None else output_node(call, k, y))
        if op.view:
            link(result, args[0], op, args[1:], mode, k)
        results.append(result)
    return tuple(results)


def _watched(extras: Sequence[np.ndarray], node: Node | None, position: int) -> list[Any]:
    """The extras of a call as tensors; its Node watches them, the first as what it keeps at ``position``."""
    tensors = [make(extra) for extra in extras]
    if node is not None:
        node.watched += tuple((position + i, tensor._memory) for i, tensor in enumerate(tensors))
    return tensors
