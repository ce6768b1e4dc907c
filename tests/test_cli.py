"""The command line: what it prints, what it compiles, and how it refuses."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minidl
from minidl.cli import main
from minidl.cli.info import VARIABLES

ROOT = Path(minidl.__file__).parent.parent


def _run(*arguments: str, status: int = 0, **environment: str) -> tuple[str, str]:
    """What ``python -m minidl`` writes to standard output and to standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "minidl", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def test_info(tmp_path: Path) -> None:
    out, _ = _run("info", MINIDL_HOME=str(tmp_path / "home"), MINIDL_NUM_THREADS="2")
    rows = dict(re.findall(r"^  (.{22})(.*)$", out, re.MULTILINE))
    rows = {name.strip(): value for name, value in rows.items()}
    for name in ("NumPy", "Numba", "llvmlite"):
        assert rows[name] == importlib.metadata.version(name.lower())
    assert rows["minidl"].startswith(minidl.__version__)
    assert re.match(r"(AVX-512|AVX2|NEON|generic), (512|256|128) bits$", rows["vectors"])
    assert rows["kernels use"].startswith("2 of ")
    assert rows["threading layer"] in {"omp", "tbb", "workqueue"}
    assert Path(rows["folder"]).parent == tmp_path / "home" / "kernels"
    assert rows["holds"] == "0 kernels, 0.0 MB"
    assert rows["writable"] == "yes"
    assert rows["MINIDL_HOME"] == str(tmp_path / "home")
    assert set(VARIABLES) <= set(rows)


def test_info_of_another_processor_with_one_thread_and_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {
        "MINIDL_HOME": str(tmp_path / "home"),
        "TMPDIR": str(temporary),
        "NUMBA_CPU_NAME": "generic",
        "MINIDL_NUM_THREADS": "1",
    }
    out, _ = _run("info", **environment)
    assert re.search(r"kernels compiled for +generic", out)
    assert re.search(r"threading layer +none: one thread needs no pool", out)
    assert re.search(rf"folder +{temporary}", out)
    assert f"yes, in place of {tmp_path / 'home' / 'kernels'}, which is not" in out


def test_a_wrong_variable_is_told_in_one_line() -> None:
    _, err = _run("info", status=2, MINIDL_NUM_THREADS="many")
    assert (
        err == "minidl: error: MINIDL_NUM_THREADS: the variable must be a positive whole number, got 'many'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "minidl: error: the following arguments are required: COMMAND"),
        (["frobnicate"], "argument COMMAND: invalid choice: 'frobnicate'"),
        (["warmup", "--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
        (["info", "more"], "unrecognized arguments: more"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "compile ahead what common programs need" in out
    assert "show versions, processor, threads" in out


# A network of VGG's kind, trained whole and on a frozen base, and what of it was compiled in this process.
PROGRAM = """
import minidl
from minidl import nn, optim
from minidl.nn import functional as F
from minidl.kernels.compile import compilations

def layers(*widths):
    for i, (c, f) in enumerate(zip(widths, widths[1:])):
        yield from (nn.Conv2d(c, f, 3, padding=1), nn.ReLU())
        if i % 2:
            yield nn.MaxPool2d(2)

base = nn.Sequential(*layers(3, 64, 64, 128, 128))
head = nn.Sequential(nn.Flatten(), nn.Linear(128 * 16 * 16, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 2))
model = nn.Sequential(base, head)
x, t = minidl.randn(4, 3, 64, 64), minidl.randint(0, 2, (4,))
for parameters in (model.parameters(), head.parameters()):
    for optimizer in (optim.Adam(parameters), ):
        optimizer.zero_grad()
        F.cross_entropy(model(x), t).backward()
        optimizer.step()
    base.requires_grad_(False)
with minidl.no_grad():
    model.eval()(x[:1])
print(*[c.name + c.signature for c in compilations if not c.from_disk], sep="\\n", end="")
assert any(c.from_disk for c in compilations)
"""


@pytest.mark.slow
def test_after_warmup_nothing_is_compiled(tmp_path: Path) -> None:
    environment = {"MINIDL_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    first, _ = _run("warmup", **environment)
    lines = first.splitlines()
    assert re.match(r"linear layers +[1-9]\d* compiled, 0 found +\d+\.\d s$", lines[0])
    assert re.match(r"[1-9]\d* kernels for float32 compiled in \d+ s, and kept in ", lines[-1])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.stdout, done.stderr) == ("", "")
    second, _ = _run("warmup", **environment)
    assert re.match(r"all [1-9]\d* kernels for float32 found compiled, in ", second.splitlines()[-1])


def test_a_missing_file_is_told_in_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "missing.safetensors"
    _, err = _run("predict", str(missing), "photo.jpg", status=2)
    assert err == f"minidl: error: {missing}: No such file or directory\n"
