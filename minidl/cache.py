"""Where minidl keeps what it has downloaded and what it has compiled."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """``MINIDL_HOME``, or else ``minidl`` in the folder where the platform keeps a user's caches."""
    if chosen := os.environ.get("MINIDL_HOME"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "minidl"
