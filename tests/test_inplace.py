"""Writing in place: never a wrong gradient. Random programs give PyTorch's gradients, or both libraries refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minidl
from minidl.errors import DTypeError, GradError, ShapeError
from minidl.testing import gradcheck, gradgradcheck

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
        constant = np.array([[-0.81, 0.37, 0.92], [0.13, -0.44, 0.59]])
        self.tensors = [*self.leaves, self.leaves[0] * 1.0, new(constant), self.leaves[1] * 2.0]

    def run(self, step: Step) -> None:
        """Raises Refused where the library does; a new tensor is added to ``tensors``."""
        name, a, b, c = step
        try:
            result = STEPS[name](self, self.tensors[a % len(self.tensors)], b, c)
        except (RuntimeError, ValueError) as error:
            raise Refused(f"{name}: {error}") from error
        self.tensors.extend(
            result if isinstance(result, (list, tuple)) else [] if result is None else [result]
        )

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

    @staticmethod
    def memory(x: Any) -> np.ndarray:
        return x.detach().numpy()

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
    shares = [np.shares_memory(m.memory(x), m.memory(y)) for y in m.tensors]
    if (
        x.is_leaf and not x.requires_grad and sum(shares) == 1 and 0 not in x.shape
    ):  # to PyTorch the views of a leaf are leaves as well
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
    # A copy: where the values lie in x itself, PyTorch reads some that it has already written.
    x[index] = m.other(b + c, x[index].shape).clone()


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
    "squeeze_": lambda m, x, b, c: x.squeeze_(),
    "unsqueeze_": lambda m, x, b, c: x.unsqueeze_(b % (x.ndim + 1)) if x.ndim < 4 else None,
    "transpose_": lambda m, x, b, c: x.transpose_(0, -1) if x.ndim else None,
    "setitem": _set,
    "setitem_fancy": _set_fancy,
}
# A step that changes in place returns the tensor itself, which is in the list already.
WRITE = {name: lambda m, x, b, c, write=write: (write(m, x, b, c), None)[1] for name, write in WRITE.items()}
# What finite differences cannot follow, because it cuts the graph.
CUT = {
    "write_without_grad": _without_grad(lambda m, x, b, c: WRITE[list(WRITE)[b % len(WRITE)]](m, x, c, b)),
    "make_leaf": _make_leaf,
    "detach": VIEW["detach"],
}
BACKWARD = {"backward": lambda m, x, b, c: m.backward(x, b, retain_graph=True) if x.requires_grad else None}
STEPS: dict[str, Callable[..., Any]] = {**CALCULATE, **VIEW, **WRITE, **CUT, **BACKWARD}

LEAVES = [np.array([[0.31, -0.62, 0.93], [-0.24, 0.55, 0.17]]), np.array([0.43, -0.36, 0.89])]
numbers = st.integers(0, 12)
one_step = st.one_of(
    *(
        st.tuples(st.sampled_from(list(kind)), numbers, numbers, numbers)
        for kind in (CALCULATE, VIEW, WRITE, WRITE)
    ),
    st.tuples(st.sampled_from([*CUT, *BACKWARD]), numbers, numbers, numbers),
)
programs = st.lists(one_step, min_size=2, max_size=10)


def _new_minidl(x: Any, requires_grad: bool = False) -> Any:
    return minidl.tensor(x, requires_grad=requires_grad)


def _machine(leaves: list[np.ndarray]) -> Machine:
    return Machine(minidl, _new_minidl, leaves)


def _attempt(action: Callable[..., Any], *args: Any) -> str | None:
    """None if the action goes through; what a library said if it refuses."""
    try:
        action(*args)
    except Refused as error:
        return str(error)
    except (RuntimeError, ValueError) as error:
        return str(error)
    return None


def _same_sharing(ours: Machine, theirs: Machine) -> bool:
    """Whether the newest tensor shares memory with the same others: where reshape copies is a library's choice."""
    if len(ours.tensors) != len(theirs.tensors):
        return False
    new, twin = (m.memory(m.tensors[-1]) for m in (ours, theirs))
    return all(
        np.shares_memory(new, ours.memory(x)) == np.shares_memory(twin, theirs.memory(y))
        for x, y in zip(ours.tensors[:-1], theirs.tensors[:-1], strict=True)
    )


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of writing to expanded tensors
@settings(max_examples=600)
@given(programs, numbers)
def test_random_programs_give_pytorchs_gradients_or_both_refuse(program: list[Step], last: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _machine(LEAVES), Machine(torch, torch.tensor, LEAVES)
    done: list[Step] = []
    for step in [*program, ("backward", last, 0, 0)]:
        said, theirs_said = _attempt(ours.run, step), _attempt(theirs.run, step)
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
        np.testing.assert_allclose(
            x.array, y.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=f"value {i} of {done}"
        )
        with contextlib.suppress(
            RuntimeError
        ):  # PyTorch's of an output of unbind, after its base was written
            assert (x.requires_grad, x.is_leaf) == (y.requires_grad, y.is_leaf), f"tensor {i} after {done}"
    for i, (x, y) in enumerate(zip(ours.leaves, theirs.leaves, strict=True)):
        assert (x.grad is None) == (y.grad is None), f"gradient of leaf {i} after {done}"
        if x.grad is not None:
            np.testing.assert_allclose(
                x.grad.array,
                y.grad.numpy(),
                rtol=1e-9,
                atol=1e-12,
                err_msg=f"gradient of leaf {i} after {done}",
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
        return float(
            sum((x.array * np.cos(np.arange(x.numel())).reshape(x.shape)).sum() for x in machine.tensors)
        )

    machine = _machine(LEAVES)
    for step in steps:
        machine.run(step)
    total = sum(
        ((x * _new_minidl(np.cos(np.arange(x.numel())).reshape(x.shape))).sum() for x in machine.tensors), 0.0
    )
    if _attempt(total.backward):
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


# --- In single cases ------------------------------------------------------------------------------------------


def _leaf(*values: float) -> minidl.Tensor:
    return minidl.tensor(list(values), dtype=minidl.float64, requires_grad=True)


IN_PLACE = {
    "add_": lambda x: x.add_(2, alpha=3),
    "sub_": lambda x: x.sub_(2),
    "mul_": lambda x: x.mul_(3),
    "div_": lambda x: x.div_(3),
    "div_ rounded": lambda x: x.div_(3, rounding_mode="floor"),
    "pow_": lambda x: x.pow_(3),
    "remainder_": lambda x: x.remainder_(0.3),
    "neg_": lambda x: x.neg_(),
    "abs_": lambda x: x.abs_(),
    "exp_": lambda x: x.exp_(),
    "log_": lambda x: x.log_(),
    "sqrt_": lambda x: x.sqrt_(),
    "square_": lambda x: x.square_(),
    "tanh_": lambda x: x.tanh_(),
    "sigmoid_": lambda x: x.sigmoid_(),
    "relu_": lambda x: x.relu_(),
    "clamp_": lambda x: x.clamp_(0.4, 0.8),
    "zero_": lambda x: x.zero_(),
    "fill_": lambda x: x.fill_(7),
    "copy_": lambda x: x.copy_(x * 2),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_forms_equal_pytorchs_and_return_the_tensor(name: str) -> None:
    torch = pytest.importorskip("torch")
    values, weights = [0.5, 0.7, 1.1], [1.0, -2.0, 3.0]
    found = []
    for new in (minidl.tensor, torch.tensor):
        x = new(values, dtype=minidl.float64 if new is minidl.tensor else torch.float64, requires_grad=True)
        y = x * 1
        assert IN_PLACE[name](y) is y
        (y * new(weights)).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy()))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


OPERATORS = {
    "+=": lambda x, y: x.__iadd__(y),
    "-=": lambda x, y: x.__isub__(y),
    "*=": lambda x, y: x.__imul__(y),
    "/=": lambda x, y: x.__itruediv__(y),
    "//=": lambda x, y: x.__ifloordiv__(y),
    "%=": lambda x, y: x.__imod__(y),
    "**=": lambda x, y: x.__ipow__(y),
}


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
@pytest.mark.parametrize("other", [2, 2.5, "int64", "float32", "float64", "bool"])
def test_augmented_assignment_keeps_the_dtype_or_refuses_as_pytorch(
    sign: str, dtype: str, other: Any
) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (minidl, torch):
        x = library.tensor([7, 4, 3], dtype=getattr(library, dtype))
        y = library.tensor([2, 1, 1], dtype=getattr(library, other)) if isinstance(other, str) else other
        try:
            OPERATORS[sign](x, y)
        except (RuntimeError, TypeError):
            found.append(None)
        else:
            found.append((x.numpy().tolist(), str(x.numpy().dtype)))
    assert found[0] == pytest.approx(found[1]) if found[1] is None else found[0][1] == found[1][1]
    if found[1] is not None:
        assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)


