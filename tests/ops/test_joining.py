"""Tensors put together and taken apart, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.autograd import grad
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.ops import joining as ops
from minidl.tensor import Tensor, from_numpy


@pytest.mark.parametrize(
    ("shapes", "dim"),
    [
        ([(2, 3), (4, 3)], 0),
        ([(2, 3), (2, 1), (2, 0)], 1),
        ([(2, 3, 4), (2, 5, 4)], -2),
        ([(3,), (2,)], 0),
        ([(2, 3), (0,)], 0),
        ([(0,), (2, 3)], -1),
        ([(0,), (0,)], 0),
        ([(2, 3)], 0),
    ],
)
def test_cat(shapes: list[tuple[int, ...]], dim: int) -> None:
    arrays = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    check_parity(lambda *xs: ops.cat(xs, dim), lambda *xs: torch.cat(xs, dim), *arrays)
    check_parity(lambda *xs: ops.cat(xs, dim), lambda *xs: torch.cat(xs, dim), *map(strided, arrays))


@pytest.mark.parametrize(
    ("shape", "dim"), [((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((), 0), ((), -1), ((0, 3), 1)]
)
def test_stack(shape: tuple[int, ...], dim: int) -> None:
    arrays = [normal(*shape, seed=i) for i in range(3)]
    check_parity(lambda *xs: ops.stack(xs, dim), lambda *xs: torch.stack(xs, dim), *arrays)


@pytest.mark.parametrize("function", ["cat", "stack"])
def test_only_some_need_a_gradient_and_one_may_come_twice(function: str) -> None:
    ours, theirs = getattr(ops, function), getattr(torch, function)
    indices = np.array([[1, 2, 3]])
    check_parity(
        lambda a, b, i: ours([a, i, b, a]),
        lambda a, b, i: theirs([a, i, b, a]),
        normal(1, 3),
        normal(1, 3),
        indices,
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("int32", "bool"),
        ("int32", "float32"),
        ("float16", "int64"),
        ("float32", "float64"),
        ("uint8", "int8"),
    ],
)
@pytest.mark.parametrize("function", ["cat", "stack"])
def test_dtypes_are_promoted(function: str, a: str, b: str) -> None:
    arrays = np.ones(2, a), np.ones(2, b)
    got = getattr(ops, function)([from_numpy(x) for x in arrays]).array
    expected = getattr(torch, function)([torch.tensor(x) for x in arrays]).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_an_empty_vector_takes_part_in_promotion_only() -> None:
    y = ops.cat([from_numpy(np.ones((2, 3), np.int32)), from_numpy(np.zeros(0))])
    assert (y.shape, y.dtype) == ((2, 3), np.float64)


def test_cat_and_stack_keep_channels_last() -> None:
    images = [Tensor(channels_last(normal(2, 3, 4, 5, seed=i)), requires_grad=True) * 1.0 for i in range(2)]
    arrived: list[np.ndarray] = []
    images[0].register_hook(lambda g: arrived.append(g.array))
    y = ops.cat(images, 1)
    assert y.array.strides[1] == y.array.itemsize
    y.backward(y.detach(), retain_graph=True)
    ops.split(images[0], 2, 1)[1].backward(Tensor(normal(2, 1, 4, 5)))
    assert [g.strides[1] for g in arrived] == [8, 8]


# --- Taken apart ------------------------------------------------------------------------------------------------

PARTS: list[tuple[str, tuple[int, ...], tuple[Any, ...]]] = [
    ("split", (5, 3), (2,)),
    ("split", (5, 3), (7,)),
    ("split", (2, 5), (2, -1)),
    ("split", (2, 5), ([1, 0, 4], 1)),
    ("split", (0, 3), (2,)),
    ("split", (0,), (0,)),
    ("chunk", (10,), (4,)),
    ("chunk", (2, 3), (5, 1)),
    ("chunk", (0, 3), (3,)),
    ("unbind", (3, 2), ()),
    ("unbind", (3, 2), (-1,)),
    ("unbind", (3,), ()),
]


@pytest.mark.parametrize(("name", "shape", "args"), PARTS)
def test_parts_and_their_derivatives(name: str, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    x = Tensor(normal(*shape))
    parts = getattr(ops, name)(x, *args)
    expected = getattr(torch, name)(torch.tensor(normal(*shape)), *args)
    assert [p.shape for p in parts] == [tuple(p.shape) for p in expected]
    assert all(p._memory is x._memory for p in parts)
    for k in range(len(parts)):
        check_parity(
            lambda x, k=k: getattr(ops, name)(x, *args)[k],
            lambda x, k=k: getattr(torch, name)(x, *args)[k],
            strided(normal(*shape)),
        )
    check_parity(
        lambda x: (parts := getattr(ops, name)(x, *args))[0].sum() * parts[-1] * parts[-1],
        lambda x: (parts := getattr(torch, name)(x, *args))[0].sum() * parts[-1] * parts[-1],
        normal(*shape),
    )


def test_no_parts() -> None:
    assert ops.unbind(Tensor(normal(0, 3))) == ()
    assert ops.split(Tensor(normal(0, 3)), []) == ()


@pytest.mark.parametrize(("name", "args"), [("split", (1,)), ("chunk", (2,)), ("unbind", ())])
def test_a_write_to_a_part_reaches_the_whole_and_its_gradient(name: str, args: tuple[int, ...]) -> None:
    """PyTorch refuses it. By definition: y = (4a², b²) has the gradient (8a, 2b)."""
    x = Tensor(normal(2, 3), requires_grad=True)
    whole = x * 1.0
    first, second = getattr(ops, name)(whole, *args)
    first.mul_(2.0)
    (whole * whole).sum().backward()
    np.testing.assert_allclose(x.grad.array, x.array * [[8.0], [2.0]])
    np.testing.assert_allclose(second.array.reshape(3), x.array[1])


@given(st.data())
def test_split_and_cat_undo_each_other(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
    dim = data.draw(st.integers(0, 2))
    shape = data.draw(st.lists(st.integers(1, 3), min_size=3, max_size=3))
    shape[dim] = sum(sizes)
    x = Tensor(normal(*shape), requires_grad=True)
    y = ops.cat([part * 2.0 for part in ops.split(x, sizes, dim)], dim)
    np.testing.assert_array_equal(y.array, 2 * x.array)
    (g,) = grad(y, [x], Tensor(normal(*shape, seed=1)))
    np.testing.assert_array_equal(g.array, 2 * normal(*shape, seed=1))


# --- Errors -----------------------------------------------------------------------------------------------------

A, B, CUBE, NUMBER = (torch.tensor(normal(*shape)) for shape in ((2, 3), (3, 2), (2, 3, 4), ()))


@pytest.mark.parametrize(
    ("name", "args", "kind", "message"),
    [
        ("cat", ([],), ArgumentError, "cat: tensors must be at least one tensor, got none"),
        ("cat", (A,), DTypeError, "cat: tensors must be a list or tuple of tensors, got Tensor"),
        ("cat", ([A, 3],), DTypeError, "cat: tensors must be Tensors, got int"),
        (
            "cat",
            ([A, B],),
            ShapeError,
            "cat: every tensor must be of shape (2, 3) but for dimension 0, got (3, 2)",
        ),
        ("cat", ([A, CUBE],), ShapeError, "got (2, 3, 4)"),
        ("cat", ([A, A], 2), DimensionError, "cat: dim must be in [-2, 1] for 2 dimensions, got 2"),
        (
            "cat",
            ([NUMBER, NUMBER],),
            DimensionError,
            "cat: input must be of at least one dimension, got none",
        ),
        ("stack", ([],), ArgumentError, "stack: tensors must be at least one tensor, got none"),
        (
            "stack",
            ([A, B],),
            ShapeError,
            "stack: every tensor must be of shape (2, 3), as the first, got (3, 2)",
        ),
        ("stack", ([A, A], 3), DimensionError, "stack: dim must be in [-3, 2]"),
        ("split", (A, 0), ShapeError, "split: split_size_or_sections must be positive, got 0"),
        ("split", (A, -1), ShapeError, "split: split_size_or_sections must be positive, got -1"),
        ("split", (A, [1, 2]), ShapeError, "split_size_or_sections must be sizes that sum to 2, got [1, 2]"),
        (
            "split",
            (A, [3, -1]),
            ShapeError,
            "split_size_or_sections must be sizes that sum to 2, got [3, -1]",
        ),
        ("split", (A, 1, 2), DimensionError, "split: dim must be in [-2, 1]"),
        ("split", (NUMBER, 1), DimensionError, "split: input must be of at least one dimension, got none"),
        ("chunk", (A, 0), ShapeError, "chunk: chunks must be positive, got 0"),
        ("chunk", (NUMBER, 1), DimensionError, "chunk: input must be of at least one dimension, got none"),
        ("unbind", (NUMBER,), DimensionError, "unbind: input must be of at least one dimension, got none"),
        ("unbind", (A, 2), DimensionError, "unbind: dim must be in [-2, 1]"),
    ],
)
def test_errors(name: str, args: tuple[Any, ...], kind: type[Exception], message: str) -> None:
    def convert(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return from_numpy(value.numpy())
        return [convert(v) for v in value] if isinstance(value, list) else value

    both_raise(
        kind,
        message,
        lambda: getattr(ops, name)(*map(convert, args)),
        lambda: getattr(torch, name)(*args),
    )
