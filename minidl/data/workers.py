"""Threads that make batches ahead of the training that uses them.

Threads and not processes: reading a file, decoding and resizing a picture release the interpreter's lock, so they run
beside each other and beside the kernels; nothing is pickled or copied between processes, and nothing forked. What is
pure Python in a dataset takes turns.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from minidl.errors import DataError
from minidl.grad_mode import thread

if TYPE_CHECKING:  # it loads logging, so it is loaded when there are workers
    from concurrent.futures import Future

END = object()  # what a task returns where there are no more batches
_numbers = itertools.count(1)


class GivenUp(Exception):
    """Ends the work on a batch that nobody waits for."""


class LoaderTimeout(DataError, TimeoutError):
    """No batch came for as long as a DataLoader's ``timeout`` says."""


class WorkerInfo(NamedTuple):
    """What :func:`get_worker_info` tells a dataset in a worker: which one of how many asks, and the dataset.

    ``seed`` differs from worker to worker; what is drawn in a dataset needs none (see ``minidl.data.sample_stream``).
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Here(threading.local):
    info: WorkerInfo | None = None
    pool: Workers | None = None


_here = _Here()


def get_worker_info() -> WorkerInfo | None:
    """Which worker of a DataLoader the calling thread is; None in all other threads.

    An IterableDataset is read by one worker, whatever ``num_workers`` says, so it need not share its samples out.
    """
    return _here.info


def give_up_if_stopped() -> None:
    """In a worker whose batch nobody waits for any more: end the work on it."""
    if _here.pool is not None and _here.pool.stopping:
        raise GivenUp


class Workers:
    """A pool of threads that run tasks in the order in which they come.

    Args:
        infos: what each of them is.
        prepare: is called in each, with its number, before its first task. Its error is every task's error.
    """

    def __init__(self, infos: list[WorkerInfo], prepare: Callable[[int], Any] | None) -> None:
        self.stopping = False
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        pool = next(_numbers)
        self._threads = [
            threading.Thread(
                target=self._run, args=(info, prepare), name=f"minidl-loader-{pool}-{info.id}", daemon=True
            )
            for info in infos
        ]
        for worker in self._threads:
            worker.start()

    def submit(self, task: Callable[[], Any]) -> Future[Any]:
        """Let a worker run ``task()``."""
        from concurrent.futures import Future

        future: Future[Any] = Future()
        self._tasks.put((future, task))
        return future

    def stop(self, wait: bool = True) -> None:
        """Let the threads end: after the samples that they are at, if they are at any. ``wait`` until they have."""
        self.stopping = True
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for worker in self._threads:
                if worker is not threading.current_thread():  # the last to hold a loader may be its worker
                    worker.join()

    def _run(self, info: WorkerInfo, prepare: Callable[[int], Any] | None) -> None:
        thread.mode.serial = True  # the pool of the kernels belongs to the training
        _here.info, _here.pool = info, self
        failure: BaseException | None = None
        try:
            if prepare is not None:
                prepare(info.id)
        except BaseException as error:
            failure = error
        while (item := self._tasks.get()) is not None:
            if self.stopping:
                item[0].cancel()
            else:
                _serve(*item, failure)
            del item  # while it waits, a worker holds no batch


def _serve(future: Future[Any], task: Callable[[], Any], failure: BaseException | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if failure is not None:
        future.set_exception(failure)
        return
    try:
        future.set_result(task())
    except BaseException as error:  # whatever it is, the consumer raises it
        future.set_exception(error)


def ahead(workers: Workers, tasks: Iterator[Callable[[], Any]], most: int, timeout: float) -> Iterator[Any]:
    """The results of ``tasks``, in their order; the workers are never more than ``most`` tasks ahead.

    Raises:
        LoaderTimeout: a result did not come for ``timeout`` seconds, if that is not 0.
    """
    waiting: collections.deque[Future[Any]] = collections.deque()
    try:
        waiting.extend(workers.submit(task) for task in itertools.islice(tasks, most))
        while waiting:
            result = _result(waiting.popleft(), timeout)
            if result is END:
                return
            waiting.extend(workers.submit(task) for task in itertools.islice(tasks, 1))
            yield result
            del result  # it is the consumer's now
    finally:
        for future in waiting:
            future.cancel()


def _result(future: Future[Any], timeout: float) -> Any:
    try:
        return future.result(timeout or None)
    except TimeoutError:
        if future.done():  # the task itself raised it
            raise
    raise LoaderTimeout(f"DataLoader: timed out after {timeout} seconds")


@contextlib.contextmanager
def passing(workers: Workers) -> Iterator[Workers]:
    """Workers of one pass over the data: they end with it, however it ends."""
    wait = True
    try:
        yield workers
    except LoaderTimeout:
        wait = False  # one of them may hang
        raise
    finally:
        workers.stop(wait)
