"""``tensor[index] = value``: an in-place operation on the view that the index selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl import inplace, tape
from minidl.errors import ShapeError, must
from minidl.grad_mode import thread
from minidl.ops import indexing
from minidl.ops.arguments import converted, plain
from minidl.ops.indexing import Shape
from minidl.ops.permutation import _permute
from minidl.ops.shape import _reshape

if TYPE_CHECKING:
    from minidl.tensor import Tensor


def setitem(tensor: Tensor, index: Any, value: Any) -> None:
    """Write ``value`` into the elements of ``tensor`` that ``index`` selects (see :func:`minidl.ops.indexing.getitem`).

    Args:
        tensor: changed in place; what later uses it, its base or another view is differentiated through the change.
        index: as for reading. Where integer tensors name a place several times, the last value stays.
        value: a number, or a tensor, which is converted to the tensor's dtype and broadcast; sizes of 1 in front
            that are too many are dropped.

    Raises:
        GradError: the tensor is a leaf that requires a gradient, or a view of one, outside ``no_grad``; or its memory
            cannot be written.
        DimensionError: the index is wrong.
        ShapeError: ``value`` does not broadcast to what is selected.
        DTypeError: ``value`` is neither a tensor nor a number.
        ArgumentError: it is a number outside the range of an integer dtype.
    """
    view, arrays, place = indexing.locate("setitem", tensor, index)
    inplace.check_writable(view, "setitem")
    value = converted("setitem", value, tensor.dtype)
    new = indexing.indices_shape("setitem", view.shape, arrays) if arrays else ()
    if value.ndim:
        value = _as_selected(value, view.shape, indexing.indexed_dims(arrays), new, place)
    base = view if view._view is None else view._view.base
    if not thread.mode.recording or (base._node is None and getattr(value, "node", None) is None):
        view.array[tuple(map(plain, arrays)) or ...] = plain(value)
        view._memory.write("setitem")
        return
    if arrays:
        value = indexing.index_put(view, value, *arrays)
    value = tape.broadcast_to(value, view.shape)
    inplace.write(view, plain(value), getattr(value, "node", None), "setitem")


def _as_selected(value: Any, view: Shape, indexed: int, new: Shape, place: int) -> Any:
    """``value`` broadcast to what is selected of a view, with the dimensions ``new`` of the index arrays in front."""
    rest = view[indexed:]
    selected = (*rest[:place], *new, *rest[place:])
    shape = value.shape
    while len(shape) > len(selected) and shape[0] == 1:
        shape = shape[1:]
    aligned = zip(shape[::-1], selected[::-1], strict=False)
    if len(shape) > len(selected) or any(n not in (1, m) for n, m in aligned):
        expected = f"broadcastable to the selected shape {selected}"
        raise ShapeError(must("setitem", "value", expected, value.shape))
    value = tape.broadcast_to(_reshape(value, shape), selected)
    n = len(new)
    return _permute(value, (*range(place, place + n), *range(place), *range(place + n, len(selected))))
