"""Batch normalisation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minidl.errors import ShapeError, must
from minidl.nn import functional as F
from minidl.nn import init
from minidl.nn.module import Module
from minidl.nn.parameter import check_size, new_parameter
from minidl.ops.arguments import check_tensor
from minidl.tensor import Tensor


class _BatchNorm(Module):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias`` for each of ``num_features`` channels.

    Training normalises with the batch's own mean and (biased) variance, and moves the running statistics towards it:
    ``running = (1 - momentum) * running + momentum * batch``, with the batch's unbiased variance. Evaluation
    normalises with the running statistics. (Ioffe & Szegedy, "Batch normalization", 2015. Keras's momentum is
    ``1 - momentum``, 0.99, its eps 1e-3.)

    A BatchNorm that is frozen as a whole (:meth:`Module.freeze`) computes as in evaluation, and leaves its statistics
    as they are, in training mode too.

    Args:
        num_features: the number of channels, C.
        eps: added to the variance.
        momentum: the weight of a new batch; None averages all batches equally.
        affine: have ``weight`` and ``bias``, (C,), which begin as 1 and 0; without ``bias``, only the former.
        track_running_stats: keep running statistics; without them, evaluation too uses the batch's.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _ndims: tuple[int, ...]
    _shape: str
    _version = 2
    _added_in: ClassVar[dict[str, int]] = {"num_batches_tracked": 2}

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.num_features = check_size(name, "num_features", num_features)
        self.eps, self.momentum, self.affine = eps, momentum, affine
        self.track_running_stats = track_running_stats
        scale, shift = (new_parameter(name, self.num_features, device=device, dtype=dtype) for _ in range(2))
        self.weight = scale if affine else None
        self.bias = shift if affine and bias else None
        mean, var, count = np.zeros_like(scale.array), np.ones_like(scale.array), np.zeros((), np.int64)
        self.register_buffer("running_mean", Tensor(mean) if track_running_stats else None)
        self.register_buffer("running_var", Tensor(var) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", Tensor(count) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the statistics: mean 0, variance 1."""
        for tensor, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if tensor is not None:
                init.constant_(tensor, value)

    def reset_parameters(self) -> None:
        """Forget the statistics, and begin again with weight 1 and bias 0."""
        self.reset_running_stats()
        for tensor, value in ((self.weight, 1), (self.bias, 0)):
            if tensor is not None:
                init.constant_(tensor, value)

    def forward(self, input: Tensor) -> Tensor:
        check_tensor(type(self).__name__, "input", input)
        if input.ndim not in self._ndims or input.shape[1] != self.num_features:
            raise ShapeError(
                must(type(self).__name__, "input", self._shape.format(self.num_features), input.shape)
            )
        training = self.training and not self.is_frozen
        factor = self._count_batch() if training else 0.0
        use_batch = training or self.running_mean is None
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, use_batch, factor, self.eps
        )

    def _count_batch(self) -> float:
        """The weight of this batch in the running statistics."""
        if self.num_batches_tracked is None:
            return 0.0 if self.momentum is None else self.momentum
        self.num_batches_tracked.array += 1
        self.num_batches_tracked.mark_written("batch_norm")
        return 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    _ndims, _shape = (2, 3), "(N, {0}) or (N, {0}, T)"


class BatchNorm2d(_BatchNorm):
    _ndims, _shape = (4,), "(N, {0}, H, W)"


BatchNorm1d.__doc__ = f"Batch normalisation of (N, C) or (N, C, T): {_BatchNorm.__doc__}"
BatchNorm2d.__doc__ = f"Batch normalisation of images (N, C, H, W): {_BatchNorm.__doc__}"
