"""Assigning by index: values, gradients through bases and views, and what is refused, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, torch
from test_indexing import ADVANCED, ALL, BASIC, MASK23, names, ours_index

from minidl.assign import setitem
from minidl.errors import ArgumentError, DTypeError, GradError, ShapeError
from minidl.grad_mode import no_grad
from minidl.ops.indexing import getitem
from minidl.tensor import Tensor, from_numpy


def has_repeats(index: Any) -> bool:
    """Whether it names a place twice: which value then stays is not defined in PyTorch."""
    y = getitem(from_numpy(np.arange(24).reshape(2, 3, 4)), index).array
    return len(np.unique(y)) < y.size


@pytest.mark.parametrize("index", [i for i in BASIC + ADVANCED if not has_repeats(i)], ids=names)
def test_setitem(index: Any) -> None:
    """A number, a tensor of the selected shape, and one that is broadcast."""
    mine, theirs = ours_index(index, from_numpy), ours_index(index, torch.tensor)
    x = normal(2, 3, 4)
    shape = torch.tensor(x)[theirs].shape

    def assigned(x: Any, index: Any, value: Any) -> Any:
        base = x * 1.0
        if isinstance(base, Tensor):
            setitem(base, index, value)
        else:
            base[index] = value
        return base * base

    check_parity(lambda x: assigned(x, mine, 2.5), lambda x: assigned(x, theirs, 2.5), x)
    value = normal(*shape, seed=1)
    check_parity(lambda x, v: assigned(x, mine, v * v), lambda x, v: assigned(x, theirs, v * v), x, value)
    if value.ndim:
        row = normal(1, 1, 1, *shape[-1:], seed=2)
        check_parity(lambda x, v: assigned(x, mine, v), lambda x, v: assigned(x, theirs, v), x, row)


def test_setitem_on_a_constant_records_the_values_history() -> None:
    def ours(v: Any) -> Any:
        x = Tensor(np.zeros((2, 3), v.dtype))
        setitem(x, 0, v)
        setitem(x, (1, [0, 2]), getitem(v, [1, 1]))
        return x * x

    def theirs(v: Any) -> Any:
        x = torch.zeros(2, 3, dtype=v.dtype)
        x[0] = v
        x[1, [0, 2]] = v[[1, 1]]
        return x * x

    check_parity(ours, theirs, normal(3))


def test_setitem_through_a_view_changes_the_history_of_the_base_and_of_other_views() -> None:
    def ours(x: Any) -> Any:
        base = x * 1.0
        view, other = getitem(base, 0), getitem(base, (ALL, 1))
        setitem(view, slice(0, 2), getitem(base, (1, slice(0, 2))) * 3.0)
        setitem(other, np.array([True, False]), 5.0)
        return base * base + view.sum() * other.sum()

    def theirs(x: Any) -> Any:
        base = x * 1.0
        view, other = base[0], base[:, 1]
        view[0:2] = base[1, 0:2] * 3.0
        other[torch.tensor([True, False])] = 5.0
        return base * base + view.sum() * other.sum()

    check_parity(ours, theirs, normal(2, 3))


def test_overlapping_assignment_reads_before_it_writes() -> None:
    x = from_numpy(np.arange(5.0))
    setitem(x, slice(1, None), getitem(x, slice(None, -1)))
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_a_value_that_backward_needs_is_protected() -> None:
    x = Tensor(normal(3), requires_grad=True)
    y = x * 1.0
    z = (y * y).sum()
    for index in (0, [0]):
        setitem(y, index, 0.0)
        with pytest.raises(GradError, match="setitem"):
            z.backward(retain_graph=True)


def test_a_leaf_can_be_assigned_to_within_no_grad_only() -> None:
    w = Tensor(normal(3), requires_grad=True)
    for index in (0, [0], w.detach() > 0):
        with pytest.raises(GradError, match=r"setitem: a (view of a )?leaf that requires a gradient"):
            setitem(w, index, 1.0)
    with no_grad():
        setitem(w, 0, 1.0)
        setitem(w, [1], 2.0)
    assert w.tolist()[:2] == [1.0, 2.0]
    assert w.is_leaf


def test_a_view_made_within_no_grad_cannot_change_a_base_with_history() -> None:
    base = Tensor(normal(2, 3), requires_grad=True) * 1.0
    with no_grad():
        view = getitem(base, 0)
    for index in (0, [0]):
        with pytest.raises(GradError, match="setitem: the tensor is a view that was made within no_grad"):
            setitem(view, index, 1.0)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float32"])
@pytest.mark.parametrize("value", [1.7, 1, True])
@pytest.mark.parametrize("index", [0, [0]])
def test_values_take_the_tensors_dtype(dtype: str, value: Any, index: Any) -> None:
    x, expected = from_numpy(np.zeros(2, dtype)), torch.zeros(2, dtype=getattr(torch, dtype))
    setitem(x, index, value)
    expected[index] = value
    assert x.dtype == dtype
    np.testing.assert_array_equal(x.array, expected.numpy())
    setitem(x, 1, Tensor(np.array(value)))
    np.testing.assert_array_equal(x.array[1], x.array[0])


def test_memory_that_cannot_be_written() -> None:
    x = Tensor(normal(3)).expand(2, 3)
    with pytest.raises(GradError, match="setitem: the tensor cannot be written"):
        setitem(x, ALL, 0.0)


# --- Errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "value", "kind", "message"),
    [
        (
            0,
            np.ones(5),
            ShapeError,
            "setitem: value must be broadcastable to the selected shape (3, 4), got (5,)",
        ),
        (0, np.ones((2, 3, 4)), ShapeError, "selected shape (3, 4), got (2, 3, 4)"),
        (MASK23, np.ones((2, 4)), ShapeError, "selected shape (3, 4), got (2, 4)"),
        ((ALL, [0, 1]), np.ones((3, 4)), ShapeError, "selected shape (2, 2, 4), got (3, 4)"),
        (0, "a", DTypeError, "setitem: value must be a Tensor or a number, got str"),
        (0, [1, 2], DTypeError, "setitem: value must be a Tensor or a number, got list"),
        ([0], None, DTypeError, "setitem: value must be a Tensor or a number, got NoneType"),
    ],
    ids=names,
)
def test_wrong_values(index: Any, value: Any, kind: type[Exception], message: str) -> None:
    def convert(wrap: Any) -> tuple[Any, Any]:
        return ours_index(index, wrap), ours_index(value, wrap)

    x = torch.zeros(2, 3, 4, dtype=torch.float64)
    both_raise(
        kind,
        message,
        lambda: setitem(Tensor(normal(2, 3, 4)), *convert(from_numpy)),
        lambda: x.__setitem__(*convert(torch.tensor)),
    )


@pytest.mark.parametrize(
    ("value", "low"), [(256, -255), (-256, -255), (300.5, 0), (-1.5, 0), (float("nan"), 0)]
)
def test_numbers_outside_an_integer_dtype_are_not_wrapped(value: float, low: int) -> None:
    """But for negative ints, which count down from the largest of an unsigned dtype."""
    both_raise(
        ArgumentError,
        f"setitem: value must be in [{low}, 255] for uint8, got {value}",
        lambda: setitem(from_numpy(np.zeros(2, np.uint8)), 0, value),
        lambda: torch.zeros(2, dtype=torch.uint8).__setitem__(0, value),
    )
