"""The layer that connects everything with everything, and the one that does nothing."""

from __future__ import annotations

from typing import Any

from minidl.nn import init
from minidl.nn.module import Module
from minidl.nn.parameter import check_size, new_parameter
from minidl.ops.kept import Kept
from minidl.ops.linalg import linear_layer
from minidl.tensor import Tensor


class Identity(Module):
    """Returns its input, whatever it was built with: a stand-in for a layer that is taken out."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """``y = x @ weight.T + bias``, from (..., in_features) to (..., out_features).

    ``weight`` is (out_features, in_features), ``bias`` (out_features,); both begin as U(±1/sqrt(in_features)).
    (Keras: Dense, with weights (in, out) that begin as Glorot's, and zero biases.)

    >>> import minidl
    >>> minidl.nn.Linear(4, 2)(minidl.zeros(3, 4)).shape
    (3, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = check_size("Linear", "in_features", in_features)
        self.out_features = check_size("Linear", "out_features", out_features)
        self.weight = new_parameter("Linear", self.out_features, self.in_features, device=device, dtype=dtype)
        self.bias = new_parameter("Linear", self.out_features, device=device, dtype=dtype) if bias else None
        self._kept = Kept()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.init_like_linear(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return linear_layer(input, self.weight, self.bias, self._kept)

    def forward_relu(self, input: Tensor) -> Tensor:
        """``relu(forward(input))`` as one kernel."""
        return linear_layer(input, self.weight, self.bias, self._kept, relu=True)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )
