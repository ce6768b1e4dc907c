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
from minidl.kernels.launch import launch
from minidl.kernels.threads import get_num_threads, parallel, set_num_threads

numba = pytest.importorskip("numba")


@jit
def _who_task(i, ids):
    ids[i] = numba.get_thread_id()
    total = 0.0
    for k in range(20000):
        total += np.sqrt(k)
    ids[i] += 0 if total > 0 else 100


@parallel
def _who(pool, blocks, ids):
    launch(pool, blocks, _who_task, (ids,))


@jit
def _row(i, x, y):
    for j in range(x.shape[1]):
        y[i, j] = 2 * x[i, j] + 1


@parallel
def _affine(pool, rows, x, y):
    launch(pool, rows, _row, (x, y))


@pytest.fixture(autouse=True)
def _threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


def _ids():
    ids = np.full(64, -1, np.int64)
    _who(64, ids)
    return set(ids.tolist())


def _run(code, home, **environment):
    """In a process of its own, where this file goes by another name than here, and so with a cache of its own."""
    environment = {**os.environ, "MINIDL_NUM_THREADS": "2", "MINIDL_HOME": str(home), **environment}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment)


def test_two_threads_really_run(tmp_path):
    set_num_threads(1)
    assert _ids() == {0}
    _run("from tests.kernels.test_threads import _ids; assert _ids() == {0, 1}, _ids()", tmp_path)


def test_both_forms_give_the_same():
    x = np.random.default_rng(0).standard_normal((70, 33)).astype(np.float32)
    a, b = np.empty_like(x), np.empty_like(x)
    _affine(70, x, a)
    _affine.serial(70, x, b)
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
            _affine(300, x, y)
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
    _affine(300, x, y)
    child = os.fork()
    if child == 0:
        y[:] = 0
        _affine(300, x, y)
        os._exit(0 if (y == 3).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_layers(layer, tmp_path):
    """Numba's own pool aborts the process when two threads enter it at once, unless a lock stands before it."""
    code = (
        "from tests.kernels.test_threads import test_many_python_threads_at_once as t, numba\n"
        f"t(); assert numba.threading_layer() == {layer!r}\n"
    )
    _run(code, tmp_path, NUMBA_THREADING_LAYER=layer)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_set_num_threads_refuses(n):
    with pytest.raises(ArgumentError, match=r"set_num_threads: n must be a positive int, got"):
        set_num_threads(n)


def test_the_pool_does_not_grow():
    _affine(300, np.ones((300, 200), np.float32), np.ones((300, 200), np.float32))
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
