"""One test for every kernel: compare an implementation with the reference, computed in float64.

A new implementation is tested by being registered:

    minidl.kernels.register("conv2d", "mine", module="my_kernels.conv2d")
    check_kernel("conv2d", "mine")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.errors import KernelError
from minidl.kernels import registry
from minidl.kernels.windows import output_sizes

# The largest error, as a share of the largest element of the result.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


@dataclass(frozen=True)
class Case:
    """One call to compare: a function of an operation, and its arguments.

    Attributes:
        function: the name of the function, for instance ``"forward"``.
        arguments: its arguments in order; the arrays are float64 with values that float32 holds exactly.
        problem: from a dtype, what ``supports`` is asked.
        channels_last: whether the result's memory must be channels-last.
    """

    function: str
    arguments: tuple[Any, ...]
    problem: Callable[[np.dtype], tuple[Any, ...]]
    channels_last: bool = False

    def __str__(self) -> str:
        words = (f"array{a.shape}" if isinstance(a, np.ndarray) else repr(a) for a in self.arguments)
        return f"{self.function}({', '.join(words)})"


def check_kernel(operation: str, name: str, cases: Sequence[Case] | None = None) -> int:
    """Compare an implementation with the operation's reference, in both dtypes and every order of memory.

    Checked are the values, NaNs and shapes of the results and of the arguments named ``out`` or ``state``,
    their dtype and memory order, and that no other argument is changed.

    Args:
        operation: the operation, for instance ``"conv2d"``.
        name: the name under which the implementation is registered.
        cases: what to compare on; the operation's own cases (``cases_of(operation)``) if None.

    Returns:
        How many calls were compared. Calls that the implementation does not support are left out.

    Raises:
        KernelError: a result differs; the message says in which call, and where. Or: no call is supported.
    """
    kernel, reference = (registry.operation(operation).load(n) for n in (name, "reference"))
    compared = 0
    for case in cases_of(operation) if cases is None else cases:
        for dtype in (np.dtype("float32"), np.dtype("float64")):
            if not kernel.supports(*case.problem(dtype)):
                continue
            expected = _call(reference, case, np.float64, _ORDERS["C"])
            for order, arrange in _ORDERS.items():
                where = f"{operation} kernel {name!r}: {case} in {dtype}, arguments {order}"
                results = _call(kernel, case, dtype, arrange, where)
                _compare(where, results, expected, dtype, case.channels_last)
                compared += 1
    if not compared:
        raise KernelError(f"{operation} kernel {name!r} supports none of the cases")
    return compared


def cases_of(operation: str) -> list[Case]:
    """The calls on which all implementations of an operation are compared.

    Raises:
        KernelError: there are none for this operation.
    """
    if operation not in _CASES:
        raise KernelError(f"{operation} has no cases of its own: pass some to check_kernel")
    return list(_CASES[operation]())


def _read_only(a: np.ndarray) -> np.ndarray:
    frozen = a.copy()
    frozen.flags.writeable = False
    return frozen


def _transposed(a: np.ndarray) -> np.ndarray:
    """Channels-last for images; the last axis first in memory otherwise."""
    axes = (0, 2, 3, 1) if a.ndim == 4 else tuple(reversed(range(a.ndim)))
    return a.transpose(axes).copy().transpose(np.argsort(axes))


# Orders of memory that an argument may have. All keep the values.
_ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": lambda a: a.copy(),
    "transposed": _transposed,
    "sliced": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "reversed": lambda a: a[::-1].copy()[::-1] if a.ndim else a,
    "read-only": _read_only,
}


def _call(
    module: Any, case: Case, dtype: Any, arrange: Callable[[np.ndarray], np.ndarray], where: str = ""
) -> list[np.ndarray]:
    """What the call returns, followed by the arguments that it may change."""
    function = getattr(module, case.function)
    arguments, changeable, fixed = [], [], []
    for name, value in zip(inspect.signature(function).parameters, case.arguments, strict=True):
        if isinstance(value, np.ndarray):
            value = value.astype(dtype) if value.dtype.kind == "f" else value
            if name == "out" or name.startswith("state"):
                value = np.array(value, order="C")
                changeable.append(value)
            else:
                value = arrange(value)
                fixed.append((name, value, value.tobytes()))
        arguments.append(value)
    result = function(*arguments)
    for name, value, before in fixed:
        if value.tobytes() != before:
            raise KernelError(f"{where}: changes its argument {name}")
    results = result if isinstance(result, tuple) else (result,)
    return [r for r in results if r is not None] + changeable


def _compare(
    where: str, results: list[np.ndarray], expected: list[np.ndarray], dtype: np.dtype, channels_last: bool
) -> None:
    if len(results) != len(expected):
        raise KernelError(f"{where}: gives {len(results)} arrays, the reference {len(expected)}")
    for got, want in zip(results, expected, strict=True):
        if got.shape != want.shape:
            raise KernelError(f"{where}: gives shape {got.shape}, the reference {want.shape}")
        if want.dtype.kind == "f" and got.dtype != dtype:
            raise KernelError(f"{where}: gives {got.dtype}")
        if channels_last and not got.transpose(0, 2, 3, 1).flags.c_contiguous:
            raise KernelError(f"{where}: gives memory that is not channels-last")
        scale = np.max(np.abs(want), initial=0, where=np.isfinite(want))
        allowed = TOLERANCE[dtype.name] * scale if want.dtype.kind == "f" else 0
        wrong = ~np.isclose(got, want, rtol=0, atol=allowed, equal_nan=True)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise KernelError(f"{where}: element {at} is {got[at]}, the reference has {want[at]}")


def _random(seed: int, *shape: int) -> np.ndarray:
    """Normal random numbers, float64 with values that float32 holds exactly."""
    return _exact(np.random.default_rng(seed).standard_normal(shape))


def _exact(a: Any) -> np.ndarray:
    """Rounded to what float32 holds exactly, as float64: both dtypes then start from the same numbers."""
    return np.asarray(np.asarray(a, np.float32), np.float64)


# x shape, w shape, stride, padding, dilation, groups
_CONVOLUTIONS: tuple[Any, ...] = (
    ((2, 3, 8, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 1, 12, 12), (5, 1, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ((2, 16, 7, 5), (8, 16, 3, 2), (2, 1), (1, 0), (1, 1), 1),
    ((2, 9, 6, 7), (10, 9, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 4, 7, 7), (3, 4, 1, 1), (2, 3), (0, 0), (1, 1), 1),
    ((1, 2, 9, 11), (3, 2, 2, 2), (3, 4), (0, 1), (1, 1), 1),
    ((2, 3, 11, 10), (2, 3, 3, 3), (2, 2), (2, 3), (2, 3), 1),
    ((2, 6, 6, 6), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    ((2, 24, 5, 5), (6, 8, 3, 3), (2, 2), (1, 1), (1, 1), 3),
    ((2, 5, 6, 7), (5, 1, 3, 3), (1, 2), (1, 1), (1, 1), 5),
    ((2, 4, 6, 6), (8, 1, 3, 3), (1, 1), (1, 1), (2, 1), 4),
    ((1, 3, 4, 5), (2, 3, 4, 5), (1, 1), (0, 0), (1, 1), 1),
    ((1, 1, 1, 1), (1, 1, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((0, 3, 8, 9), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((200, 16, 20, 20), (2, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # more than one block of samples
)


def _conv2d_cases() -> Iterator[Case]:
    for x_shape, w_shape, *rest in _CONVOLUTIONS:
        size = output_sizes(x_shape[2:], w_shape[2:], *rest[:3])
        x, w = _random(1, *x_shape), _random(2, *w_shape)
        g = _random(3, x_shape[0], w_shape[0], *size)
        calls = (
            ("forward", (x, w), True),
            ("input_grad", (g, w, x_shape), True),
            ("weight_grad", (x, g, w_shape), False),
        )
        for function, arguments, channels_last in calls:

            def problem(
                dtype: np.dtype, head: Any = (function,), tail: Any = (x_shape, w_shape, *rest)
            ) -> Any:
                return (*head, dtype, *tail)

            yield Case(function, (*arguments, *rest), problem, channels_last)


# x shape, kernel, stride, padding, dilation, ceil_mode
_POOLS: tuple[Any, ...] = (
    ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 17, 9, 7), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((2, 17, 8, 7), (3, 2), (2, 3), (1, 1), (1, 1), True),
    ((1, 4, 7, 10), (2, 3), (3, 4), (0, 0), (1, 1), True),
    ((2, 2, 9, 9), (3, 3), (1, 1), (1, 0), (2, 3), False),
    ((1, 1, 2, 5), (2, 2), (1, 1), (1, 1), (3, 1), False),  # some windows hold no pixel
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0), (1, 1), False),
    ((0, 3, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
)


def _dtype_only(dtype: np.dtype) -> tuple[Any, ...]:
    return (dtype,)


def _max_pool2d_cases() -> Iterator[Case]:
    reference = registry.operation("max_pool2d").load("reference")
    for x_shape, *rest in _POOLS:
        x = np.round(_random(1, *x_shape) * 2)  # many are equal, so that the choice among equals is compared
        if x.size > 8:
            x.flat[5] = np.nan
            x.flat[-1] = -np.inf
        y, indices = reference.forward(x, *rest)
        yield Case("forward", (x, *rest), _dtype_only, True)
        yield Case("input_grad", (_random(2, *y.shape), indices, x_shape), _dtype_only, True)
        yield Case("gather", (_random(3, *x_shape), indices), _dtype_only, True)


def _avg_pool2d_cases() -> Iterator[Case]:
    for x_shape, kernel, stride, padding, dilation, ceil_mode in _POOLS:
        if dilation != (1, 1):
            continue
        for count_include_pad, divisor_override in ((True, None), (False, None), (False, 5)):
            rest = (kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)
            size = output_sizes(x_shape[2:], kernel, stride, padding, (1, 1), ceil_mode)
            g = _random(2, *x_shape[:2], *size)
            yield Case("forward", (_random(1, *x_shape), *rest), _dtype_only, True)
            yield Case("input_grad", (g, x_shape, *rest), _dtype_only, True)


def _bce_with_logits_cases() -> Iterator[Case]:
    for shape in ((256, 33), (7,), (), (0, 3), (2, 5, 3, 4), (1024,), (1025,)):
        x, t = _exact(4 * _random(1, *shape)), _exact(np.abs(np.sin(_random(2, *shape))))
        for want_gradient in (False, True):
            yield Case("forward", (x, t, 0.25, want_gradient), _dtype_only)


def _in_place(dtype: np.dtype) -> tuple[Any, ...]:
    return (dtype, True)


def _parameters(*shape: int) -> tuple[np.ndarray, ...]:
    """A parameter, its gradient, a mean of gradients and two of their squares."""
    p, g, m, square = (_random(seed, *shape) for seed in range(4))
    return p, g, _exact(m / 8), _exact(np.abs(square) + 1), _exact(np.abs(square) + 1.5)


def _adam_cases() -> Iterator[Case]:
    for shape in ((5, 7), (33,), (), (0,)):
        p, g, m, v, vmax = _parameters(*shape)
        for largest in (None, vmax):
            for decay, maximize, decoupled in ((0.0, False, False), (0.1, True, False), (0.1, False, True)):
                rest = (3, 0.1, 0.9, 0.99, 1e-8, decay, maximize, decoupled)
                yield Case("step", (p, g, m, v, largest, *rest), _in_place)
        yield Case("step", (p, g, m, v, None, 1, 0.1, 0.25, 0.5, 1e-3, 0.0, False, False), _in_place)


def _sgd_cases() -> Iterator[Case]:
    for shape in ((5, 7), (33,), (), (0,)):
        p, g, m, *_ = _parameters(*shape)
        yield Case("step", (p, g, None, False, 0.1, 0.0, 0.0, False, 0.1, True), _in_place)
        for first in (True, False):
            yield Case("step", (p, g, m, first, 0.1, 0.9, 0.25, False, 0.0, False), _in_place)
            yield Case("step", (p, g, m, first, 0.1, 0.9, 0.0, True, 0.1, True), _in_place)


def _rmsprop_cases() -> Iterator[Case]:
    for shape in ((5, 7), (33,), (), (0,)):
        p, g, m, v, _ = _parameters(*shape)
        for buffer, momentum in ((None, 0.0), (m, 0.9)):
            for mean in (None, _exact(m / 2)):
                for alpha, decay, maximize, inside in ((0.9, 0.0, False, False), (0.25, 0.1, True, True)):
                    rest = (0.1, alpha, 1e-3, decay, momentum, maximize, inside)
                    yield Case("step", (p, g, v, buffer, mean, *rest), _in_place)


_CASES: dict[str, Callable[[], Iterator[Case]]] = {
    "conv2d": _conv2d_cases,
    "max_pool2d": _max_pool2d_cases,
    "avg_pool2d": _avg_pool2d_cases,
    "bce_with_logits": _bce_with_logits_cases,
    "adam": _adam_cases,
    "sgd": _sgd_cases,
    "rmsprop": _rmsprop_cases,
}
