"""NumPy's functions on tensors: NumPy's meaning and dtypes, minidl's gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import GradError
from minidl.testing import gradcheck, gradgradcheck


def tensor(*shape: int, requires_grad: bool = True) -> minidl.Tensor:
    values = 0.3 + np.random.Generator(np.random.Philox(7)).random(shape)
    return minidl.tensor(values, requires_grad=requires_grad)


# --- ufuncs ---------------------------------------------------------------------------------------------------

ONE = [np.exp, np.log, np.sqrt, np.tanh, np.negative, np.absolute, np.square, np.sign, np.abs]
TWO = [
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.true_divide,
    np.power,
    np.maximum,
    np.minimum,
    np.fmod,
    np.remainder,
]


@pytest.mark.parametrize("ufunc", ONE, ids=lambda f: f.__name__)
def test_ufuncs_of_one_argument_are_differentiable(ufunc: Any) -> None:
    x = tensor(2, 3)
    y = ufunc(x)
    assert isinstance(y, minidl.Tensor)
    np.testing.assert_array_equal(y.array, ufunc(x.array))
    gradcheck(ufunc, x)
    gradgradcheck(ufunc, x)


@pytest.mark.parametrize("ufunc", TWO, ids=lambda f: f.__name__)
def test_ufuncs_of_two_arguments_are_differentiable(ufunc: Any) -> None:
    a, b = tensor(2, 3), tensor(3) * 1.7
    b = b.detach().requires_grad_()
    for args in ((a, b), (a, b.array), (a.array, b), (a, 2.5), (2.5, b)):
        y = ufunc(*args)
        assert isinstance(y, minidl.Tensor)
        assert y.requires_grad
        np.testing.assert_array_equal(
            y.array, ufunc(*(x.array if isinstance(x, minidl.Tensor) else x for x in args))
        )
        gradcheck(ufunc, args)


def test_matmul_and_other_gradients() -> None:
    a, b = tensor(2, 3), tensor(3, 4)
    for args in ((a, b), (a, b.array), (a.array, b)):
        assert np.matmul(*args).requires_grad
        gradcheck(np.matmul, args)
        gradcheck(lambda x, y: x @ y, args, check_float32=False)  # @ wants both of one dtype, as PyTorch


DTYPES = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", [*DTYPES, 2, 2.5, True])
def test_results_have_numpys_dtype(first: str, second: Any) -> None:
    a = np.array([1, 0, 1]).astype(first)
    b = np.array([1, 1, 1]).astype(second) if isinstance(second, str) else second
    for ufunc in (
        np.add,
        np.multiply,
        np.divide,
        np.power,
        np.maximum,
        np.less,
        np.logical_and,
        np.fmod,
        np.floor_divide,
    ):
        try:
            expected = ufunc(a, b)
        except TypeError:
            continue
        ours = ufunc(minidl.from_numpy(a), minidl.from_numpy(b) if isinstance(b, np.ndarray) else b)
        assert (ours.dtype, ours.tolist()) == (expected.dtype, expected.tolist()), ufunc


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_one_argument_have_numpys_dtype(dtype: str) -> None:
    a = np.array([1, 0, 1]).astype(dtype)
    with np.errstate(all="ignore"):
        for function in (
            np.exp,
            np.sqrt,
            np.tanh,
            np.sum,
            np.max,
            np.mean,
            np.var,
            np.cumsum,
            np.sign,
            np.prod,
            np.std,
        ):
            try:
                expected = function(a)
            except TypeError:
                continue
            ours = function(minidl.from_numpy(a))
            assert ours.dtype == expected.dtype, function
            np.testing.assert_allclose(np.asarray(ours), expected, rtol=1e-3)


def test_arrays_and_tensors_mix_with_operators() -> None:
    array, x = np.arange(3.0), tensor(3)
    for y in (array + x, x + array, array * x, array - x, x / (array + 1), array**x):
        assert isinstance(y, minidl.Tensor)
        assert y.requires_grad
    (array * x).sum().backward()
    assert x.grad.tolist() == array.tolist()
    for y in (array > x, x > array, array == x):
        assert isinstance(y, minidl.Tensor)
        assert y.dtype == minidl.bool


def test_an_array_on_the_left_of_an_augmented_assignment_stays_an_array() -> None:
    array, x = np.ones(3), tensor(3, requires_grad=False)
    same = array
    array += x
    assert array is same
    assert type(array) is np.ndarray
    np.testing.assert_array_equal(array, 1 + x.array)
    with pytest.raises(GradError):
        array += tensor(3)


# --- Functions ------------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Any] = {
    "sum": np.sum,
    "sum over one": lambda x: np.sum(x, axis=1),
    "sum over two": lambda x: np.sum(x, axis=(0, -1), keepdims=True),
    "mean": lambda x: np.mean(x, 0),
    "max": lambda x: np.max(x, axis=1, keepdims=True),
    "max of all": np.max,
    "min": lambda x: np.min(x, axis=-1),
    "amax": lambda x: np.amax(x, axis=-1),
    "var": np.var,
    "var, unbiased": lambda x: np.var(x, axis=1, ddof=1),
    "std": lambda x: np.std(x, axis=0, ddof=1, keepdims=True),
    "reshape": lambda x: np.reshape(x, (3, -1)),
    "reshape to an int": lambda x: np.reshape(x, -1),
    "ravel": np.ravel,
    "transpose": np.transpose,
    "transpose by axes": lambda x: np.transpose(x, (1, 0, 2)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 2),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "squeeze": lambda x: np.squeeze(x[:, :1]),
    "squeeze one": lambda x: np.squeeze(x[:, :1], axis=1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=1),
    "stack": lambda x: np.stack([x, x * 2], axis=1),
    "where": lambda x: np.where(np.asarray(x.detach().numpy() > 0.8), x, 0.0),
    "clip": lambda x: np.clip(x, 0.5, 0.9),
    "clip below": lambda x: np.clip(x, 0.5, None),
    "copy": np.copy,
}


def on_arrays(function: Any, x: np.ndarray) -> np.ndarray:
    class Detached(np.ndarray):
        """An array with the two methods that the functions above use of a tensor."""

        def detach(self) -> Any:
            return self

        def numpy(self) -> np.ndarray:
            return np.asarray(self)

    return np.asarray(function(x.view(Detached)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_mean_what_numpy_means_and_are_differentiable(name: str) -> None:
    function, x = FUNCTIONS[name], tensor(2, 3, 3)
    y = function(x)
    assert isinstance(y, minidl.Tensor)
    expected = on_arrays(function, x.array)
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(y.array, expected, rtol=1e-12)
    gradcheck(function, x)


def test_mixed_dtypes_are_promoted_as_numpy_does() -> None:
    a, b = np.arange(3), np.ones(3, np.float32)
    for function in (
        lambda x, y: np.concatenate([x, y]),
        lambda x, y: np.stack([x, y]),
        lambda x, y: np.where(x > 1, x, y),
    ):
        expected = function(a, b)
        for args in (
            (minidl.from_numpy(a), minidl.from_numpy(b)),
            (minidl.from_numpy(a), b),
            (a, minidl.from_numpy(b)),
        ):
            found = function(*args)
            assert (found.dtype, found.tolist()) == (expected.dtype, expected.tolist())


def test_numpys_errors_are_errors() -> None:
    x = tensor(2, 3)
    for call in (
        lambda: np.squeeze(x, axis=0),
        lambda: np.reshape(x, (4, 4)),
        lambda: np.concatenate([x, tensor(3, 2)]),
        lambda: np.sum(x, axis=5),
    ):
        with pytest.raises((ValueError, IndexError)):
            call()


@pytest.mark.parametrize(
    "call",
    [
        np.cumsum,
        np.sort,
        np.median,
        np.diff,
        np.fft.fft,
        lambda x: np.add.reduce(x),
        lambda x: np.add(x, 1, dtype=np.float32, casting="same_kind"),
        lambda x: np.sum(x, axis=()),
        lambda x: np.nextafter(x, x),
        lambda x: np.sum(x, dtype=np.float32),
        lambda x: np.linalg.norm(x),
        lambda x: np.reshape(x, (3, 1), order="F"),
        lambda x: np.frexp(x),
    ],
)
def test_what_would_lose_a_gradient_is_an_error_and_works_without_one(call: Any) -> None:
    x = tensor(3)
    with pytest.raises(GradError, match=r"numpy\..*: its gradient is not known"):
        call(x)
    expected = call(x.array)
    with minidl.no_grad():
        within = call(x)
    for found in (call(x.detach()), within):
        if isinstance(expected, tuple):
            assert all(np.array_equal(f.array, e) for f, e in zip(found, expected, strict=True))
        else:
            assert isinstance(found, minidl.Tensor if expected.dtype != complex else np.ndarray)
            np.testing.assert_array_equal(np.asarray(found), expected)


def test_functions_whose_results_have_no_gradient() -> None:
    x = tensor(2, 3)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)
    assert np.argmax(x).item() == np.argmax(x.array)
    assert np.zeros_like(x).tolist() == np.zeros((2, 3)).tolist()
    assert np.allclose(x, x.array)
    assert np.isnan(x).tolist() == np.zeros((2, 3), bool).tolist()
    assert not np.isfinite(x).requires_grad
    assert np.array_equal(x, x.array)
    assert "0." in np.array2string(x)


def test_results_share_no_memory_that_history_does_not_know_of() -> None:
    x = tensor(2, 3, requires_grad=False)
    y = np.flip(x)
    y += 1
    assert not np.shares_memory(x.array, y.array)


# --- out= -----------------------------------------------------------------------------------------------------


def test_out_into_an_array_and_into_a_tensor() -> None:
    x = tensor(3, requires_grad=False)
    array, target = np.empty(3), minidl.zeros(3, dtype=minidl.float64)
    assert np.exp(x, out=array) is array
    assert np.exp(x, out=target) is target
    assert np.sum(tensor(3, 3, requires_grad=False), axis=0, out=target) is target
    np.testing.assert_array_equal(array, np.exp(x.array))
    np.testing.assert_allclose(target.array, np.sum(tensor(3, 3).array, axis=0))


def test_out_would_lose_a_gradient() -> None:
    with pytest.raises(GradError):
        np.exp(tensor(3), out=np.empty(3))
    with pytest.raises(GradError):
        np.exp(np.ones(3), out=tensor(3))


def test_out_is_noticed_by_a_graph_that_needs_the_old_values() -> None:
    w = tensor(3)
    constant = minidl.ones(3, dtype=minidl.float64)
    loss = (w * constant).sum()
    np.multiply(np.ones(3), 2.0, out=constant)
    with pytest.raises(GradError, match=r"changed in place by numpy\.multiply"):
        loss.backward()


# --- Conversion -----------------------------------------------------------------------------------------------


def test_asarray_shares_and_array_copies() -> None:
    x = tensor(3, requires_grad=False)
    assert np.shares_memory(np.asarray(x), x.array)
    assert not np.shares_memory(np.array(x), x.array)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, dtype=np.float32, copy=False)
    assert np.asarray(minidl.tensor(2)).shape == ()


def test_asarray_of_a_tensor_that_requires_a_gradient() -> None:
    with pytest.raises(GradError, match=r"numpy: the tensor requires a gradient.*detach\(\)\.numpy\(\)"):
        np.asarray(tensor(3))


def test_numpy_reads_lists_of_tensors_and_indexes_with_them() -> None:
    a, b = minidl.tensor([1.0, 2.0]), minidl.tensor([3.0, 4.0])
    assert np.array([a, b]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert np.arange(5)[minidl.tensor([3, 1])].tolist() == [3, 1]
    assert np.arange(4)[minidl.tensor([True, False, True, False])].tolist() == [0, 2]
    array = np.zeros(2)
    array[:] = a
    assert array.tolist() == [1.0, 2.0]


def test_a_numpy_scalar_on_the_left() -> None:
    x = tensor(3)
    for y in (np.float64(2) * x, np.float32(2) + x, np.int64(2) - x, np.float64(2) / x, np.float64(2) ** x):
        assert isinstance(y, minidl.Tensor)
        assert y.requires_grad
    assert (np.float64(2) > x).dtype == minidl.bool


def test_within_a_graph() -> None:
    """NumPy's functions and minidl's operations make one graph."""
    x = tensor(4)
    loss = np.mean(np.exp(x * 2) + np.square(np.sin(x.detach().numpy())) * x)
    loss.backward()
    expected = (2 * np.exp(2 * x.array) + np.sin(x.array) ** 2) / 4
    np.testing.assert_allclose(x.grad.array, expected)
