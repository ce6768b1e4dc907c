"""Random draws from distributions that tensors describe. The draw itself has no gradient: it is zero.

Numbers are drawn in C order from the generator, whatever the memory order of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, check_broadcast, check_tensor, is_array, plain, reject
from minidl.ops.elementwise import _flat
from minidl.random import Generator, numpy_generator
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["bernoulli", "multinomial"]


def _bernoulli_forward(x: np.ndarray, p: Any, random: np.random.Generator) -> np.ndarray:
    return (random.random(x.shape) < p).astype(x.dtype)


_bernoulli = Op("bernoulli", _bernoulli_forward, _flat, None)


def bernoulli(input: Tensor, p: Any = None, *, generator: Generator | None = None) -> Tensor:
    """1 with a given probability, else 0, in ``input``'s shape and dtype.

    Args:
        input: floats in [0, 1], the probabilities; with ``p`` only its shape and dtype matter.
        p: the probability, a number, or a tensor that broadcasts to ``input``'s shape.
        generator: where the random numbers come from.

    Raises:
        ArgumentError: a probability is not in [0, 1].
        DTypeError: ``input`` is not of floats, and no ``p`` is given.
        ShapeError: ``p`` does not broadcast to ``input``.

    >>> import minidl
    >>> minidl.bernoulli(minidl.tensor([0.0, 1.0, 1.0]))
    tensor([0., 1., 1.])
    """
    check_tensor("bernoulli", "input", input)
    if p is None and input.dtype.kind != "f":
        raise DTypeError(must("bernoulli", "input", "of floats", input.dtype))
    chances = plain(input if p is None else p)
    if not np.all((chances >= 0) & (chances <= 1)):
        reject("bernoulli", "input" if p is None else "p", "in [0, 1]", np.asarray(chances).tolist())
    if is_array(chances) and check_broadcast("bernoulli", input.shape, chances.shape) != input.shape:
        raise ShapeError(must("bernoulli", "p", f"broadcastable to {input.shape}", chances.shape))
    return _bernoulli(input, chances, numpy_generator(generator))


def bernoulli_half(input: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """:func:`bernoulli` with the default of ``Tensor.bernoulli_``."""
    return bernoulli(input, p, generator=generator)


def _multinomial_forward(p: np.ndarray, n: int, replacement: bool, random: np.random.Generator) -> np.ndarray:
    weights = p.astype(np.float64)
    if not replacement:
        # The order of E / p, with E exponentially distributed, is that of draws without replacement (Efraimidis and
        # Spirakis, "Weighted random sampling with a reservoir", 2006).
        with np.errstate(divide="ignore"):
            times = random.standard_exponential(p.shape) / weights
        return np.argsort(times, -1, kind="stable")[..., :n]
    ends = np.cumsum(weights, -1)
    drawn = random.random((*p.shape[:-1], n)) * ends[..., -1:]
    rows = zip(ends.reshape(-1, p.shape[-1]), drawn.reshape(-1, n), strict=True)
    found = np.array([np.searchsorted(row, values, "right") for row, values in rows], np.int64)
    return found.reshape(drawn.shape)


_multinomial = Op("multinomial", _multinomial_forward)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn at random, each with a probability proportional to its weight.

    Args:
        input: floats, not negative, which need not sum to 1: the weights of K indices, (K,), or (N, K) with a row for
            each of N draws.
        num_samples: how many indices to draw.
        replacement: whether an index may be drawn again.
        generator: where the random numbers come from.

    Returns:
        (num_samples,) or (N, num_samples), int64.

    Raises:
        ArgumentError: a weight is negative, infinite or nan, all are 0, or there are not ``num_samples`` different
            indices to draw.

    >>> import minidl
    >>> minidl.multinomial(minidl.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    op = "multinomial"
    check_tensor(op, "input", input)
    if input.dtype.kind != "f":
        raise DTypeError(must(op, "input", "of floats", input.dtype))
    if input.ndim not in (1, 2):
        raise ShapeError(must(op, "input", "a vector or a matrix", f"shape {input.shape}"))
    count, weights = as_int(op, "num_samples", num_samples), plain(input)
    if count < 1:
        reject(op, "num_samples", "positive", num_samples)
    if not np.all(np.isfinite(weights) & (weights >= 0)):
        raise ArgumentError(must(op, "input", "finite and not negative", "inf, nan or a negative weight"))
    possible = int(np.min(np.count_nonzero(weights, axis=-1), initial=input.shape[-1]))
    if possible < (1 if replacement else count):
        expected = (
            "at least one weight above 0" if replacement else f"at least {count} weights above 0 in each row"
        )
        raise ArgumentError(must(op, "input", expected, possible))
    return _multinomial(input, count, bool(replacement), numpy_generator(generator))
