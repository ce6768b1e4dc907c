"""The pool: that it is used, that results do not depend on it, and that it is safe to enter from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from minidl.errors import ArgumentError
from minidl.kernels.compile import jit
from minidl.kernels.threads import get_num_threads, parallel, set_num_threads

numba = pytest.importorskip("numba")


@parallel
def _who(ids, blocks):
    for i in numba.prange(blocks):
        ids[i] = numba.get_thread_id()
        total = 0.0
        for k in range(20000):
            total += np.sqrt(k)
        ids[i] += 0 if total > 0 else 100


@jit
def _row(x, y):
    for j in range(x.size):
        y[j] = 2 * x[j] + 1


@parallel
def _affine(x, y, rows):
    for i in numba.prange(rows):
        _row(x[i], y[i])


@pytest.fixture(autouse=True)
def _threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


def _ids():
    ids = np.full(64, -1, np.int64)
    _who(ids, 64)
    return set(ids.tolist())


def test_two_threads_really_run():
    set_num_threads(1)
    assert _ids() == {0}
    code = (
        "import os; os.environ['MINIDL_NUM_THREADS'] = '2'\n"
        "from tests.kernels.test_threads import _ids\n"
        "assert _ids() == {0, 1}, _ids()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_both_forms_give_the_same():
    x = np.random.default_rng(0).standard_normal((70, 33)).astype(np.float32)
    a, b = np.empty_like(x), np.empty_like(x)
    _affine(x, a, 70)
    _affine.serial(x, b, 70)
    np.testing.assert_array_equal(a, 2 * x + 1)
    np.testing.assert_array_equal(a, b)


def test_sized_chooses_by_the_work():
    assert _affine.sized(10) is _affine.serial
    assert _affine.sized(1 << 20) is _affine
    assert _affine.sized(10, worth=5) is _affine


def test_many_python_threads_at_once():
    x = np.random.default_rng(1).standard_normal((300, 200)).astype(np.float32)
    wrong = []

    def work():
        for _ in range(50):
            y = np.empty_like(x)
            _affine(x, y, 300)
            if not np.array_equal(y, 2 * x + 1):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_can_go_on():
    x = np.ones((300, 200), np.float32)
    y = np.empty_like(x)
    _affine(x, y, 300)
    child = os.fork()
    if child == 0:
        y[:] = 0
        _affine(x, y, 300)
        os._exit(0 if (y == 3).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_layers(layer):
    """Numba's own pool aborts the process when two threads enter it at once, unless a lock stands before it."""
    code = (
        "from tests.kernels.test_threads import test_many_python_threads_at_once as t, numba\n"
        f"t(); assert numba.threading_layer() == {layer!r}\n"
    )
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "MINIDL_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_set_num_threads_refuses(n):
    with pytest.raises(ArgumentError, match=r"set_num_threads: n must be a positive int, got"):
        set_num_threads(n)


def test_the_pool_does_not_grow():
    _affine(np.ones((300, 200), np.float32), np.ones((300, 200), np.float32), 300)
    if get_num_threads() > 1:
        with pytest.raises(ArgumentError, match=r"at most \d+, with which the pool was started"):
            set_num_threads(1000)


@pytest.mark.parametrize("text", ["0", "two", "-1"])
def test_the_variable_is_checked(text):
    code = "from minidl.kernels.threads import get_num_threads; get_num_threads()"
    environment = {**os.environ, "MINIDL_NUM_THREADS": text}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert "MINIDL_NUM_THREADS: the variable must be a positive whole number, got" in found.stderr
