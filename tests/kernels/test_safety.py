"""Whole trainings, from wherever a program may run them: the same bits each time.

Each program is a process of its own, because a pool that is entered wrongly ends the process.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.nn import functional as F

ROOT = Path(minidl.__file__).parent.parent
LAYERS = ("omp", "workqueue")


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 300), nn.ReLU(), nn.Linear(300, 10))


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 3, padding=1, groups=64), nn.Conv2d(64, 64, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 2 * 2, 10),
    )  # fmt: skip


MODELS: dict[str, Callable[[], nn.Module]] = {"mlp": _mlp, "cnn": _cnn}


def trained(kind: str, seed: int = 0, steps: int = 3, model: nn.Module | None = None) -> bytes:
    """Every weight of a network, bit by bit, after some steps of Adam on images that the seed draws."""
    if model is None:
        minidl.manual_seed(seed)
        model = MODELS[kind]()
    random = np.random.default_rng(seed)
    x = minidl.from_numpy(random.standard_normal((33, 3, 24, 24), dtype=np.float32))
    t = minidl.from_numpy(random.integers(0, 10, 33))
    optimizer = optim.Adam(model.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), t).backward()
        optimizer.step()
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


def _run(code: str, *, layer: str = "omp", threads: int = 2) -> str:
    """What the code prints that follows ``from tests.kernels.test_safety import *`` in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NUMBA_THREADING_LAYER": layer,
        "MINIDL_NUM_THREADS": str(threads),
    }
    code = f"from tests.kernels import test_safety as here\nif __name__ == '__main__':\n    {code}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- The number of threads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODELS)
def test_training_gives_the_same_bits_on_one_thread_and_on_two(kind: str) -> None:
    before = minidl.get_num_threads()
    if before < 2:
        pytest.skip("there is one core")
    try:
        found = []
        for n in (1, 2, 2):
            minidl.set_num_threads(n)
            found.append(trained(kind))
    finally:
        minidl.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def _check_two_threads_trained() -> None:
    import numba

    trained("cnn", steps=1)
    assert numba.get_num_threads() == minidl.get_num_threads() == 2


def test_minidl_num_threads_holds_for_a_training() -> None:
    _run("here._check_two_threads_trained()", threads=2)
    code = "here.trained('cnn', steps=1); import sys; print('numba.np.ufunc.omppool' in sys.modules)"
    assert _run(code, threads=1) == "False\n"  # the pool was never started


# --- Python threads -------------------------------------------------------------------------------------------------


def _check_at_once() -> None:
    """Two networks trained by two Python threads, as the first work of the process, are what they are alone."""
    jobs = [(kind, seed) for kind in MODELS for seed in (1, 2)]
    models = []
    for kind, seed in jobs:
        minidl.manual_seed(seed)
        models.append(MODELS[kind]())
    found: dict[int, bytes] = {}

    def work(which: int) -> None:
        kind, seed = jobs[which]
        found[which] = trained(kind, seed, model=models[which])

    for pair in ((0, 3), (1, 2)):
        workers = [threading.Thread(target=work, args=(which,)) for which in pair]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for which, (kind, seed) in enumerate(jobs):
        assert found[which] == trained(kind, seed), (kind, seed)


@pytest.mark.parametrize("layer", LAYERS)
def test_two_python_threads_train_at_once(layer: str) -> None:
    _run("here._check_at_once()", layer=layer)


# --- Child processes ------------------------------------------------------------------------------------------------


def _put(queue: multiprocessing.Queue, kind: str) -> None:
    queue.put(trained(kind))


def _check_child(method: str) -> None:
    """A child trains as its parent did before, and so does the parent afterwards."""
    context = multiprocessing.get_context(method)
    for kind in MODELS:
        expected = trained(kind)
        queue = context.Queue()
        child = context.Process(target=_put, args=(queue, kind))
        child.start()
        assert queue.get(timeout=200) == expected
        child.join()
        assert child.exitcode == 0
        assert trained(kind) == expected


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            "fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
        ),
        "spawn",
    ],
)
def test_a_child_trains_after_its_parent_did(method: str, layer: str) -> None:
    _run(f"here._check_child({method!r})", layer=layer)


def _check_child_of_a_parent_with_numba() -> None:
    """The parent's own Numba code has started the pool; minidl does its first work in the forked child."""
    import numba

    @numba.njit(parallel=True)
    def double(x):
        for i in numba.prange(x.size):
            x[i] *= 2

    double(np.ones(1000))
    queue = multiprocessing.get_context("fork").Queue()
    child = multiprocessing.get_context("fork").Process(target=_put, args=(queue, "mlp"))
    child.start()
    found = queue.get(timeout=60)
    child.join()
    assert found == trained("mlp")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_of_a_parent_whose_own_code_uses_the_pool() -> None:
    _run("here._check_child_of_a_parent_with_numba()")


# --- The floating-point mode ----------------------------------------------------------------------------------------


def _check_mode() -> None:
    """Numbers below 1e-38 are what they were to NumPy, and to the user's own code in the pool, after kernels ran."""
    import numba

    @numba.njit(parallel=True)
    def halve(x, y):
        for i in numba.prange(x.size):
            y[i] = x[i] * np.float32(0.5)

    for kind in MODELS:
        trained(kind, steps=1)
    tiny = np.full(10_000, 2e-40, np.float32)
    expected = np.full(10_000, 1e-40, np.float32).view(np.int32)
    assert (tiny * np.float32(0.5)).view(np.int32).tolist() == expected.tolist()
    found = np.empty_like(tiny)
    halve(tiny, found)
    np.testing.assert_allclose(found.view(np.int32), expected, atol=1)
    assert numba.get_num_threads() == 2


def test_nobodys_floating_point_mode_is_changed() -> None:
    _run("here._check_mode()")
