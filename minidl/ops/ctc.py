"""Connectionist temporal classification: a loss for sequences whose alignment with the input is not known.

Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
networks", 2006. A *path* says one label, or "blank", at each time; reading it means to drop repeated labels and then
blanks. The loss is the negative logarithm of the probability of all paths that read as the target. They are walks
through the *states* of the target with blanks in between, ``_ a _ b _``: at each time to the same state, the next one,
or the next but one where that skips a blank between different labels.

All sums of probabilities are computed from their logarithms, so that long sequences do not underflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, cast, check_tensor, floats, is_array, plain, reject
from minidl.ops.choice import _clamp
from minidl.ops.elementwise import _mask, _where
from minidl.ops.gathering import _gather, scatter_add_to
from minidl.ops.joining import _cat, _stack
from minidl.ops.reduce import _logsumexp
from minidl.ops.reduction import chosen, reduced
from minidl.ops.shape import _getitem, _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["ctc_loss"]

# The logarithm of what is impossible: finite, lest the derivative of a sum of nothing but impossibilities be nan.
IMPOSSIBLE = -1e30


class States(NamedTuple):
    """The states of each sample's target, S = 2L + 1 of them for the longest, and its length in time."""

    labels: np.ndarray  # (N, S): blank, label, blank, label, ..., blank
    skips: np.ndarray  # (N, S), logarithms: 0 where the state may be reached from the last but one
    ends: np.ndarray  # (N, S), logarithms: 0 where a path may end
    alive: np.ndarray  # (T, N, 1), bools: times before the sample's length


def _states(
    targets: np.ndarray, lengths: np.ndarray, times: np.ndarray, steps: int, blank: int, dtype: Any
) -> States:
    """From padded targets (N, L), their lengths (N,) and those of the input (N,)."""
    n, longest = targets.shape
    labels = np.full((n, 2 * longest + 1), blank)
    labels[:, 1::2] = targets
    skips = np.full(labels.shape, IMPOSSIBLE, dtype)
    skips[:, 2:][labels[:, 2:] != labels[:, :-2]] = 0  # never between two blanks
    places = np.arange(labels.shape[1])
    last = 2 * lengths[:, None]
    ends = np.where((places == last) | (places == last - 1), 0, IMPOSSIBLE).astype(dtype)
    return States(labels, skips, ends, np.arange(steps)[:, None, None] < times[:, None])


def _shifted(x: Any, by: int) -> Any:
    """(N, S) with its columns moved by ``by``, impossibilities moving in."""
    n, size = x.shape
    border = np.full((n, min(abs(by), size)), IMPOSSIBLE, x.dtype)
    if by > 0:
        return _cat(1, border, _getitem(x, (slice(None), slice(0, max(size - by, 0)), Ellipsis)))
    return _cat(1, _getitem(x, (slice(None), slice(min(-by, size), None), Ellipsis)), border)


def _one_of(*logarithms: Any) -> Any:
    return _logsumexp(_stack(0, *logarithms), (0,), False)


def _emissions(log_probs: Any, states: States) -> Any:
    """(T, N, S): the logarithm of the probability of each state's label at each time."""
    steps = log_probs.shape[0]
    index = np.broadcast_to(states.labels, (steps, *states.labels.shape))
    return _clamp(_gather(log_probs, 2, index), IMPOSSIBLE, math.inf)


def _forward_variables(emissions: Any, states: States) -> list[Any]:
    """alpha_t (N, S) for t = -1, 0, ..., T - 1: of all beginnings of paths that are in the state at time t."""
    start = np.full(states.labels.shape, IMPOSSIBLE, emissions.dtype)
    start[:, 0] = 0
    alphas: list[Any] = [start]
    for t in range(emissions.shape[0]):
        alpha = alphas[-1]
        reached = _one_of(alpha, _shifted(alpha, 1), _shifted(alpha, 2) + states.skips)
        moved = reached + _getitem(emissions, (t, Ellipsis))
        alphas.append(_where(states.alive[t], moved, alpha))
    return alphas


def _backward_variables(emissions: Any, states: States) -> list[Any]:
    """beta_t (N, S) for t = 0, ..., T - 1: of all continuations of paths that are in the state at time t."""
    betas: list[Any] = [states.ends]
    for t in range(emissions.shape[0] - 1, 0, -1):
        after = betas[-1] + _getitem(emissions, (t, Ellipsis))
        left = _one_of(after, _shifted(after, -1), _shifted(after + states.skips, -2))
        betas.append(_where(states.alive[t], left, betas[-1]))
    return betas[::-1]


def _total(alphas: list[Any], states: States) -> Any:
    """(N,): the logarithm of the probability of all paths."""
    return _logsumexp(alphas[-1] + states.ends, (1,), False)


def _ctc_forward(log_probs: np.ndarray, states: States, infinity: float) -> np.ndarray:
    """The losses (N,), with ``infinity`` for a target that is too long."""
    total = _total(_forward_variables(_emissions(log_probs, states), states), states)
    return np.where(total > IMPOSSIBLE / 2, -total, infinity).astype(log_probs.dtype)


def _ctc_vjp(g: Any, _y: Any, log_probs: Any, states: States, infinity: float) -> Any:
    """The share of each state at each time in all paths, with which its label's probability is to grow.

    As in PyTorch, the softmax before the loss is accounted for (equation 16): ``exp(log_probs) - share`` in place of
    ``-share``. The log_softmax's own derivative then leaves it as it is.
    """
    emissions = _emissions(log_probs, states)
    alphas, betas = _forward_variables(emissions, states), _backward_variables(emissions, states)
    total = _total(alphas, states)
    paths = _stack(0, *alphas[1:]) + _stack(0, *betas) - _reshape(total, (-1, 1))  # (T, N, S)
    index = np.broadcast_to(states.labels, paths.shape)
    shares = scatter_add_to(np.exp(paths), 2, index, log_probs.shape)
    possible = _reshape(total > IMPOSSIBLE / 2, (-1, 1))
    slopes = _where(possible, np.exp(log_probs) - shares, math.nan if infinity else 0.0)
    alive = np.broadcast_to(states.alive, log_probs.shape)
    return _mask(_reshape(g, (-1, 1)) * slopes, alive)


