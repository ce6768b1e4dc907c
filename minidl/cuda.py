"""What a PyTorch program asks before it chooses a device: there is no CUDA here."""

from __future__ import annotations


def is_available() -> bool:
    """False: minidl computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0
