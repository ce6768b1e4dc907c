"""What a PyTorch program asks before it chooses a device: there is no accelerator here."""

from __future__ import annotations

from minidl.cuda import device_count, is_available

__all__ = ["current_accelerator", "device_count", "is_available"]


def current_accelerator(check_available: bool = False) -> None:
    """None: the device of a program that asks :func:`is_available` first is then the CPU."""
