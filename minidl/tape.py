"""The tape: what an operation is, and what is remembered of a call to it.

Reverse-mode differentiation in one page. An :class:`Op` is a function on arrays together with one *vjp*
(vector-Jacobian product) per argument: given the gradient ``g`` of a loss with respect to the Op's result, a vjp
returns the gradient with respect to that argument. Calling an Op on tensors that require a gradient leaves behind a
:class:`Node`, which holds what the vjps will read and has edges to the Nodes of the arguments. :mod:`minidl.walk`
goes over these edges, from the last Node to the first (Griewank & Walther, "Evaluating Derivatives", 2008, chapter 3;
Baydin et al., "Automatic differentiation in machine learning", 2018).

This file knows no operation but one pair: broadcasting and summing, which are each other's derivative. Nor does it
know Tensor: it works on whatever a Tensor's ``__minidl_op__`` (:mod:`minidl.dispatch`) hands to it.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl.errors import GradError

# One clock for everything: the number of a Node, and the time of the last write to a buffer.
tick = itertools.count(1).__next__


# Below this many elements an Op does not ask for its way for large arrays.
SMALL = 1 << 14


class Spec:
    """What is known of an array that was not kept: its shape, dtype and memory order."""

    def __init__(self, array: np.ndarray) -> None:
        self.shape = array.shape
        self.dtype = array.dtype
        self.strides = array.strides

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Memory:
    """A buffer's history of writes, shared by all tensors that are views of the buffer."""

    written = 0  # the clock at the last write
    writer = ""  # the operation that wrote
    exposed = False  # .numpy() has handed out an alias: writes may happen that nobody records

    def write(self, writer: str) -> None:
        self.written = tick()
        self.writer = writer


class Op:
    """An operation: its forward on arrays, and the derivative with respect to each argument.

    Args:
        name: what errors and pictures call it.
        forward: ``forward(*args) -> y`` or ``(y, *extras)``, on NumPy arrays and plain Python values.
        vjps: one per leading argument (None for one that has no gradient), ``vjp(g, y, *args, *extras) ->
            gradient``. Only the vjps of arguments that need a gradient are called.
        joint: instead of ``vjps``, ``joint(needs, g, y, *args, *extras)`` returns a tuple with all gradients (None
            where ``needs`` is False; one array may stand there twice, and one of the extras may), for operations whose
            gradients share work.
        view: the result may share memory with the first argument.
        multi: y is a tuple of outputs (so forward returns ``(outputs, *extras)``, and the vjps call it ``_y``: it is
            not kept); ``g`` is then a list with None for each output that was not used.
        caches: how many of the extras, counted from the last, are caches: values that the vjp could compute again.
            They are None under ``create_graph``, because nothing could be differentiated through them. The other
            extras (indices, masks) are constants, right at every order.
        large: is called in the place of ``forward``, for the same result, where one of the first two arguments is an
            array of SMALL elements or more: NumPy's own function is the faster of two ways for a small one.

    The parameter names of a vjp say what is kept for it. An argument whose name begins with an underscore is
    represented by a :class:`Spec` (``.shape``, ``.dtype``, ``.ndim``, ``.strides``), and the tape keeps no array for
    it. Vjps are written with operators, NumPy ufuncs and other Ops, so that the same line serves arrays, and tensors
    under ``create_graph`` (second derivatives). A vjp returns ``g`` (of a multi Op, one of them), a view of it, or a
    new array; never an array that it was given otherwise. It need not care for broadcasting: the tape sums a gradient
    to its argument's shape.

    >>> double = Op("double", lambda x: 2 * x, lambda g, _y, _x: 2 * g)
    >>> double(np.array([1.0, 2.0]))
    array([2., 4.])
    """

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *vjps: Callable[..., Any] | None,
        joint: Callable[..., Any] | None = None,
        view: bool = False,
        multi: bool = False,
        caches: int = 0,
        large: Callable[..., Any] | None = None,
    ) -> None:
        self.name, self.forward, self.vjps, self.joint = name, forward, vjps, joint
        self.large = large or forward
        self.view, self.multi, self.caches = view, multi, caches
        self.differentiable = bool(vjps) or joint is not None
        self.plans: dict[int, Plan] = {}

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def __call__(self, *args: Any) -> Any:
        """The result, as a tensor if any argument is one, else as an array."""
        for arg in args:
            dispatch = getattr(arg, "__minidl_op__", None)
            if dispatch is not None:
                return dispatch(self, args)
        y = self.forward(*args)
        return y[0] if type(y) is tuple else y

    def unary(self, x: Any, *rest: Any) -> Any:
        """``self(x, *rest)`` with no tensor in ``rest``: quicker, as only ``x`` has to be looked at."""
        return x.__minidl_unary__(self, rest) if hasattr(x, "__minidl_op__") else self(x, *rest)

    def with_extras(self, *args: Any) -> tuple[Any, ...]:
        """``(y, *extras)``, for an operation whose extras are results too (the indices of a maximum)."""
        for arg in args:
            if hasattr(arg, "__minidl_op__"):
                return arg.__minidl_op__(self, args, with_extras=True)
        return self.forward(*args)

    def plan(self, needs: int, count: int) -> Plan:
        """What a call remembers, given which arguments have an edge, and the number of (y, *args, *extras).

        ``needs`` has a bit for each argument, the first one's the highest, below a leading 1.
        """
        needed = [bit == "1" for bit in f"{needs:b}"[1:]]
        pulls = [
            (i, vjp) for i, (vjp, need) in enumerate(zip(self.vjps, needed, strict=False)) if vjp and need
        ]
        readers = [_reads(self.name, vjp, 1, count) for _, vjp in pulls]
        if self.joint is not None:
            readers.append(_reads(self.name, self.joint, 2, count))
        keeps_y, *keeps = map(any, zip([False] * count, *readers, strict=True))
        kept = [i for i in range(len(needed)) if keeps[i]]
        dropped = [i for i, need in enumerate(needed) if not keeps[i] and not need]
        plan = self.plans[needs] = Plan(keeps_y, tuple(kept), tuple(dropped), tuple(pulls), tuple(needed))
        return plan


