"""What a PyTorch program asks before it chooses a device: there is no accelerator here."""

from __future__ import annotations

from minidl.cuda import device_count, is_available

__all__ = ["device_count", "is_available"]