def test_logic_in_place() -> None:
    x = minidl.tensor([True, True, False, False])
    other = minidl.tensor([True, False, True, False])
    y, z = x.clone(), x.clone()
    x &= other
    y |= other
    z ^= other
    assert (x.tolist(), y.tolist(), z.tolist()) == (
        [True, False, False, False],
        [True, True, True, False],
        [False, True, True, False],
    )


@pytest.mark.parametrize(
    "write", [lambda x: x.add_(1), lambda x: x[0].mul_(2), lambda x: x.__setitem__(0, 5.0)]
)
def test_a_leaf_that_requires_a_gradient_is_changed_only_within_no_grad(write: Callable[..., Any]) -> None:
    x = minidl.ones(2, 2, requires_grad=True)
    with pytest.raises(
        GradError, match=r"a (view of a )?leaf that requires a gradient cannot be changed in place"
    ):
        write(x)
    assert x.tolist() == [[1, 1], [1, 1]]
    with minidl.no_grad():
        write(x)
    assert x.is_leaf
    assert x.tolist() != [[1, 1], [1, 1]]


def test_a_value_that_backward_needs_may_not_be_changed_and_the_operation_is_named() -> None:
    x = _leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(
        GradError, match=r"backward: mul needs argument 1, which was changed in place by add_ after"
    ):
        z.sum().backward()


