"""Writing in place: never a wrong gradient. Random programs give PyTorch's gradients, or both libraries refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import minidl
from minidl.errors import DTypeError, GradError, ShapeError

# --- Random programs ------------------------------------------------------------------------------------------
#
# A program is a list of steps (name, a, b, c): what to do, and numbers that choose the tensors and arguments. Both
# libraries run the same function for a step. A step that both refuse is left out; one that only one of them refuses
# fails the test.

Step = tuple[str, int, int, int]


class Refused(Exception):
    """An error on purpose: of autograd, not of Python."""


class Machine:
    """One library running a program: its tensors so far, and which of them are leaves."""

    def __init__(self, library: Any, new: Callable[..., Any], leaves: list[np.ndarray]) -> None:
        self.library, self.new = library, new
        self.leaves = [new(x, requires_grad=True) for x in leaves]
        constant = np.linspace(-0.8, 0.9, 6).reshape(2, 3)
        self.tensors = [*self.leaves, self.leaves[0] * 1.0, new(constant), self.leaves[1] * 2.0]

    def run(self, step: Step) -> None:
        """Raises Refused where the library does; a new tensor is added to ``tensors``."""
        name, a, b, c = step
        try:
            result = STEPS[name](self, self.tensors[a % len(self.tensors)], b, c)
        except (RuntimeError, ValueError) as error:
            raise Refused(f"{name}: {error}") from error
        self.tensors.extend(result if isinstance(result, (list, tuple)) else [] if result is None else [result])

    def other(self, number: int, shape: Any) -> Any:
        """A tensor chosen by ``number`` that broadcasts to ``shape``: if need be its sum."""
        found = self.tensors[number % len(self.tensors)]
        try:
            fits = np.broadcast_shapes(tuple(found.shape), tuple(shape)) == tuple(shape)
        except ValueError:
            fits = False
        return found if fits else found.sum()

    def backward(self, x: Any, number: int, **options: Any) -> None:
        weights = np.cos(np.arange(int(np.prod(tuple(x.shape)))) + number).reshape(tuple(x.shape))
        (x * self.new(weights)).sum().backward(**options)

    def clear(self) -> None:
        for leaf in self.leaves:
            leaf.grad = None


def _index(x: Any, b: int, c: int) -> Any:
    """A basic index into the first dimension: an element, a range, every second, or everything."""
    if x.ndim == 0:
        return ...
    n = x.shape[0]
    return [b % n if n else slice(0, 0), slice(b % (n + 1), None), slice(None, None, 2), ...][c % 4]


def _fancy(m: Machine, x: Any, b: int, c: int) -> Any:
    """An index array, or a mask, for the first dimension."""
    if x.ndim == 0 or x.shape[0] == 0:
        return ...
    n = x.shape[0]
    if c % 2:
        return m.new(np.arange(b, b + n) % 2 == 0)
    return m.new(np.array([b % n, (b + 1) % n][: min(n, 2)]))


def _make_leaf(m: Machine, x: Any, b: int, c: int) -> None:
    if x.is_leaf and not x.requires_grad:
        m.leaves.append(x.requires_grad_())


def _without_grad(step: Callable[..., Any]) -> Callable[..., Any]:
    def run(m: Machine, x: Any, b: int, c: int) -> Any:
        with m.library.no_grad():
            return step(m, x, b, c)

    return run


def _set(m: Machine, x: Any, b: int, c: int) -> None:
    index = _index(x, b, c)
    x[index] = m.other(b + c, x[index].shape)


def _set_fancy(m: Machine, x: Any, b: int, c: int) -> None:
    index = _fancy(m, x, b, c)
    x[index] = m.other(b + c, x[index].shape)


CALCULATE = {
    "tanh": lambda m, x, b, c: x.tanh(),
    "sigmoid": lambda m, x, b, c: x.sigmoid(),
    "square": lambda m, x, b, c: x * x,
    "add": lambda m, x, b, c: x + m.other(b, x.shape),
    "mul": lambda m, x, b, c: x * m.other(b, x.shape),
    "clone": lambda m, x, b, c: x.clone(),
    "sum": lambda m, x, b, c: x.sum(0) if x.ndim else x.sum(),
    "index": lambda m, x, b, c: x[_fancy(m, x, b, c)],
}
VIEW = {
    "getitem": lambda m, x, b, c: x[_index(x, b, c)],
    "getitem_last": lambda m, x, b, c: x[..., b % x.shape[-1]] if x.ndim and x.shape[-1] else x[...],
    "transpose": lambda m, x, b, c: x.transpose(0, -1) if x.ndim else x[...],
    "reshape": lambda m, x, b, c: x.reshape(-1),
    "fold": lambda m, x, b, c: x.reshape((2, -1) if np.prod(x.shape) % 2 == 0 else (1, -1)),
    "unsqueeze": lambda m, x, b, c: x.unsqueeze(b % (x.ndim + 1)) if x.ndim < 4 else x[...],
    "squeeze": lambda m, x, b, c: x.squeeze(),
    "expand": lambda m, x, b, c: x.expand((2, *x.shape)) if x.ndim < 3 else x[...],
    "detach": lambda m, x, b, c: x.detach(),
    "unbind": lambda m, x, b, c: x.unbind(0)[:2] if x.ndim else None,
    "split": lambda m, x, b, c: x.split(1 + b % 2)[:2] if x.ndim else None,
}
WRITE = {
    "add_": lambda m, x, b, c: x.add_(m.other(b, x.shape)),
    "sub_": lambda m, x, b, c: x.sub_(0.5),
    "mul_": lambda m, x, b, c: x.mul_(m.other(b, x.shape)),
    "mul_by_number_": lambda m, x, b, c: x.mul_(-0.7),
    "div_": lambda m, x, b, c: x.div_(1.5),
    "pow_": lambda m, x, b, c: x.pow_(2),
    "tanh_": lambda m, x, b, c: x.tanh_(),
    "sigmoid_": lambda m, x, b, c: x.sigmoid_(),
    "relu_": lambda m, x, b, c: x.relu_(),
    "neg_": lambda m, x, b, c: x.neg_(),
    "clamp_": lambda m, x, b, c: x.clamp_(-0.5, 0.5),
    "zero_": lambda m, x, b, c: x.zero_(),
    "fill_": lambda m, x, b, c: x.fill_(m.other(b, ())),
    "copy_": lambda m, x, b, c: x.copy_(m.other(b, x.shape)),
    "setitem": _set,
    "setitem_fancy": _set_fancy,
}
# A step that changes in place returns the tensor itself, which is in the list already.
WRITE = {name: (lambda step: lambda m, x, b, c: (step(m, x, b, c), None)[1])(step) for name, step in WRITE.items()}
# What finite differences cannot follow, because it cuts the graph.
CUT = {
    "write_without_grad": _without_grad(lambda m, x, b, c: WRITE[list(WRITE)[b % len(WRITE)]](m, x, c, b)),
    "make_leaf": _make_leaf,
    "detach": VIEW["detach"],
}
BACKWARD = {"backward": lambda m, x, b, c: m.backward(x, b, retain_graph=True) if x.requires_grad else None}
STEPS: dict[str, Callable[..., Any]] = {**CALCULATE, **VIEW, **WRITE, **CUT, **BACKWARD}

LEAVES = [np.array([[0.3, -0.6, 0.9], [-0.2, 0.5, 0.1]]), np.array([0.4, -0.3, 0.8])]
numbers = st.integers(0, 12)
one_step = st.one_of(
    *(st.tuples(st.sampled_from(list(kind)), numbers, numbers, numbers) for kind in (CALCULATE, VIEW, WRITE, WRITE)),
    st.tuples(st.sampled_from([*CUT, *BACKWARD]), numbers, numbers, numbers),
)
programs = st.lists(one_step, min_size=2, max_size=10)


def _new_minidl(x: Any, requires_grad: bool = False) -> Any:
    return minidl.tensor(x, requires_grad=requires_grad)


def _machine(leaves: list[np.ndarray]) -> Machine:
    return Machine(minidl, _new_minidl, leaves)


def _attempt(action: Callable[[], Any]) -> str | None:
    """None if the action goes through; what a library said if it refuses."""
    try:
        action()
    except Refused as error:
        return str(error)
    except (RuntimeError, ValueError) as error:
        return str(error)
    return None


def _same_sharing(ours: Machine, theirs: Machine) -> bool:
    """Whether the newest tensor shares memory with the same others: where reshape copies is a library's choice."""
    if len(ours.tensors) != len(theirs.tensors):
        return False
    new, twin = ours.tensors[-1], theirs.tensors[-1].detach().numpy()
    return all(
        np.shares_memory(new.array, x.array) == np.shares_memory(twin, y.detach().numpy())
        for x, y in zip(ours.tensors[:-1], theirs.tensors[:-1], strict=True)
    )


