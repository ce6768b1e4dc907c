"""Losses, against PyTorch: values, gradients, second derivatives, extreme values, warnings and errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.grad_mode import no_grad
from minidl.ops import loss
from minidl.random import stream
from minidl.tensor import from_numpy
from minidl.testing import gradcheck, gradgradcheck

F = torch.nn.functional
REDUCTIONS = ["mean", "sum", "none"]
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def both(name: str, **options: Any) -> tuple[Any, Any]:
    """The loss ``name`` of minidl and of PyTorch, with arrays among the options as constant tensors of x's dtype."""

    def call(function: Any, wrap: Any) -> Any:
        def f(x: Any, *others: Any) -> Any:
            dtype = np.float32 if "32" in str(x.dtype) else np.float64
            given = {k: wrap(v.astype(dtype)) if isinstance(v, np.ndarray) else v for k, v in options.items()}
            return function(x, *others, **given)

        return f

    return call(getattr(loss, name), from_numpy), call(getattr(F, name), torch.tensor)


def uniform(*shape: int, seed: int = 0) -> np.ndarray:
    return np.array(stream(seed, 7, *shape).random(shape))


def classes(n: int, *shape: int) -> np.ndarray:
    return np.asarray(stream(3, n, *shape).integers(0, n, shape))


# --- Numbers ------------------------------------------------------------------------------------------------------


@every_reduction
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@pytest.mark.parametrize("shape", [(4, 3), (), (0, 3), (2, 3, 4, 5)])
def test_mse_and_l1(name: str, shape: tuple[int, ...], reduction: str) -> None:
    second = name == "mse_loss"
    check_parity(*both(name, reduction=reduction), normal(*shape), normal(*shape, seed=1), second=second)
    check_parity(
        *both(name, reduction=reduction), strided(normal(*shape)), normal(*shape, seed=1), second=second
    )


@every_reduction
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_different_sizes_are_broadcast_with_a_warning(name: str, reduction: str) -> None:
    ours, theirs = both(name, reduction=reduction)
    x, t = normal(4, 1), normal(3)
    with pytest.warns(UserWarning, match=rf"{name}: target has shape \(3,\) and input \(4, 1\)"):
        ours(from_numpy(x), from_numpy(t))
    with pytest.warns(UserWarning, match="different to the input size"):
        theirs(torch.tensor(x), torch.tensor(t))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_parity(ours, theirs, x, t, second=name == "mse_loss")


def test_the_warning_names_the_callers_line() -> None:
    with pytest.warns(UserWarning, match="mse_loss") as caught:
        loss.mse_loss(from_numpy(normal(4, 1)), from_numpy(normal(3)))
    assert caught[0].filename == __file__


def test_mse_promotes() -> None:
    y = loss.mse_loss(from_numpy(np.ones(3, np.float32)), from_numpy(np.zeros(3)))
    assert y.dtype == np.float64
    y = loss.mse_loss(from_numpy(np.ones(3, np.float32)), from_numpy(np.zeros(3, np.int64)))
    assert y.dtype == np.float32


# --- Classes ------------------------------------------------------------------------------------------------------

INDICES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((6, 4), (6,)),
    ((4,), ()),
    ((2, 4, 3, 5), (2, 3, 5)),
    ((2, 4, 3), (2, 3)),
    ((0, 4), (0,)),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight": np.array([0.5, 2.0, 0.25, 1.0])},
    {"ignore_index": 1},
    {"weight": np.array([0.5, 2.0, 0.25, 1.0]), "ignore_index": 0},
]
SMOOTHING: list[dict[str, Any]] = [{"label_smoothing": 0.2}, {"label_smoothing": 1.0}]


@every_reduction
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize(("shape", "target"), INDICES)
def test_class_indices(name: str, shape: Any, target: Any, options: dict[str, Any], reduction: str) -> None:
    n = shape[min(1, len(shape) - 1)]
    given = {**options, "reduction": reduction} | (
        {"weight": options["weight"][:n]} if "weight" in options else {}
    )
    check_parity(*both(name, **given), normal(*shape), classes(n, *target))
    if len(shape) == 4 and name == "cross_entropy":  # PyTorch's nll_loss does not take it
        check_parity(*both(name, **given), channels_last(normal(*shape)), strided(classes(n, *target)))


@every_reduction
@pytest.mark.parametrize("smoothing", SMOOTHING)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    ("shape", "target"), [((6, 4), (6,)), ((4,), ()), ((2, 4, 3), (2, 3)), ((0, 4), (0,))]
)
def test_label_smoothing(shape: Any, target: Any, options: Any, smoothing: Any, reduction: str) -> None:
    ours, theirs = both("cross_entropy", **options, **smoothing, reduction=reduction)
    check_parity(ours, theirs, normal(*shape), classes(4, *target))


