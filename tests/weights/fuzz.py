"""Read mutated weight files by the thousand: ``python tests/weights/fuzz.py npz -n 100000``.

Each file must either parse or be refused by an error that names it: no crash, no more than five seconds of the
processor, no more memory than the file's own size and 64 MB, no other file opened, no process started.

The worker processes are of the same program. What takes them down (a crash of the interpreter, an endless loop in C)
is noted, and another goes on behind that file. A file is made from the seed and its number: ``--only NUMBER --keep
FILE`` makes it again.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from archives import peak_memory
from mutations import Seed, mutated
from seeds import FORMATS

from minidl import weights
from minidl.errors import WeightsError

SECONDS = 5  # of the processor, for one file
BLOCKED = 60  # seconds until a file that keeps nothing busy counts as a hang
MEMORY = (
    2 * 2**20 + 64 * 2**20
)  # bytes of address space beyond what the process had, and twice the file's size
STATUS = np.dtype([("number", "<i8"), ("parsed", "<i8"), ("refused", "<i8")])

armed = ""  # the file that may be opened; "" while the harness itself works
touched: list[str] = []
FORBIDDEN = (
    "os.",
    "subprocess.",
    "shutil.",
    "socket.",
    "pickle.",
    "ctypes.",
    "tempfile.",
    "exec",
    "import",
    "marshal.",
)
HARMLESS = {"os.fwalk", "os.scandir", "os.listdir"}


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: while a file is read, only that file may be opened, for reading, and nothing else done."""
    if not armed:
        return
    if event == "open":
        path, mode, flags = arguments
        if (
            str(path) != armed
            or (mode or "r")[0] not in "r"
            or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            touched.append(f"open {arguments}")
    elif event.startswith(FORBIDDEN) and event not in HARMLESS:
        touched.append(f"{event} {arguments}"[:200])


def make(seeds: list[Seed], seed: int, number: int) -> bytes:
    """The mutated file of that number."""
    random = Random(seed * 10**9 + number)
    return mutated(random.choice(seeds), random, seeds)


def read(path: str) -> bool:
    """Read all arrays; whether the file was one."""
    global armed
    armed = path
    try:
        stored = weights.read(path)
        for array in stored.arrays.values():
            np.count_nonzero(array)
    except WeightsError as error:
        if path not in str(error):
            raise AssertionError(f"the error does not name the file: {error}") from error
        return False
    finally:
        armed = ""
    return True


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def work(options: argparse.Namespace) -> None:
    """What a worker does: every ``--step``th number from ``--first`` on; its status and failures go to files."""
    warnings.simplefilter("error")
    seeds = FORMATS[options.format]()
    folder = Path(options.folder)
    path = folder / f"file-{options.worker}"
    for seed in seeds:  # imports what is imported late, and fills the caches of regular expressions
        path.write_bytes(seed.content)
        if not read(str(path)):
            raise AssertionError("a seed does not parse")
    sys.addaudithook(watch)
    limit_memory()
    status = np.memmap(folder / f"status-{options.worker}", STATUS, "w+", shape=1)[0]
    slowest, before = 0.0, peak_memory()
    with (folder / "failures").open("a", buffering=1) as failures:
        for number in range(options.first, options.files, options.step):
            status["number"] = number
            path.write_bytes(content := make(seeds, options.seed, number))
            faulthandler.dump_traceback_later(BLOCKED, exit=True)
            signal.setitimer(
                signal.ITIMER_PROF, SECONDS
            )  # whose default is to end the process, C code or not
            start = time.process_time()
            try:
                status["parsed" if read(str(path)) else "refused"] += 1
            except Exception:
                failures.write(json.dumps([number, traceback.format_exc()[-1500:]]) + "\n")
            signal.setitimer(signal.ITIMER_PROF, 0)
            slowest = max(slowest, time.process_time() - start)
            if touched or path.read_bytes() != content:
                failures.write(json.dumps([number, f"touched: {touched}"]) + "\n")
                touched.clear()
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"slowest": slowest, "memory": peak_memory() - before}), flush=True)


def supervise(options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Start the workers, go on where one fell, and add up."""
    first = {worker: worker for worker in range(options.workers)}
    running = {worker: start(options, folder, worker, first[worker]) for worker in first}
    totals: collections.Counter[str] = collections.Counter()
    failures: list[list[Any]] = []
    slowest, memory = 0.0, 0
    while running:
        worker, process = next(iter(running.items()))
        output = process.communicate()[0]
        status = (
            np.fromfile(Path(folder, f"status-{worker}"), STATUS)[0]
            if Path(folder, f"status-{worker}").exists()
            else None
        )
        if status is None:
            raise SystemExit(f"worker {worker} did not start:\n{output}")
        totals += collections.Counter({key: int(status[key]) for key in ("parsed", "refused")})
        del running[worker]
        if process.returncode == 0:
            report = json.loads(output.splitlines()[-1])
            slowest, memory = max(slowest, report["slowest"]), max(memory, report["memory"])
            continue
        number = int(status["number"])
        why = (
            f"over {SECONDS} s"
            if process.returncode == -signal.SIGPROF
            else f"exit status {process.returncode}"
        )
        failures.append([number, f"{why}\n{output[-1500:]}"])
        running[worker] = start(options, folder, worker, number + options.workers)
    failures += [json.loads(line) for line in Path(folder, "failures").read_text().splitlines()]
    left = sorted(
        p.name for p in Path(folder).iterdir() if not p.name.startswith(("file-", "status-", "failures"))
    )
    if left:
        failures.append([-1, f"files left behind: {left}"])
    return {"parsed": totals["parsed"], "refused": totals["refused"], "failures": sorted(failures),
            "slowest": slowest, "memory": memory}  # fmt: skip


def start(options: argparse.Namespace, folder: str, worker: int, first: int) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        __file__,
        options.format,
        "-n",
        options.files,
        "--seed",
        options.seed,
        "--folder",
        folder,
    ]
    command += ["--worker", worker, "--first", first, "--step", options.workers]
    return subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Read mutated weight files, and see that nothing bad happens."
    )
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("-n", "--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=int, help="read the file of this number alone, in this process")
    parser.add_argument("--keep", help="... and write it here")
    for name in ("--worker", "--first", "--step"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        work(options)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if options.only is not None:
            path = Path(options.keep or Path(folder, "file"))
            path.write_bytes(make(FORMATS[options.format](), options.seed, options.only))
            print(weights.read(path))
            return 0
        begin = time.perf_counter()
        found = supervise(options, folder)
    for number, why in found["failures"][:10]:
        print(f"file {number}: {why}\n")
    share = found["parsed"] / options.files
    print(
        f"{options.format}: {options.files:,} mutated files in {time.perf_counter() - begin:.0f} s, {share:.1%} parse; "
        f"{len(found['failures'])} failures; slowest {1000 * found['slowest']:.1f} ms; "
        f"memory grew by at most {found['memory'] / 2**20:.1f} MB"
    )
    return 1 if found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
