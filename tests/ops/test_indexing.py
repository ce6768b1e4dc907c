"""Reading and assigning by index, and gathering, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.assign import setitem
from minidl.autograd import grad
from minidl.errors import ArgumentError, DimensionError, DTypeError, GradError
from minidl.ops.indexing import getitem
from minidl.tensor import Tensor, from_numpy

I5 = np.array([0, 1, 1, 0, 1])
GRID = np.array([[0, -1], [1, 0]])
MASK2 = np.array([True, False])
MASK23 = np.array([[True, False, True], [False, False, True]])
ALL = slice(None)

BASIC: list[Any] = [
    0,
    -1,
    np.int64(1),
    np.array(1),
    (1, 2),
    (0, -1, 2),
    ALL,
    slice(1, None),
    slice(5, None),
    slice(1, 0),
    slice(None, None, 2),
    slice(-2, None, 3),
    slice(np.int64(0), np.array(1)),
    (ALL, 1),
    (ALL, slice(0, 2), slice(None, None, 2)),
    (..., 0),
    (0, ..., 1),
    (ALL, ..., slice(1, 3)),
    (),
    (...,),
    (None, 0),
    (ALL, None, 1, None),
    (..., None),
]
ADVANCED: list[Any] = [
    I5,
    -I5,
    I5.astype(np.int32),
    [0, 1],
    [1, 1, 1],
    [],
    np.zeros((0, 3), np.int64),
    GRID,
    (GRID, GRID),
    (I5, [0], ALL),
    (ALL, I5),
    (ALL, GRID),
    (ALL, ALL, I5),
    (..., I5),
    (ALL, I5, I5),
    (I5, ALL, I5),
    (0, ALL, I5),
    (ALL, 0, I5),
    (I5, 0),
    ([0], 0, [1]),
    (0, I5, I5),
    (I5, None, I5),
    (ALL, [0, 1], None, [1, 2]),
    (None, I5),
    (ALL, [0, 1], [1, 2], None),
    (np.array(0), ALL, I5),
    MASK2,
    [True, False],
    MASK23,
    (MASK2, ALL, [0]),
    (ALL, np.array([True, False, True])),
    (..., np.array([True, False, True, True])),
    (MASK23, 1),
    (MASK23, [0, 1, 2]),
    (ALL, np.zeros(3, bool)),
    (1, np.ones((3, 4), bool)),
    True,
    False,
    (True, 0),
    (ALL, True, [0]),
    np.array(True),
    (slice(0, 1), slice(None, None, 2), I5),
]


def ours_index(index: Any, convert: Any) -> Any:
    """The index with its arrays as tensors."""
    if isinstance(index, tuple):
        return tuple(ours_index(i, convert) for i in index)
    return convert(index) if isinstance(index, np.ndarray) else index


def names(index: Any) -> str:
    return str(index).replace("\n", "")


@pytest.mark.parametrize("index", BASIC + ADVANCED, ids=names)
def test_getitem(index: Any) -> None:
    mine, theirs = ours_index(index, from_numpy), ours_index(index, torch.tensor)
    x = normal(2, 3, 4)
    for layout in (x, strided(x)):
        check_parity(lambda x: getitem(x, mine), lambda x: x[theirs], layout)


@pytest.mark.parametrize("index", BASIC, ids=names)
def test_a_basic_index_gives_a_view(index: Any) -> None:
    x = Tensor(normal(2, 3, 4))
    y = getitem(x, index)
    assert y._memory is x._memory
    assert np.shares_memory(y.array, x.array) or not y.array.size


@pytest.mark.parametrize("index", ADVANCED, ids=names)
def test_index_arrays_give_a_copy(index: Any) -> None:
    x = Tensor(normal(2, 3, 4))
    assert not np.may_share_memory(getitem(x, index).array, x.array)


def test_numbers_can_be_indexed_with_nothing() -> None:
    for index in ((), ..., None, True, np.array(False)):
        mine, theirs = ours_index(index, from_numpy), ours_index(index, torch.tensor)
        check_parity(lambda x, i=mine: getitem(x, i), lambda x, i=theirs: x[i], normal())


def test_the_gradient_of_a_large_gather_with_repeats() -> None:
    """Embedding rows: each row's gradient is the sum of its uses."""
    index = np.random.default_rng(0).integers(0, 10, (4, 20))
    check_parity(lambda x: getitem(x, from_numpy(index)), lambda x: x[torch.tensor(index)], normal(10, 8))
    check_parity(
        lambda x: getitem(x, (ALL, from_numpy(index))), lambda x: x[:, torch.tensor(index)], normal(3, 10)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_large_batch_is_gathered_as_a_small_one_is(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a = (100 * rng.standard_normal((50, 20, 40))).astype(dtype)
    rows = rng.integers(-50, 50, 90)
    np.testing.assert_array_equal(from_numpy(a)[rows].numpy(), a[rows])
    np.testing.assert_array_equal(from_numpy(a.T)[:, :, rows].numpy(), a.T[:, :, rows])
    with pytest.raises(DimensionError, match="index must be in"):
        from_numpy(a)[np.append(rows, 50)]


def test_an_index_changed_after_its_use_is_noticed() -> None:
    x, index = Tensor(normal(3), requires_grad=True), from_numpy(np.array([0, 1]))
    y = getitem(x, index)
    setitem(index, 0, 2)
    with pytest.raises(GradError, match="changed in place by setitem"):
        y.sum().backward()


@given(st.data())
def test_any_index_is_numpys_where_the_two_agree(data: st.DataObject) -> None:
    """Slices, None, and at most one index array, for which PyTorch's rule and NumPy's are the same."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    items: list[Any] = []
    for n in shape[: data.draw(st.integers(0, len(shape)))]:
        kind = data.draw(st.sampled_from(["int", "slice", "none", "array"]))
        if kind == "int" and not any(isinstance(i, np.ndarray) for i in items):
            items.append(data.draw(st.integers(-n, n - 1)))
        elif kind == "array" and all(isinstance(i, slice) for i in items):
            items.append(np.array(data.draw(st.lists(st.integers(-n, n - 1), max_size=3)), np.int64))
        else:
            items += [None] * (kind == "none")
            bound = st.none() | st.integers(-n - 1, n + 1)
            items.append(slice(data.draw(bound), data.draw(bound), data.draw(st.none() | st.integers(1, 3))))
    x = normal(*shape)
    index = tuple(items)
    y = getitem(from_numpy(x), index)
    np.testing.assert_array_equal(y.array, x[index])
    check_parity(
        lambda x: getitem(x, index),
        lambda x: x[ours_index(index, torch.tensor)],
        x,
        second=False,
        float32=False,
    )


def test_a_mask_on_images_keeps_channels_last() -> None:
    x = Tensor(channels_last(normal(2, 3, 4, 5)), requires_grad=True)
    y = getitem(x, MASK2)
    assert y.array.strides[1] == y.array.itemsize
    (g,) = grad(y, [x], Tensor(y.array))
    np.testing.assert_array_equal(g.array, x.array * MASK2[:, None, None, None])


# --- Errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "kind", "message"),
    [
        (2, DimensionError, "index must be in [-2, 1] at dimension 0 of shape (2, 3, 4), got 2"),
        ((0, -4), DimensionError, "index must be in [-3, 2] at dimension 1 of shape (2, 3, 4), got -4"),
        ((0, 0, 0, 0), DimensionError, "index must be of at most 3 entries, and one Ellipsis"),
        ((..., 0, 0, 0, 0), DimensionError, "index must be of at most 3 entries"),
        ([0, 2], DimensionError, "index must be in [-2, 1] at dimension 0 of shape (2, 3, 4), got 2"),
        ((0, [0, -4]), DimensionError, "index must be in [-3, 2] at dimension 0 of shape (3, 4), got -4"),
        (
            ([0, 1], [0, 1, 2]),
            DimensionError,
            "index must be of arrays that broadcast against each other, got (2,) and (3,)",
        ),
        (
            1.5,
            DimensionError,
            "index must be made of ints, slices, None, Ellipsis, and tensors of signed integers or bools, got float",
        ),
        (np.array(1.0), DimensionError, "got a tensor of float64"),
        (np.array([1.0]), DimensionError, "got a tensor of float64"),
        ({0}, DimensionError, "got set"),
        (np.ones(3, bool), DimensionError, "mask must be of shape (2,) from dimension 0 on, got (3,)"),
        ((ALL, MASK23), DimensionError, "mask must be of shape (3, 4) from dimension 1 on, got (2, 3)"),
        (slice(None, None, -1), ArgumentError, "a slice's step must be positive, got -1"),
        (slice(None, None, 0), ArgumentError, "a slice's step must be positive, got 0"),
        (slice(1.0, 2), DTypeError, "a slice's bound must be an int, got 1.0"),
    ],
    ids=names,
)
def test_wrong_indices(index: Any, kind: type[Exception], message: str) -> None:
    mine, theirs = ours_index(index, from_numpy), ours_index(index, torch.tensor)
    x = torch.zeros(2, 3, 4)
    both_raise(kind, message, lambda: getitem(Tensor(normal(2, 3, 4)), mine), lambda: x[theirs])
    both_raise(
        kind,
        message,
        lambda: setitem(Tensor(normal(2, 3, 4)), mine, 1.0),
        lambda: x.__setitem__(theirs, 1.0),
    )


def test_bytes_are_neither_indices_nor_masks() -> None:
    """PyTorch takes uint8 for a mask (deprecated), NumPy for indices: an error rather than the other meaning."""
    with pytest.raises(DimensionError, match="got a tensor of uint8"):
        getitem(Tensor(normal(2)), from_numpy(np.array([0, 1], np.uint8)))


def test_a_number_has_no_elements() -> None:
    both_raise(
        DimensionError,
        "getitem: index must be",
        lambda: getitem(Tensor(normal()), 0),
        lambda: torch.tensor(1.0)[0],
    )
