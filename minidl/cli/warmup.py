"""``minidl warmup``: compile ahead what common programs need, so that the next one starts at once."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.kernels.compile import cache_folder, compilations
from minidl.warmup import KINDS, warm_up


def add_to(commands: Any) -> None:
    what = "compile ahead what common programs need"
    parser = commands.add_parser("warmup", help=what, description=f"{what.capitalize()}.")
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="compile for this dtype (float32)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    start, compiled, loaded = time.perf_counter(), 0, 0
    for kind, seconds in _with_progress(np.dtype(options.dtype)):
        before = compiled + loaded
        loaded = sum(one.from_disk for one in compilations)
        fresh = len(compilations) - loaded - compiled
        compiled += fresh
        what = f"{fresh} compiled, {compiled + loaded - before - fresh} found"
        _say(f"{kind:<26}{what:<26}{seconds:6.1f} s")
    took = time.perf_counter() - start
    if compiled:
        _say(f"{compiled} kernels for {options.dtype} compiled in {took:.0f} s, and kept in {cache_folder()}")
    else:
        _say(f"all {loaded} kernels for {options.dtype} found compiled, in {cache_folder()}")
    return 0


def _with_progress(dtype: np.dtype) -> Iterator[tuple[str, float]]:
    """What ``warm_up`` yields, with a bar on a terminal."""
    from tqdm import tqdm

    yield from tqdm(warm_up(dtype), "compiling", len(KINDS), leave=False, disable=None, unit="kind")


def _say(line: str) -> None:
    """A line on standard output, above the bar if there is one."""
    from tqdm import tqdm

    tqdm.write(line)
    sys.stdout.flush()
