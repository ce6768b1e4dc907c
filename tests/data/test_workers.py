"""The threads of a DataLoader: the same batches as without them, ahead but not too far, and gone afterwards."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import minidl
from minidl.data import (
    DataLoader,
    Dataset,
    ImageFolder,
    IterableDataset,
    TensorDataset,
    current_generator,
    get_worker_info,
    transforms,
)
from minidl.data.workers import LoaderTimeout, Workers
from minidl.errors import DataError
from minidl.grad_mode import thread
from minidl.kernels import threads as kernel_threads
from minidl.tensor import Tensor


def loader_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("minidl-loader")]


@pytest.fixture(autouse=True)
def _no_thread_stays():
    assert loader_threads() == []
    yield
    gc.collect()
    assert loader_threads() == []


class Noisy(Dataset):
    """Sample i is i and a random number; it takes a random time, up to ``delay`` seconds."""

    def __init__(self, n=23, delay=0.0):
        self.n, self.delay = n, delay
        self.made: list[int] = []

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        time.sleep(self.delay * random.random())
        self.made.append(index)
        return float(index), float(current_generator().random()), minidl.rand(1).item()


def values(loader):
    return [[column.tolist() for column in batch] for batch in loader]


# ---- the same batches


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_do_not_depend_on_the_number_of_workers(workers, shuffle):
    def epochs(n):
        minidl.manual_seed(3)
        loader = DataLoader(Noisy(delay=0.003 if n else 0), 4, shuffle, num_workers=n)
        return [values(loader) for _ in range(3)], minidl.get_rng_state().tolist()

    assert epochs(workers) == epochs(0)


def test_other_ways_to_make_batches():
    tensors = TensorDataset(Tensor(np.arange(20.0).reshape(10, 2)), Tensor(np.arange(10)))
    for arguments in (
        {"batch_size": 3},
        {"batch_size": None},
        {"batch_size": 4, "drop_last": True},
        {"batch_sampler": [[1, 2], [0]]},
        {"batch_size": 3, "collate_fn": lambda samples: minidl.data.default_collate(samples[::-1])},
    ):
        assert values(DataLoader(tensors, num_workers=2, **arguments)) == values(
            DataLoader(tensors, **arguments)
        )


def test_augmented_photos_do_not_depend_on_workers(test_data):
    pick = transforms.Compose(
        [transforms.Resize((40, 50)), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    )
    folder = ImageFolder(test_data("pets") / "validation", pick)

    def epochs(n):
        loader = DataLoader(folder, 32, shuffle=True, seed=5, num_workers=n)
        return [images.numpy().copy() for _ in range(2) for images, _ in loader]

    for one, other in zip(epochs(0), epochs(3), strict=True):
        np.testing.assert_array_equal(one, other)


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n
        self.infos = []

    def __iter__(self):
        self.infos.append(get_worker_info())
        for i in range(self.n):
            yield float(i), float(current_generator().random()), minidl.rand(1).item()


def test_an_iterable_dataset_is_read_by_one_worker():
    data = Count(10)
    assert values(DataLoader(data, 3, num_workers=3, seed=1)) == values(DataLoader(Count(10), 3, seed=1))
    (info,) = data.infos
    assert (info.id, info.num_workers, info.dataset) == (0, 1, data)
    assert values(DataLoader(Count(0), 3, num_workers=3)) == []


@pytest.mark.parametrize("make", [lambda n: DataLoader(Noisy(11), 2, shuffle=True, num_workers=n, seed=2),
                                  lambda n: DataLoader(Noisy(11), 2, shuffle=True, num_workers=n),
                                  lambda n: DataLoader(Count(11), 2, num_workers=n)])  # fmt: skip
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_epoch_goes_on_with_workers(make, workers):
    minidl.manual_seed(0)
    whole = values(make(0))
    minidl.manual_seed(0)
    loader, first = make(2), []
    for batch in loader:
        first.append([column.tolist() for column in batch])
        if len(first) == 2:
            break
    state = loader.state_dict()
    assert state["batch"] == 2
    del batch, loader
    other = make(workers)
    other.load_state_dict(state)
    assert first + values(other) == whole


# ---- ahead, but not too far


@pytest.mark.parametrize(("workers", "factor"), [(1, None), (2, 1), (3, 2), (2, 0)])
def test_how_far_they_are_ahead(workers, factor):
    data = Noisy(200)
    loader = DataLoader(data, 2, num_workers=workers, prefetch_factor=factor)
    ahead = workers * (2 if factor is None else max(factor, 1))
    seen = []
    for given, _ in enumerate(loader, 1):
        time.sleep(0.02)  # long enough for all that they may make
        seen.append(len(data.made) // 2 - given)
        if given == 8:
            break
    assert max(seen) == ahead


def test_they_work_at_the_same_time():
    class Slow(Noisy):
        def __getitem__(self, index):
            time.sleep(0.01)
            return index

    start = time.perf_counter()
    list(DataLoader(Slow(60), 2, num_workers=10))
    assert time.perf_counter() - start < 0.4  # one thread takes 0.6 s


def test_they_work_while_the_batch_is_used():
    class Slow(Noisy):
        def __getitem__(self, index):
            time.sleep(0.02)
            return index

    start = time.perf_counter()
    for _ in DataLoader(Slow(20), 1, num_workers=1):
        time.sleep(0.02)
    assert time.perf_counter() - start < 0.7  # one after the other: 0.8 s


# ---- errors


class Broken(Noisy):
    def __getitem__(self, index):
        if index == 7:
            raise ValueError("the seventh is broken")
        return float(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_raised_where_its_batch_would_have_come(workers):
    given = []
    batches = (batch.tolist() for batch in DataLoader(Broken(20), 2, num_workers=workers))
    with pytest.raises(ValueError, match="the seventh is broken") as caught:
        given.extend(batches)
    assert given == [[0, 1], [2, 3], [4, 5]]
    assert "while sample 7 of Broken was loaded" in caught.value.__notes__
    del caught


def test_a_broken_picture_is_named(tmp_path):
    from PIL import Image

    (tmp_path / "cats").mkdir()
    for i in range(6):
        Image.new("RGB", (4, 4)).save(tmp_path / "cats" / f"{i}.png")
    folder = ImageFolder(tmp_path, transforms.ToTensor())
    (tmp_path / "cats" / "4.png").write_bytes(b"broken since")
    with pytest.raises(DataError, match=r"cats/4.png \(sample 4\) cannot be read: cannot identify image"):
        list(DataLoader(folder, 2, num_workers=2))


def test_an_error_of_the_sampler():
    def indices():
        yield [0, 1]
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        list(DataLoader(Noisy(), batch_sampler=indices(), num_workers=1))


def test_a_timeout():
    class Hanging(Noisy):
        def __getitem__(self, index):
            if index == 3:
                hang.wait()
            return index

    hang = threading.Event()
    loader = DataLoader(Hanging(), 1, num_workers=2, timeout=0.1)
    start = time.perf_counter()
    with pytest.raises(LoaderTimeout, match=r"DataLoader: timed out after 0.1 seconds"):
        list(loader)
    assert time.perf_counter() - start < 2
    left = [t for t in threading.enumerate() if t.name in loader_threads()]
    hang.set()
    for worker in left:
        worker.join(2)


def test_a_tasks_own_timeout_is_its_error():
    class Late(Noisy):
        def __getitem__(self, index):
            raise TimeoutError("the disk does not answer")

    with pytest.raises(TimeoutError, match="the disk does not answer"):
        list(DataLoader(Late(), num_workers=1, timeout=5))


# ---- what they are told


def test_worker_init_fn_and_worker_info():
    called, infos = [], set()

    class Asking(Noisy):
        def __getitem__(self, index):
            info = get_worker_info()
            infos.add((info.id, info.num_workers, info.seed, info.dataset is self))
            time.sleep(0.002)
            return index

    def prepare(worker_id):
        called.append((worker_id, get_worker_info().id))

    list(DataLoader(Asking(40), num_workers=3, worker_init_fn=prepare, seed=10))
    assert sorted(called) == [(0, 0), (1, 1), (2, 2)]
    assert infos <= {(i, 3, 10 + i, True) for i in range(3)}
    assert len(infos) > 1
    assert get_worker_info() is None


def test_an_error_of_worker_init_fn():
    def prepare(worker_id):
        raise OSError(f"worker {worker_id} has no disk")

    with pytest.raises(OSError, match="worker 0 has no disk"):
        list(DataLoader(Noisy(), num_workers=1, worker_init_fn=prepare))


# ---- kernels


def test_kernels_stay_in_a_workers_thread():
    large = minidl.rand(300, 300)
    expected = (large @ large).relu().tolist()
    entered = []

    class Computing(Noisy):
        def __getitem__(self, index):
            entered.append((thread.mode.serial, kernel_threads._enter()))
            return (large @ large).relu()

    for batch in DataLoader(Computing(8), 1, num_workers=4):
        assert (large @ large).relu().tolist() == expected  # the caller has the pool meanwhile
        assert batch[0].tolist() == expected
    assert set(entered) == {(True, 1)}
    assert not thread.mode.serial
    assert kernel_threads._enter() == min(kernel_threads.get_num_threads(), kernel_threads._pool.size or 1)


# ---- gone afterwards


def test_they_end_with_the_loop():
    list(DataLoader(Noisy(), 2, num_workers=3))
    assert loader_threads() == []


def test_they_end_when_the_loop_is_left():
    data = Noisy(1000, delay=0.001)
    for _ in DataLoader(data, 5, num_workers=3):
        assert len(loader_threads()) == 3
        break
    assert loader_threads() == []
    assert len(data.made) < 50


def test_they_end_with_an_error_in_the_loop():
    def work():
        for _ in DataLoader(Noisy(1000), 5, num_workers=3):
            raise KeyError

    with pytest.raises(KeyError):
        work()
    gc.collect()
    assert loader_threads() == []


def test_a_batch_that_nobody_waits_for_is_given_up():
    """At the next sample, not at the end of the batch."""
    data = Noisy(1000, delay=0.002)
    start = time.perf_counter()
    for _ in DataLoader(data, batch_sampler=[[0], list(range(1, 1000))], num_workers=1):
        break
    assert time.perf_counter() - start < 0.5
    assert len(data.made) < 500


def test_an_iterator_that_is_forgotten():
    iterator = iter(DataLoader(Noisy(1000), 5, num_workers=2))
    next(iterator)
    assert len(loader_threads()) == 2
    del iterator
    gc.collect()
    assert loader_threads() == []


def test_two_passes_at_once():
    loader = DataLoader(Noisy(6), 2, num_workers=2, seed=0)
    plain = DataLoader(Noisy(6), 2, seed=0)
    pairs = [(a[0].tolist(), b[0].tolist()) for a in loader for b in loader]
    assert pairs == [(a[0].tolist(), b[0].tolist()) for a in plain for b in plain]


def test_they_stay_if_they_are_wanted_again():
    loader = DataLoader(Noisy(20), 2, num_workers=2, persistent_workers=True, seed=1)
    first = values(loader)
    names = loader_threads()
    assert len(names) == 2
    second = values(loader)
    for _ in loader:
        break
    third = values(loader)
    assert loader_threads() == names
    plain = DataLoader(Noisy(20), 2, seed=1)
    assert [first, second] == [values(plain), values(plain)]
    plain.set_epoch(3)
    assert third == values(plain)
    nested = [(a[0].tolist(), b[0].tolist()) for a in loader for b in loader]
    assert len(nested) == 100
    del loader
    gc.collect()
    assert loader_threads() == []


def test_a_worker_may_be_the_last_to_hold_its_loader():
    done = threading.Event()

    def task():
        workers.stop()
        done.set()

    workers = Workers([minidl.data.WorkerInfo(0, 1, 0, None)], None)
    workers.submit(task)
    assert done.wait(5)
    for worker in workers._threads:
        worker.join(5)
        assert not worker.is_alive()


PROGRAM = """
    import sys, threading, time
    from minidl.data import DataLoader

    class Slow:
        def __len__(self): return 10_000
        def __getitem__(self, index):
            time.sleep(0.01)
            return index

    try:
        for i, batch in enumerate(DataLoader(Slow(), 10, num_workers=3)):
            print(i, flush=True)
    except KeyboardInterrupt:
        left = [t.name for t in threading.enumerate() if t.name.startswith("minidl-loader")]
        print("interrupted", left, flush=True)
"""


@pytest.mark.parametrize("caught", [True, False])
def test_ctrl_c_ends_them(caught):
    program = textwrap.dedent(PROGRAM)
    if not caught:
        program = program.replace("except KeyboardInterrupt", "except ZeroDivisionError")
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "0\n"
    process.send_signal(signal.SIGINT)
    start = time.perf_counter()
    out, err = process.communicate(timeout=20)
    assert time.perf_counter() - start < 5
    if caught:
        assert out.endswith("interrupted []\n")
        assert process.returncode == 0
    else:
        assert err.strip().endswith("KeyboardInterrupt")
        assert process.returncode != 0
