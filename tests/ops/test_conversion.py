"""Conversions between dtypes, compared with PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError

VALUES = np.array([[-1.5, 0.0], [2.9, 300.0]])

CALLS = [
    "x.to(T.float32)",
    "x.to('cpu')",
    "x.to('cpu', T.int64)",
    "x.to(T.zeros(1, dtype=T.int32))",
    "x.to(T.float32, True)",
    "x.to(dtype=T.float16, non_blocking=True)",
    "x.to(T.float64, False, True)",
    "x.type(T.float32)",
    "x.type_as(T.zeros(1, dtype=T.int64))",
    "x.float()",
    "x.double()",
    "x.half()",
    "x.int()",
    "x.long()",
    "x.bool()",
    "x.cpu()",
]


@pytest.mark.parametrize("call", CALLS)
def test_equals_pytorch(call: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (eval(call, {"T": lib, "x": lib.tensor(VALUES)}) for lib in (minidl, torch))
    assert ours.dtype == theirs.numpy().dtype
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    ("convert", "same"),
    [
        (lambda x: x.to(minidl.float64), True),
        (lambda x: x.to("cpu", True), True),
        (lambda x: x.to(minidl.float64, copy=True), False),
        (lambda x: x.to(minidl.float64, False, True), False),
        (lambda x: x.cpu(), True),
    ],
)
def test_is_the_tensor_itself_unless_something_changes_or_a_copy_is_asked_for(
    convert: Any, same: bool
) -> None:
    x = minidl.tensor(VALUES)
    y = convert(x)
    assert (y is x) == same
    assert np.shares_memory(y.numpy(), x.numpy()) == same


def test_gradients_come_back_in_the_dtype_of_the_argument() -> None:
    x = minidl.tensor([1.0, 2.0], dtype=minidl.float64, requires_grad=True)
    (x.float() * minidl.tensor([3.0, 4.0])).sum().backward()
    assert x.grad.dtype == minidl.float64
    assert x.grad.tolist() == [3.0, 4.0]
    assert not x.long().requires_grad


def test_errors() -> None:
    x = minidl.ones(1)
    with pytest.raises(DTypeError, match="type_as: other must be a Tensor, got str"):
        x.type_as("float32")
    with pytest.raises(ArgumentError, match="to: device must be 'cpu', got 'cuda:0'"):
        x.to("cuda:0")
    with pytest.raises(DTypeError, match="to: dtype must be a dtype, got 'nothing'"):
        x.to("nothing")
    assert x.type() == "float32"
