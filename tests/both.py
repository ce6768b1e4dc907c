"""One expression, evaluated by minidl and by PyTorch: equal values and derivatives to the second, or both an error.

Where an expression says ``T`` it means either library, ``F`` and ``nn`` its ``nn.functional`` and ``nn``. Statements
that go before are separated from it by semicolons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import minidl
from minidl.random import stream

torch = pytest.importorskip("torch")

# fmt: off
EXTREME = np.array([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e30, -1e30, 1e-30, -1e-30, 5e-324, 1e308,
                    0.5, 2.5, -2.5, 100.0, -1e4])
# fmt: on


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(stream(seed, *shape, len(shape)).standard_normal(shape))


def sample(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Numbers from -4 to 4 (from 0 for unsigned ones), or bools."""
    if dtype == "bool":
        return np.asarray(stream(seed, *shape).random(shape) > 0.5)
    if dtype[0] == "f":
        return normal(*shape, seed=seed).astype(dtype)
    return np.asarray(stream(seed, *shape).integers(0 if dtype == "uint8" else -4, 5, shape)).astype(dtype)


def evaluate(library: Any, expression: str, arrays: dict[str, np.ndarray]) -> tuple[Any, list[Any]]:
    """The value of an expression, and the leaves: the arrays of floats, as tensors that require a gradient."""
    names = {"T": library, "F": library.nn.functional, "nn": library.nn, "optim": library.optim}
    names |= {"np": np, "math": math, "inf": math.inf, "nan": math.nan}
    names["data"] = minidl.data if library is minidl else torch.utils.data
    leaves = []
    for name, array in arrays.items():
        names[name] = library.from_numpy(np.copy(array, order="K"))
        if array.dtype.kind == "f":
            leaves.append(names[name].requires_grad_())
    *statements, value = expression.split(";")
    for statement in statements:
        exec(statement.strip(), names)
    return eval(value.strip(), names), leaves


def check(expression: str, tol: float = 1e-9, second: bool = True, **arrays: np.ndarray) -> None:
    """Compare values, shapes and dtypes; gradients for random cotangents; and, if ``second``, second derivatives."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    mine, my_leaves = evaluate(minidl, expression, arrays)
    its, its_leaves = evaluate(torch, expression, arrays)
    mine, its = _flat(mine), _flat(its)
    assert len(mine) == len(its)
    for got, want in zip(mine, its, strict=True):
        _compare("value", got, want, tol)
        assert _requires_grad(got) == _requires_grad(want)
    smooth = [(a, b) for a, b in zip(mine, its, strict=True) if _requires_grad(b)]
    if not smooth or not my_leaves:
        return
    mine, its = [a for a, _ in smooth], [b for _, b in smooth]
    directions = [stream(1, i).standard_normal(tuple(b.shape)) for i, b in enumerate(its)]
    first = _gradients(minidl, mine, my_leaves, directions), _gradients(torch, its, its_leaves, directions)
    for got, want in zip(*first, strict=True):
        _compare("gradient", got, want, tol)
    pairs = [(a, b) for a, b in zip(*first, strict=True) if a is not None and _requires_grad(b)]
    if second and pairs:
        mine, its = [a for a, _ in pairs], [b for _, b in pairs]
        directions = [stream(2, i).standard_normal(tuple(b.shape)) for i, b in enumerate(its)]
        results = (
            _gradients(minidl, mine, my_leaves, directions),
            _gradients(torch, its, its_leaves, directions),
        )
        for got, want in zip(*results, strict=True):
            _compare("second derivative", got, want, tol)


def check_error(expression: str, *words: str, **arrays: np.ndarray) -> None:
    """Both raise; minidl's error is one that a handler of PyTorch's catches, and says ``words``.

    Where PyTorch has not implemented a call, any of minidl's errors will do; where an argument is missing or unknown,
    Python's own TypeError.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        evaluate(torch, expression, arrays)
    with pytest.raises((minidl.MinidlError, TypeError)) as ours:
        evaluate(minidl, expression, arrays)
    known = isinstance(ours.value, minidl.MinidlError)
    assert known or "argument" in str(ours.value), ours.value
    kind = theirs.type
    assert (
        isinstance(ours.value, kind)
        or not issubclass(kind, (ValueError, TypeError, IndexError, RuntimeError))
        or kind is NotImplementedError
    ), f"{ours.type.__name__}, PyTorch {kind.__name__}: {theirs.value}"
    for word in words:
        assert word in str(ours.value)


def _flat(value: Any) -> list[Any]:
    """The tensors and plain values in nested sequences; a shape is one value."""
    if isinstance(value, (tuple, list)) and not all(isinstance(n, int) for n in value):
        return [found for v in value for found in _flat(v)]
    return [tuple(value) if isinstance(value, tuple) else value]


def _requires_grad(value: Any) -> bool:
    return isinstance(value, (minidl.Tensor, torch.Tensor)) and value.requires_grad


def _gradients(library: Any, outputs: Sequence[Any], leaves: list[Any], directions: list[Any]) -> Any:
    weighted = [
        (y, library.tensor(v, dtype=y.dtype))
        for y, v in zip(outputs, directions, strict=True)
        if y.requires_grad
    ]
    if not weighted:
        return [None] * len(leaves)
    ys, vs = zip(*weighted, strict=True)
    return library.autograd.grad(ys, leaves, vs, create_graph=True, allow_unused=True)


def _compare(what: str, got: Any, want: Any, tol: float) -> None:
    if what != "value" and (got is None or want is None):  # one of them knows that there is no such gradient
        for gradient in (got, want):
            assert gradient is None or not gradient.detach().tolist() or not gradient.detach().any(), what
        return
    if not isinstance(want, torch.Tensor):
        assert got == want or got is want
        return
    got, want = got.array, want.detach().numpy(force=True)
    assert (got.shape, got.dtype) == (want.shape, want.dtype), what
    tol = max(tol, {"float32": 1e-5, "float16": 2e-3}.get(got.dtype.name, 0.0))
    finite = np.abs(want[np.isfinite(want)]) if got.dtype.kind == "f" else np.zeros(0)
    np.testing.assert_allclose(got, want, tol, tol * min(1e4, finite.max(initial=1.0)), err_msg=what)
