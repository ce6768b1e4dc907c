"""Making tensors: values, dtypes and errors as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, ShapeError

torch = pytest.importorskip("torch")


def same(ours: minidl.Tensor, theirs: Any, rtol: float = 0.0) -> None:
    theirs = theirs.detach().numpy()
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(ours.array, theirs, rtol=rtol, atol=rtol)


# --- From data ------------------------------------------------------------------------------------------------

DATA: list[Any] = [
    1, 1.5, True, [], [[]], [[], []], [1, 2], [1, 2.5], [True, False], [True, 2], [True, 2.5], [[1, 2], [3, 4]],
    (1, (2)), range(3), [[[1.0]]], float("nan"), [float("inf"), -float("inf")], -0.0, 2**40, -(2**63), [2**62, 1],
]  # fmt: skip


@pytest.mark.parametrize("data", DATA, ids=str)
def test_tensor_from_python_data(data: Any) -> None:
    same(minidl.tensor(data), torch.tensor(data))


@pytest.mark.parametrize("data", [[1, 0, 3], [1.7, -1.7, 0.0], [True, False]], ids=str)
@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "bool"])
def test_tensor_of_a_given_dtype(data: Any, name: str) -> None:
    same(minidl.tensor(data, dtype=getattr(minidl, name)), torch.tensor(data, dtype=getattr(torch, name)))


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
)
def test_tensor_from_an_array_keeps_the_dtype_and_copies(dtype: str) -> None:
    array = np.ones((2, 3), dtype)
    x = minidl.tensor(array)
    same(x, torch.tensor(array))
    array[:] = 0
    assert x.array.all()
    scalar = np.dtype(dtype).type(1)
    same(minidl.tensor(scalar), torch.tensor(scalar))


def test_tensor_from_an_array_in_another_memory_order() -> None:
    for array in (
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(12.0)[::-2],
        np.arange(4.0).astype(">f8"),
    ):
        x = minidl.tensor(array)
        assert x.tolist() == array.tolist()
        assert x.is_contiguous()
        assert x.dtype.isnative


def test_tensor_from_tensors_and_arrays_within_lists() -> None:
    a = minidl.tensor([1.0, 2.0], dtype=minidl.float64)
    assert minidl.tensor([a, a]).dtype == minidl.float64
    assert minidl.tensor([a, a]).tolist() == [[1.0, 2.0]] * 2
    assert minidl.tensor([minidl.tensor(1), minidl.tensor(2)]).tolist() == [1, 2]
    assert minidl.tensor([np.float32(1.5), np.float32(2.5)]).dtype == minidl.float32
    assert minidl.tensor([np.ones(2), np.zeros(2)]).dtype == minidl.float64


def test_tensor_of_a_tensor_is_a_copy_without_history() -> None:
    x = minidl.ones(2, requires_grad=True)
    y = minidl.tensor(x)
    assert not y.requires_grad
    assert not np.shares_memory(x.array, y.array)


@pytest.mark.parametrize("data", [[[1, 2], [3]], [[1], [2, 3]], [[[1], [2]], [[3]]]], ids=str)
def test_ragged_data(data: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        torch.tensor(data)
    with pytest.raises(
        ShapeError, match="tensor: data must be rectangular, got nested sequences of different lengths"
    ):
        minidl.tensor(data)


@pytest.mark.parametrize("data", ["abc", ["a"], None, [None], object(), 1j, {}, [1, "a"]])
def test_data_that_is_no_number(data: Any) -> None:
    with pytest.raises(DTypeError, match="tensor: data must be numbers, got"):
        minidl.tensor(data)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64])
def test_numbers_beyond_int64(number: int) -> None:
    with pytest.raises((DTypeError, ArgumentError)):
        minidl.tensor(number)


def test_only_floats_require_gradients() -> None:
    assert minidl.tensor([1.0], requires_grad=True).requires_grad
    with pytest.raises(
        DTypeError, match="requires_grad_: the tensor must be of floats to have a gradient, got int64"
    ):
        minidl.tensor([1], requires_grad=True)


def test_from_numpy_shares_memory() -> None:
    array = np.zeros(3)
    x = minidl.from_numpy(array)
    array[0] = 5
    x.add_(1)
    assert (x.tolist(), array.tolist()) == ([6.0, 1.0, 1.0], [6.0, 1.0, 1.0])
    with pytest.raises(DTypeError, match="from_numpy: the argument must be a NumPy array, got list"):
        minidl.from_numpy([1.0])
    with pytest.raises(DTypeError, match="must be one of float16"):
        minidl.from_numpy(np.zeros(2, complex))


def test_as_tensor_shares_where_it_can() -> None:
    array = np.zeros(3, np.float32)
    x = minidl.tensor([1.0], requires_grad=True)
    assert minidl.as_tensor(x) is x
    assert np.shares_memory(minidl.as_tensor(array).array, array)
    assert np.shares_memory(minidl.as_tensor(array, dtype=minidl.float32).array, array)
    assert not np.shares_memory(minidl.as_tensor(array, dtype=minidl.float64).array, array)
    y = minidl.as_tensor(x, dtype=minidl.float64)
    assert (y.dtype, y.requires_grad) == (minidl.float64, True)
    assert minidl.as_tensor([1, 2]).dtype == minidl.int64


# --- Filled ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zeros", "ones"])
@pytest.mark.parametrize("size", [((),), (0,), (3,), (2, 0, 3), ((2, 3),), ([2, 3],), (2, 3)], ids=str)
def test_zeros_and_ones(name: str, size: Any) -> None:
    same(getattr(minidl, name)(*size), getattr(torch, name)(*size))
    same(getattr(minidl, name)(*size, dtype=minidl.int32), getattr(torch, name)(*size, dtype=torch.int32))
    assert minidl.empty(*size).shape == tuple(torch.empty(*size).shape)


@pytest.mark.parametrize("value", [1, 2.5, True, float("inf")])
@pytest.mark.parametrize("size", [(), (2,), (2, 3)], ids=str)
def test_full(value: Any, size: Any) -> None:
    same(minidl.full(size, value), torch.full(size, value))
    same(minidl.full(size, value, dtype=minidl.float64), torch.full(size, value, dtype=torch.float64))


def test_full_takes_a_tensor_of_one_element() -> None:
    assert minidl.full((2,), minidl.tensor(3)).tolist() == [3, 3]


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "empty_like"])
def test_like_forms_take_shape_dtype_and_memory_order(name: str) -> None:
    x = minidl.from_numpy(np.asfortranarray(np.ones((2, 3))))
    y = getattr(minidl, name)(x)
    assert (y.shape, y.dtype, y.array.flags.f_contiguous) == ((2, 3), minidl.float64, True)
    assert not y.requires_grad
    assert getattr(minidl, name)(x, dtype=minidl.int8).dtype == minidl.int8
    assert getattr(minidl, name)(x, requires_grad=True).requires_grad


def test_full_like() -> None:
    y = minidl.full_like(minidl.ones(2, dtype=minidl.int64), 3)
    assert (y.tolist(), y.dtype) == ([3, 3], minidl.int64)
    assert minidl.full_like(y, 2.5, dtype=minidl.float32).tolist() == [2.5, 2.5]


@pytest.mark.parametrize("args", [(3,), (2, 4), (4, 2), (0,), (0, 3), (3, 0)])
def test_eye(args: Any) -> None:
    same(minidl.eye(*args), torch.eye(*args))


# --- Counted out ----------------------------------------------------------------------------------------------

RANGES = [
    (5,), (0,), (2, 7), (2, 7, 2), (7, 2, -2), (0, 1, 0.1), (1.5,), (1, 2.5), (5, 5), (0, 1, 1 / 3), (-3, 3),
    (1.0, 0.0, -0.25), (2**40, 2**40 + 3), (0, -3, -1), (-0.5, 0.5, 0.25),
]  # fmt: skip


@pytest.mark.parametrize("bounds", RANGES, ids=str)
def test_arange(bounds: Any) -> None:
    same(minidl.arange(*bounds), torch.arange(*bounds), rtol=1e-6)
    same(minidl.arange(*bounds, dtype=minidl.float64), torch.arange(*bounds, dtype=torch.float64), rtol=1e-12)


def test_arange_keeps_large_integers_exact() -> None:
    bounds = (2**62, 2**62 + 3)
    assert minidl.arange(*bounds).tolist() == torch.arange(*bounds).tolist() == list(range(*bounds))


@pytest.mark.parametrize("bounds", [(1, 0), (0, 5, -1), (0, 5, 0)], ids=str)
def test_arange_that_leads_nowhere(bounds: Any) -> None:
    with pytest.raises(RuntimeError):
        torch.arange(*bounds)
    with pytest.raises(ArgumentError, match="arange: step must be nonzero, and lead from"):
        minidl.arange(*bounds)


@pytest.mark.parametrize("bounds", [(float("nan"),), (float("inf"),), (0, 1, float("nan"))], ids=str)
def test_arange_without_end(bounds: Any) -> None:
    with pytest.raises(RuntimeError):
        torch.arange(*bounds)
    with pytest.raises(ArgumentError, match="arange"):
        minidl.arange(*bounds)


def test_arange_takes_up_to_three_numbers() -> None:
    with pytest.raises(TypeError):
        minidl.arange(1, 2, 3, 4)
    assert minidl.arange(minidl.tensor(3)).tolist() == [0, 1, 2]


def test_arange_by_keyword() -> None:
    assert minidl.arange(start=1, end=4).tolist() == torch.arange(start=1, end=4).tolist()
    assert minidl.arange(1, 7, step=3).tolist() == torch.arange(1, 7, step=3).tolist()
    assert minidl.arange(end=3).tolist() == torch.arange(end=3).tolist()


@pytest.mark.parametrize(
    "args", [(0, 1, 5), (0, 1, 1), (0, 1, 0), (3, -3, 7), (0.5, 0.5, 3), (0, 10, 11)], ids=str
)
def test_linspace(args: Any) -> None:
    same(minidl.linspace(*args), torch.linspace(*args), rtol=1e-6)
    same(minidl.linspace(*args, dtype=minidl.float64), torch.linspace(*args, dtype=torch.float64), rtol=1e-12)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="linspace: steps must be not negative, got -1"):
        minidl.linspace(0, 1, -1)
    with pytest.raises(DTypeError, match=r"linspace: steps must be an int, got 2\.5"):
        minidl.linspace(0, 1, 2.5)
    with pytest.raises(ShapeError, match=r"zeros: size must be without negative numbers, got \(2, -1\)"):
        minidl.zeros(2, -1)
    with pytest.raises(DTypeError, match=r"ones: size must be an int, got 2\.0"):
        minidl.ones(2.0)
    with pytest.raises(DTypeError, match="zeros_like: input must be a Tensor, got list"):
        minidl.zeros_like([1.0])
    with pytest.raises(ShapeError, match="eye: size must be without negative numbers"):
        minidl.eye(-1)


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: minidl.tensor([1.0], **k),
        lambda **k: minidl.zeros(2, **k),
        lambda **k: minidl.arange(2, **k),
    ],
)
def test_the_only_device_is_the_cpu(make: Any) -> None:
    make(device="cpu")
    with pytest.raises(ArgumentError, match="device must be 'cpu', got 'cuda:0'"):
        make(device="cuda:0")
