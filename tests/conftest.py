"""What all tests share: random numbers that repeat, Hypothesis's settings, and the way to the test data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from minidl.random import manual_seed

os.environ.setdefault("KERAS_BACKEND", "torch")  # before any test imports Keras, which would want TensorFlow

# A program that needs atheris, which few have: pytest need not look for doctests in it.
collect_ignore = ["weights/fuzz_coverage.py"]

# No deadline: the first call of a kernel compiles it.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def _seed() -> None:
    """The same random numbers for each test, in whatever order they run."""
    manual_seed(0)


def data_dir(name: str) -> Path:
    """The folder ``name`` (``mnist``, ``pets``) of the test data; skips the test where it is missing."""
    root = os.environ.get("MINIDL_TEST_DATA")
    if not root:
        pytest.skip(f"needs the data folder {name!r}: set MINIDL_TEST_DATA to the folder that holds it")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}: set MINIDL_TEST_DATA to the folder that holds {name!r}")
    return folder


@pytest.fixture(scope="session")
def test_data() -> Callable[[str], Path]:
    """:func:`data_dir` for a test that takes it as an argument: ``test_data("mnist")``."""
    return data_dir
