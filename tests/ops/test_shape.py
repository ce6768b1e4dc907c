"""Views, permutations, repetition and reordering, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import DimensionError, DTypeError, ShapeError
from minidl.tensor import Tensor, from_numpy

ops = Tensor  # its methods are the functions

Call = tuple[str, tuple[int, ...], tuple[Any, ...]]  # name, shape of the input, further arguments

VIEWS: list[Call] = [
    ("reshape", (2, 6), ((3, 4),)),
    ("reshape", (2, 6), ((-1, 3),)),
    ("reshape", (2, 6), ((12,),)),
    ("reshape", (2, 0), ((0, 5),)),
    ("reshape", (0,), ((3, -1),)),
    ("reshape", (), ((1, 1),)),
    ("reshape", (1, 1), ((),)),
    ("flatten", (2, 3, 4), ()),
    ("flatten", (2, 3, 4), (1,)),
    ("flatten", (2, 3, 4), (0, -2)),
    ("flatten", (2, 3, 4), (1, 1)),
    ("flatten", (2, 0, 4), (1,)),
    ("flatten", (), ()),
    ("ravel", (2, 3, 4), ()),
    ("ravel", (0, 2), ()),
    ("ravel", (), ()),
    ("unflatten", (2, 12), (1, (3, 4))),
    ("unflatten", (2, 12), (-1, (2, -1, 3))),
    ("unflatten", (6,), (0, (2, 3))),
    ("squeeze", (1, 2, 1), ()),
    ("squeeze", (1, 2, 1), (0,)),
    ("squeeze", (1, 2, 1), (-2,)),
    ("squeeze", (1, 2, 1), ((0, -1),)),
    ("squeeze", (1, 2, 1), ((),)),
    ("squeeze", (), ()),
    ("squeeze", (), (-1,)),
    ("unsqueeze", (2, 3), (0,)),
    ("unsqueeze", (2, 3), (1,)),
    ("unsqueeze", (2, 3), (-1,)),
    ("unsqueeze", (2, 3), (-3,)),
    ("unsqueeze", (), (0,)),
    ("permute", (2, 3, 4), ((2, 0, 1),)),
    ("permute", (2, 3, 4), ((-1, 0, -2),)),
    ("permute", (), ((),)),
    ("transpose", (2, 3, 4), (0, -1)),
    ("transpose", (2, 3), (1, 1)),
    ("transpose", (), (0, -1)),
    ("swapaxes", (2, 3, 4), (1, 2)),
    ("t", (2, 3), ()),
    ("t", (3,), ()),
    ("t", (), ()),
    ("movedim", (2, 3, 4), (0, 2)),
    ("movedim", (2, 3, 4), (-1, 0)),
    ("movedim", (2, 3, 4), ((0, 1), (1, 2))),
    ("movedim", (2, 3, 4, 5), ((3, 0), (0, -1))),
    ("broadcast_to", (3,), ((2, 3),)),
    ("broadcast_to", (2, 1), ((4, -1, 3),)),
    ("broadcast_to", (), ((2, 2),)),
    ("broadcast_to", (1,), ((0,),)),
    ("select", (2, 3), (0, 1)),
    ("select", (2, 3), (-1, -3)),
    ("select", (3,), (0, 2)),
    ("narrow", (2, 5), (1, 1, 3)),
    ("narrow", (2, 5), (-1, -2, 2)),
    ("narrow", (2, 5), (1, 5, 0)),
]
COPIES: list[Call] = [
    ("clone", (2, 3), ()),
    ("clone", (), ()),
    ("tile", (2, 3), ((2,),)),
    ("tile", (2, 3), ((2, 1, 3),)),
    ("tile", (), ((3,),)),
    ("tile", (2, 3), ((0, 1),)),
    ("flip", (2, 3), ((0,),)),
    ("flip", (2, 3), ((0, -1),)),
    ("flip", (0, 3), ((0,),)),
    ("flip", (2, 3), ((),)),
    ("flip", (), ((0,),)),
    ("roll", (2, 3), (1,)),
    ("roll", (2, 3), (-2, 1)),
    ("roll", (2, 3), ((1, 5), (0, 1))),
    ("roll", (2, 3), ((1, 1), (1, 1))),
    ("roll", (), (1,)),
    ("roll", (0,), (1, 0)),
]


@pytest.mark.parametrize(("name", "shape", "args"), VIEWS + COPIES)
def test_values_and_derivatives(name: str, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    x = normal(*shape)
    for layout in [x, strided(x)] if x.ndim else [x]:
        check_parity(lambda x: getattr(ops, name)(x, *args), lambda x: getattr(torch, name)(x, *args), layout)


@pytest.mark.parametrize(("name", "shape", "args"), VIEWS)
def test_views_share_memory(name: str, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    x = Tensor(normal(*shape))
    y = getattr(ops, name)(x, *args)
    assert y._memory is x._memory
    assert np.may_share_memory(x.array, y.array) or not y.array.size


@pytest.mark.parametrize(("name", "shape", "args"), COPIES)
def test_copies_do_not(name: str, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    x = Tensor(normal(*shape))
    assert not np.may_share_memory(x.array, getattr(ops, name)(x, *args).array)


def test_sizes_may_be_given_one_by_one() -> None:
    x = Tensor(normal(2, 3))
    assert ops.reshape(x, 3, 2).shape == ops.view(x, 3, -1).shape == (3, 2)
    assert ops.permute(x, 1, 0).shape == (3, 2)
    assert ops.expand(x, 4, -1, 3).shape == ops.expand(x, (4, 2, -1)).shape == (4, 2, 3)
    assert ops.repeat(x, 2, 1, 2).shape == (2, 2, 6)
    assert ops.tile(x, 2, 1).shape == (4, 3)
    np.testing.assert_array_equal(ops.flip(x, 0, 1).array, x.array[::-1, ::-1])


@pytest.mark.parametrize("repeats", [(2, 3), (1, 2, 1), (0, 1), (2, 1, 0, 3)])
def test_repeat(repeats: tuple[int, ...]) -> None:
    check_parity(lambda x: ops.repeat(x, repeats), lambda x: x.repeat(repeats), normal(2, 3))


# --- Memory order -----------------------------------------------------------------------------------------------


def gradient_at(function: Any, x: np.ndarray) -> np.ndarray:
    """The array that ``function`` sends back to ``x``, in the memory order in which it arrives there."""
    arrived: list[np.ndarray] = []
    inner = Tensor(x, requires_grad=True) * 1.0
    inner.register_hook(lambda g: arrived.append(g.array))
    y = function(inner)
    y.backward(Tensor(normal(*y.shape)))
    return arrived[0]


def test_reshape_of_an_image_copies_and_its_gradient_is_channels_last_again() -> None:
    image = channels_last(normal(2, 3, 4, 5))
    for function in (ops.flatten, lambda x: ops.view(x, 2, -1), ops.contiguous):
        y = function(Tensor(image))
        assert not np.may_share_memory(y.array, image)
        assert y.is_contiguous()
        assert gradient_at(function, image).strides == image.strides
    check_parity(lambda x: ops.flatten(x, 1), lambda x: torch.flatten(x, 1), image)


def test_slices_of_an_image_have_channels_last_gradients() -> None:
    image = channels_last(normal(2, 3, 4, 5))
    assert gradient_at(lambda x: ops.narrow(x, 2, 1, 2), image).strides == image.strides


def test_clone_keeps_the_order_and_contiguous_makes_it_c() -> None:
    x = Tensor(channels_last(normal(2, 3, 4, 5)))
    assert ops.clone(x).array.strides == x.array.strides
    assert ops.contiguous(x).is_contiguous()
    check_parity(ops.contiguous, lambda x: x.contiguous(), x.array)
    y = Tensor(normal(2, 3))
    assert ops.contiguous(y)._memory is y._memory
    assert ops.contiguous(Tensor(normal())).shape == ()


def test_the_gradient_of_a_reshape_of_a_c_ordered_tensor_is_a_view() -> None:
    v = Tensor(normal(3, 4))
    arrived: list[np.ndarray] = []
    x = Tensor(normal(2, 6), requires_grad=True) * 1.0
    x.register_hook(lambda g: arrived.append(g.array))
    ops.reshape(x, 3, 4).backward(v)
    assert np.shares_memory(arrived[0], v.array)


# --- In place ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("reshape", (3, 2)),
        ("permute", (1, 0)),
        ("unsqueeze", (1,)),
        ("select", (1, 2)),
        ("narrow", (0, 0, 1)),
        ("flatten", ()),
    ],
)
def test_a_write_through_a_view_reaches_the_base_and_its_gradient(name: str, args: Any) -> None:
    def ours(x: Any) -> Any:
        base = x * 1.0
        getattr(ops, name)(base, *args).mul_(base.sum())
        return base * base

    def theirs(x: Any) -> Any:
        base = x * 1.0
        getattr(base, name)(*args).mul_(base.sum())
        return base * base

    check_parity(ours, theirs, normal(2, 3))


# --- Properties -------------------------------------------------------------------------------------------------


@given(st.data())
def test_permutations_of_any_shape(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    x = normal(*shape)
    check_parity(
        lambda x: ops.permute(x, order), lambda x: torch.permute(x, order), x, second=False, float32=False
    )
    y = (
        ops.movedim(from_numpy(x), order, tuple(range(len(shape))))
        if shape
        else ops.permute(from_numpy(x), ())
    )
    np.testing.assert_array_equal(y.array, x.transpose(order))


@given(st.data())
def test_reshapes_of_any_slice(data: st.DataObject) -> None:
    """Inserting and removing dimensions of size 1 never copies, whatever the strides."""
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    steps = tuple(slice(None, None, data.draw(st.integers(1, 2))) for _ in shape)
    x = Tensor(normal(*[2 * n for n in shape])[steps])
    dim = data.draw(st.integers(-x.ndim - 1, x.ndim))
    y = ops.unsqueeze(x, dim)
    np.testing.assert_array_equal(y.array, np.expand_dims(x.array, dim))
    back = ops.squeeze(y, dim)
    assert back.shape == x.shape
    assert back._memory is x._memory
    np.testing.assert_array_equal(ops.reshape(x, -1).array, x.array.ravel())


# --- Errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "args", "kind", "message"),
    [
        (
            "reshape",
            (2, 3),
            ((4,),),
            ShapeError,
            "reshape: shape must be sizes for 6 elements, with at most one -1",
        ),
        ("reshape", (2, 3), ((4, -1),), ShapeError, "got (4, -1)"),
        ("reshape", (2, 3), ((-1, -1),), ShapeError, "got (-1, -1)"),
        ("reshape", (2, 3), ((-2, -3),), ShapeError, "got (-2, -3)"),
        ("reshape", (0,), ((0, -1),), ShapeError, "got (0, -1)"),
        ("reshape", (2, 3), ((2.0, 3),), DTypeError, "reshape: shape must be an int, got 2.0"),
        ("reshape", (2, 3), (), DTypeError, "reshape: shape must be given, got nothing"),
        ("flatten", (2, 3), (1, 0), ShapeError, "flatten: start_dim must be at most end_dim (0), got 1"),
        (
            "flatten",
            (2, 3),
            (2,),
            DimensionError,
            "flatten: start_dim must be in [-2, 1] for 2 dimensions, got 2",
        ),
        ("unflatten", (2, 4), (1, (3, -1)), ShapeError, "unflatten: sizes must be sizes for 4 elements"),
        ("unflatten", (2, 4), (1, ()), ShapeError, "unflatten: sizes must be at least one size, got ()"),
        ("squeeze", (2, 1), (2,), DimensionError, "squeeze: dim must be in [-2, 1] for 2 dimensions, got 2"),
        ("squeeze", (2, 1), ((0, 0),), ShapeError, "squeeze: dim must be without repetition, got (0, 0)"),
        ("unsqueeze", (2, 3), (3,), DimensionError, "unsqueeze: dim must be in [-3, 2]"),
        ("permute", (2, 3), ((0,),), ShapeError, "permute: dims must be all 2 dimensions, got (0,)"),
        ("permute", (2, 3), ((0, 0),), ShapeError, "permute: dims must be without repetition, got (0, 0)"),
        (
            "permute",
            (2, 3),
            ((0, 2),),
            DimensionError,
            "permute: dims must be in [-2, 1] for 2 dimensions, got 2",
        ),
        ("transpose", (2, 3), (0, 2), DimensionError, "transpose: dim1 must be in [-2, 1]"),
        ("t", (2, 3, 4), (), ShapeError, "t: input must be of at most 2 dimensions, got shape (2, 3, 4)"),
        ("movedim", (2, 3), (0, 2), DimensionError, "movedim: destination must be in [-2, 1]"),
        ("movedim", (2, 3), ((0, 0), (0, 1)), ShapeError, "movedim: source must be without repetition"),
        (
            "movedim",
            (2, 3),
            ((0,), (0, 1)),
            ShapeError,
            "movedim: destination must be 1 dimensions, as source is, got 2",
        ),
        (
            "broadcast_to",
            (2, 3),
            ((2, 4),),
            ShapeError,
            "size must be a shape that (2, 3) broadcasts to, got (2, 4)",
        ),
        (
            "broadcast_to",
            (2, 3),
            ((3,),),
            ShapeError,
            "broadcast_to: size must be a shape that (2, 3) broadcasts to",
        ),
        ("broadcast_to", (3,), ((-1, 3),), ShapeError, "got (-1, 3)"),
        ("broadcast_to", (3,), ((-2, 3),), ShapeError, "got (-2, 3)"),
        ("tile", (2, 3), ((-1, 1),), ShapeError, "repeat: repeats must be at least 2 counts, none negative"),
        ("flip", (2, 3), ((2,),), DimensionError, "flip: dims must be in [-2, 1]"),
        ("flip", (2, 3), ((0, 0),), ShapeError, "flip: dims must be without repetition"),
        ("roll", (2, 3), ((1, 2),), ShapeError, "roll: dims must be as many as shifts, 2, got None"),
        ("roll", (2, 3), ((1, 2), 0), ShapeError, "roll: dims must be as many as shifts, 2"),
        ("roll", (2, 3), (1, 2), DimensionError, "roll: dim must be in [-2, 1]"),
        ("roll", (), (1, 0), DimensionError, "roll: dims must be"),
        ("select", (2, 3), (1, 3), DimensionError, "select: index must be in [-3, 2], got 3"),
        ("select", (), (0, 0), DimensionError, "select: input must be of at least one dimension, got none"),
        (
            "narrow",
            (2, 3),
            (1, 2, 2),
            ShapeError,
            "narrow: length must be in [0, 1] from 2 on in a dimension of 3",
        ),
        ("narrow", (2, 3), (1, 0, -1), ShapeError, "narrow: length must be in [0, 3]"),
        ("narrow", (2, 3), (1, -4, 1), DimensionError, "narrow: start must be in [-3, 3], got -4"),
        ("narrow", (), (0, 0, 1), DimensionError, "narrow: input must be of at least one dimension"),
    ],
)
def test_errors(name: str, shape: Any, args: Any, kind: type[Exception], message: str) -> None:
    both_raise(
        kind,
        message,
        lambda: getattr(ops, name)(Tensor(normal(*shape)), *args),
        lambda: getattr(torch, name)(torch.tensor(normal(*shape)), *args),
    )


def test_repeat_needs_a_count_for_each_dimension() -> None:
    both_raise(
        ShapeError,
        "repeat: repeats must be at least 2 counts, none negative, got (2,)",
        lambda: ops.repeat(Tensor(normal(2, 3)), 2),
        lambda: torch.ones(2, 3).repeat(2),
    )


@pytest.mark.parametrize("sizes", [(-2, 3), (2, -3), (True, 6), (-1, -1), (0, -1)])
def test_sizes_that_numpy_would_take_or_reword_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises((ShapeError, DTypeError), match=r"^reshape: shape must be"):
        ops.reshape(from_numpy(np.ones((2, 3))), *sizes)
