"""The command line: ``python -m minidl``, or ``minidl`` where it is installed.

minidl info       what minidl runs on: versions, processor, threads, and where compiled kernels are kept
minidl warmup     compile ahead what common programs need, so that the next one starts at once
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from minidl.cache import home
from minidl.errors import MinidlError
from minidl.kernels import threads
from minidl.kernels.compile import cache_folder, compilations
from minidl.warmup import KINDS, warm_up

# The environment variables that change what minidl does.
VARIABLES = (
    "MINIDL_HOME",
    "MINIDL_NUM_THREADS",
    "MINIDL_MALLOC",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
    "OMP_NUM_THREADS",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (those of the process if None) name; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (MinidlError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minidl", description="minidl's command line.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    what = "show versions, processor, threads, and where compiled kernels are kept"
    info = commands.add_parser("info", help=what, description=f"{what.capitalize()}.")
    info.set_defaults(run=_info)
    what = "compile ahead what common programs need"
    warmup = commands.add_parser("warmup", help=what, description=f"{what.capitalize()}.")
    warmup.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="compile for this dtype (float32)"
    )
    warmup.set_defaults(run=_warmup)
    return parser


# --- info ---------------------------------------------------------------------------------------------------------


def _info(_options: argparse.Namespace) -> int:
    for title, lines in (
        ("Versions", _versions()),
        ("Processor", _processor()),
        ("Threads", _threads()),
        ("Compiled kernels", _cache()),
        ("Environment", _environment()),
    ):
        print(title)
        for name, value in lines:
            print(f"  {name:<22}{value}")
    return 0


def _versions() -> Iterator[tuple[str, str]]:
    import minidl

    yield "minidl", f"{minidl.__version__} in {Path(minidl.__file__).parent}"
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    for name, package in (("NumPy", "numpy"), ("Numba", "numba"), ("llvmlite", "llvmlite")):
        yield name, importlib.metadata.version(package)
    yield "platform", platform.platform()


def _processor() -> Iterator[tuple[str, str]]:
    from llvmlite import binding
    from numba.core.registry import cpu_target

    from minidl.kernels.simd import machine

    compiled_for = cpu_target.target_context.codegen().magic_tuple()[1]
    yield "name", _processor_name() or platform.processor() or platform.machine()
    yield "LLVM's name for it", binding.get_host_cpu_name()
    if compiled_for != binding.get_host_cpu_name():
        yield "kernels compiled for", compiled_for
    vectors = machine()
    yield "vectors", f"{vectors.name}, {vectors.bits} bits"
    yield "tile of registers", f"{vectors.rows} rows by {vectors.vectors} vectors"


def _processor_name() -> str:
    """What Linux calls the processor; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _threads() -> Iterator[tuple[str, str]]:
    n = threads.get_num_threads()
    yield "kernels use", f"{n} of {threads.cores()} cores"
    yield "threading layer", threads.layer() if n > 1 else "none: one thread needs no pool"


def _cache() -> Iterator[tuple[str, str]]:
    folder = cache_folder()
    yield "folder", str(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    functions = sum(path.suffix == ".nbc" for path in files)
    yield "holds", f"{functions} kernels, {size / 1e6:.1f} MB"
    if folder.is_relative_to(home()):
        yield "writable", "yes"
    else:
        yield "writable", f"yes, in place of {home() / 'kernels'}, which is not"


def _environment() -> Iterator[tuple[str, str]]:
    for name in VARIABLES:
        yield name, os.environ.get(name, "not set")


# --- warmup -------------------------------------------------------------------------------------------------------


def _warmup(options: argparse.Namespace) -> int:
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
