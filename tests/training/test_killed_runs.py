"""A run that is killed at any moment, also while it writes, goes on and ends with the bits of one that was not."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import minidl
from tests.training import killed

KILLS_IN_WRITES = 22
KILLS_ANYWHERE = 30

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL"),
]


class Server:
    """The process that starts runs."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.training.killed"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._read() == "ready"

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(
        self, folder: Path, bomb: Any = None, seconds: float | None = None, until: Path | None = None
    ) -> int:
        """Go on with the run in the folder; kill it after so many seconds, or when a file is there.

        Returns its status, -9 if it was killed.
        """
        assert self.process.stdin is not None
        command = {
            "folder": str(folder),
            "bomb": bomb,
            "seconds": seconds,
            "until": None if until is None else str(until),
        }
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return int(self._read())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.wait(60) == 0
    assert server.process.stdout is not None
    server.process.stdout.close()


def finished(folder: Path) -> list[str]:
    return (folder / "result").read_text().split()


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "history.csv", newline="") as file:
        return [
            {name: text for name, text in row.items() if name != "seconds"} for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def expected(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never killed."""
    folder = tmp_path_factory.mktemp("expected")
    assert server.run(folder) == 0
    assert finished(folder) == [part.hex() for part in killed.run(None)]  # and that of no checkpoint at all
    return folder


def assert_as_expected(folder: Path, expected: Path) -> None:
    assert finished(folder) == finished(expected)
    assert rows(folder) == rows(expected)
    assert (folder / "best.safetensors").read_bytes() == (expected / "best.safetensors").read_bytes()
    assert {file.name for file in folder.iterdir()} == {file.name for file in expected.iterdir()}
    settings = json.loads((folder / "settings.json").read_text())
    assert (settings["status"], settings["epochs_done"]) == ("finished", killed.EPOCHS)


def test_kills_while_a_checkpoint_is_written(server: Server, expected: Path, tmp_path: Path) -> None:
    """Each kill leaves the checkpoint before it, or the new one, whole; the run goes on with the next."""
    shares = [0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1, 2, 3, 4]  # from 1 on: see killed.lay
    kills, number = 0, 0
    folder = tmp_path / "0"
    folder.mkdir()
    while kills < KILLS_IN_WRITES:
        if not (folder / "last.safetensors").exists():
            server.run(folder, seconds=60, until=folder / "last.safetensors")
        before = (folder / "last.safetensors").read_bytes()
        share = shares[kills % len(shares)]
        status = server.run(folder, bomb=[1 + kills % 3, share])
        if status == 0:  # it ended before
            assert_as_expected(folder, expected)
            number += 1
            folder = tmp_path / str(number)
            folder.mkdir()
            continue
        assert status == -9
        kills += 1
        minidl.load(folder / "last.safetensors")
        if kills % 3 == 1 and share < 3:  # it was the first write
            assert (folder / "last.safetensors").read_bytes() == before
    assert server.run(folder) == 0
    assert_as_expected(folder, expected)


def test_kills_at_any_moment(server: Server, expected: Path, tmp_path: Path) -> None:
    delays, kills, number = random.Random(0), 0, 0
    folder = tmp_path / "0"
    folder.mkdir()
    longest, before = 0.2, 0.0
    while kills < KILLS_ANYWHERE:
        status = server.run(folder, seconds=delays.uniform(0.0, longest))
        file = folder / "last.safetensors"
        now = file.stat().st_mtime if file.exists() else 0.0
        longest *= 1.3 if now == before else 0.9  # on a busy machine a run needs longer to get on
        before = now
        if status == -9:
            kills += 1
        else:
            assert status == 0
            assert_as_expected(folder, expected)
            number += 1
            folder = tmp_path / str(number)
            folder.mkdir()
            longest, before = 0.2, 0.0
    assert server.run(folder) == 0
    assert_as_expected(folder, expected)
