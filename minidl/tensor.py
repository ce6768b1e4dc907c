"""Tensor: an array that remembers how it was computed. The waist of minidl.

Below this file nobody sees a Tensor: kernels, the tape and the operations work on arrays, and an Op that meets a
Tensor calls its ``__minidl_op__``. Above it nobody sees a kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl import inplace, numpy_protocol, random
from minidl.dispatch import Dispatch, make
from minidl.dtypes import as_dtype, get_default_dtype
from minidl.errors import ArgumentError, DTypeError, GradError, ShapeError, must
from minidl.grad_mode import enable_grad
from minidl.methods import Methods
from minidl.ops import arguments
from minidl.readout import Readout
from minidl.tape import Memory, Node
from minidl.walk import RemovableHandle, backward


class Tensor(Methods, Readout, Dispatch):
    """An n-dimensional array with automatic differentiation.

    A Tensor holds an array, the Memory that it shares with its views, and its Node: None for a constant, a leaf for a
    tensor that requires a gradient, else the call that made it. Make one with :func:`minidl.tensor`.

    Args:
        data: a NumPy array, whose memory is shared (:func:`minidl.tensor` copies); or nested sequences of numbers.
        requires_grad: record what is computed from it, and collect its gradient in ``.grad``.
    """

    _idle: Node | None = None  # of a constant that has a gradient: the leaf that it was, or may become

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        if isinstance(data, (list, tuple)):
            data = np.asarray(data, get_default_dtype())
        self.array = data.array if isinstance(data, Tensor) else np.asarray(data)
        as_dtype(type(self).__name__, self.array.dtype)
        self._cell = data._memory if isinstance(data, Tensor) else Memory()
        self._cell.exposed = self._cell.exposed or self.array is data
        self._node = self._view = None
        if requires_grad:
            self.requires_grad_()

    # --- Its gradient -----------------------------------------------------------------------------------------

    @property
    def node(self) -> Node | None:
        """The call that made it, or the leaf that it is; None for a constant."""
        return inplace.history(self)

    @property
    def grad_fn(self) -> Node | None:
        """The Node of the call that made it; None for leaves and constants."""
        node = self.node
        return None if node is None or node.op is None else node

    @property
    def is_leaf(self) -> bool:
        """Whether it was not computed from something that requires a gradient."""
        return self.grad_fn is None

    @property
    def requires_grad(self) -> bool:
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Make it a leaf that collects its gradient in ``.grad``, or a constant, which keeps ``.grad``; returns itself.

        Raises:
            DTypeError: it does not hold floats.
            GradError: it was computed, so its gradient cannot be switched off (``detach`` it).
        """
        node = self.node
        if not requires_grad:
            if not self.is_leaf:
                raise GradError("requires_grad_: a computed tensor cannot be made a constant; use detach()")
            if node is not None:
                node.retains_grad = False
                self._node, self._idle = None, node
        elif node is None:
            if not self.is_floating_point():
                raise DTypeError(
                    must("requires_grad_", "the tensor", "of floats to have a gradient", self.dtype)
                )
            self._node, self._idle = self._idle or Node(self.array), None
            self._node.retains_grad = True
        return self

    @property
    def grad(self) -> Any:
        """The gradient that backward has summed up so far: a Tensor, or None."""
        node = self._node or self._idle
        return None if node is None else node.grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        node = self._node or self._idle
        if value is not None:
            if not isinstance(value, Tensor):
                raise DTypeError(must("grad", "the gradient", "a Tensor or None", type(value).__name__))
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ShapeError(
                    must(
                        "grad",
                        "the gradient",
                        f"{self.dtype} of shape {self.shape}",
                        f"{value.dtype} {value.shape}",
                    )
                )
            if node is None:
                node = self._idle = Node(self.array)
        if node is not None:
            node.grad = value

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | Tensor | None = None,
    ) -> None:
        """Add to every leaf's ``.grad`` the gradient of this tensor, weighted by ``gradient``.

        Args:
            gradient: of this tensor's shape; may be left out for a tensor of one element, and is then 1.
            retain_graph: keep the graph, to go backward through it again; default: ``create_graph``.
            create_graph: record the backward too, so that the gradients can be differentiated.
            inputs: collect gradients only in these tensors; default: in all leaves.

        Raises:
            GradError: there is nothing to differentiate, ``gradient`` is missing, the graph was freed, or a value
                that is needed was changed in place.
        """
        targets = None if inputs is None else [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if targets is not None and not targets:
            raise ArgumentError(must("backward", "inputs", "at least one tensor", "none"))
        run_backward("backward", [self], [gradient], targets, retain_graph, create_graph, accumulate)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in ``.grad`` too."""
        node = self.node
        if node is None:
            raise GradError("retain_grad: the tensor does not require a gradient")
        node.retains_grad = True

    @property
    def retains_grad(self) -> bool:
        return self._node is not None and self._node.op is not None and self._node.retains_grad

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(gradient)`` when this tensor's gradient is complete; what it returns, if not None, replaces it.

        Returns a handle, whose ``remove()`` takes the hook off.
        """
        node = self.node
        if node is None:
            raise GradError("register_hook: the tensor does not require a gradient")
        if node.hooks is None:
            node.hooks = {}
        return RemovableHandle(node.hooks, lambda g: _call_hook(hook, g))

    # --- To other forms ---------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """The same memory, without history."""
        return make(self.array, None, self._memory)

    def detach_(self) -> Tensor:
        """Make it a constant, whatever it was computed from; returns itself.

        Raises:
            GradError: it is a view, of a base that would go on to record what is written to it.
        """
        if self._view is not None:
            raise GradError("detach_: a view cannot be detached in place; use detach()")
        if self.is_leaf:
            return self.requires_grad_(False)
        self._node = None
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, without history; assigning replaces the array and leaves the tensor what it is."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise DTypeError(must("data", "the value", "a Tensor", type(value).__name__))
        if self._node is not None and not value.is_floating_point():
            raise DTypeError(
                must("data", "the value", "of floats, as its tensor has a gradient", value.dtype)
            )
        self.array, self._cell, self._view = value.array, value._memory, None
        node = self._node or self._idle
        if node is not None and node.op is None:
            node.shape, node.dtype, node.strides = value.shape, value.dtype, value.array.strides

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The array itself: writing to it writes to the tensor. ``force`` detaches first, if need be.

        Raises:
            GradError: the tensor requires a gradient, which NumPy would lose.
        """
        if self.requires_grad and not force:
            raise GradError(
                "numpy: the tensor requires a gradient, which an array cannot carry; use detach().numpy()"
            )
        self._memory.exposed = True
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    __array_ufunc__ = numpy_protocol.array_ufunc
    __array_function__ = numpy_protocol.array_function
    __array_priority__ = 1000

    def mark_written(self, writer: str = "an assignment to .array") -> None:
        """Note that ``.array`` was changed, so that a graph that needs the old values says so."""
        self._memory.write(writer)

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), np.array(self.array, order="C"), self._node is not None)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GradError("deepcopy: only leaves and constants can be copied; detach() the tensor first")
        copy = _rebuild(type(self), np.copy(self.array, order="K"), self._node is not None)
        if self.grad is not None:
            copy.grad = self.grad.detach().clone()
        return copy


def _rebuild(cls: type[Tensor], array: np.ndarray, requires_grad: bool) -> Tensor:
    tensor = cls.__new__(cls)
    Tensor.__init__(tensor, array, requires_grad)
    return tensor


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of ``array``: writing to one writes to the other.

    Raises:
        DTypeError: it is no array, or of a dtype that minidl does not compute with.
    """
    if not isinstance(array, np.ndarray):
        raise DTypeError(must("from_numpy", "the argument", "a NumPy array", type(array).__name__))
    tensor = Tensor(array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")))
    tensor._memory.exposed = True
    return tensor


random.states_are(from_numpy)


# --- Going backward -------------------------------------------------------------------------------------------


def run_backward(
    op: str,
    outputs: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    inputs: Sequence[Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
    deliver: Callable[[Node, Any, bool], None],
) -> None:
    """Check the arguments of a backward, and walk; ``op`` is the name for its errors."""
    roots = []
    for output, gradient in zip(outputs, gradients, strict=True):
        if output.node is None:
            raise GradError(
                f"{op}: the tensor does not require a gradient: nothing that it was computed from does, an operation "
                "on the way has no derivative, or it was computed within no_grad()"
            )
        roots.append((output.node, _seed(op, output, gradient, create_graph)))
    for tensor in inputs or ():
        if tensor.node is None:
            raise GradError(must(op, "every input", "a tensor that requires a gradient", "one that does not"))
    retain = create_graph if retain_graph is None else retain_graph
    nodes = None if inputs is None else [tensor.node for tensor in inputs if tensor.node is not None]
    with enable_grad():
        backward(roots, nodes, wrap=make if create_graph else None, retain_graph=retain, deliver=deliver)


def _seed(op: str, output: Tensor, gradient: Tensor | None, create_graph: bool) -> Any:
    """The gradient to begin with: an array, or a Tensor under ``create_graph``."""
    if gradient is None:
        if output.array.size != 1:
            raise GradError(must(op, "gradient", f"given for a tensor of shape {output.shape}", "None"))
        gradient = make(np.ones(output.shape, output.dtype))
    if not isinstance(gradient, Tensor):
        raise DTypeError(must(op, "gradient", "a Tensor", type(gradient).__name__))
    if gradient.shape != output.shape:
        raise ShapeError(must(op, "gradient", f"of the tensor's shape {output.shape}", gradient.shape))
    gradient = arguments.cast(gradient, output.dtype)
    return gradient if create_graph else gradient.array


def as_tensor(g: Any) -> Tensor:
    """A gradient on its way: an array, or a Tensor under ``create_graph``; as a Tensor."""
    return g if isinstance(g, Tensor) else make(np.asarray(g))


def _call_hook(hook: Callable[[Tensor], Tensor | None], g: Any) -> Any:
    changed = hook(as_tensor(g))
    if changed is None:
        return None
    if not isinstance(changed, Tensor):
        raise DTypeError(must("hook", "what it returns", "a Tensor or None", type(changed).__name__))
    if changed.shape != g.shape or changed.dtype != g.dtype:
        expected = f"of the gradient's {g.dtype} and shape {g.shape}"
        raise ShapeError(must("hook", "what it returns", expected, f"{changed.dtype} and {changed.shape}"))
    return changed if isinstance(g, Tensor) else changed.array


_accumulating = (
    threading.Lock()
)  # two threads may go backward into one leaf, and NumPy lets both run while it adds


def accumulate(node: Node, g: Any, new: bool) -> None:
    """Add ``g`` to the gradient that ``node`` holds, in C order."""
    with _accumulating:
        _accumulate(node, g, new)


def _accumulate(node: Node, g: Any, new: bool) -> None:
    if isinstance(g, Tensor):
        node.grad = g.clone() if node.grad is None else node.grad + g
    elif node.grad is None:
        own = g if new and isinstance(g, np.ndarray) and g.flags.c_contiguous else np.array(g, order="C")
        node.grad = make(own)
    elif node.grad.requires_grad:
        node.grad = make(node.grad.array + g)
    else:
        np.add(node.grad.array, g, out=node.grad.array)
        node.grad.mark_written("backward")
