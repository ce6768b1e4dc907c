"""The operations of networks as functions: the names that PyTorch has in ``torch.nn.functional``."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from minidl.inplace import in_place
from minidl.ops import activation, rectifiers
from minidl.ops.activation import logsigmoid
from minidl.ops.adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool2d
from minidl.ops.arguments import check_tensor
from minidl.ops.attention import scaled_dot_product_attention
from minidl.ops.class_loss import cross_entropy, nll_loss
from minidl.ops.conv import conv1d, conv2d
from minidl.ops.ctc import ctc_loss
from minidl.ops.distances import (
    cosine_embedding_loss,
    cosine_similarity,
    margin_ranking_loss,
    normalize,
    pairwise_distance,
    triplet_margin_loss,
)
from minidl.ops.dropout import dropout, dropout2d
from minidl.ops.elementwise import relu as _relu
from minidl.ops.elementwise import sigmoid, tanh
from minidl.ops.embedding import embedding, one_hot
from minidl.ops.likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from minidl.ops.linalg import linear
from minidl.ops.loss import binary_cross_entropy, binary_cross_entropy_with_logits, l1_loss, mse_loss
from minidl.ops.norm import batch_norm, layer_norm
from minidl.ops.padding import pad
from minidl.ops.patches import fold, pixel_shuffle, pixel_unshuffle, unfold
from minidl.ops.pool import avg_pool2d, max_pool2d
from minidl.ops.pool1d import avg_pool1d, max_pool1d
from minidl.ops.rectifiers import gelu, glu, prelu, softplus, softsign
from minidl.ops.resize import interpolate
from minidl.ops.robust_loss import huber_loss, smooth_l1_loss
from minidl.ops.sample_norm import group_norm, instance_norm, rms_norm
from minidl.ops.transposed import conv_transpose1d, conv_transpose2d
from minidl.tensor import Tensor

__all__ = [
    "linear", "embedding", "one_hot", "pad", "scaled_dot_product_attention",
    "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d",
    "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d",
    "unfold", "fold", "pixel_shuffle", "pixel_unshuffle", "interpolate",
    "batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "dropout", "dropout2d",
    "relu", "sigmoid", "tanh", "softmax", "softmin", "log_softmax", "logsigmoid",
    "relu6", "hardtanh", "hardsigmoid", "hardswish", "threshold",
    "relu_", "elu_", "hardtanh_", "leaky_relu_", "selu_", "threshold_",
    "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "softplus", "softsign", "glu",
    "mse_loss", "l1_loss", "nll_loss", "cross_entropy",
    "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "smooth_l1_loss", "huber_loss", "kl_div", "gaussian_nll_loss", "poisson_nll_loss", "ctc_loss",
    "normalize", "cosine_similarity", "pairwise_distance",
    "triplet_margin_loss", "cosine_embedding_loss", "margin_ranking_loss",
]  # fmt: skip


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``; with ``inplace`` the input is overwritten and returned.

    Raises:
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.nn.functional.relu(minidl.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return input.relu_() if inplace else _relu(input)


def relu_(input: Tensor) -> Tensor:
    """:func:`relu` in place.

    Raises:
        GradError: ``input`` is a leaf that requires a gradient, outside ``no_grad``.

    >>> import minidl
    >>> x = minidl.tensor([-1.0, 2.0])
    >>> minidl.nn.functional.relu_(x) is x, x
    (True, tensor([0., 2.]))
    """
    return input.relu_()


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """:func:`minidl.softmax`. PyTorch lets ``dim`` be left out, with a warning: then it is 0, or 1 for a batch.

    Raises:
        DTypeError: ``input`` is not of floats, and no ``dtype`` is given.
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.nn.functional.softmax(minidl.tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return activation.softmax(input, _implicit_dim("softmax", input, dim, _stacklevel), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """:func:`minidl.log_softmax`; ``dim`` as for :func:`softmax`.

    Raises:
        DTypeError: ``input`` is not of floats, and no ``dtype`` is given.
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.nn.functional.log_softmax(minidl.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])
    """
    return activation.log_softmax(input, _implicit_dim("log_softmax", input, dim, _stacklevel), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``softmax(-input)``; ``dim`` as for :func:`softmax`.

    Raises:
        DTypeError: ``input`` is not of floats, and no ``dtype`` is given.
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.nn.functional.softmin(minidl.tensor([0.0, 1000.0]), dim=0)
    tensor([1., 0.])
    """
    return activation.softmax(-input, _implicit_dim("softmin", input, dim, _stacklevel), dtype)


def _implicit_dim(op: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(f"{op}: dim is left out, which is deprecated; say which dimension", stacklevel=stacklevel)
    check_tensor(op, "input", input)
    return 0 if input.ndim in (0, 1, 3) else 1


def _overwriting(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An activation in place."""
    return in_place(f"{plain.__name__}_", plain)


def _with_inplace(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An activation with one more argument, the last: ``inplace``, to overwrite the input and return it."""
    signature = inspect.signature(plain)
    count = len(signature.parameters)
    overwriting = _overwriting(plain)

    @functools.wraps(plain)
    def function(*args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:
        if len(args) == count + 1:
            *args, inplace = args  # type: ignore[assignment]
        return (overwriting if inplace else plain)(*args, **kwargs)

    last = inspect.Parameter(
        "inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation="bool"
    )
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), last]
    )
    return function


elu_ = in_place("elu_", rectifiers.elu)
hardtanh_ = in_place("hardtanh_", rectifiers.hardtanh)
leaky_relu_ = in_place("leaky_relu_", rectifiers.leaky_relu)
selu_ = in_place("selu_", rectifiers.selu)
threshold_ = in_place("threshold_", rectifiers.threshold)
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


hardtanh_, threshold_ = _overwriting(rectifiers.hardtanh), _overwriting(rectifiers.threshold)
leaky_relu_ = _overwriting(rectifiers.leaky_relu)
elu_, selu_ = _overwriting(rectifiers.elu), _overwriting(rectifiers.selu)
