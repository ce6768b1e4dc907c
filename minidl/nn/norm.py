"""Normalisation of each sample by itself. Formulas: the function of the same name in :mod:`minidl.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.nn import functional as F
from minidl.nn import init
from minidl.nn.module import Module
from minidl.nn.parameter import check_size, new_parameter
from minidl.tensor import Tensor


class LayerNorm(Module):
    """Normalises over the last dimensions, of sizes ``normalized_shape``: mean 0 and variance 1 for each sample.

    ``weight`` and ``bias`` have those sizes, and begin as 1 and 0; without ``elementwise_affine`` there are none.
    (Keras's eps is 1e-3. Ba et al., "Layer normalization", 2016.)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(check_size("LayerNorm", "normalized_shape", size) for size in sizes)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.weight = (
            new_parameter("LayerNorm", *shape, device=device, dtype=dtype) if elementwise_affine else None
        )
        self.bias = (
            new_parameter("LayerNorm", *shape, device=device, dtype=dtype)
            if elementwise_affine and bias
            else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights of 1, biases of 0."""
        _reset(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Normalises each sample's channels in ``num_groups`` groups; (N, C, ...) with C = ``num_channels``.

    ``weight`` and ``bias`` are (C,), and begin as 1 and 0; without ``affine`` there are none, without ``bias`` only the
    former. It does not depend on
    the batch, and so serves where batches are small. (Wu & He, "Group normalization", 2018.)

    Raises:
        ArgumentError: the groups do not divide the channels.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = check_size("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = check_size("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            expected = f"divisible by num_groups={num_groups}"
            raise ArgumentError(must("GroupNorm", "num_channels", expected, num_channels))
        self.eps, self.affine = eps, affine
        self.weight, self.bias = (
            new_parameter("GroupNorm", num_channels, device=device, dtype=dtype) if present else None
            for present in (affine, affine and bias)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights of 1, biases of 0."""
        _reset(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _reset(weight: Any, bias: Any) -> None:
    if weight is not None:
        init.ones_(weight)
    if bias is not None:
        init.zeros_(bias)