def test_a_result_that_backward_needs_may_not_be_changed() -> None:
    y = _leaf(1.0, 2.0).exp()
    y.mul_(2)
    with pytest.raises(GradError, match=r"exp needs its result, which was changed in place by mul_"):
        y.sum().backward()


def test_a_change_through_a_view_or_a_detached_alias_is_noticed() -> None:
    for alias in (lambda y: y[0], lambda y: y.detach(), lambda y: y.reshape(2, 1), lambda y: y.unbind(0)[1]):
        y = _leaf(1.0, 2.0) * 1
        z = y * y
        alias(y).mul_(3)
        with pytest.raises(GradError, match="changed in place by mul_"):
            z.sum().backward()


def test_a_change_within_no_grad_is_noticed_too() -> None:
    w = _leaf(1.0, 2.0)
    loss = (w * w).sum()
    with minidl.no_grad():
        w -= 0.1
    with pytest.raises(GradError, match=r"changed in place by sub_"):
        loss.backward()


def test_mark_written_is_noticed() -> None:
    w = _leaf(1.0, 2.0)
    loss = (w * w).sum()
    w.array[0] = 5.0
    w.mark_written("the optimizer")
    with pytest.raises(GradError, match="changed in place by the optimizer after"):
        loss.backward()


def test_a_frozen_argument_may_be_changed_where_nobody_needs_its_values() -> None:
    x, c = _leaf(1.0, 2.0), minidl.tensor([3.0, 4.0], dtype=minidl.float64)
    y = (x + c) * 2
    c.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_what_the_operation_reads_of_the_old_value_is_kept() -> None:
    """PyTorch saves a copy for these as well: x *= w with a trained w is a common line."""
    x, w = _leaf(2.0, 3.0), _leaf(5.0, 7.0)
    y = x * 1
    y *= w
    y.pow_(3)
    y.backward(minidl.ones_like(y))
    product = np.array([10.0, 21.0])
    np.testing.assert_allclose(x.grad.array, 3 * product**2 * w.array)
    np.testing.assert_allclose(w.grad.array, 3 * product**2 * x.array)


def test_second_derivatives_through_in_place_operations() -> None:
    def function(x: minidl.Tensor, w: minidl.Tensor) -> minidl.Tensor:
        y = x * 1
        y[0].mul_(w)
        y.t()[1].exp_()
        y *= y.clone()
        y[:, 1] = w * w
        return y.tanh()

    x = minidl.rand(2, 2, dtype=minidl.float64, requires_grad=True)
    w = minidl.rand(2, dtype=minidl.float64, requires_grad=True)
    gradcheck(function, (x, w))
    gradgradcheck(function, (x, w))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_view_of_a_base_in_any_memory_order(order: str) -> None:
    """The base is in Fortran's order, its gradient in C's: what the view selects is the same in both."""
    x = minidl.from_numpy(np.asarray(np.arange(6.0).reshape(2, 3), order=order)).requires_grad_()
    base = x * 1
    flat = (base.t() if order == "F" else base).reshape(-1)
    assert np.shares_memory(flat.array, base.array)
    flat[1:3].mul_(10)
    base.backward(minidl.ones(2, 3, dtype=minidl.float64))
    expected = [[1, 10, 10], [1, 1, 1]] if order == "C" else [[1, 10, 1], [10, 1, 1]]
    assert x.grad.tolist() == expected


