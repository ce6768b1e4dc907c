"""Tensors in the dtype of another: new_zeros and its kin, against PyTorch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from both import check, check_error

import minidl
from minidl import nn

CALLS = """
x.new_zeros(2, 3)
x.new_zeros((2, 3))
x.new_zeros(size=(2,))
x.new_zeros(())
x.new_ones(2, 0)
x.new_ones([4], dtype=T.int64)
x.new_ones(3, device='cpu')
x.new_full((2, 2), 3)
x.new_full(size=(2,), fill_value=True)
x.new_full((2,), T.tensor(2))
x.new_full((), 1, dtype=T.float64)
x.new_tensor([[1, 2], [3, 4]])
x.new_tensor(5)
x.new_tensor(data=[1, 2], dtype=T.float32)
x.new_tensor(np.array([1.0, 0.0]))
x.new_empty(2, 3).shape, x.new_empty((4,)).shape, x.new_empty(2, 3).dtype == x.dtype
"""


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_new(call: str, dtype: str) -> None:
    check(call, x=np.ones(3, dtype))


def test_they_may_require_a_gradient_and_have_no_history() -> None:
    x = minidl.ones(2, requires_grad=True)
    for y in (x.new_zeros(2), x.new_ones(2), x.new_full((2,), 1), x.new_empty(2), x.new_tensor([1.0])):
        assert not y.requires_grad
    for y in (
        x.new_zeros(2, requires_grad=True), x.new_ones(2, requires_grad=True), x.new_empty(2, requires_grad=True),
        x.new_full((2,), 1, requires_grad=True), x.new_tensor([1.0, 2.0], requires_grad=True),
    ):  # fmt: skip
        assert y.is_leaf
        (y * 2).sum().backward()
        assert y.grad.tolist() == [2.0, 2.0]
    assert type(nn.Parameter(minidl.ones(2)).new_zeros(2)) is minidl.Tensor


def test_new_tensor_copies() -> None:
    x, data = minidl.ones(2), np.ones(2, np.float32)
    y = x.new_tensor(data)
    data[0] = 7
    assert y.tolist() == [1.0, 1.0]
    with pytest.warns(
        UserWarning, match=r"new_tensor: to copy a tensor, write data.clone\(\).detach\(\) instead"
    ) as caught:
        z = x.new_tensor(y)
    assert caught[0].filename == __file__
    y[0] = 7
    assert z.tolist() == [1.0, 1.0]


ERRORS = """
x.new_zeros() -> new_zeros: size
x.new_zeros(-1) -> new_zeros: size
x.new_ones(2.5) -> new_ones: size
x.new_empty('a') -> new_empty: size
x.new_full((2,), 'a') -> new_full: value
x.new_full((2,), 300) -> new_full: value must be in [-128, 127] for int8, got 300
x.new_full(2) -> fill_value
x.new_zeros(2, dtype='x') -> new_zeros: dtype
x.new_zeros(2, requires_grad=True) -> requires_grad
x.new_tensor([300]) -> new_tensor: data
x.new_tensor([[1], [2, 3]]) -> new_tensor: data
x.new_tensor('a') -> new_tensor: data
x.new_zeros(2, foo=1) -> foo
"""


@pytest.mark.parametrize("line", ERRORS.strip().splitlines())
def test_wrong_calls(line: str) -> None:
    call, words = line.split(" -> ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_error(call, words, x=np.ones(2, np.int8))


def test_the_device_is_the_cpu() -> None:
    with pytest.raises(minidl.MinidlError, match="new_zeros: device must be 'cpu', got 'cuda'"):
        minidl.ones(2).new_zeros(2, device="cuda")