class Plan(NamedTuple):
    """What a call to an Op remembers when certain of its arguments need a gradient."""

    keeps_y: bool
    kept: tuple[int, ...]  # the positions of the arguments whose values the vjps read
    dropped: tuple[int, ...]  # and of those whose values they do not, and that have no edge to stand for them
    pulls: tuple[
        tuple[int, Callable[..., Any]], ...
    ]  # the vjps to call, with the positions of their arguments
    needs: tuple[bool, ...]


def _reads(op: str, vjp: Callable[..., Any], skip: int, count: int) -> list[bool]:
    """For each of ``count`` values after the first ``skip`` parameters: does the vjp's parameter name keep it?"""
    parameters = list(inspect.signature(vjp).parameters.values())[skip:]
    reads = [not p.name.startswith("_") for p in parameters]
    if parameters and parameters[-1].kind is inspect.Parameter.VAR_POSITIONAL:
        reads += [reads[-1]] * (count - len(reads))
    if len(reads) < count:
        raise GradError(
            f"{op}: a vjp takes g, y, the arguments and the extras; {count - len(reads)} of them are missing"
        )
    return reads[:count]


class Node(Spec):
    """A call to an Op that has a gradient; or a leaf, where gradients end (``op`` is None).

    The call of a multi Op (``outputs`` of them) has besides a Node for each output, whose only edge is the call. A Node
    is the Spec of its result. No Node refers to a Tensor, except to the gradient that it has received: so
    there is no reference cycle, and a graph goes when its last tensor does.
    """

    op: Any = None  # an Op; None for a leaf
    plan: Plan
    edges: Sequence[Any] = ()  # the Nodes of the arguments; None for constants
    y: Any = None  # the result, if a vjp reads it
    saved: Any = None  # a list of (*args, *extras), with a Spec in place of each array that no vjp reads
    watched: tuple[tuple[int, Memory], ...] = ()  # position (0 is y) and Memory of each kept tensor
    hooks: dict[int, Callable[[Any], Any]] | None = None
    grad: Any = None  # the gradient that has arrived, as a Tensor
    retains_grad = False
    outputs = 0  # of a call to a multi Op: how many
    output: int | None = None  # of one of its outputs: which; edges[0] is then the call
    trace: str | None = None  # under detect_anomaly: the user's line that called

    def __init__(self, y: np.ndarray) -> None:
        self.shape = y.shape
        self.dtype = y.dtype
        self.strides = y.strides
        self.number = tick()

    @property
    def name(self) -> str:
        return "leaf" if self.op is None else self.op.name

    def inputs(self) -> list[Any]:
        """What the call was made on: for each argument that is an array its Node, or if it is a constant the array.

        Of a constant that no vjp reads there is only a Spec.
        """
        self.check_not_freed()
        values = self.saved or self.edges
        known = [value if edge is None else edge for edge, value in zip(self.edges, values, strict=False)]
        return [value for value in known if isinstance(value, (np.ndarray, Spec))]

    def check_not_freed(self) -> None:
        if self.saved is None and self.op is not None:
            raise GradError(
                f"backward: the graph of {self.name} has been freed by an earlier backward; "
                "pass retain_graph=True to that one to go backward through the graph a second time"
            )

    def check_intact(self) -> None:
        """Raise unless the values that the vjps read are still there, and still what they were."""
        self.check_not_freed()
        for position, memory in self.watched:
            if memory.written > self.number:
                what = f"argument {position}" if position else "its result"
                raise GradError(
                    f"backward: {self.name} needs {what}, which was changed in place by {memory.writer} after "
                    "it was used; clone it before the change, or use the out-of-place form"
                )

    def as_tensors(self, wrap: Callable[..., Any]) -> list[Any]:
        """``(y, *saved)`` with tensors, linked to the graph, in place of arrays, and None in place of caches."""
        values = [self.y if self.y is not None else self, *self.saved]
        nodes = (self, *self.edges)
        for position, memory in self.watched:
            node = nodes[position] if position < len(nodes) else None
            values[position] = wrap(values[position], node, memory)
        if self.op.caches:
            values[-self.op.caches :] = [None] * self.op.caches
        return values

    def pull_back(
        self, g: Any, wrap: Callable[..., Any] | None, arrive: Callable[[Node, Any, Any], None]
    ) -> None:
        """Given the gradient ``g`` of the result, send the arguments' gradients over the edges."""
        self.check_intact()
        edges, y, saved = self.edges, self.y, self.saved
        if wrap is not None:
            y, *saved = self.as_tensors(wrap)
        elif y is None:
            y = self
        if self.op.joint is None:
            for i, vjp in self.plan.pulls:
                gradient = vjp(g, y, *saved)
                if gradient is None:
                    raise GradError(
                        f"{self.name}: the vjp of argument {i + 1} returned None instead of a gradient"
                    )
                arrive(edges[i], gradient, g)
        else:
            gradients = self.op.joint(self.plan.needs, g, y, *saved)
            if not isinstance(gradients, (tuple, list)) or len(gradients) > len(edges):
                raise GradError(
                    f"{self.name}: joint must return a tuple with a gradient or None per argument"
                )
            for i, gradient in enumerate(gradients):
                if self.plan.needs[i] and gradient is not None:
                    shared = sum(gradient is other for other in (*gradients, *saved)) > 1
                    arrive(edges[i], gradient, gradient if shared else g)


