"""Freed memory stays with the process."""

import os
import subprocess
import sys

import pytest

from minidl.kernels import memory

# Touches 16 MB of fresh memory 20 times over, and 64 MB in one piece, and prints how many pages were new to the
# process after a warm-up.
SCRIPT = """
import resource, sys
import numpy as np
from minidl.kernels.memory import keep_freed_memory
print(keep_freed_memory())
for step in range(22):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    a = [np.ones(1 << 18) for _ in range(8)]
    del a
    a = np.ones(1 << 23)  # 64 MB
    del a
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _run(**environment):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = result.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc only")
def test_a_second_step_touches_no_fresh_pages():
    kept, faults = _run()
    if not kept:
        pytest.skip("another C library than glibc")
    assert faults < 1000  # without: 8 arrays of 512 pages, 20 times
    assert _run(MINIDL_MALLOC="default") > (False, 10 * faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc only")
def test_it_can_be_said_twice(monkeypatch):
    monkeypatch.delenv("MINIDL_MALLOC", raising=False)
    assert memory.keep_freed_memory() == memory.keep_freed_memory()


def test_the_environment_turns_it_off(monkeypatch):
    monkeypatch.setenv("MINIDL_MALLOC", "default")
    assert memory.keep_freed_memory() is False


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.delenv("MINIDL_MALLOC", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.delenv("MINIDL_MALLOC", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False
