"""``tensor[index] = value``: an in-place operation on the view that the index selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl import inplace, tape
from minidl.errors import ShapeError, must
from minidl.grad_mode import state
from minidl.ops import indexing
from minidl.ops.indexing import plain
from minidl.ops.shape import _permute, _reshape

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
    value = _as_selected(indexing.converted("setitem", value, tensor.dtype), view.shape, arrays, place)
    node = getattr(value, "node", None)
    if not arrays:
        inplace.write(view, plain(value), node, "setitem")
    elif state.recording and (node or view.node):
        changed = indexing.index_put(view, value, *arrays)
        inplace.write(view, changed.array, changed.node, "setitem")
    else:
        view.array[tuple(map(plain, arrays))] = plain(value)
        view._memory.write("setitem")


def _as_selected(value: Any, view: tuple[int, ...], arrays: list[Any], place: int) -> Any:
    """``value`` broadcast to what is selected, with the dimensions of the index arrays moved to the front."""
    new = indexing.indices_shape("setitem", view, arrays)
    rest = view[indexing.indexed_dims(arrays) :]
    selected = (*rest[:place], *new, *rest[place:])
    shape = value.shape
    while len(shape) > len(selected) and shape[0] == 1:
        shape = shape[1:]
    if len(shape) > len(selected) or any(
        n not in (1, m) for n, m in zip(shape[::-1], selected[::-1], strict=False)
    ):
        raise ShapeError(
            must("setitem", "value", f"broadcastable to the selected shape {selected}", value.shape)
        )
    value = tape.broadcast_to(value if shape == value.shape else _reshape(value, shape), selected)
    n = len(new)
    return _permute(value, (*range(place, place + n), *range(place), *range(place + n, len(selected))))
