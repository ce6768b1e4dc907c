"""Losses, against PyTorch: values, gradients, second derivatives, extreme values, warnings and errors."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl import nn
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.grad_mode import no_grad
from minidl.nn import functional as loss
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


@every_reduction
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_weighted_mse_and_l1(name: str, reduction: str) -> None:
    w = uniform(4, 3)
    ours, theirs = both(name, reduction=reduction, weight=w)
    check_parity(ours, theirs, normal(4, 3), normal(4, 3, seed=1), second=name == "mse_loss")
    f = getattr(loss, name), getattr(F, name)  # the weights have gradients too
    check_parity(
        *(lambda w, x, t, f=f: f(x, t, reduction=reduction, weight=w) for f in f),
        w, normal(4, 3), normal(4, 3, seed=1), second=name == "mse_loss",
    )  # fmt: skip


@every_reduction
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_weighted_losses_of_integers(name: str, reduction: str) -> None:
    for w in (normal(3), np.array([1, 0, 2])):
        ours = getattr(loss, name)(*map(from_numpy, map(np.array, ([1, 5, -2], [3, 5, 1]))), None, None, reduction,
                                   from_numpy(w))  # fmt: skip
        theirs = getattr(F, name)(torch.tensor([1, 5, -2]), torch.tensor([3, 5, 1]), None, None, reduction,
                                  torch.tensor(w))  # fmt: skip
        assert (ours.dtype.name, ours.shape) == (str(theirs.dtype)[6:], tuple(theirs.shape))
        np.testing.assert_allclose(ours.array, theirs.numpy())


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_weights_are_of_inputs_shape(name: str) -> None:
    x, t, w = np.ones((4, 3)), np.zeros((4, 3)), np.ones(3)
    both_raise(
        ShapeError, f"{name}: weight must be of input's shape (4, 3), got (3,)",
        lambda: getattr(loss, name)(from_numpy(x), from_numpy(t), weight=from_numpy(w)),
        lambda: getattr(F, name)(torch.tensor(x), torch.tensor(t), weight=torch.tensor(w)),
    )  # fmt: skip


# --- PyTorch's older arguments ------------------------------------------------------------------------------------

LOSSES = [
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "nll_loss", "cross_entropy", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "kl_div", "poisson_nll_loss", "gaussian_nll_loss", "triplet_margin_loss",
    "cosine_embedding_loss", "margin_ranking_loss", "ctc_loss",
]  # fmt: skip
MODULES = ["MSELoss", "L1Loss", "NLLLoss", "CrossEntropyLoss", "BCELoss", "BCEWithLogitsLoss"]


@pytest.mark.parametrize("name", [*LOSSES, *MODULES])
def test_arguments_and_defaults_are_pytorchs_in_its_order(name: str) -> None:
    def parameters(f: Any) -> list[Any]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]

    modules = (nn, torch.nn) if name in MODULES else (loss, F)
    ours, theirs = (parameters(getattr(module, name)) for module in modules)
    assert ours == theirs


@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
@pytest.mark.parametrize(
    "name", [name for name in LOSSES if name not in ("huber_loss", "gaussian_nll_loss", "ctc_loss")]
)
def test_size_average_and_reduce_mean_what_they_did(name: str, size_average: Any, reduce: Any) -> None:
    x, t = np.log(uniform(4, 3)), uniform(4, 3, seed=1)
    arrays: list[np.ndarray] = [x, t]
    if name == "binary_cross_entropy":
        arrays = [t, t]
    elif name == "nll_loss":
        arrays = [x, classes(3, 4)]
    elif "embedding" in name or "triplet" in name or "ranking" in name:
        arrays = [x, t, np.ones(4)] if "embedding" in name else [x, t, np.ones((4, 3))]
    options = {"size_average": size_average, "reduce": reduce}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        theirs = getattr(F, name)(*map(torch.tensor, arrays), **options)
    expected = {
        str(w.message).split("reduction='")[1].split("'")[0]
        for w in caught
        if "size_average" in str(w.message)
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = getattr(loss, name)(*map(from_numpy, arrays), **options)
    said = {str(w.message) for w in caught if "size_average" in str(w.message)}
    assert said == {
        f"{name}: size_average and reduce are deprecated, write reduction={r!r} instead" for r in expected
    }
    np.testing.assert_allclose(ours.array, theirs.numpy())


def test_the_modules_take_them_too() -> None:
    with pytest.warns(
        UserWarning, match="MSELoss: size_average and reduce are deprecated, write reduction='sum'"
    ) as caught:
        module = nn.MSELoss(size_average=False)
    assert module.reduction == "sum"
    assert caught[0].filename == __file__


# --- Classes ------------------------------------------------------------------------------------------------------


def _softmax(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    e = np.exp(normal(*shape))
    return (e / e.sum(min(1, len(shape) - 1), keepdims=True)).astype(dtype)


@pytest.mark.parametrize(
    ("p", "target"),
    [
        (_softmax(6, 4), (6,)),
        (_softmax(64, 1000, dtype=np.float32), (64,)),
        (_softmax(64, 1000, dtype=np.float16), (64,)),
        (_softmax(3), ()),
        (_softmax(2, 5, 3, 4), (2, 3, 4)),
        (np.eye(4), (4,)),
        (np.full((2, 2), 0.5), (2,)),
    ],
    ids=lambda x: str(getattr(x, "shape", "")),
)  # fmt: skip
@pytest.mark.parametrize("as_module", [False, True])
def test_cross_entropy_warns_of_probabilities(p: np.ndarray, target: Any, as_module: bool) -> None:
    t = from_numpy(np.zeros(target, np.int64))
    f = nn.CrossEntropyLoss() if as_module else loss.cross_entropy
    with pytest.warns(
        UserWarning, match="cross_entropy: input looks like probabilities .*leave out the one before"
    ) as caught:
        f(from_numpy(p), t)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="cross_entropy: input looks like probabilities"):
        loss.cross_entropy(from_numpy(p), from_numpy(p))


def test_it_warns_once_for_a_line() -> None:
    p, t = from_numpy(_softmax(6, 4)), from_numpy(np.zeros(6, np.int64))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(5):
            loss.cross_entropy(p, t)
        loss.cross_entropy(p, t)
    assert len(caught) == 2


def test_it_does_not_warn_of_logits() -> None:
    """Warnings are errors here: logits of many shapes, also all positive, also normalised logarithms, pass."""
    p = _softmax(8, 5)
    negative = p.copy()
    negative[3, :2] += (-1.0, 1.0)  # sums to 1
    shifted = p.copy()
    shifted[5] += 0.1
    for x in (
        np.zeros((8, 5)), np.ones((8, 5)), np.log(p), p * 1.01, negative, shifted, np.ones((8, 1)),
        np.full((8, 5), np.nan), np.abs(normal(8, 5)), uniform(8, 5), np.zeros((0, 5)), np.array([0.3]),
    ):  # fmt: skip
        loss.cross_entropy(from_numpy(x), from_numpy(np.zeros(x.shape[:-1], np.int64)))
    for seed in range(2000):
        x = uniform(2, 2, seed=seed)
        loss.cross_entropy(from_numpy(x), from_numpy(np.zeros(2, np.int64)))


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


def test_the_gradient_that_the_forward_left_is_nobody_elses() -> None:
    """It goes to the input as it is, and must not be added to when it comes a second time."""
    rng = np.random.default_rng(0)
    a, t = rng.standard_normal((40, 50)).astype(np.float32), rng.random((40, 50), np.float32)
    x = from_numpy(a.copy()).requires_grad_()
    y = loss.binary_cross_entropy_with_logits(x, from_numpy(t))
    once = (1 / (1 + np.exp(-a.astype(np.float64))) - t) / a.size
    for times in (1, 2, 3):
        y.backward(retain_graph=True)
        np.testing.assert_allclose(x.grad.numpy(), times * once, atol=1e-9)
    x.grad.zero_()
    y.backward(retain_graph=True)
    np.testing.assert_allclose(x.grad.numpy(), once, atol=1e-9)
    y.backward(from_numpy(np.array(3, np.float32)))
    np.testing.assert_allclose(x.grad.numpy(), 4 * once, atol=1e-9)


def test_logits_that_are_used_twice_get_both_gradients() -> None:
    a = np.random.default_rng(0).standard_normal(30).astype(np.float32)
    x = from_numpy(a.copy()).requires_grad_()
    y = x * 1.0
    total = loss.binary_cross_entropy_with_logits(y, from_numpy(np.ones_like(a)), reduction="sum") + y.sum()
    want = 1 / (1 + np.exp(-a.astype(np.float64)))
    for times in (1, 2):
        total.backward(retain_graph=True)
        np.testing.assert_allclose(x.grad.numpy(), times * want, atol=1e-5)