def test_a_view_that_repeats_elements_follows_its_base() -> None:
    x = _leaf(1.0, 2.0)
    base = x * 1
    wide = base.expand(3, 2)
    base.mul_(5)
    wide.sum().backward()
    assert x.grad.tolist() == [15.0, 15.0]


def test_a_tensor_whose_elements_share_memory_is_not_written() -> None:
    x = minidl.zeros(2).expand(3, 2)
    with pytest.raises(GradError, match=r"add_: the tensor cannot be written.*clone it first"):
        x.add_(1)
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(GradError, match="read-only"):
        minidl.from_numpy(frozen).add_(1)


def test_a_view_made_within_no_grad_cannot_record_a_change() -> None:
    base = _leaf(1.0, 2.0) * 1
    with minidl.no_grad():
        view = base[0]
    with pytest.raises(GradError, match=r"mul_: the tensor is a view that was made within no_grad"):
        view.mul_(2)
    assert base.tolist() == [1.0, 2.0]
    with minidl.no_grad():
        view.mul_(2)
    assert base.tolist() == [2.0, 2.0]


def test_the_result_must_have_the_tensors_shape() -> None:
    x = minidl.zeros(2)
    with pytest.raises(
        ShapeError, match=r"add_: the result must be of the tensor's own shape \(2,\), got \(3, 2\)"
    ):
        x.add_(minidl.ones(3, 2))


def test_the_result_must_not_be_of_a_higher_category() -> None:
    with pytest.raises(
        DTypeError, match=r"mul_: the result must be castable to the tensor's int64, got float32"
    ):
        minidl.tensor([1, 2]).mul_(0.5)


def test_a_wider_operand_does_not_change_the_dtype_but_has_its_gradient() -> None:
    x, w = minidl.ones(2, requires_grad=True), _leaf(3.0, 4.0)
    y = x * 1
    y.mul_(w)
    assert y.dtype == minidl.float32
    y.sum().backward()
    assert (x.grad.dtype, w.grad.dtype) == (minidl.float32, minidl.float64)
    assert (x.grad.tolist(), w.grad.tolist()) == ([3.0, 4.0], [1.0, 1.0])


def test_a_view_made_before_its_base_has_a_history_follows_it() -> None:
    w = _leaf(2.0, 3.0)
    buffer = minidl.zeros(2, 2, dtype=minidl.float64)
    row, column = buffer[0], buffer[:, 0]
    row.copy_(w * w)
    assert buffer.requires_grad
    assert column.requires_grad
    (column * 5).sum().backward()
    assert w.grad.tolist() == [20.0, 0.0]


def test_hooks_see_the_gradient_of_the_value_before_the_change_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for new in (minidl.tensor, torch.tensor):
        seen: list[list[float]] = []
        y = new([1.0, 2.0], requires_grad=True) * 1
        y.register_hook(lambda g, seen=seen: seen.append(g.tolist()))
        y.mul_(3)
        y.register_hook(lambda g, seen=seen: seen.append(g.tolist()))
        y.sum().backward()
        found.append(seen)
    assert found[0] == found[1] == [[1.0, 1.0], [3.0, 3.0]]


def test_a_retained_gradient_is_that_of_the_value_after_the_change_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for new in (minidl.tensor, torch.tensor):
        y = new([1.0, 2.0], requires_grad=True) * 1
        y.retain_grad()
        y.mul_(3)
        y[0] *= 5
        (y * 7).sum().backward()
        found.append(y.grad.tolist())
    assert found[0] == found[1]


# --- The shape, in place ------------------------------------------------------------------------------------------

