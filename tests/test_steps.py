"""The numbered steps: each runs as it stands, in well under a minute, and prints what it is there to show."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = Path(__file__).parents[1] / "examples" / "steps"


def run(name: str, cwd: Path) -> str:
    (step,) = STEPS.glob(f"{name}_*.py")
    done = subprocess.run(
        [sys.executable, str(step)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(STEPS.parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def numbers(pattern: str, text: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, text, re.MULTILINE)]


def test_they_are_numbered_and_begin_with_what_they_show() -> None:
    steps = sorted(STEPS.glob("*.py"))
    assert [step.name[:3] for step in steps] == [f"{i:02}_" for i in range(1, len(steps) + 1)]
    for step in steps:
        text = step.read_text(encoding="utf-8")
        first = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
        assert first.endswith(".")
        assert len(text.splitlines()) < 90, step.name


def test_a_gradient_in_three_ways(tmp_path: Path) -> None:
    out = run("01", tmp_path)
    assert numbers(r"^by .*?(-?\d\.\d{9})", out) == pytest.approx([-0.211508371] * 3, abs=1e-8)
    assert "leaf -> mul -> sigmoid -> sub -> square" in out


def test_a_line(tmp_path: Path) -> None:
    out = run("02", tmp_path)
    losses = numbers(r"loss (\S+),", out)
    assert losses == sorted(losses, reverse=True)
    slope, intercept = map(float, re.findall(r"y = (\S+) x \+ (\S+)$", out, re.MULTILINE)[-1])
    assert slope == pytest.approx(3, abs=0.1)
    assert intercept == pytest.approx(2, abs=0.1)


@pytest.mark.slow
def test_digits_and_the_cnn_that_knows_them_better(tmp_path: Path) -> None:
    linear = numbers(r"^accuracy (0\.\d+); by class:$", out := run("03", tmp_path))
    assert len(re.findall(r"^  \d: [01]\.\d\d of \d+$", out, re.MULTILINE)) == 10
    cnn = numbers(r"^accuracy ([01]\.\d+)$", out := run("04", tmp_path))
    assert "multiply-adds" in out
    assert 0.8 < linear[0] < cnn[0]
    assert cnn[0] > 0.95


@pytest.mark.slow
def test_the_autoencoder(tmp_path: Path) -> None:
    out = run("05", tmp_path)
    losses = numbers(r": loss (\S+), ", out)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.17
    assert out.count("@@") > 20  # the pictures


def test_an_operation(tmp_path: Path) -> None:
    out = run("06", tmp_path)
    assert out.count("True") == 2
    assert "the gradient of input 0 is off at element (0, 0)" in out
    (w,) = numbers(r"^bump\((\S+)\)", out)
    assert w == pytest.approx(1.2686, abs=0.01)  # sqrt(log 5)


def test_a_kernel(tmp_path: Path) -> None:
    out = run("07", tmp_path)
    assert re.match(r"\d+ calls agree with the definition in float64\n", out)
    rates = dict(re.findall(r"^(\w+) +(\d+\.\d) GFLOP/s$", out, re.MULTILINE))
    assert {"reference", "loops", "packed", "rows"} <= set(rates)
    assert float(rates["rows"]) > 0
