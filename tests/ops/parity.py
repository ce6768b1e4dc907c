"""Comparison of an operation with PyTorch's: values, gradients for random cotangents, and second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from minidl.autograd import grad
from minidl.random import stream
from minidl.tensor import Tensor, from_numpy

torch = pytest.importorskip("torch")

Function = Callable[..., Any]


def check_parity(
    ours: Function,
    theirs: Function,
    *arrays: np.ndarray,
    second: bool = True,
    float32: bool = True,
    tol: float = 1e-9,
) -> None:
    """Compare ``ours(*tensors)`` with ``theirs(*tensors)``, whose result is one tensor.

    Args:
        arrays: float64 arrays, for which gradients are compared, and others, which are constants. Their memory order
            is kept.
        second: compare second derivatives too (unless there are no elements, whose mean is nan).
        float32: compare values and gradients once more in float32, to 1e-5 of the largest.
        tol: in float64, relative to the largest value.
    """
    second = second and all(a.size for a in arrays)
    compare(_derivatives(ours, theirs, arrays, second), tol)
    if float32:
        single = [a.astype(np.float32) if a.dtype == np.float64 else a for a in arrays]
        compare(_derivatives(ours, theirs, single, second=False), 1e-5)


def compare(pairs: dict[str, tuple[Any, Any]], tol: float) -> None:
    """Each first value (minidl's) equals the second (PyTorch's) in shape and dtype, and to ``tol`` of the largest."""
    for name, (got, expected) in pairs.items():
        if (
            got is None or expected is None
        ):  # one of them knows that there is no such gradient: the other's is zero
            present = got if expected is None else expected
            assert present is None or not present.detach().numpy(force=True).any(), (
                f"{name}: {got}, PyTorch {expected}"
            )
            continue
        got, expected = got.array, expected.numpy(force=True)  # PyTorch's zeros may be without memory
        assert got.shape == expected.shape, f"{name}: shape {got.shape}, PyTorch {expected.shape}"
        assert got.dtype == expected.dtype, f"{name}: dtype {got.dtype}, PyTorch {expected.dtype}"
        finite = expected[np.isfinite(expected)]
        scale = max(1.0, float(np.max(np.abs(finite), initial=0.0)))
        np.testing.assert_allclose(got, expected, rtol=tol, atol=tol * scale, err_msg=name)


def _derivatives(
    ours: Function, theirs: Function, arrays: Sequence[np.ndarray], second: bool
) -> dict[str, tuple[Any, Any]]:
    """By name: the value, the gradients for a random cotangent, and second derivatives in a random direction."""
    mine, its = (
        [wrap(np.copy(a, order="K")) for a in arrays] for wrap in (from_numpy, torch.from_numpy)
    )  # fmt: skip
    places = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    for i in places:
        mine[i].requires_grad_()
        its[i].requires_grad_()
    y, expected = ours(*mine), theirs(*its)
    pairs = {"value": (y, expected)}
    if not places:
        return pairs
    random = stream(0)
    dtype = y.array.dtype
    v = random.standard_normal(tuple(expected.shape)).astype(dtype)
    vs = Tensor(v, requires_grad=True), torch.tensor(v, requires_grad=True)
    plain = grad(y, [mine[i] for i in places], vs[0], retain_graph=True, allow_unused=True)
    first = (
        grad(y, [mine[i] for i in places], vs[0], create_graph=True, allow_unused=True),
        torch.autograd.grad(expected, [its[i] for i in places], vs[1], create_graph=True, allow_unused=True),
    )
    for i, fast, got, want in zip(places, plain, *first, strict=True):
        pairs[f"gradient {i}"] = fast, want
        pairs[f"gradient {i} under create_graph"] = got, want
    if second:
        pairs |= _second(
            first, [*(mine[i] for i in places), vs[0]], [*(its[i] for i in places), vs[1]], random
        )
    return pairs


def _second(
    first: tuple[Any, Any], mine: list[Any], its: list[Any], random: Any
) -> dict[str, tuple[Any, Any]]:
    """Derivatives of the first gradients, weighted at random, with respect to all inputs and the cotangent."""
    ours, theirs, directions = [], [], []
    for got, want in zip(*first, strict=True):
        if want is not None and want.requires_grad:
            ours.append(got)
            theirs.append(want)
            directions.append(random.standard_normal(tuple(want.shape)))
    got = grad(ours, mine, [Tensor(d) for d in directions], allow_unused=True)
    want = torch.autograd.grad(theirs, its, [torch.tensor(d) for d in directions], allow_unused=True)
    return {f"second derivative {i}": pair for i, pair in enumerate(zip(got, want, strict=True))}


def both_raise(kind: type[Exception], message: str, ours: Function, theirs: Function) -> None:
    """Both calls are errors, and minidl's is of ``kind`` with ``message`` in it."""
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)):
        theirs()
    with pytest.raises(kind) as caught:
        ours()
    assert message in str(caught.value)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Random numbers of float64, different for each shape and seed."""
    return np.asarray(stream(seed, *shape, len(shape)).standard_normal(shape))


def channels_last(a: np.ndarray) -> np.ndarray:
    """The same images, with their channels next to each other in memory."""
    order = (*range(a.ndim - 3), a.ndim - 2, a.ndim - 1, a.ndim - 3)
    return np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order))


def strided(a: np.ndarray) -> np.ndarray:
    """The same array, as every second element of a larger one, its dimensions reversed in memory."""
    wide = np.zeros([2 * n for n in a.shape[::-1]], a.dtype)
    view = wide[(*(slice(None, None, 2) for _ in a.shape), ...)].T
    view[...] = a
    return view
