"""``minidl info``: what minidl runs on: versions, processor, threads, and where compiled kernels are kept."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minidl.cache import home
from minidl.kernels import threads
from minidl.kernels.compile import cache_folder

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


def add_to(commands: Any) -> None:
    what = "show versions, processor, threads, and where compiled kernels are kept"
    parser = commands.add_parser("info", help=what, description=f"{what.capitalize()}.")
    parser.set_defaults(run=run)


def run(_options: argparse.Namespace) -> int:
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