_ctc = Op("ctc_loss", _ctc_forward, _ctc_vjp)


def _lengths(argument: str, value: Any, batch: int, longest: int) -> np.ndarray:
    """One length for each sample, from 0 to ``longest``."""
    if is_array(value):
        lengths = plain(value)
        if lengths.dtype.kind not in "iu":
            raise DTypeError(must("ctc_loss", argument, "of integers", lengths.dtype))
    elif isinstance(value, (tuple, list)):
        lengths = np.array([as_int("ctc_loss", argument, n) for n in value], np.int64)
    else:
        raise DTypeError(must("ctc_loss", argument, "a Tensor or a tuple of ints", type(value).__name__))
    if lengths.size != batch or lengths.ndim > 1:
        raise ShapeError(must("ctc_loss", argument, f"({batch},), one for each sample", lengths.shape))
    lengths = lengths.reshape(-1).astype(np.int64)
    if lengths.min() < 0 or lengths.max() > longest:
        reject("ctc_loss", argument, f"in [0, {longest}]", lengths.tolist())
    return lengths


def _padded(targets: np.ndarray, lengths: np.ndarray, classes: int, blank: int) -> np.ndarray:
    """Targets (N, longest): either they are so, or one after the other in one dimension. Padded with blanks."""
    longest = int(lengths.max())
    inside = np.arange(longest) < lengths[:, None]
    padded = np.full(inside.shape, blank)
    if targets.ndim == 1:
        if targets.size != lengths.sum():
            raise ShapeError(
                must("ctc_loss", "targets", f"({lengths.sum()},), the sum of lengths", targets.shape)
            )
        padded[inside] = targets
    else:
        if len(targets) != len(lengths) or targets.shape[1] < longest:
            raise ShapeError(
                must("ctc_loss", "targets", f"({len(lengths)}, at least {longest})", targets.shape)
            )
        padded[inside] = targets[:, :longest][inside]
    if padded.size and not 0 <= padded.min() <= padded.max() < classes:
        reject("ctc_loss", "targets", f"in [0, {classes - 1}]", (int(padded.min()), int(padded.max())))
    return padded


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """The negative log likelihood of label sequences of unknown alignment (Graves et al., 2006).

    Args:
        log_probs: (T, N, C), or (T, C) without a batch: the logarithms of probabilities, as log_softmax gives them. The
            gradient is right only if they are that (see PyTorch).
        targets: labels (N, L), padded at will; or (sum of target_lengths,), one sample's after the other's.
        input_lengths: (N,), or (): how many of the T time steps are each sample's.
        target_lengths: (N,), or (): how many labels each has.
        blank: the class that stands for no label.
        reduction: "mean" divides each loss by the length of its target (at least 1), then takes the mean; "sum";
            "none" for losses (N,).
        zero_infinity: a target that is too long for its input has an infinite loss; count it as 0, without a gradient.

    Raises:
        ShapeError, DTypeError: shapes or dtypes do not fit.
        ArgumentError: a length, a label or ``blank`` is out of range.

    >>> import minidl
    >>> half = minidl.log_softmax(minidl.zeros(2, 1, 2), 2)  # two steps, two classes, each of probability 1/2
    >>> loss = minidl.nn.functional.ctc_loss(half, minidl.tensor([[1]]), (2,), (1,))
    >>> loss.exp()  # one over the probability of "a a", "a _" or "_ a", 3/4
    tensor(1.3333)
    """
    op = "ctc_loss"
    chosen(op, reduction)
    floats(op, log_probs, "log_probs")
    check_tensor(op, "targets", targets)
    if targets.dtype.kind == "b" or targets.ndim not in (1, 2):
        raise ShapeError(
            must(op, "targets", "numbers (N, L) or (sum of lengths,)", f"{targets.dtype} {targets.shape}")
        )
    if log_probs.ndim not in (2, 3) or 0 in log_probs.shape:
        raise ShapeError(must(op, "log_probs", "(T, N, C) or (T, C), and not empty", log_probs.shape))
    steps, *lead, classes = log_probs.shape
    batch = lead[0] if lead else 1
    blank = as_int(op, "blank", blank)
    if not 0 <= blank < classes:
        reject(op, "blank", f"in [0, {classes - 1}]", blank)
    labels = plain(targets).astype(np.int64)
    times = _lengths("input_lengths", input_lengths, batch, steps)
    longest = labels.shape[1] if labels.ndim == 2 else labels.size
    lengths = _lengths("target_lengths", target_lengths, batch, longest)
    padded = _padded(labels, lengths, classes, blank)
    # In double precision: a path's logarithm is a sum over all steps, and only its last digits tell it from others.
    states = _states(padded, lengths, times, steps, blank, np.dtype(np.float64))
    exact = cast(_reshape(log_probs, (steps, batch, classes)), states.ends.dtype)
    losses = cast(_ctc(exact, states, 0.0 if zero_infinity else math.inf), log_probs.dtype)
    if reduction == "mean":
        losses = losses / np.maximum(lengths, 1).astype(log_probs.dtype)
    return reduced(_reshape(losses, ()) if reduction == "none" and not lead else losses, reduction)
