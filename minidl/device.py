"""Devices, of which there is one: the CPU. So that a PyTorch program that chooses its device runs as it is."""

from __future__ import annotations

from typing import Any

from minidl.errors import ArgumentError, must


class device:
    """``device("cpu")``, where all tensors are. As a context (``with device("cpu"):``) it changes nothing.

    Raises:
        ArgumentError: any other device.

    >>> device("cpu")
    device(type='cpu')
    """

    index = None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        self.type = str(type).split(":")[0]
        if self.type != "cpu" or index not in (None, 0):
            name = str(type) if index is None else f"{type}:{index}"
            raise ArgumentError(must("device", "type", "'cpu'", repr(name)))

    def __enter__(self) -> device:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __str__(self) -> str:
        return self.type

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device)

    def __hash__(self) -> int:
        return hash(self.type)


_device = device  # under a name that the argument below does not hide


def get_default_device() -> device:
    """Where tensors are made that are told no device: the CPU."""
    return device()


def set_default_device(device: Any) -> None:
    """Accepts the CPU, or None.

    Raises:
        ArgumentError: any other device.
    """
    if device is not None:
        _device(device)
