"""Compiled kernels are cached on disk: found again, noticed when edited, and never in the way."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl.kernels import compile as kernel_compile

# Runs a kernel that calls functions from another file, and prints its result and what it compiled.
SCRIPT = """
import json
import numpy as np
from numba.core import config
from minidl.kernels.bce_with_logits import fused
from minidl.kernels.compile import cache_folder
loss, _ = fused.forward(np.zeros(4), np.zeros(4), 0.25, True)
stats = fused._sum_and_gradient.entry.stats
print(json.dumps({
    "loss": float(loss),
    "compiled": sum(stats.cache_misses.values()),
    "loaded": sum(stats.cache_hits.values()),
    "folder": str(cache_folder()),
    "users": config.CACHE_DIR,
}))
"""


def _run(home, package=Path(minidl.__file__).parent.parent, **environment):
    environment = {**os.environ, "MINIDL_HOME": str(home), **environment}
    environment.pop("NUMBA_JIT_COVERAGE", None)
    command = [sys.executable, "-c", SCRIPT]  # with -c, Python looks for minidl in the working folder first
    result = subprocess.run(command, env=environment, cwd=package, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def test_a_second_process_compiles_nothing(tmp_path):
    first, second = _run(tmp_path), _run(tmp_path)
    assert (first["compiled"], first["loaded"]) == (1, 0)
    assert (second["compiled"], second["loaded"]) == (0, 1)
    assert first["loss"] == second["loss"] == pytest.approx(np.log(2), rel=1e-15)
    assert Path(first["folder"]).parent == tmp_path / "kernels"
    assert first["users"] == os.environ.get("NUMBA_CACHE_DIR", "")


def test_an_edited_file_is_compiled_anew_with_all_that_call_it(tmp_path):
    package = tmp_path / "package"
    shutil.copytree(
        Path(minidl.__file__).parent, package / "minidl", ignore=shutil.ignore_patterns("__pycache__")
    )
    before = _run(tmp_path, package)
    source = package / "minidl/kernels/polynomials.py"
    edited = source.read_text().replace("return z - s * (z - p * u)", "return 2 * (z - s * (z - p * u))")
    assert edited != source.read_text()
    source.write_text(edited)
    after = _run(tmp_path, package)
    assert (before["compiled"], after["compiled"]) == (1, 1)
    assert after["loss"] == 2 * before["loss"]


def test_a_home_that_cannot_be_written_is_replaced_by_a_private_temporary_folder(tmp_path):
    (tmp_path / "home").write_text("a file, not a folder")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    first, second = (_run(tmp_path / "home", TMPDIR=str(temporary)) for _ in range(2))
    assert Path(first["folder"]).is_relative_to(temporary)
    assert (first["compiled"], second["compiled"]) == (1, 0)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_compile.tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_a_temporary_folder_that_others_may_write_is_not_used(temporary):
    taken = kernel_compile._private_temporary_folder()
    assert taken.stat().st_mode & 0o777 == 0o700
    assert kernel_compile._private_temporary_folder() == taken
    taken.chmod(0o777)
    other = kernel_compile._private_temporary_folder()
    assert other != taken
    assert other.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    assert kernel_compile._writable(tmp_path / "new" / "folder")
    assert not kernel_compile._writable(tmp_path / "file" / "folder")


def test_where_nothing_is_found_writable_a_fresh_folder_is_made(temporary, monkeypatch):
    monkeypatch.setattr(kernel_compile, "_writable", lambda folder: False)
    folder = kernel_compile.cache_folder.__wrapped__()
    assert folder.is_dir()
    assert folder.parent == temporary


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"MINIDL_HOME": "/there"}, "/there"),
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/minidl"),
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/minidl"),
        ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Caches/minidl"),
        ("win32", {"LOCALAPPDATA": "/AppData"}, "/AppData/minidl"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(monkeypatch, platform, environment, expected):
    for name in ("MINIDL_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert kernel_compile.home() == Path(expected)
