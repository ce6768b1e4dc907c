"""Writing into tensors without ever making a gradient wrong.

Tensors that are views of one buffer share its :class:`~minidl.tape.Memory`, whose clock moves at each write. Backward
compares it with the number of the Node that would read the buffer, and raises if the write came later.

What remains is history: after ``view += 1``, whoever uses the base, or another view of it, must be differentiated
through that addition. As in PyTorch, the base's history becomes "the old base, with the view's new value put into its
region"; and every other view, when next used, takes its history anew from its base.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.dtypes import can_cast
from minidl.errors import DTypeError, GradError, ShapeError, must
from minidl.grad_mode import Mode, enable_grad, thread
from minidl.tape import Memory, Node, Op, record

if TYPE_CHECKING:
    from minidl.tensor import Tensor

# View operations, their arguments after the first, and which output is meant of an operation that has several.
Chain = tuple[tuple[Op, tuple[Any, ...], int | None], ...]


class View:
    """That a tensor is a view: of which base, by which operations, and as of when its history is right."""

    __slots__ = ("_base", "chain", "recorded", "seen")

    _base: Tensor
    chain: Chain
    recorded: bool
    seen: int

    @property
    def base(self) -> Tensor:
        """The tensor that the chain begins at. If its shape was changed in place later, what it was before."""
        view = self._base._view
        return self._base if view is None else view._base


def link(
    result: Tensor, source: Tensor, op: Op, rest: tuple[Any, ...], mode: Mode, output: int | None = None
) -> None:
    """Note that ``result``, which is ``op(source, *rest)`` or one ``output`` of it, is a view, if it is."""
    x, base = source.array, result.array.base
    if not (base is not None and (base is x or base is x.base)) and result.array is not x:
        return  # the copy that the operation had to make
    result._cell = memory = source._cell or source._memory
    result._view = view = View()
    inherited = source._view
    if inherited is None:
        view._base, view.chain, view.recorded = source, ((op, rest, output),), mode.recording
    else:
        view._base, view.chain = inherited._base, (*inherited.chain, (op, rest, output))
        view.recorded = mode.recording and inherited.recorded
    view.seen = memory.written


def _region(x: Any, chain: Chain) -> Any:
    """The part of ``x``, an array or a Tensor, that the view operations in ``chain`` select."""
    for op, rest, output in chain:
        x = op(x, *rest) if output is None else op(x, *rest)[output]
    return x


def _put_forward(base: np.ndarray, value: Any, chain: Chain) -> np.ndarray:
    # Written by position: in another memory order than the base's, as gradients may have, the chain might give a copy.
    positions = _region(np.arange(base.size).reshape(base.shape), chain)
    changed = np.copy(base, order="K")
    np.put(changed, positions, value)
    return changed


# The base with ``value`` in place of the region.
_put: Op = Op(
    "write_to_view",
    _put_forward,
    lambda g, _y, _base, _value, chain: _put(g, 0.0, chain),
    lambda g, _y, _base, _value, chain: _region(g, chain),
)


def history(tensor: Tensor) -> Node | None:
    """The Node of a view, taken anew from its base if the buffer was written since it was last right."""
    view, node = tensor._view, tensor._node
    if view is not None and view.seen < tensor._memory.written and view.recorded and not is_leaf(node):
        view.seen, base = tensor._memory.written, view.base
        if not is_leaf(base._node):  # which is only written within no_grad
            with enable_grad():
                _set_history(tensor, _region(base, view.chain)._node)
    return tensor._node


def _set_history(tensor: Tensor, node: Node | None) -> None:
    """Replace the Node of ``tensor``. A gradient that it retains is from now on that of the new value."""
    old = tensor._node
    if old is not None and node is not None and old.op is not None and old.retains_grad:
        old.retains_grad, node.retains_grad = False, True
    tensor._node = node


def is_leaf(node: Node | None) -> bool:
    """Whether ``node`` is where gradients end (a tensor without history is a leaf too, but has no Node)."""
    return node is not None and node.op is None


def _check_no_leaf(tensor: Tensor, name: str) -> None:
    view = tensor._view
    of_leaf = view is not None and is_leaf(view.base._node)
    if thread.mode.recording and (of_leaf or is_leaf(tensor._node)):
        what = "a view of a leaf" if of_leaf else "a leaf"
        raise GradError(
            f"{name}: {what} that requires a gradient cannot be changed in place while operations are "
            "recorded; do it within no_grad(), or change a clone"
        )


def _check_recorded(tensor: Tensor, name: str, node: Node | None) -> None:
    """Raise if a change to ``node`` cannot be recorded, because it is not known what ``tensor`` is a view of."""
    view = tensor._view
    if not thread.mode.recording or view is None:
        return
    if not view.recorded and (view.base._node or node):
        raise GradError(
            f"{name}: the tensor is a view that was made within no_grad(), so its base cannot record the change; "
            "make the view outside, or change it within no_grad()"
        )
    if view.base._memory is not tensor._memory:
        raise GradError(
            f"{name}: the tensor is a view of what its base was before .data was assigned; clone it first"
        )


def check_writable(tensor: Tensor, name: str) -> None:
    """Raise if ``tensor`` cannot be changed in place by the operation ``name``."""
    _check_no_leaf(tensor, name)
    array = tensor.array
    shared = array.size > 0 and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True))
    if shared or not array.flags.writeable:
        raise GradError(
            f"{name}: the tensor cannot be written: it is read-only, or several of its elements share one place in "
            "memory (expand); clone it first"
        )


def write(tensor: Tensor, value: np.ndarray, node: Node | None, name: str) -> None:
    """Copy ``value``, whose history is ``node``, into ``tensor``; the second half of an in-place operation.

    Raises:
        ShapeError: ``value`` does not have the tensor's shape.
        DTypeError: ``value`` is of a higher category (a float for an integer tensor).
    """
    if value.shape != tensor.array.shape:
        raise ShapeError(
            must(name, "the result", f"of the tensor's own shape {tensor.array.shape}", value.shape)
        )
    if not can_cast(value.dtype, tensor.array.dtype):
        raise DTypeError(
            must(name, "the result", f"castable to the tensor's {tensor.array.dtype}", value.dtype)
        )
    _check_recorded(tensor, name, node)
    view = tensor._view
    before = None if view is None else view.base._node
    np.copyto(tensor.array, value, casting="unsafe")
    tensor._memory.write(name)
    if not thread.mode.recording:
        return
    if view is None:
        _set_history(tensor, node)
    elif before is not None or node is not None:
        args = (view.base.array, value, view.chain)
        _set_history(view.base, record(_put, args, args, (before, node, None), view.base.array))


def _keep_old_value(node: Node, tensor: Tensor) -> None:
    """Copy what the vjps of ``node`` will read of ``tensor``, which is about to be written."""
    for k, (position, memory) in enumerate(node.watched):
        if position and memory is tensor._memory:
            node.saved[position - 1] = node.saved[position - 1].copy()
            node.watched = (*node.watched[:k], (position, Memory()), *node.watched[k + 1 :])


def in_place(name: str, out_of_place: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The in-place form of an operation: compute fresh, record against the old value, then copy in."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_writable(self, name)
        result = out_of_place(self, *args, **kwargs)
        if result._node is not None:
            _keep_old_value(result._node, self)
            if result.array.dtype != self.array.dtype and can_cast(result.array.dtype, self.array.dtype):
                result = result.to(self.array.dtype)
        write(self, result.array, result._node, name)
        return self

    method.__name__ = method.__qualname__ = name
    method.__wrapped__ = out_of_place  # type: ignore[attr-defined]  # whose signature help() shows
    method.__doc__ = f"In-place form of :func:`minidl.{out_of_place.__name__}`; returns the tensor itself."
    return method


def in_place_view(name: str, out_of_place: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The in-place form of a view operation: the tensor becomes that view of what it was.

    A stand-in takes its place as the base of the views that there are of it, and has its memory, history and shape.
    To a graph this is a write, as in PyTorch, although no element changes.
    """

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        _check_no_leaf(self, name)
        _check_recorded(self, name, self._node)
        was = self.detach()
        was._node, was._view = history(self), self._view
        with enable_grad():  # no value changes, so within no_grad too the gradient is that of the old shape
            result = out_of_place(was, *args, **kwargs)
        self.array = result.array
        self._memory.write(name)
        node = self._node
        if node is not None and node.op is None:  # within no_grad: a leaf remains one
            node.shape, node.strides = result.array.shape, result.array.strides
        else:
            _set_history(self, result._node)
            self._view = result._view
        return self

    method.__name__ = method.__qualname__ = name
    method.__wrapped__ = out_of_place  # type: ignore[attr-defined]  # whose signature help() shows
    method.__doc__ = f"In-place form of :func:`minidl.{out_of_place.__name__}`; returns the tensor itself."
    return method
