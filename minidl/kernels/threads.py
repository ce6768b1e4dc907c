"""The one pool of threads: which kernels run in it, when, and with how many threads.

A kernel whose work falls into blocks launches a function for each of them, and is decorated with ``@parallel``, which
passes it the pool:

    @jit
    def _scale_block(i, x, y): ...                          # block i

    @parallel
    def _scale(pool, blocks, x, y):
        launch(pool, blocks, _scale_block, (x, y))          # of minidl.kernels.launch

    _scale.sized(x.size)(blocks, x, y)                      # in the pool if x is large, else in the calling thread

The pool is Numba's, which is OpenMP's where that is found. Launching it takes 2 µs, so small work stays serial.

Results do not depend on the number of threads: blocks are of fixed size, and every element of a result is computed by
one iteration, in one order. What a kernel sums over blocks it sums in the order of the blocks, not of the threads.

The calling thread runs serially instead where the pool must not be entered:

- in a forked child whose parent had started the pool (GNU OpenMP would end the process);
- in the threads of a DataLoader, which make batches while the training has the pool;
- with ``set_num_threads(1)``, or ``MINIDL_NUM_THREADS=1``.

Numba's own pool (``workqueue``, used where OpenMP is missing) aborts when two Python threads enter it at once, so a
lock stands before that one.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.grad_mode import thread
from minidl.kernels.compile import CONTRACT, jit

__all__ = ["get_num_threads", "parallel", "set_num_threads"]

# From this many elements on, loaded and stored once, the pool pays for its launch.
WORTH_A_LAUNCH = 1 << 15
# The same for products that run at the core's peak, counted in multiplications: 10 µs of them at least, because on a
# machine that others use a launch may wait for the second core for a hundred times as long.
WORTH_MULTIPLICATIONS = 1 << 20


class _State(threading.local):
    applied = 0  # the number of threads that Numba has been told for this Python thread


class _Pool:
    """What is known of the process's pool."""

    def __init__(self) -> None:
        self.wanted: int | None = None  # None: not looked up yet
        self.started = False
        self.size = 0  # the number of its threads, once it is started
        self.parallel_for = 0  # the address of the pool's function, once it is started
        self.forked = False  # a child of a process that had started its pool
        self.starting = threading.Lock()
        self.lock: Any = contextlib.nullcontext()  # to be held while the pool works


_pool = _Pool()
NO_POOL = (0, 1)
# Where Numba keeps its pools.
_MODULES = {layer: f"numba.np.ufunc.{layer}pool" for layer in ("omp", "tbb")} | {
    "workqueue": "numba.np.ufunc.workqueue"
}
_state = _State()


def _after_fork() -> None:
    """In the child: the pool's threads are the parent's, whether minidl started them or the user's own Numba code."""
    _pool.starting = threading.Lock()  # another thread of the parent may have held it
    numba_is_there = "numba.np.ufunc.parallel" in sys.modules
    _pool.forked = _pool.forked or _pool.started or (numba_is_there and _started_elsewhere())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _from_environment() -> int:
    """``MINIDL_NUM_THREADS``, or the number of cores.

    Raises:
        ArgumentError: the variable is set to something else than a positive number.
    """
    text = os.environ.get("MINIDL_NUM_THREADS", "")
    if not text:
        return cores()
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentError(must("MINIDL_NUM_THREADS", "the variable", "a positive whole number", repr(text)))
    return int(text)


def get_num_threads() -> int:
    """How many threads a large kernel uses: ``MINIDL_NUM_THREADS`` if set, else the number of cores."""
    if _pool.wanted is None:
        _pool.wanted = _from_environment()
    return _pool.wanted


