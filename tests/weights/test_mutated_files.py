"""A thousand mutated files of each format; ``fuzz.py`` reads more. And that the harness would see what it looks for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from mutations import Seed, damaged, mutated
from seeds import FORMATS

FUZZ = Path(__file__).with_name("fuzz.py")


def run(*options: str, program: Path = FUZZ) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program), *options], capture_output=True, text=True, timeout=280
    )


@pytest.mark.parametrize("format", FORMATS)
def test_a_thousand_mutated_files(format: str) -> None:
    result = run(format, "-n", "1000")
    assert result.returncode == 0, result.stdout + result.stderr
    share = float(re.search(r"([\d.]+)% parse; 0 failures", result.stdout)[1])  # type: ignore[index]
    assert 1 < share < 80  # neither does the damage miss, nor is it so crude that the first check catches all


def test_half_of_the_mutations_are_in_the_headers() -> None:
    seed = Seed(bytes(10_000), [(100, 200)])
    inside = 0
    for number in range(400):
        content = mutated(seed, Random(number))
        first = next((i for i, byte in enumerate(content) if byte), len(content))
        inside += 100 <= first < 210 or len(content) < 300
    assert 0.3 < inside / 400 < 0.6  # a mutation may leave zeros as they are


def test_mutations_repeat_and_differ() -> None:
    content = bytes(range(256)) * 4
    found = [damaged(content, Random(number)) for number in range(100)]
    assert found == [damaged(content, Random(number)) for number in range(100)]
    assert len(set(found)) > 95
    assert sum(f == content for f in found) < 10
    assert damaged(b"", Random(1)) is not None


BAD_READERS = {
    "raise ZeroDivisionError('x')": r"ZeroDivisionError",
    "open('/etc/passwd')": r"touched: .*/etc/passwd",
    "os.system('true')": r"touched: .*os\.system",
    "np.ones(2**27, np.uint8)": r"MemoryError",
    "raise WeightsError('bad')": "does not name the file",
    "os.kill(os.getpid(), 11)": "exit status -11",
    "open(path, 'r+b').write(b'x')": r"touched: .*'r\+'",
    "while True: pass": "over 1 s",
    "warnings.warn('x')": "UserWarning",
}


BAD_PROGRAM = """
import os, sys, warnings
sys.path.insert(0, {folder!r})
import fuzz, numpy as np
from fuzz import WeightsError

fuzz.__file__, fuzz.SECONDS = __file__, 1  # its workers are this program
calls, real = [], fuzz.weights.read

def read(path):
    calls.append(path)
    if len(calls) == len(fuzz.FORMATS["safetensors"]()) + 2 and sys.argv[sys.argv.index("--first") + 1] == "0":
        {code}
    return real(path)

fuzz.weights.read = read
sys.exit(fuzz.main())
"""


@pytest.mark.parametrize("code", BAD_READERS)
def test_the_harness_sees(code: str, tmp_path: Path) -> None:
    """A reader that does, with the second mutated file, what no reader may do."""
    program = tmp_path / "bad.py"
    program.write_text(BAD_PROGRAM.format(folder=str(FUZZ.parent), code=code))
    result = run("safetensors", "-n", "20", program=program)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search("file 1: .*" + BAD_READERS[code], result.stdout, re.DOTALL), result.stdout
    assert "1 failures" in result.stdout
