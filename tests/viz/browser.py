"""A real browser without a window, for pages that minidl writes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--enable-logging=stderr", "--virtual-time-budget=5000",
)  # fmt: skip


def chromium(page: Path, profile: Path, *options: str) -> tuple[str, list[str]]:
    """The page as the browser has it in the end, and what it complained of; skips the test without a browser."""
    command = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if command is None:
        pytest.skip("needs a browser: apt-get install chromium")
    done = subprocess.run(
        [command, *OPTIONS, f"--user-data-dir={profile}", *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