def record(
    op: Op,
    args: Sequence[Any],
    arrays: Sequence[Any],
    edges: Sequence[Any],
    y: Any,
    extras: Sequence[Any] = (),
) -> Node:
    """The Node of the call ``y, *extras = op(*args)``, keeping what the vjps of its edges read.

    ``arrays`` are the ``args`` with arrays in place of tensors. The Memory of ``y`` is the caller's to watch.
    """
    needs = 1
    for edge in edges:
        needs += needs + (edge is not None)
    plan = op.plans.get(needs) or op.plan(needs, 1 + len(arrays) + len(extras))
    node = Node(y[0] if op.multi else y)
    saved = list(edges)  # the Node of an argument is its Spec too
    watched: tuple[tuple[int, Memory], ...] = ()
    for i in plan.kept:
        saved[i] = arrays[i]
        if args[i] is not arrays[i]:  # a tensor
            watched += ((i + 1, args[i]._memory),)
    for i in plan.dropped:
        saved[i] = Spec(arrays[i]) if isinstance(arrays[i], np.ndarray) else arrays[i]
    if extras:
        saved.extend(extras)
    node.op, node.plan, node.edges, node.saved, node.watched = op, plan, edges, saved, watched
    if plan.keeps_y:
        node.y = y
    if op.multi:
        node.outputs = len(y)
    return node


def output_node(call: Node, k: int, y: np.ndarray) -> Node:
    """The Node of output ``k`` of a call to a multi Op."""
    node = Node(y)
    node.op, node.edges, node.saved, node.output = call.op, (call,), [], k
    return node


def sum_to_array(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum of ``x`` over the dimensions along which an array of ``shape`` was broadcast to ``x``'s shape."""
    lead = x.ndim - len(shape)
    if lead:
        x = np.sum(x, axis=tuple(range(lead)))
    stretched = tuple([i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1])
    return np.sum(x, axis=stretched, keepdims=True) if stretched else x


broadcast_to: Op = Op(
    "broadcast_to", np.broadcast_to, lambda g, _y, _x, _shape: sum_to(g, _x.shape), view=True
)  # fmt: skip
sum_to: Op = Op("sum_to", sum_to_array, lambda g, _y, _x, _shape: broadcast_to(g, _x.shape))
