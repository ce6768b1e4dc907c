"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.joining import cat
from minidl.ops.shape import flatten
from minidl.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all ``parameters``, one after another: a vector; differentiable."""
    return cat([flatten(parameter) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the elements of ``vec`` into ``parameters``, in the order of :func:`parameters_to_vector`.

    Raises:
        ShapeError: ``vec`` does not have as many elements as the parameters.
    """
    if not isinstance(vec, Tensor):
        raise DTypeError(must("vector_to_parameters", "vec", "a Tensor", type(vec).__name__))
    targets = list(parameters)
    total = sum(parameter.numel() for parameter in targets)
    if vec.shape != (total,):
        raise ShapeError(must("vector_to_parameters", "vec", f"of shape ({total},)", vec.shape))
    start = 0
    for parameter in targets:
        end = start + parameter.numel()
        np.copyto(parameter.array, vec.array[start:end].reshape(parameter.shape), casting="same_kind")
        parameter.mark_written("vector_to_parameters")
        start = end
