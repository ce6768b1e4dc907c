"""Freed memory is kept for the next step instead of being given back to the operating system.

Training allocates the same arrays at every step. By default glibc hands large freed blocks back at once, so
that the next step's arrays lie in fresh pages, and each page of 4 KB costs about a microsecond when it is
first touched: half of an autoencoder step's time; and a ReLU of 100 MB, whose pages are of 2 MB, takes 8.4 ms instead
of 5.2. Blocks above a threshold come by ``mmap``, outside the heap, and the threshold cannot be put higher than 32 MB;
so ``mmap`` is not used for blocks at all, and the heap's top is kept up to a limit.
"""

from __future__ import annotations

import ctypes
import os
import sys

# The parameters' numbers in glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
# How much free memory at the top of the heap is kept: the most that the parameter, an int, can say.
KEPT_BYTES = (1 << 31) - 1


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
    return bool(process.mallopt(M_MMAP_MAX, 0) and process.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
