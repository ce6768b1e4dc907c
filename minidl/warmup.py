"""Compiling ahead: programs in small that call, between them, the kernels that common programs call.

Each *kind* of work below goes forward, backward and through optimizer steps as a user's program would, so that whatever
these calls come down to is compiled, and lies on the disk for the processes to come. Work of two sizes is done where
large work runs in the pool of threads and small work does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minidl import nn, optim
from minidl.creation import full
from minidl.drawing import randint, randn
from minidl.grad_mode import no_grad
from minidl.nn import functional as F
from minidl.tensor import Tensor

KINDS: dict[str, Callable[[Any], None]] = {}


class Done(NamedTuple):
    """One kind of work, and the seconds that it took, compilation included."""

    kind: str
    seconds: float


def warm_up(dtype: Any = np.float32) -> Iterator[Done]:
    """Do each kind of work once in ``dtype``; yields after each of them."""
    for kind, work in KINDS.items():
        start = time.perf_counter()
        work(dtype)
        yield Done(kind, time.perf_counter() - start)


def _kind(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def add(work: Callable[[Any], None]) -> Callable[[Any], None]:
        KINDS[name] = work
        return work

    return add


def _differentiate(model: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Forward without a gradient, then forward and backward, to the input as well."""
    with no_grad():
        model(x)
    model(x.detach().requires_grad_()).square().mean().backward()


@_kind("linear layers")
def _linear(dtype: Any) -> None:
    for rows, features in ((1, 16), (4, 16), (64, 16), (64, 300), (2048, 300)):
        layer = nn.Linear(features, 100, dtype=dtype)
        _differentiate(layer, randn(rows, features, dtype=dtype))
        _differentiate(nn.Sequential(layer, nn.ReLU()), randn(rows, features, dtype=dtype))


@_kind("products of matrices")
def _products(dtype: Any) -> None:
    for n in (8, 128):
        _differentiate(lambda x: x @ x.transpose(-1, -2), randn(8, n, n, dtype=dtype))
        _differentiate(lambda x: x @ x, randn(n, n, dtype=dtype))


def _convolve(dtype: Any, channels: int, filters: int, size: int, kernel: int, **options: Any) -> None:
    layer = nn.Conv2d(channels, filters, kernel, dtype=dtype, **options)
    for batch in (1, 2):
        images = randn(batch, channels, size, size, dtype=dtype)
        _differentiate(layer, images)
        _differentiate(nn.Sequential(layer, nn.ReLU()), images)


@_kind("convolutions, 3x3")
def _convolutions(dtype: Any) -> None:
    for channels, filters, size in ((3, 64, 64), (1, 16, 28), (16, 32, 14), (64, 64, 32), (256, 512, 14)):
        _convolve(dtype, channels, filters, size, 3, padding=1)


@_kind("convolutions, other")
def _other_convolutions(dtype: Any) -> None:
    _convolve(dtype, 3, 64, 64, 7, stride=2, padding=3)
    _convolve(dtype, 64, 128, 32, 3, stride=2, padding=1)
    _convolve(dtype, 64, 128, 32, 1)
    _convolve(dtype, 64, 128, 32, 1, stride=2)
    _convolve(dtype, 16, 32, 28, 5, padding=2)
    _convolve(dtype, 64, 64, 28, 3, padding=2, dilation=2)
    _convolve(dtype, 64, 64, 28, 3, padding=1, groups=8)
    _convolve(dtype, 64, 64, 28, 3, padding=1, groups=64)


@_kind("transposed convolutions")
def _transposed(dtype: Any) -> None:
    for size, kernel, stride, padding in ((16, 2, 2, 0), (16, 4, 2, 1), (14, 3, 1, 1)):
        weight = randn(64, 32, kernel, kernel, dtype=dtype, requires_grad=True)
        images = randn(2, 64, size, size, dtype=dtype)
        convolve = partial(F.conv_transpose2d, weight=weight, stride=stride, padding=padding)
        _differentiate(convolve, images)


@_kind("pooling")
def _pooling(dtype: Any) -> None:
    for channels, size in ((3, 8), (64, 56)):
        images = randn(2, channels, size, size, dtype=dtype)
        for pool in (F.max_pool2d, F.avg_pool2d):
            _differentiate(partial(pool, kernel_size=2), images)
            _differentiate(partial(pool, kernel_size=3, stride=2, padding=1), images)
        _differentiate(lambda x: F.adaptive_avg_pool2d(x, 1), images)
        _differentiate(lambda x: F.max_pool2d(F.relu(x), 2), images)
        _differentiate(lambda x: F.max_pool2d(x, 2).flatten(1), images)


@_kind("normalisation")
def _normalisation(dtype: Any) -> None:
    for channels, size in ((4, 4), (64, 56)):
        layer = nn.BatchNorm2d(channels, dtype=dtype)
        images = randn(2, channels, size, size, dtype=dtype)
        _differentiate(layer, images)
        _differentiate(layer.eval(), images)
        _differentiate(lambda x: F.layer_norm(x, x.shape[-1:]), images)
        _differentiate(lambda x: F.group_norm(x, 2), images)


@_kind("activations")
def _activations(dtype: Any) -> None:
    functions: tuple[Callable[..., Tensor], ...] = (
        F.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.sigmoid, F.tanh, F.softplus, F.dropout,
        lambda x: F.softmax(x.reshape(-1, 10), -1),
    )  # fmt: skip
    for size in (100, 10_000, 200_000):
        for function in functions:
            _differentiate(function, randn(size, dtype=dtype))


@_kind("arithmetic and sums")
def _arithmetic(dtype: Any) -> None:
    functions: tuple[Callable[[Tensor], Any], ...] = (
        lambda x: x + x, lambda x: x - 1, lambda x: x * x, lambda x: x / 2, lambda x: x**2,
        lambda x: x.exp(), lambda x: (x * x + 1).log(), lambda x: (x * x + 1).sqrt(), lambda x: x.abs(),
        lambda x: x.sum(), lambda x: x.mean(0), lambda x: x.sum(1), lambda x: x.var(0), lambda x: x.amax(1),
        lambda x: x + x[0], lambda x: x * x[:, :1],
    )  # fmt: skip
    for rows in (4, 2048):
        for function in functions:
            _differentiate(function, randn(rows, 128, dtype=dtype))


@_kind("losses")
def _losses(dtype: Any) -> None:
    for rows in (8, 4096):
        x, targets = randn(rows, 10, dtype=dtype), full((rows, 10), 0.5, dtype=dtype)
        classes = randint(0, 10, (rows,))
        _differentiate(partial(F.cross_entropy, target=classes), x)
        for loss in (F.mse_loss, F.l1_loss, F.binary_cross_entropy_with_logits):
            _differentiate(partial(loss, target=targets), x)


@_kind("optimizer steps")
def _steps(dtype: Any) -> None:
    for size in (8, 1 << 17):
        weight = nn.Parameter(randn(size, dtype=dtype))
        weight.grad = randn(size, dtype=dtype)
        for optimizer in (
            optim.SGD([weight], lr=0.1),
            optim.SGD([weight], lr=0.1, momentum=0.9, nesterov=True),
            optim.Adam([weight]),
            optim.Adam([weight], amsgrad=True),
            optim.AdamW([weight]),
            optim.RMSprop([weight]),
            optim.RMSprop([weight], momentum=0.9, centered=True),
        ):
            optimizer.step()