@settings(max_examples=600)
@given(programs, numbers)
def test_random_programs_give_pytorchs_gradients_or_both_refuse(program: list[Step], last: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _machine(LEAVES), Machine(torch, torch.tensor, LEAVES)
    done: list[Step] = []
    for step in [*program, ("backward", last, 0, 0)]:
        said, theirs_said = _attempt(lambda: ours.run(step)), _attempt(lambda: theirs.run(step))
        if step[0] == "backward" and (said or theirs_said):
            ours.clear()  # a refused backward may have delivered a part
            theirs.clear()
        if (said is None) != (theirs_said is None):
            refused = f"{done} then {step}:\nminidl: {said}\ntorch: {theirs_said}"
            if said is None:
                assert _agrees_with_differences([*done, step]), refused
            else:
                assert "several of its elements share one place" in said, refused
            return
        if said is not None:
            continue
        done.append(step)
        assume(_same_sharing(ours, theirs))
        _compare(ours, theirs, done)


def _compare(ours: Machine, theirs: Machine, done: list[Step]) -> None:
    for i, (x, y) in enumerate(zip(ours.tensors, theirs.tensors, strict=True)):
        np.testing.assert_allclose(x.array, y.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=f"value {i} of {done}")
        with contextlib.suppress(RuntimeError):  # PyTorch's of an output of unbind, after its base was written
            assert (x.requires_grad, x.is_leaf) == (y.requires_grad, y.is_leaf), f"tensor {i} after {done}"
    for i, (x, y) in enumerate(zip(ours.leaves, theirs.leaves, strict=True)):
        assert (x.grad is None) == (y.grad is None), f"gradient of leaf {i} after {done}"
        if x.grad is not None:
            np.testing.assert_allclose(
                x.grad.array, y.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=f"gradient of leaf {i} after {done}"
            )


def _agrees_with_differences(done: list[Step]) -> bool:
    """Whether minidl's gradients of all tensors that a program makes are the difference quotients, or it refuses.

    For what PyTorch refuses, and minidl does: writing to the outputs of unbind, or x.mul_(x). Programs that cut the
    graph are let through, because difference quotients do not know of cuts.
    """
    steps = [step for step in done if step[0] not in BACKWARD]
    if any(step[0] in CUT for step in steps):
        return True

    def value(leaves: list[np.ndarray]) -> float:
        machine = _machine(leaves)
        for step in steps:
            machine.run(step)
        return float(sum((x.array * np.cos(np.arange(x.numel())).reshape(x.shape)).sum() for x in machine.tensors))

    machine = _machine(LEAVES)
    for step in steps:
        machine.run(step)
    total = sum(((x * _new_minidl(np.cos(np.arange(x.numel())).reshape(x.shape))).sum() for x in machine.tensors), 0.0)
    if _attempt(lambda: total.backward()):
        return True  # it refuses later
    for k, leaf in enumerate(LEAVES):
        for place in np.ndindex(leaf.shape):
            moved = []
            for h in (1e-5, -1e-5):
                leaves = [x.copy() for x in LEAVES]
                leaves[k][place] += h
                moved.append(value(leaves))
            slope = (moved[0] - moved[1]) / 2e-5
            if abs(float(machine.leaves[k].grad.array[place]) - slope) > 1e-4 * max(1.0, abs(slope)):
                return False
    return True
