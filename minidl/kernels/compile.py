"""The one way in which kernels are compiled: Numba, cached on disk, so that only the first run of a program
compiles.

    @jit                                    a kernel: compiled per signature on first call
    @jit(fastmath=REASSOCIATE)              one that may sum in any order, as vectorised sums must

Numba's own cache goes stale when a kernel calls a function from another file and that file is edited. So the
cache lies in a folder named by a hash of every file in this package: an edit anywhere opens a fresh one. How the files
in it are kept safe is told in :mod:`minidl.kernels.disk`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from minidl.cache import home
from minidl.errors import KernelError

# What reductions may assume. The two flags left out of "fast" promise that no NaN and no infinity occurs, and
# a kernel compiled on that promise returns garbage where one does.
REASSOCIATE = frozenset({"reassoc", "contract", "nsz", "arcp"})
# Fused multiply-add, and nothing else: each element's arithmetic stays in the order in which it is written.
CONTRACT = frozenset({"contract"})

_config_lock = threading.Lock()


def jit(
    function: Callable[..., Any] | None = None,
    *,
    fastmath: frozenset[str] = CONTRACT,
    signature: Any = None,
    inline: bool = False,
) -> Any:
    """Compile a function with Numba when it is first called; importing Numba happens here.

    With a ``signature`` it is compiled at once, for that one alone: a kernel that declares its arrays to be of any
    layout (``Array(real, 2, "A")``) is then not compiled again for each layout that it meets. ``inline`` puts the
    function's code into its callers, whatever its length: a loop in which a call remains is not vectorised.

    Division follows IEEE 754 (Numba's default, an exception, would forbid vector code), the interpreter's
    lock is released while the kernel runs, and the machine code is cached in ``cache_folder()``.

    Raises:
        KernelError: Numba has been told to compile nothing (``NUMBA_DISABLE_JIT``).
    """
    if function is None:
        return functools.partial(jit, fastmath=fastmath, signature=signature, inline=inline)
    import numba

    options = {"error_model": "numpy", "nogil": True, "fastmath": set(fastmath)}
    compiled = numba.njit(forceinline=inline, **options)(function)
    if compiled is function:
        raise KernelError("kernels cannot run where Numba compiles nothing: unset NUMBA_DISABLE_JIT")
    keep_on_disk(compiled, "_cache")
    if signature is not None:
        compiled.compile(signature)
        compiled.disable_compile()
    return compiled


def keep_on_disk(compiled: Any, attribute: str) -> None:
    """Give a function of Numba's its cache, which it has in that attribute. It stays without where Numba finds no place
    for one: if the function was typed at a prompt, and has no file to be known by; or if the folder cannot be written
    any more.
    """
    from minidl.kernels.disk import KernelCache

    with _numba_caches_in(cache_folder()), contextlib.suppress(RuntimeError):
        setattr(compiled, attribute, KernelCache(compiled.py_func))


class Compilation(NamedTuple):
    """One kernel, for one signature, as this process got it."""

    name: str
    signature: str
    from_disk: bool


# What this process has compiled so far, and what it has loaded from the disk instead, in order.
compilations: list[Compilation] = []


@contextlib.contextmanager
def _numba_caches_in(folder: Path) -> Iterator[None]:
    """Numba reads CACHE_DIR when a cache is made; it is set for ours only, not for the user's functions."""
    from numba.core import config

    with _config_lock:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            config.CACHE_DIR = before


@functools.cache
def cache_folder() -> Path:
    """Where compiled kernels are kept: ``MINIDL_HOME/kernels/<hash>``, or a temporary folder if that is read-only."""
    wanted = home() / "kernels" / _fingerprint()
    for folder in (wanted, _private_temporary_folder() / wanted.name):
        if _writable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="minidl-kernels-"))


def _fingerprint() -> str:
    """A hash of all source files of this package and of Numba's version."""
    import numba

    digest = hashlib.sha256(numba.__version__.encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    """Whether files can be made in the folder, which is itself made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _private_temporary_folder() -> Path:
    """A folder of this user's alone: cached code is run when it is loaded, so nobody else may write it."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"minidl-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if hasattr(os, "getuid") and (status.st_uid != user or status.st_mode & 0o077 or folder.is_symlink()):
        return Path(tempfile.mkdtemp(prefix="minidl-"))
    return folder
