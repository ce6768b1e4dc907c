"""The gate: whatever array comes in, compiled kernels see one kind."""

import gc
import weakref

import numpy as np
import pytest

from minidl.errors import DTypeError, ShapeError
from minidl.kernels.arrays import check_alike, compiled_for, is_plain, memory_order, plain

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


def _unaligned():
    raw = np.zeros(VALUES.nbytes + 1, np.uint8)
    a = raw[1:].view(np.float32).reshape(3, 4)
    a[...] = VALUES
    return a


def _read_only():
    a = VALUES.copy()
    a.flags.writeable = False
    return a


@pytest.mark.parametrize(
    "a",
    [VALUES.T.copy().T, np.repeat(VALUES, 2, 1)[:, ::2], VALUES[::-1].copy()[::-1], _unaligned(), _read_only(),
     VALUES.astype(">f4"), VALUES.astype("<f4")],
    ids=["transposed", "sliced", "reversed", "unaligned", "read-only", "big-endian", "little-endian"],
)  # fmt: skip
def test_every_array_becomes_plain_with_the_same_values(a):
    before = a.tobytes()
    b = plain(a)
    assert is_plain(b)
    assert b.dtype == np.float32
    np.testing.assert_array_equal(b, VALUES)
    assert a.tobytes() == before


def test_a_plain_array_is_returned_itself():
    assert plain(VALUES) is VALUES


def test_a_read_only_array_is_not_copied_and_is_kept_alive():
    a = _read_only()
    b = plain(a)
    assert np.shares_memory(a, b)
    assert not a.flags.writeable
    alive = weakref.ref(a)
    del a
    gc.collect()
    assert alive() is not None
    del b
    gc.collect()
    assert alive() is None


def test_is_plain_looks_at_every_array():
    assert is_plain(VALUES, None)
    assert not is_plain(VALUES, None, VALUES.T)
    assert not is_plain(_read_only())
    assert not is_plain(VALUES.astype(">f4"))


def test_kernels_are_compiled_for_two_dtypes():
    names = ("float16", "float32", "float64", "int32", "complex64")
    assert [compiled_for(np.dtype(n)) for n in names] == [False, True, True, False, False]


def test_memory_order_makes_a_channels_last_image_contiguous():
    image = np.zeros((2, 5, 6, 3)).transpose(0, 3, 1, 2)
    assert memory_order(image) == (0, 2, 3, 1)
    assert image.transpose(memory_order(image)).flags.c_contiguous


def test_arrays_that_differ_are_named():
    with pytest.raises(ShapeError, match=r"adam: g must be of the parameter's shape \(3, 4\), got \(4, 3\)"):
        check_alike("adam", VALUES, m=None, g=VALUES.T)
    with pytest.raises(DTypeError, match="sgd: g must be of the parameter's dtype float32, got float64"):
        check_alike("sgd", VALUES, g=VALUES.astype(np.float64))