@every_reduction
@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.1}, {"weight": np.array([0.5, 2.0, 0.25, 1.0])}]
)
@pytest.mark.parametrize("shape", [(6, 4), (4,), (2, 4, 3, 5), (0, 4)])
def test_class_probabilities(shape: tuple[int, ...], options: dict[str, Any], reduction: str) -> None:
    """Which may require a gradient too."""
    ours, theirs = both("cross_entropy", **options, reduction=reduction)
    check_parity(ours, theirs, normal(*shape), uniform(*shape))


@every_reduction
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}])
def test_cross_entropy_of_extreme_logits(options: dict[str, Any], reduction: str) -> None:
    x = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]])
    ours, theirs = both("cross_entropy", **options, reduction=reduction)
    check_parity(ours, theirs, x, np.array([0, 0, 1, 2]))
    check_parity(ours, theirs, x, np.eye(4, 3))


@every_reduction
def test_cross_entropy_with_infinite_logits(reduction: str) -> None:
    """-inf excludes a class; a sample that is ignored counts for nothing, whatever its logits."""
    x = np.array([[-np.inf, 1.0, 2.0], [0.0, -np.inf, 1.0]])
    ours, theirs = both("cross_entropy", reduction=reduction)
    check_parity(ours, theirs, x, np.array([1, 2]), second=False)
    excluded = (
        ours(from_numpy(x), from_numpy(np.array([1, -100]))),
        theirs(torch.tensor(x), torch.tensor([1, -100])),
    )
    np.testing.assert_allclose(excluded[0].array, excluded[1].numpy())
    x[1] = np.nan
    ignored = (
        ours(from_numpy(x), from_numpy(np.array([1, -100]))),
        theirs(torch.tensor(x), torch.tensor([1, -100])),
    )
    np.testing.assert_allclose(ignored[0].array, ignored[1].numpy())


def test_targets_may_be_uint8() -> None:
    check_parity(*both("cross_entropy"), normal(6, 4), classes(4, 6).astype(np.uint8))


def test_one_class_is_certain() -> None:
    check_parity(*both("cross_entropy"), normal(3, 1), classes(1, 3))


def test_one_sample_may_have_a_target_of_one_element() -> None:
    ours, theirs = both("cross_entropy", reduction="none")
    y, expected = (
        ours(from_numpy(normal(4)), from_numpy(np.array([2]))),
        theirs(torch.tensor(normal(4)), torch.tensor([2])),
    )
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-12)
    assert y.shape == expected.shape == ()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_all_targets_ignored(smoothing: float) -> None:
    ours, theirs = both("cross_entropy", label_smoothing=smoothing)
    check_parity(ours, theirs, normal(3, 4), np.full(3, -100), second=False)


def test_cross_entropy_against_finite_differences() -> None:
    x, t = from_numpy(normal(3, 4)).requires_grad_(), from_numpy(classes(4, 3))
    assert gradcheck(lambda x: loss.cross_entropy(x, t), x)
    assert gradgradcheck(lambda x: loss.cross_entropy(x, t), x)


def _weights(dtype: Any = np.float64, n: int = 2) -> tuple[Any, Any]:
    return from_numpy(np.ones(n, dtype)), torch.from_numpy(np.ones(n, dtype))


