"""Convolution over images."""

from __future__ import annotations

from typing import Any

from minidl.nn import init
from minidl.nn.module import Module
from minidl.nn.parameter import check_size, new_parameter
from minidl.ops.arguments import one_of, pair, reject
from minidl.ops.conv import conv2d_layer
from minidl.ops.kept import Kept
from minidl.tensor import Tensor

Pair = tuple[int, int]


class Conv2d(Module):
    """Slides ``out_channels`` learned filters over images: (N, in_channels, H, W) to (N, out_channels, OH, OW).

    ``weight`` is (out_channels, in_channels/groups, KH, KW), ``bias`` (out_channels,); both begin as
    U(±1/sqrt(fan_in)) with ``fan_in = in_channels/groups * KH * KW``. See :func:`minidl.nn.functional.conv2d` for the
    formula, and for stride, padding (an int, two, "same" or "valid"), dilation and groups.

    Raises:
        ArgumentError: ``groups`` does not divide both numbers of channels, or ``padding_mode`` is not "zeros".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_channels = check_size("Conv2d", "in_channels", in_channels, 1)
        self.out_channels = check_size("Conv2d", "out_channels", out_channels, 1)
        self.groups = check_size("Conv2d", "groups", groups, 1)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                reject("Conv2d", name, f"divisible by groups={groups}", channels)
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.dilation = pair("Conv2d", "dilation", dilation, 1)
        self.padding = self._check_padding(padding)
        one_of("Conv2d", "padding_mode", padding_mode, ("zeros",))
        self.padding_mode = padding_mode
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = new_parameter("Conv2d", *shape, device=device, dtype=dtype)
        self.bias = new_parameter("Conv2d", self.out_channels, device=device, dtype=dtype) if bias else None
        self._kept = Kept()
        self.reset_parameters()

    def _check_padding(self, padding: Any) -> Pair | str:
        if not isinstance(padding, str):
            return pair("Conv2d", "padding", padding, 0)
        one_of("Conv2d", "padding", padding, ("same", "valid"))
        if padding == "same" and self.stride != (1, 1):
            reject("Conv2d", "stride", "1 for padding='same'", self.stride)
        return padding

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.init_like_linear(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(input, False)

    def forward_relu(self, input: Tensor) -> Tensor:
        """``relu(forward(input))`` as one kernel."""
        return self._convolve(input, True)

    def _convolve(self, input: Tensor, relu: bool) -> Tensor:
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        return conv2d_layer(input, self.weight, self.bias, *geometry, self._kept, relu)

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        for name, default in (("padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1)):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text if self.bias is not None else text + ", bias=False"
