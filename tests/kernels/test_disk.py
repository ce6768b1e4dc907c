"""The cache of compiled kernels when things go wrong: damage, two writers, no room, another processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl.kernels.compile import jit

ROOT = Path(minidl.__file__).parent.parent

# Runs a kernel in the dtype given, and prints the result and what was compiled and loaded.
SCRIPT = """
import json, sys
import numpy as np
from minidl.kernels.compile import cache_folder, compilations

def lock():
    for folder in (cache_folder(), *cache_folder().glob("*")):
        folder.chmod(0o555)

if "lock early" in sys.argv:
    lock()
from minidl.kernels.bce_with_logits import fused
if "lock late" in sys.argv:
    lock()
dtype = np.dtype(sys.argv[1])
if "wait" in sys.argv:
    print("ready", flush=True)
    sys.stdin.read(1)
loss, gradient = fused.forward(np.zeros(9, dtype), np.zeros(9, dtype), 1 / 9, True)
done = compilations
print(json.dumps({
    "loss": float(loss), "dtype": str(gradient.dtype), "folder": str(cache_folder()),
    "compiled": sum(not x.from_disk for x in done), "loaded": sum(x.from_disk for x in done),
}))
"""
# Root may write everywhere; without this capability it may not, and permissions hold for it as for others.
OBEDIENT = """
import ctypes, os, sys
if os.getuid() == 0:
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
needs_permissions = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="written for Linux's root"
)


def _start(home: Path, *words: str, before: tuple[str, ...] = (), **variables: str) -> subprocess.Popen[str]:
    """A process that runs SCRIPT; ``before`` are arguments that come before it."""
    variables = {**os.environ, "MINIDL_HOME": str(home), "PYTHONPATH": str(ROOT), **variables}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, *before, "-c", SCRIPT, *(words or ("float32",))]
    return subprocess.Popen(command, env=variables, text=True, **pipes)


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate("g", timeout=300)
    assert (process.returncode, err) == (0, "")
    found = json.loads(out)
    assert found["loss"] == pytest.approx(np.log(2), rel=1e-6)
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A cache with the kernels of SCRIPT in float32, and how many they are."""
    home = tmp_path_factory.mktemp("home")
    first = _result(_start(home))
    assert first["compiled"] > 0
    assert first["loaded"] == 0
    return home, first["compiled"]


def _copy(home: Path, to: Path) -> list[Path]:
    subprocess.run(["cp", "-r", str(home / "kernels"), str(to)], check=True)
    return [path for path in to.rglob("*") if path.suffix in (".nbi", ".nbc")]


def test_a_second_process_finds_all(filled, tmp_path):
    _copy(filled[0], tmp_path)
    second = _result(_start(tmp_path))
    assert second["compiled"] == 0
    assert 0 < second["loaded"] <= filled[1]


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "garbage"])
def test_a_damaged_file_is_compiled_again(filled, tmp_path, suffix, damage):
    for path in _copy(filled[0], tmp_path):
        if path.suffix != suffix:
            continue
        content = bytearray(path.read_bytes())
        if damage == "truncated":
            del content[-len(content) // 2 :]
        elif damage == "flipped":
            content[len(content) // 2] ^= 1
        else:
            content[:] = b"" if damage == "empty" else b"garbage"
        path.write_bytes(content)
    assert _result(_start(tmp_path))["compiled"] > 0
    assert _result(_start(tmp_path))["compiled"] == 0


def test_a_file_of_code_that_is_gone_is_compiled_again(filled, tmp_path):
    for path in _copy(filled[0], tmp_path):
        if path.suffix == ".nbc":
            path.unlink()
    assert _result(_start(tmp_path))["compiled"] > 0


@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("float32", "float64")])
def test_two_processes_fill_one_empty_cache(tmp_path, dtypes):
    processes = [_start(tmp_path, dtype, "wait") for dtype in dtypes]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # both begin now
        process.stdin.write("g")
        process.stdin.flush()
    for process, dtype in zip(processes, dtypes, strict=True):
        assert _result(process)["dtype"] == dtype
    for dtype in dtypes:  # whatever each of them left is right, or is not there
        assert _result(_start(tmp_path, dtype))["dtype"] == dtype


def test_code_of_another_processor_is_left_alone(filled, tmp_path):
    _copy(filled[0], tmp_path)
    generic = _result(_start(tmp_path, NUMBA_CPU_NAME="generic"))
    assert (generic["compiled"], generic["loaded"]) == (filled[1], 0)
    for variables in ({}, {"NUMBA_CPU_NAME": "generic"}):
        assert _result(_start(tmp_path, **variables))["compiled"] == 0


@needs_permissions
def test_a_cache_that_may_be_read_but_not_written(filled, tmp_path):
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    _copy(filled[0], home)
    folders = [home, *(path for path in home.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        found = [_result(_start(home, before=("-c", OBEDIENT), TMPDIR=str(temporary))) for _ in range(2)]
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert Path(found[0]["folder"]).is_relative_to(temporary)
    assert [f["compiled"] for f in found] == [filled[1], 0]


@needs_permissions
@pytest.mark.parametrize("when", ["early", "late"])
def test_a_cache_that_stops_being_writable(tmp_path, when):
    """The folder is found writable at first, and is not any more when a function is decorated, or its code saved."""
    found = _result(_start(tmp_path, "float32", f"lock {when}", before=("-c", OBEDIENT)))
    for folder in (Path(found["folder"]), *Path(found["folder"]).glob("*")):
        folder.chmod(0o755)
    assert list(tmp_path.rglob("*.nb?")) == []


def test_a_function_typed_at_a_prompt_is_compiled_without_a_cache():
    namespace = {}
    exec("def twice(x):\n    return 2 * x\n", namespace)
    assert jit(namespace["twice"])(4) == 8


def test_kernels_refuse_to_run_uncompiled(tmp_path):
    process = _start(tmp_path, NUMBA_DISABLE_JIT="1")
    _, err = process.communicate(timeout=60)
    assert "KernelError: kernels cannot run where Numba compiles nothing: unset NUMBA_DISABLE_JIT" in err
