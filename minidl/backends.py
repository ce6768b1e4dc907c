"""What a PyTorch program says to, and asks of, other means of computation than minidl has: there are none of them here.

``minidl.backends.cudnn.benchmark = True`` is accepted, and ``minidl.backends.mps.is_available()`` is False.
"""

from __future__ import annotations

import sys
from typing import Any


class _Backend:
    """One that is not there. Its switches can be set, and nothing hears of it."""

    enabled = benchmark = deterministic = allow_tf32 = False

    @staticmethod
    def is_available() -> bool:
        """False."""
        return False

    is_built = is_available


cuda, cudnn, mps = _Backend(), _Backend(), _Backend()

_modules: dict[str, Any] = sys.modules  # for ``import minidl.backends.cudnn as cudnn``
_modules |= {f"{__name__}.{name}": globals()[name] for name in ("cuda", "cudnn", "mps")}
