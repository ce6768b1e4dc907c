"""The operations of networks as functions: the names that PyTorch has in ``torch.nn.functional``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from minidl.inplace import in_place
from minidl.ops import rectifiers
from minidl.ops.activation import log_softmax, logsigmoid, softmax
from minidl.ops.conv import conv1d, conv2d
from minidl.ops.dropout import dropout
from minidl.ops.elementwise import relu as _relu
from minidl.ops.elementwise import sigmoid, tanh
from minidl.ops.linalg import linear
from minidl.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from minidl.ops.norm import batch_norm, layer_norm
from minidl.ops.pool import avg_pool2d, max_pool2d
from minidl.ops.rectifiers import gelu, glu, prelu, softplus, softsign
from minidl.tensor import Tensor

__all__ = [
    "linear", "conv1d", "conv2d", "max_pool2d", "avg_pool2d",
    "batch_norm", "layer_norm", "dropout",
    "relu", "sigmoid", "tanh", "softmax", "log_softmax", "logsigmoid",
    "relu6", "hardtanh", "hardsigmoid", "hardswish", "threshold",
    "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "softplus", "softsign", "glu",
    "mse_loss", "l1_loss", "nll_loss", "cross_entropy",
    "binary_cross_entropy", "binary_cross_entropy_with_logits",
]  # fmt: skip


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``; with ``inplace`` the input is overwritten and returned."""
    return input.relu_() if inplace else _relu(input)


def _with_inplace(activation: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The activation with one more argument, the last: ``inplace``, to overwrite the input and return it."""
    signature = inspect.signature(activation)
    count = len(signature.parameters)
    overwriting = in_place(activation.__name__, activation)

    @functools.wraps(activation)
    def function(*args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:
        if len(args) == count + 1:
            *args, inplace = args  # type: ignore[assignment]
        return (overwriting if inplace else activation)(*args, **kwargs)

    last = inspect.Parameter("inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation="bool")
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), last]
    )
    return function


relu6 = _with_inplace(rectifiers.relu6)
hardtanh = _with_inplace(rectifiers.hardtanh)
hardsigmoid = _with_inplace(rectifiers.hardsigmoid)
hardswish = _with_inplace(rectifiers.hardswish)
threshold = _with_inplace(rectifiers.threshold)
leaky_relu = _with_inplace(rectifiers.leaky_relu)
elu = _with_inplace(rectifiers.elu)
selu = _with_inplace(rectifiers.selu)
silu = _with_inplace(rectifiers.silu)
mish = _with_inplace(rectifiers.mish)