def set_num_threads(n: int) -> None:
    """Let large kernels use ``n`` threads. Results do not depend on it, to the last bit.

    Raises:
        ArgumentError: ``n`` is less than 1; or the pool has been started with fewer threads, and cannot grow.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ArgumentError(must("set_num_threads", "n", "a positive int", repr(n)))
    if _pool.started and n > _pool.size:
        expected = (
            f"at most {_pool.size}, with which the pool was started (set it, or MINIDL_NUM_THREADS, earlier)"
        )
        raise ArgumentError(must("set_num_threads", "n", expected, n))
    _pool.wanted = n


def _start() -> None:
    """Start the pool, if no other Python thread has done so meanwhile."""
    with _pool.starting:
        if not _pool.started:
            _start_pool()


def _start_pool() -> None:
    """Choose OpenMP before other layers, make the pool large enough, and find out which layer it is."""
    import numba
    from numba.core import config

    if not _started_elsewhere():
        config.NUMBA_NUM_THREADS = max(config.NUMBA_NUM_THREADS, get_num_threads())
        if config.THREADING_LAYER == "default":
            config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
    with _short_spin():
        numba.set_num_threads(min(get_num_threads(), config.NUMBA_NUM_THREADS))  # starts the threads
    if numba.threading_layer() == "workqueue":
        _pool.lock = threading.RLock()
    _pool.parallel_for = importlib.import_module(_MODULES[numba.threading_layer()]).parallel_for
    _pool.size = config.NUMBA_NUM_THREADS
    _pool.started = True


def layer() -> str:
    """Which of Numba's pools the threads are: ``omp``, ``tbb`` or ``workqueue``. The pool is started for it."""
    import numba

    if not _pool.started:
        _start()
    return numba.threading_layer()


@contextlib.contextmanager
def _short_spin() -> Iterator[None]:
    """GNU OpenMP reads its environment when it is loaded: let its threads wait for 0.1 ms before they sleep.

    By default they spin for a millisecond and more. Where another program keeps a core busy, a thread that spins is in
    the way of the one that it waits for. But waking a thread that sleeps takes 50 to 90 µs, and between two kernels of
    a training step there is seldom more.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = "30000"
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _started_elsewhere() -> bool:
    """Whether the user's own Numba code has started the pool already."""
    import numba

    try:
        numba.threading_layer()
    except ValueError:
        return False
    return True


def _enter() -> int:
    """With how many threads this call may use the pool; Numba has then been told."""
    n = get_num_threads()
    if n == 1 or _pool.forked or thread.mode.serial:
        return 1
    if not _pool.started:
        _start()
    n = min(n, _pool.size)
    if _state.applied != n:
        import numba

        numba.set_num_threads(n)
        _state.applied = n
    return n


class Parallel:
    """A kernel that is passed the pool. Calling it uses the pool; ``serial`` does not; ``sized`` picks one."""

    def __init__(self, function: Callable[..., Any], fastmath: frozenset[str], signature: Any = None) -> None:
        self.__doc__ = function.__doc__
        self._function, self._options = function, {"fastmath": fastmath, "signature": signature}

    @functools.cached_property
    def entry(self) -> Callable[..., Any]:
        return jit(self._function, **self._options)

    @functools.cached_property
    def serial(self) -> Callable[..., Any]:
        """The kernel, run by the calling thread."""
        return functools.partial(self.entry, NO_POOL)

    def __call__(self, *args: Any) -> Any:
        n = _enter()
        if n == 1:
            return self.entry(NO_POOL, *args)
        with _pool.lock:
            return self.entry((_pool.parallel_for, n), *args)

    def sized(self, elements: int, worth: int = WORTH_A_LAUNCH) -> Callable[..., Any]:
        """The form for work of this size, counted in elements that are loaded, computed with and stored."""
        return self if elements >= worth else self.serial


def parallel(
    function: Callable[..., Any] | None = None, *, fastmath: frozenset[str] = CONTRACT, signature: Any = None
) -> Any:
    """Compile a function that takes the pool first, and launches tasks in it; see :func:`jit`."""
    if function is None:
        return functools.partial(parallel, fastmath=fastmath, signature=signature)
    return Parallel(function, fastmath, signature)
