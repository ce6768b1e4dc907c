"""DataLoader: goes through a dataset in batches."""

from __future__ import annotations

import contextlib
import functools
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minidl.data.collate import default_collate, default_convert
from minidl.data.dataset import IterableDataset, get_collated, get_samples
from minidl.data.epochs import Epoch, Epochs
from minidl.data.randomness import set_epoch
from minidl.data.sampler import BatchSampler, RandomSampler, SeededSampler, SequentialSampler
from minidl.data.workers import END, WorkerInfo, Workers, ahead, passing
from minidl.errors import ArgumentError, must
from minidl.random import Generator, default_generator, epoch_of, sample_stream

Task = Callable[[], Any]
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader:
    """Iterates over ``dataset`` in batches, with the arguments and the meaning of PyTorch's.

    Args:
        dataset: anything with ``__getitem__(index)`` and ``__len__()``; or an IterableDataset, whose samples come in
            its own order.
        batch_size: samples per batch; None gives the samples one by one, not collated.
        shuffle: visit the samples in random order, another one every epoch.
        sampler: the indices, in the order in which they are visited; excludes ``shuffle``.
        batch_sampler: lists of indices, one per batch; excludes ``batch_size``, ``shuffle``, ``sampler`` and
            ``drop_last``.
        num_workers: how many threads make batches ahead, while the caller uses those before; 0 makes each when it is
            asked for. Batches, their order and what is random in them do not depend on it. An IterableDataset is read
            by one thread.
        collate_fn: makes a batch of a list of samples; default: :func:`default_collate`. Only with the default can a
            dataset's ``get_batch`` be used, which a TensorDataset has.
        drop_last: leave out the last batch if it is smaller.
        generator: where the random order comes from; default: ``minidl.random``'s default generator.
        seed: shorthand for ``generator=Generator().manual_seed(seed)``; the order then depends on ``seed`` and on the
            epoch's number alone, and so do random transforms of datasets that have no seed of their own.

        timeout: seconds to wait for a batch of a worker; 0 waits as long as it takes.
        worker_init_fn: called in each worker, with its number, before it begins.
        prefetch_factor: how many batches for each worker are made ahead at most; default: 2.
        persistent_workers: keep the threads from one pass to the next.

    ``pin_memory``, ``multiprocessing_context``, ``pin_memory_device`` and ``in_order`` speak of processes and devices
    that are not there: they are kept as attributes, and have no effect (batches always come in order).

    An error in a worker is raised where its batch would have come. Leaving the loop early, with ``break``, an error or
    Ctrl-C, ends the threads.

    ``dataset``, ``batch_size``, ``sampler``, ``batch_sampler``, ``drop_last`` and ``persistent_workers`` cannot be
    assigned afterwards.

    Raises:
        ArgumentError: arguments that exclude each other, or that are out of range.
        DataError: in the loop, when ``timeout`` is over.
    """

    _complete = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        seed: int | None = None,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        _check_order(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if seed is not None and generator is not None:
            raise ArgumentError(must("DataLoader", "seed", "None when a generator is given", seed))
        if sampler is None:
            sampler = _sampler(dataset, bool(shuffle), generator, seed)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = sampler.generator if isinstance(sampler, SeededSampler) else generator
        self._seed = seed if self.generator is None else self.generator.initial_seed()
        self._epochs = Epochs(self.generator or _own_generator(sampler, batch_sampler))
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._workers: Workers | None = None  # those that are kept
        self._complete = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._complete and name in _FIXED:
            raise ArgumentError(f"DataLoader: {name} cannot be assigned; make another DataLoader")
        super().__setattr__(name, value)

    # ---- epochs ----

    def set_epoch(self, epoch: int) -> None:
        """The next pass is that of this epoch: it decides the order, if there is a ``seed``, and what is random.

        Without it the passes are the epochs 0, 1, 2, ... The dataset and the sampler are told, if they have a
        ``set_epoch``.
        """
        self._epochs.set(epoch)
        for part in (self.dataset, self.sampler, self.batch_sampler):
            set_epoch(part, epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: the epoch, how many of its batches were given, and how its order began.

        A loader of the same arguments that loads it goes on with the next batch, whose order is the same, and does not
        make the batches before it.
        """
        return self._epochs.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next pass go on where ``state``, of :meth:`state_dict`, was taken.

        Raises:
            ArgumentError: ``state`` is something else.
        """
        self._epochs.load_state_dict(state)

    # ---- batches ----

    def __iter__(self) -> Iterator[Any]:
        epoch = self._epochs.begin()
        if isinstance(self.sampler, SeededSampler):
            self.sampler.set_epoch(epoch.number)
        iterable = isinstance(self.dataset, IterableDataset)
        tasks = self._next_tasks(epoch) if iterable else self._fetch_tasks(epoch)
        with contextlib.ExitStack() as pass_:
            for batch in self._with_workers(tasks, pass_) if self.num_workers else run(tasks):
                epoch.given += 1
                yield batch
                del batch  # it is the consumer's now
        self._epochs.end(epoch)

    def _with_workers(self, tasks: Iterator[Task], pass_: contextlib.ExitStack) -> Iterator[Any]:
        workers = self._workers
        if workers is None:
            n = 1 if isinstance(self.dataset, IterableDataset) else self.num_workers
            seed = default_generator.initial_seed() if self._seed is None else self._seed
            workers = Workers(
                [WorkerInfo(i, n, seed + i, self.dataset) for i in range(n)], self.worker_init_fn
            )
            if self.persistent_workers:
                self._workers = workers
                weakref.finalize(self, workers.stop)
            else:
                pass_.enter_context(passing(workers))
        most = self.num_workers * (self.prefetch_factor or 1)
        return ahead(workers, tasks, most, self.timeout)

    def _fetch_tasks(self, epoch: Epoch) -> Iterator[Task]:
        """What makes the batches of a dataset with an index."""
        wanted: Iterable[Any] = self.sampler if self.batch_sampler is None else self.batch_sampler
        for number, indices in enumerate(epoch.skip(iter(wanted)), epoch.given):
            yield functools.partial(self._fetch, epoch.number, number, indices)

    def _fetch(self, epoch: int, number: int, indices: Any) -> Any:
        """Batch ``number`` of an epoch. What is drawn for no sample, by ``collate_fn``, has a stream of its own."""
        with epoch_of(self._seed, epoch), sample_stream(None, epoch, -1 - number):
            if self.batch_sampler is None:
                return self.collate_fn(get_samples(self.dataset, [indices])[0])
            if self.collate_fn is default_collate:
                return get_collated(self.dataset, indices)
            return self.collate_fn(get_samples(self.dataset, indices))

    def _next_tasks(self, epoch: Epoch) -> Iterator[Task]:
        """What makes the batches of an IterableDataset, one after the other, until one returns END."""
        stream = epoch.skip(self._stream())
        for number in itertools.count(epoch.given):
            yield functools.partial(self._next, epoch.number, number, stream)

    def _next(self, epoch: int, number: int, stream: Iterator[Any]) -> Any:
        with epoch_of(self._seed, epoch), sample_stream(None, epoch, -1 - number):
            return next(stream, END)

    def _stream(self) -> Iterator[Any]:
        """The batches of an IterableDataset."""
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        if isinstance(self.dataset, IterableDataset):
            n, size = len(self.dataset), self.batch_size or 1  # type: ignore[arg-type]
            return n // size if self.drop_last else -(-n // size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]


def run(tasks: Iterator[Task]) -> Iterator[Any]:
    """The results of ``tasks``, each when it is asked for, until one is END."""
    for task in tasks:
        if (result := task()) is END:
            return
        yield result
        del result  # it is the consumer's now


def _check_order(
    dataset: Any, batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: Any
) -> None:
    """PyTorch's conditions on the arguments that say in which order samples come, and in which batches."""
    if isinstance(dataset, IterableDataset):
        for name, given in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if given is not None and given is not False:
                raise ArgumentError(must("DataLoader", name, "left out for an IterableDataset", given))
    if sampler is not None and shuffle:
        raise ArgumentError(must("DataLoader", "shuffle", "False when a sampler is given", shuffle))
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        expected = "given without batch_size, shuffle, sampler and drop_last"
        raise ArgumentError(must("DataLoader", "batch_sampler", expected, "both"))
    if batch_sampler is None and batch_size is None and drop_last:
        raise ArgumentError(must("DataLoader", "drop_last", "False when batch_size is None", drop_last))


def _sampler(dataset: Any, shuffle: bool, generator: Generator | None, seed: int | None) -> Iterable[int]:
    if isinstance(dataset, IterableDataset):
        return itertools.repeat(0)  # one for each sample, as long as they come
    if not shuffle:
        return SequentialSampler(dataset)
    return RandomSampler(dataset, generator=generator) if seed is None else SeededSampler(dataset, seed)


def _own_generator(*samplers: Any) -> Generator | None:
    """The generator of a sampler that the user made, if it has one."""
    inner = [getattr(sampler, "sampler", None) for sampler in samplers]
    found = [getattr(sampler, "generator", None) for sampler in (*samplers, *inner)]
    return next((generator for generator in found if isinstance(generator, Generator)), None)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    """PyTorch's conditions on arguments about workers, so that a wrong call does not first fail there."""
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
        raise ArgumentError(must("DataLoader", "num_workers", "a non-negative int", repr(num_workers)))
    if timeout < 0:
        raise ArgumentError(must("DataLoader", "timeout", "non-negative", timeout))
    if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 0):
        expected = "None, or non-negative with num_workers > 0"
        raise ArgumentError(must("DataLoader", "prefetch_factor", expected, prefetch_factor))
    if persistent_workers and num_workers == 0:
        raise ArgumentError(must("DataLoader", "persistent_workers", "False when num_workers is 0", True))
    if context is not None and num_workers == 0:
        raise ArgumentError(
            must("DataLoader", "multiprocessing_context", "None when num_workers is 0", context)
        )
    if isinstance(context, str) and context not in ("fork", "spawn", "forkserver"):
        expected = "'fork', 'spawn' or 'forkserver'"
        raise ArgumentError(must("DataLoader", "multiprocessing_context", expected, repr(context)))
