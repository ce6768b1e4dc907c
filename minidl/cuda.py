"""What a PyTorch program asks before it chooses a device, or says in any case: there is no CUDA here."""

from __future__ import annotations


def is_available() -> bool:
    """False: minidl computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing, as in PyTorch without a GPU: :func:`minidl.manual_seed` is what counts."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing: there is no memory of a GPU to give back."""
