"""Tensor: what it says of itself, how it prints, and how it turns into other things."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, GradError, ShapeError

# --- What it is -----------------------------------------------------------------------------------------------


def test_shape_and_sizes() -> None:
    x = minidl.zeros(2, 3, 5, dtype=minidl.float64)
    assert x.shape == (2, 3, 5)
    assert (x.size(), x.size(1), x.size(-1)) == ((2, 3, 5), 3, 5)
    assert (x.ndim, x.dim(), x.numel(), x.element_size(), len(x)) == (3, 3, 30, 8, 2)
    assert (x.is_contiguous(), x.transpose(0, 1).is_contiguous()) == (True, False)
    assert (x.is_floating_point(), x.long().is_floating_point()) == (True, False)
    with pytest.raises(IndexError, match=r"size: dim must be in \[-3, 2\] for 3 dimensions, got 3"):
        x.size(3)


def test_len_and_iteration() -> None:
    x = minidl.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    rows = list(x)
    assert [row.tolist() for row in rows] == [[1.0, 2.0], [3.0, 4.0]]
    a, b = x
    (a * 2 + b * 3).sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0], [3.0, 3.0]]
    for function in (len, iter):
        with pytest.raises(TypeError, match="no dimensions"):
            function(minidl.tensor(1.0))


@pytest.mark.parametrize("value", [0, 1, 0.0, -2.5, True, False, float("nan")])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_bool_int_float_and_item(value: Any, shape: Any) -> None:
    x = minidl.full(shape, value)
    assert bool(x) is bool(value)
    assert type(x.item()) is type(value)
    assert float(x) == pytest.approx(float(value), nan_ok=True)
    if value == value:
        assert int(x) == int(value)
        assert x.item() == value


@pytest.mark.parametrize("shape", [(0,), (2,), (1, 2)])
def test_what_needs_one_element(shape: Any) -> None:
    for function in (bool, float, int, lambda x: x.item()):
        with pytest.raises(ArgumentError, match=r"(bool|item): the tensor must be of one element, got shape"):
            function(minidl.zeros(*shape))


def test_index() -> None:
    assert [10, 20, 30][minidl.tensor(2)] == 30
    assert list(range(minidl.tensor([3]))) == [0, 1, 2]
    for x in (minidl.tensor(1.0), minidl.tensor([1, 2])):
        with pytest.raises(TypeError, match="index: the tensor must be one integer, got"):
            [1, 2, 3][x]


def test_contains() -> None:
    x = minidl.tensor([1.0, 2.0])
    assert 2.0 in x
    assert 3 not in x
    assert minidl.tensor(1.0) in x


def test_tensors_are_told_apart_by_identity() -> None:
    x = minidl.ones(2)
    y = x.clone()
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


def test_comparison_with_something_else_is_false_as_in_pytorch() -> None:
    x = minidl.tensor([1.0])
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "a") is False
    assert x in [None, x]
    with pytest.raises(TypeError):
        x < None  # noqa: B015


def test_arithmetic_with_something_else() -> None:
    with pytest.raises(DTypeError, match="add: every operand must be a Tensor or a number, got object"):
        minidl.ones(2) + object()


# --- How it prints --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: minidl.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (lambda: minidl.tensor(3), "tensor(3)"),
        (lambda: minidl.tensor([True, False]), "tensor([ True, False])"),
        (lambda: minidl.tensor([1.0], dtype=minidl.float64), "tensor([1.], dtype=float64)"),
        (lambda: minidl.tensor([1], dtype=minidl.uint8), "tensor([1], dtype=uint8)"),
        (lambda: minidl.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
        (lambda: minidl.ones(2, requires_grad=True) * 2, "tensor([2., 2.], grad_fn=<mul>)"),
        (lambda: minidl.tensor([1.5e-5, 2.0]), "tensor([1.5e-05, 2.0e+00])"),
        (lambda: minidl.zeros(0, 3), "tensor([], size=(0, 3))"),
        (lambda: minidl.zeros(0), "tensor([])"),
        (lambda: minidl.zeros(0, dtype=minidl.int64), "tensor([], dtype=int64)"),
        (lambda: minidl.tensor([[1.0, 2.0], [3.0, 4.0]]), "tensor([[1., 2.],\n        [3., 4.]])"),
        (lambda: minidl.tensor([float("nan"), float("inf")]), "tensor([nan, inf])"),
    ],
)
def test_repr(make: Any, expected: str) -> None:
    assert repr(make()) == expected
    assert str(make()) == expected


def test_repr_of_a_large_tensor_is_short_and_says_its_size() -> None:
    text = repr(minidl.zeros(100, 100))
    assert "..." in text
    assert text.endswith("size=(100, 100))")
    assert len(text) < 500


def test_repr_of_a_parameter() -> None:
    assert repr(minidl.nn.Parameter(minidl.zeros(2))).startswith("Parameter(")


def test_repr_evaluates_to_the_tensor() -> None:
    x = minidl.randn(2, 3).mul(100).round()
    assert eval(repr(x), {"tensor": minidl.tensor}).equal(x)


def test_format() -> None:
    assert f"{minidl.tensor(3.14159):.2f}" == "3.14"
    assert f"{minidl.tensor([2.0]):6.1f}" == "   2.0"
    assert f"{minidl.tensor(7):d}" == "7"
    assert f"{minidl.tensor([1.0, 2.0])}" == "tensor([1., 2.])"
    assert f"{minidl.tensor(1.5)}" == "tensor(1.5)" or f"{minidl.tensor(1.5)}" == "1.5"
    with pytest.raises((TypeError, ValueError)):
        f"{minidl.tensor([1.0, 2.0]):.2f}"


# --- Its gradient ---------------------------------------------------------------------------------------------


def test_leaves_constants_and_results() -> None:
    constant, leaf = minidl.ones(2), minidl.ones(2, requires_grad=True)
    result = leaf * 2
    assert [x.is_leaf for x in (constant, leaf, result)] == [True, True, False]
    assert [x.requires_grad for x in (constant, leaf, result)] == [False, True, True]
    assert (constant.grad_fn, leaf.grad_fn, result.grad_fn.name) == (None, None, "mul")


def test_requires_grad_can_be_switched_on_leaves_only() -> None:
    x = minidl.ones(2)
    assert x.requires_grad_() is x
    x.requires_grad = False
    assert not x.requires_grad
    x.requires_grad = True
    result = x * 2
    assert result.requires_grad_() is result
    with pytest.raises(
        GradError, match="requires_grad_: a computed tensor cannot be made a constant; use detach"
    ):
        result.requires_grad_(False)


def test_grad_can_be_assigned() -> None:
    x = minidl.ones(2, requires_grad=True)
    x.grad = minidl.tensor([1.0, 2.0])
    (x * 10).sum().backward()
    assert x.grad.tolist() == [11.0, 12.0]
    x.grad = None
    assert x.grad is None
    with pytest.raises(DTypeError, match="grad: the gradient must be a Tensor or None, got ndarray"):
        x.grad = np.ones(2)
    for wrong in (minidl.ones(3), minidl.ones(2, dtype=minidl.float64)):
        with pytest.raises(ShapeError, match=r"grad: the gradient must be float32 of shape \(2,\), got"):
            x.grad = wrong
    constant = minidl.ones(2)
    constant.grad = None
    constant.grad = minidl.ones(2)
    assert (constant.grad.tolist(), constant.requires_grad) == ([1.0, 1.0], False)


def test_a_gradient_stays_while_none_is_collected_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (minidl, torch):
        w = library.ones(2, requires_grad=True)
        before = w * 5
        (w * 2).sum().backward()
        w.requires_grad_(False)
        seen = [w.grad.tolist()]
        before.sum().backward()  # arrives while w collects none
        seen.append(w.grad.tolist())
        again = library.zeros(2)
        again.grad = library.full((2,), 7.0)
        for x in (w, again):
            x.requires_grad_()
            (x * 3).sum().backward()
            seen.append(x.grad.tolist())
        again.requires_grad_(False)
        again.grad, again.data = None, library.ones(3)
        again.grad = library.ones(3)
        found.append([*seen, again.grad.tolist()])
    assert found[0] == found[1] == [[2, 2], [2, 2], [5, 5], [10, 10], [1, 1, 1]]


def test_a_constant_with_a_gradient_may_change_its_shape_before_it_collects_one() -> None:
    w = minidl.zeros(2)
    w.grad = minidl.ones(2)
    w.grad, w.data = None, minidl.ones(3)
    (w.requires_grad_() * 2).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0, 2.0]


def test_detach_and_data_share_memory_without_history() -> None:
    x = minidl.ones(2, requires_grad=True)
    for alias in (x.detach(), x.data):
        assert not alias.requires_grad
        assert np.shares_memory(alias.array, x.array)
    x.data = minidl.zeros(2)
    assert (x.tolist(), x.requires_grad, x.is_leaf) == ([0.0, 0.0], True, True)
    with pytest.raises(DTypeError, match="data: the value must be a Tensor, got list"):
        x.data = [1.0]


def test_data_of_another_shape() -> None:
    x = minidl.ones(2, requires_grad=True)
    x.data = minidl.ones(3)
    (x * 2).sum().backward()
    assert x.grad.shape == (3,)


# --- To other forms -------------------------------------------------------------------------------------------


def test_numpy_shares_memory() -> None:
    x = minidl.zeros(2)
    x.numpy()[0] = 5
    assert x.tolist() == [5.0, 0.0]
    leaf = minidl.zeros(2, requires_grad=True)
    with pytest.raises(GradError, match=r"numpy: the tensor requires a gradient.*use detach\(\)\.numpy\(\)"):
        leaf.numpy()
    assert np.shares_memory(leaf.numpy(force=True), leaf.array)
    assert np.shares_memory(leaf.detach().numpy(), leaf.array)


@pytest.mark.parametrize("data", [1.5, 3, True, [], [1, 2], [[True], [False]], [[0.5, 1.5], [2.5, 3.5]]])
def test_tolist(data: Any) -> None:
    found = minidl.tensor(data).tolist()
    assert found == data
    assert type(found) is type(data)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("requires_grad", [False, True])
def test_pickle(protocol: int, requires_grad: bool) -> None:
    x = minidl.randn(2, 3, requires_grad=requires_grad)
    y = pickle.loads(pickle.dumps(x, protocol))
    assert type(y) is minidl.Tensor
    assert (y.tolist(), y.dtype, y.requires_grad, y.is_leaf) == (x.tolist(), x.dtype, requires_grad, True)


def test_pickle_of_a_view_holds_the_view_only() -> None:
    view = minidl.zeros(1000, 1000)[0, :3]
    assert len(pickle.dumps(view)) < 1000
    assert pickle.loads(pickle.dumps(minidl.arange(6).reshape(2, 3).t())).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_result_is_pickled_as_a_leaf_as_in_pytorch() -> None:
    y = pickle.loads(pickle.dumps(minidl.ones(2, requires_grad=True) * 2))
    assert (y.tolist(), y.requires_grad, y.is_leaf) == ([2.0, 2.0], True, True)


def test_copy_and_pickle_keep_the_class() -> None:
    x = minidl.nn.Parameter(minidl.ones(2))
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert type(y) is minidl.nn.Parameter
        assert y.requires_grad


def test_deepcopy() -> None:
    x = minidl.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    assert (y.tolist(), y.requires_grad, y.grad.tolist()) == ([1.0, 1.0], True, [3.0, 3.0])
    assert not np.shares_memory(x.array, y.array)
    assert not np.shares_memory(x.grad.array, y.grad.array)
    same = copy.deepcopy([x, x])
    assert same[0] is same[1]
    with pytest.raises(GradError, match="deepcopy: only leaves and constants can be copied"):
        copy.deepcopy(x * 2)


def test_deepcopy_keeps_the_memory_order() -> None:
    x = minidl.zeros(2, 3).t()
    assert copy.deepcopy(x).array.flags.f_contiguous


def test_shallow_copy_is_an_alias_whose_writes_are_noticed() -> None:
    x = minidl.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    alias = copy.copy(y.detach())
    z = (y * y).sum()
    alias.add_(1)
    if np.shares_memory(alias.array, y.array):
        with pytest.raises(GradError, match="changed in place"):
            z.backward()
    else:
        z.backward()
        assert x.grad.tolist() == [2.0, 4.0]


def test_gradients_accumulated_by_two_threads_are_not_lost() -> None:
    """Both walks end at the same leaf."""
    x, v = minidl.zeros(600, 600, requires_grad=True), minidl.ones(600, 600)

    def work() -> None:
        for _ in range(50):
            (x * 2).backward(v)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.array.min() == x.grad.array.max() == 300.0


def test_a_result_has_a_memory_once_it_is_asked_for() -> None:
    y = minidl.ones(2, 2) + 1
    assert y._cell is None
    view = y[0]
    assert view._memory is y._memory is y._cell
    assert (y + 1)._memory is not y._memory
