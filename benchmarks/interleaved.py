"""Fair comparisons on a noisy machine: the engines take turns in one run, each in a process of its own.

A job is a module with ``prepare(engine) -> step``, where ``step()`` does the work once, and ``number(result)``, which
makes of what it returned a number that is the same, within the job's ``TOLERANCE``, for every engine: what is timed is
checked. Absolute times prove little;
the figure to quote is the median of the ratios of neighbouring turns.
"""

from __future__ import annotations

import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Turns:
    """One engine's seconds per step, turn by turn, and the number that its last step returned."""

    engine: str
    seconds: list[float]
    result: float


class _Worker:
    """A process that runs one engine's step when told to."""

    def __init__(self, job: str, engine: str) -> None:
        command = [sys.executable, "-m", "benchmarks.interleaved", job, engine]
        self.engine = engine
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, steps: int) -> tuple[float, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.engine}: the worker ended with status {self.process.wait()}")
        seconds, result = json.loads(line)
        return seconds, result

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def take_turns(job: str, engines: Sequence[str], turns: int, steps: int = 1, warmup: int = 1) -> list[Turns]:
    """Run ``job`` with each of ``engines`` in turn; ``steps`` steps a turn, after ``warmup`` turns that do not count.

    Raises:
        ValueError: two engines' results differ by more than the job's TOLERANCE, relative to the first's.
    """
    workers = [_Worker(job, engine) for engine in engines]
    found = [Turns(engine, [], 0.0) for engine in engines]
    for turn in range(warmup + turns):
        for worker, record in zip(workers, found, strict=True):
            seconds, record.result = worker.turn(steps)
            if turn >= warmup:
                record.seconds.append(seconds)
    for worker in workers:
        worker.close()
    tolerance = importlib.import_module(job).TOLERANCE
    for record in found[1:]:
        if not abs(record.result - found[0].result) <= tolerance * abs(found[0].result):
            raise ValueError(f"{record.engine} computed {record.result}, {found[0].engine} {found[0].result}")
    return found


def ratio(a: Turns, b: Turns) -> float:
    """The median over the turns of a's time to b's."""
    return statistics.median(x / y for x, y in zip(a.seconds, b.seconds, strict=True))


def report(title: str, found: Sequence[Turns]) -> str:
    """A table: each engine's median time, and how the first one's time compares to it."""
    lines = [title, f"{'engine':<24}{'median':>12}{'ratio':>26}"]
    for record in found:
        median = statistics.median(record.seconds)
        compared = (
            "" if record is found[0] else f"{found[0].engine} takes {ratio(found[0], record):.2f} of it"
        )
        time_ = f"{median:.3f} s" if median > 0.1 else f"{median * 1e6:.0f} µs"
        lines.append(f"{record.engine:<24}{time_:>12}{compared:>30}")
    return "\n".join(lines)


def _serve(job: str, engine: str) -> None:
    module = importlib.import_module(job)
    step = module.prepare(engine)
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            result = step()
        seconds = (time.perf_counter() - begin) / int(line)
        print(json.dumps([seconds, module.number(result)]), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
