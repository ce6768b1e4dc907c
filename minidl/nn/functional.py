"""The operations of networks as functions: the names that PyTorch has in ``torch.nn.functional``."""

from __future__ import annotations

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
from minidl.tensor import Tensor

__all__ = [
    "linear", "conv1d", "conv2d", "max_pool2d", "avg_pool2d",
    "batch_norm", "layer_norm", "dropout",
    "relu", "sigmoid", "tanh", "softmax", "log_softmax", "logsigmoid",
    "mse_loss", "l1_loss", "nll_loss", "cross_entropy",
    "binary_cross_entropy", "binary_cross_entropy_with_logits",
]  # fmt: skip


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``; with ``inplace`` the input is overwritten and returned."""
    return input.relu_() if inplace else _relu(input)