SHAPES = {
    "squeeze_": lambda x: x.squeeze_(),
    "squeeze_ dim": lambda x: x.squeeze_(1),
    "squeeze_ dims": lambda x: x.squeeze_((0, 1)),
    "unsqueeze_": lambda x: x.unsqueeze_(-1),
    "transpose_": lambda x: x.transpose_(0, 2),
    "swapaxes_": lambda x: x.swapaxes_(axis0=-1, axis1=0),
    "swapdims_": lambda x: x.swapdims_(dim0=0, dim1=1),
    "t_": lambda x: x.squeeze_().t_(),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_changed_in_place_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (minidl, torch):
        x = library.ones(2, 1, 3, requires_grad=True)
        y = x * 2
        assert SHAPES[name](y) is y
        w = library.arange(6.0).reshape(y.shape)
        (y * w).sum().backward()
        found.append((tuple(y.shape), y.stride(), x.grad.tolist(), y.is_leaf))
    assert found[0] == found[1]


def test_views_of_what_changed_its_shape_go_on_as_before() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (minidl, torch):
        x = library.arange(6.0).reshape(2, 3).requires_grad_()
        base = x * 1
        row = base[0]
        base.t_()
        column = base[:, 1]
        row.mul_(3)
        column.unsqueeze_(0)
        base.mul_(2)
        column.add_(base[:, :1].t())
        total = (row * 5).sum() + (column * 7).sum() + (base * library.arange(6.0).reshape(3, 2)).sum()
        total.backward()
        found.append((row.tolist(), column.tolist(), base.tolist(), x.grad.tolist()))
    assert found[0] == found[1]


def test_within_no_grad_a_leaf_may_change_its_shape() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (minidl, torch):
        w = library.ones(2, 3, requires_grad=True)
        with library.no_grad():
            w.t_().unsqueeze_(0)
        (w * library.arange(6.0).reshape(1, 3, 2)).sum().backward()
        found.append((tuple(w.shape), w.is_leaf, w.requires_grad, w.grad.tolist()))
    assert found[0] == found[1]


def test_within_no_grad_what_was_computed_keeps_its_gradient() -> None:
    """PyTorch keeps the history of the old shape, and cannot go through it."""
    x = minidl.ones(2, 3, requires_grad=True)
    y = x * 1
    view = y[0]
    with minidl.no_grad():
        y.t_()
        view.unsqueeze_(0)
    ((y * minidl.arange(6.0).reshape(3, 2)).sum() + (view * 10).sum()).backward()
    assert x.grad.tolist() == [[10, 12, 14], [1, 3, 5]]


def test_a_retained_gradient_has_the_new_shape() -> None:
    """PyTorch's has the old one."""
    y = minidl.ones(2, 3, requires_grad=True) * 1
    y.retain_grad()
    y.t_()
    (y * minidl.arange(6.0).reshape(3, 2)).sum().backward()
    assert y.grad.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def test_an_expanded_tensor_may_change_its_shape() -> None:
    x = minidl.ones(3).expand(2, 3)
    assert x.t_().unsqueeze_(0).shape == (1, 3, 2)


def test_what_cannot_change_its_shape() -> None:
    torch = pytest.importorskip("torch")
    for library, kind in ((minidl, GradError), (torch, RuntimeError)):
        leaf = library.ones(1, 2, requires_grad=True)
        y = leaf * 1
        with library.no_grad():
            view = y[0]
        for x, message in (
            (leaf, "squeeze_: a leaf that requires a gradient"),
            (leaf[0], "squeeze_: a view of a leaf that requires a gradient"),
            (view, "squeeze_: the tensor is a view that was made within no_grad"),
        ):
            with pytest.raises(kind, match=message if library is minidl else None):
                x.squeeze_()
        square = y * y  # reads y
        y.squeeze_()
        with pytest.raises(
            kind,
            match="mul needs argument 1, which was changed in place by squeeze_"
            if library is minidl
            else None,
        ):
            square.sum().backward()
        with pytest.raises(IndexError, match="unsqueeze: dim must be in" if library is minidl else None):
            library.ones(2).unsqueeze_(3)
    y = minidl.ones(2, requires_grad=True) * 1
    alias = y[:1]
    y.data = minidl.zeros(2)
    with pytest.raises(
        GradError, match=r"unsqueeze_: the tensor is a view of what its base was before \.data was assigned"
    ):
        alias.unsqueeze_(0)


def test_detach_in_place() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (minidl, torch):
        leaf = library.ones(2, requires_grad=True)
        y = leaf * 2
        assert y.detach_() is y
        leaf.grad = library.ones(2)
        found.append((y.requires_grad, y.is_leaf, leaf.detach_().requires_grad, leaf.grad.tolist()))
        for x in (library.ones(2, requires_grad=True)[0], library.ones(2)[0]):
            with pytest.raises(
                RuntimeError,
                match="detach_: a view cannot be detached in place" if library is minidl else None,
            ):
                x.detach_()
    assert found[0] == found[1] == (False, True, False, [1.0, 1.0])
