"""Freed memory is kept for the next step instead of being given back to the operating system.

Training allocates the same arrays at every step. By default glibc hands large freed blocks back at once, so
that the next step's arrays lie in fresh pages, and each page of 4 KB costs about a microsecond when it is
first touched: half of an autoencoder step's time. Two of glibc's parameters change that, for blocks up to 32
MB.
"""

from __future__ import annotations

import ctypes
import os
import sys

# The parameters' numbers in glibc's malloc.h, and the largest threshold that it accepts on 64-bit machines.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_MMAP_THRESHOLD = 32 << 20
# How much free memory at the top of the heap is kept.
KEPT_BYTES = 512 << 20


def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep freed memory; elsewhere, or with ``MINIDL_MALLOC=default`` set, do nothing.

    Returns:
        Whether the setting was made. It holds for the whole process.
    """
    if os.environ.get("MINIDL_MALLOC") == "default" or not sys.platform.startswith("linux"):
        return False
    process = ctypes.CDLL(None)
    if not hasattr(
        process, "gnu_get_libc_version"
    ):  # another C library, whose mallopt may mean something else
        return False
    kept = process.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    return bool(kept and process.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
