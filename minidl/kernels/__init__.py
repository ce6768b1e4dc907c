"""Kernels: operations on arrays, each in several implementations, chosen by name. No graph and no Tensor
here.

A folder per operation, a file per way of computing it; ``reference.py`` is the definition, written to be
read.

>>> import minidl.kernels
>>> minidl.kernels.available("max_pool2d")
('reference', 'direct')
>>> with minidl.kernels.use(conv2d="reference"):
...     pass
"""

from minidl.kernels import (
    adam,
    affine,
    avg_pool2d,
    bce_with_logits,
    conv2d,
    cross_entropy,
    matmul,
    max_pool2d,
    normalize,
    relu,
    rmsprop,
    sgd,
    softmax,
)
from minidl.kernels.registry import available, operations, register, use

__all__ = [
    "adam",
    "affine",
    "available",
    "avg_pool2d",
    "bce_with_logits",
    "conv2d",
    "cross_entropy",
    "matmul",
    "max_pool2d",
    "normalize",
    "operations",
    "register",
    "relu",
    "rmsprop",
    "sgd",
    "softmax",
    "use",
]