CLASS_ERRORS: list[tuple[str, Any, Any, dict[str, Any], Any, str]] = [
    ("cross_entropy", (3, 2), [0, 1, 2], {}, DimensionError, "target must be in [0, 1] for 2 classes, got 2"),
    ("nll_loss", (3, 2), [0, 1, -1], {}, DimensionError, "target must be in [0, 1] for 2 classes, got -1"),
    ("cross_entropy", (3, 2), [0, 1, 2, 1], {}, ShapeError,
     "target must be (3,) to match input (3, 2), got (4,)"),
    ("cross_entropy", (3, 2), [[0], [1], [1]], {}, ShapeError,
     "target must be (3,) to match input (3, 2), got (3, 1)"),
    ("cross_entropy", (3, 2, 2), [[0], [1], [1]], {}, ShapeError,
     "target must be (3, 2) to match input (3, 2, 2), got (3, 1)"),
    ("cross_entropy", (), 0, {}, ShapeError, "input must be (N, C), (C,) or (N, C, d1, ...), got ()"),
    ("nll_loss", (3, 2), [[0, 0], [1, 1], [1, 1]], {}, ShapeError, "target must be (3,)"),
    ("cross_entropy", (3, 2), np.ones(3, np.int32), {}, DTypeError,
     "target must be classes (int64 or uint8) or probabilities (floats of input's shape), got int32 of shape (3,)"),
    ("cross_entropy", (3, 2), np.ones(3), {}, DTypeError, "got float64 of shape (3,)"),
    ("cross_entropy", (3, 2), np.ones(3, bool), {}, DTypeError, "got bool of shape (3,)"),
    ("nll_loss", (3, 2), np.ones((3, 2)), {}, DTypeError,
     "target must be classes (int64 or uint8), got float64 of shape (3, 2)"),
    ("cross_entropy", (3, 2), np.ones((3, 2), int), {}, DTypeError,
     "target must be of floats, for it has input's shape, got int64"),
    ("cross_entropy", (3, 2), [0, 1, 1], {"weight": np.ones(3)}, ShapeError,
     "weight must be (2,), one for each class, got (3,)"),
    ("cross_entropy", (3, 2), [0, 1, 1], {"weight": np.ones(2, np.float32)}, DTypeError,
     "weight must be of input's dtype float64, got float32"),
    ("cross_entropy", (3, 2), [0, 1, 1], {"label_smoothing": 1.5}, ArgumentError,
     "label_smoothing must be from 0 to 1, got 1.5"),
    ("cross_entropy", (3, 2), [0, 1, 1], {"reduction": "average"}, ArgumentError,
     "reduction must be 'mean' or 'sum' or 'none', got 'average'"),
    ("cross_entropy", (3, 2), np.ones((3, 2)), {"ignore_index": 1}, ArgumentError,
     "ignore_index must be left out for targets that are probabilities, got 1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "target", "options", "kind", "message"), CLASS_ERRORS)
def test_class_errors(
    name: str, shape: Any, target: Any, options: dict[str, Any], kind: Any, message: str
) -> None:
    def call(function: Any, wrap: Any) -> Any:
        given = {k: wrap(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return function(wrap(np.ones(shape)), wrap(np.asarray(target)), **given)

    both_raise(
        kind,
        f"{name}: ",
        lambda: call(getattr(loss, name), from_numpy),
        lambda: call(getattr(F, name), torch.from_numpy),
    )
    with pytest.raises(kind) as caught:
        call(getattr(loss, name), from_numpy)
    assert message in str(caught.value)


def test_logits_must_be_floats() -> None:
    both_raise(
        DTypeError,
        "cross_entropy: input must be of floats, got int64",
        lambda: loss.cross_entropy(from_numpy(np.ones((3, 2), int)), from_numpy(np.ones(3, int))),
        lambda: F.cross_entropy(torch.ones(3, 2).long(), torch.ones(3).long()),
    )


# --- Yes or no ----------------------------------------------------------------------------------------------------

BCE_SHAPES = [(4, 3), (), (0, 3), (2, 3, 4, 5)]


@every_reduction
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", BCE_SHAPES)
def test_binary_cross_entropy(shape: tuple[int, ...], weighted: bool, reduction: str) -> None:
    options = {"weight": uniform(*shape[-1:], seed=2)} if weighted else {}
    ours, theirs = both("binary_cross_entropy", **options, reduction=reduction)
    x, t = 0.05 + 0.9 * uniform(*shape), uniform(*shape, seed=1)
    check_parity(ours, theirs, x, t)
    check_parity(ours, theirs, strided(x), t)


@every_reduction
def test_binary_cross_entropy_of_certainties(reduction: str) -> None:
    """The logarithm of 0 counts as -100, and the gradient is PyTorch's."""
    x = np.array([0.0, 0.0, 1.0, 1.0, 1e-30, 0.5])
    t = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.5])
    ours, theirs = both("binary_cross_entropy", reduction=reduction)
    # PyTorch's least denominator is 1e-12 as a float32.
    check_parity(ours, theirs, x, t, second=False, float32=False, tol=1e-8)


@every_reduction
@pytest.mark.parametrize("options", ["", "weight", "pos_weight", "weight pos_weight"])
@pytest.mark.parametrize("shape", BCE_SHAPES)
def test_binary_cross_entropy_with_logits(shape: tuple[int, ...], options: str, reduction: str) -> None:
    given = {name: np.asarray(0.5 + uniform(*shape[-1:], seed=len(name))) for name in options.split()}
    ours, theirs = both("binary_cross_entropy_with_logits", **given, reduction=reduction)
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(ours, theirs, x, uniform(*shape))
    if len(shape) == 4:
        check_parity(ours, theirs, channels_last(normal(*shape)), uniform(*shape))


@every_reduction
@pytest.mark.parametrize("given", [{}, {"pos_weight": np.array(2.0)}, {"weight": np.array(2.0)}])
def test_binary_cross_entropy_of_extreme_logits(given: dict[str, Any], reduction: str) -> None:
    x = np.array([1e4, -1e4, 1e4, -1e4, 100.0, -100.0, 0.0])
    t = np.array([0.0, 0.0, 1.0, 1.0, 0.5, 1.0, 1.0])
    check_parity(*both("binary_cross_entropy_with_logits", **given, reduction=reduction), x, t)


def test_the_fused_loss_equals_the_composed_one() -> None:
    x, t = normal(7, 5), uniform(7, 5)
    fused = from_numpy(x).requires_grad_()
    composed = from_numpy(x).requires_grad_()
    a = loss.binary_cross_entropy_with_logits(fused, from_numpy(t))
    b = loss.binary_cross_entropy_with_logits(composed, from_numpy(t), reduction="none").mean()
    a.backward()
    b.backward()
    np.testing.assert_allclose(a.item(), b.item(), rtol=1e-12)
    np.testing.assert_allclose(fused.grad.array, composed.grad.array, rtol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy_with_logits"])
def test_the_kept_gradient_survives_being_used_twice(name: str) -> None:
    x = from_numpy(normal(3, 4)).requires_grad_()
    t = from_numpy(classes(4, 3) if name == "cross_entropy" else uniform(3, 4))
    y = getattr(loss, name)(x, t)
    y.backward(retain_graph=True)
    first = x.grad.array.copy()
    y.backward()
    np.testing.assert_allclose(x.grad.array, 2 * first, rtol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy_with_logits"])
def test_no_gradient_is_computed_where_none_is_wanted(name: str) -> None:
    x = from_numpy(normal(3, 4))
    t = from_numpy(classes(4, 3) if name == "cross_entropy" else uniform(3, 4))
    expected = getattr(loss, name)(from_numpy(x.array).requires_grad_(), t).item()
    assert getattr(loss, name)(x, t).item() == expected
    with no_grad():
        assert getattr(loss, name)(x.requires_grad_(), t).item() == expected


BINARY_ERRORS: list[tuple[str, Any, Any, Any, str]] = [
    ("binary_cross_entropy", np.ones((3, 2)), np.ones((2, 3)), ShapeError,
     "target must be of input's shape (3, 2), got (2, 3)"),
    ("binary_cross_entropy_with_logits", np.ones((3, 2)), np.ones((3, 1)), ShapeError,
     "target must be of input's shape (3, 2), got (3, 1)"),
    ("binary_cross_entropy", np.full(3, 1.5), np.ones(3), ArgumentError,
     "input must be between 0 and 1, got (1.5, 1.5)"),
    ("binary_cross_entropy", np.full(3, np.nan), np.ones(3), ArgumentError,
     "input must be between 0 and 1, got (nan, nan)"),
    ("binary_cross_entropy", np.full(3, 0.5), -np.ones(3), ArgumentError,
     "target must be between 0 and 1, got (-1.0, -1.0)"),
    ("binary_cross_entropy", np.full(3, 0.5), np.ones(3, np.float32), DTypeError,
     "target must be of input's dtype float64, got float32"),
    ("binary_cross_entropy", np.full(3, 0.5), np.ones(3, int), DTypeError,
     "target must be of floats, got int64"),
    ("binary_cross_entropy_with_logits", np.full(3, 0.5), np.ones(3, int), DTypeError,
     "target must be of floats, got int64"),
    ("binary_cross_entropy_with_logits", np.ones(3, int), np.ones(3, int), DTypeError,
     "input must be of floats, got int64"),
    ("mse_loss", np.ones(3, int), np.ones(3, int), DTypeError,
     "input or target must be of floats, got int64"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "t", "kind", "message"), BINARY_ERRORS)
def test_binary_errors(name: str, x: Any, t: Any, kind: type[Exception], message: str) -> None:
    both_raise(
        kind,
        f"{name}: {message}",
        lambda: getattr(loss, name)(from_numpy(x), from_numpy(t)),
        lambda: getattr(F, name)(torch.from_numpy(x), torch.from_numpy(t)),
    )


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize("shape", [(4,), (5, 3, 2)])
def test_factors_must_fit_the_input(name: str, shape: tuple[int, ...]) -> None:
    x = np.full((3, 2), 0.5)
    with pytest.raises(ShapeError, match=rf"{name}: .* must be broadcastable"):
        getattr(loss, name)(from_numpy(x), from_numpy(x), from_numpy(np.ones(shape)))
