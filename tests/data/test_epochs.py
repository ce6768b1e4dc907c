"""Going through the data: what depends on seed, epoch and index alone, and going on in the middle of an epoch."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    current_generator,
    sample_stream,
)
from minidl.data.sampler import SeededSampler
from minidl.errors import ArgumentError
from minidl.random import Generator, stream
from minidl.tensor import Tensor


class Noisy(Dataset):
    """Sample i is i and two random numbers, one drawn by NumPy and one by minidl."""

    def __init__(self, n: int = 10) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index):
        return float(index), float(current_generator().random()), minidl.rand(1).item()


def rows(loader) -> list[tuple[float, ...]]:
    return [row for batch in loader for row in zip(*[column.tolist() for column in batch], strict=True)]


# ---- a sample's random numbers


def test_a_sample_stream_is_that_of_its_numbers():
    with sample_stream(5, 2, 7):
        drawn = current_generator().random(3)
        with sample_stream(5, 2, 8):  # a sample that is made for another
            inner = current_generator().random(3)
        further = current_generator().random(3)
    expected = stream(5, 2, 7)
    np.testing.assert_array_equal(drawn, expected.random(3))
    np.testing.assert_array_equal(further, expected.random(3))
    np.testing.assert_array_equal(inner, stream(5, 2, 8).random(3))


def test_outside_it_is_the_default_generator():
    with sample_stream(5, 2, 7):
        minidl.rand(4)
    assert current_generator() is minidl.random.default_generator.numpy
    minidl.manual_seed(3)
    expected = minidl.rand(2).tolist()
    minidl.manual_seed(3)
    assert current_generator().random(2, dtype=np.float32).tolist() == expected


def test_an_error_within_leaves_the_stream():
    with pytest.raises(ZeroDivisionError), sample_stream(5, 2, 7):
        1 / 0  # noqa: B018
    assert current_generator() is minidl.random.default_generator.numpy


def test_samples_depend_on_seed_epoch_and_index_alone():
    plain = sorted(rows(DataLoader(Noisy(), 3, seed=4)))
    assert sorted(rows(DataLoader(Noisy(), 4, shuffle=True, seed=4))) == plain
    assert sorted(rows(DataLoader(Subset(Noisy(), range(9, -1, -1)), 1, seed=4))) == plain
    assert plain[3][1] == stream(4, 0, 3).random()
    assert sorted(rows(DataLoader(Noisy(), 3, seed=5))) != plain


def test_every_epoch_draws_anew():
    loader = DataLoader(Noisy(), 3, seed=4)
    first, second = rows(loader), rows(loader)
    assert len({*first, *second}) == 20
    loader.set_epoch(1)
    assert rows(loader) == second
    loader.set_epoch(0)
    assert rows(loader) == first


def test_without_a_seed_the_default_generators_decides():
    minidl.manual_seed(9)
    first = rows(DataLoader(Noisy(), 3))
    assert first[0][1] == stream(9, 0, 0).random()
    minidl.manual_seed(10)
    assert rows(DataLoader(Noisy(), 3)) != first


def test_loading_leaves_the_default_generator_alone():
    before = minidl.get_rng_state()
    rows(DataLoader(Noisy(), 3, shuffle=True, seed=1))
    assert minidl.equal(minidl.get_rng_state(), before)


def test_what_collating_draws_belongs_to_the_batch():
    def collate(samples):
        return [s[0] for s in samples], float(current_generator().random())

    loader = DataLoader(Noisy(4), 2, seed=3, collate_fn=collate)
    drawn = [number for _, number in loader]
    loader.set_epoch(0)
    assert [number for _, number in loader] == drawn
    assert len(set(drawn)) == 2


def test_two_passes_at_once_do_not_disturb_each_other():
    loader = DataLoader(Noisy(4), 2, seed=3)
    alone = [rows(loader), rows(loader)]
    loader.set_epoch(0)
    outer, inner = [], []
    for batch in loader:
        outer += rows([batch])
        inner = inner or rows(loader)
    assert [outer, inner] == alone


# ---- order


def test_seeded_order_depends_on_seed_and_epoch_alone():
    loader = DataLoader(range(20), 4, shuffle=True, seed=7)
    orders = [[b.tolist() for b in loader] for _ in range(4)]
    other = DataLoader(range(20), 4, shuffle=True, seed=7)
    for epoch in (2, 0, 3, 1):
        other.set_epoch(epoch)
        assert [b.tolist() for b in other] == orders[epoch]
    sampler = SeededSampler(range(20), 7)
    sampler.set_epoch(2)
    assert list(sampler) == [i for batch in orders[2] for i in batch]


def test_set_epoch_reaches_dataset_and_sampler():
    told = []

    class Telling(RandomSampler):
        def set_epoch(self, epoch):
            told.append(("sampler", epoch))

    class Data(Noisy):
        def set_epoch(self, epoch):
            told.append(("dataset", epoch))

    data = Data(3)
    loader = DataLoader(ConcatDataset([Subset(data, [0, 1]), data]), 2, sampler=Telling(data))
    loader.set_epoch(5)
    assert sorted(told) == [("dataset", 5), ("dataset", 5), ("sampler", 5)]
    list(loader)
    assert len(told) == 3


@pytest.mark.parametrize("epoch", [-1, 1.0, True, None])
def test_wrong_epochs(epoch):
    with pytest.raises(ArgumentError, match="set_epoch: epoch must be a non-negative int, got"):
        DataLoader(range(3)).set_epoch(epoch)


def test_a_random_sampler_of_nothing():
    with pytest.raises(
        ArgumentError, match="RandomSampler: data_source must be of one or more samples, got none"
    ):
        list(RandomSampler([], num_samples=2))


# ---- going on in the middle


LOADERS = {
    "in order": lambda: DataLoader(Noisy(11), 2, seed=1),
    "seeded": lambda: DataLoader(Noisy(11), 2, shuffle=True, seed=1),
    "own generator": lambda: DataLoader(Noisy(11), 2, shuffle=True, generator=Generator().manual_seed(1)),
    "default generator": lambda: DataLoader(Noisy(11), 2, shuffle=True),
    "own sampler": lambda: DataLoader(
        Noisy(11), 2, sampler=WeightedRandomSampler([1.0] * 11, 11, generator=Generator().manual_seed(2))
    ),
    "batch sampler": lambda: DataLoader(
        Noisy(11),
        batch_sampler=minidl.data.BatchSampler(
            RandomSampler(range(11), generator=Generator().manual_seed(3)), 2, False
        ),
    ),
    "samples": lambda: DataLoader(Noisy(6), None, shuffle=True, seed=1),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_an_interrupted_epoch_goes_on(kind):
    def run(loader, taken, stop=None):
        """Two epochs, with draws from the default generator between batches, as dropout makes them."""
        loader_epochs = range(loader.state_dict()["epoch"], 2)
        for _ in loader_epochs:
            for batch in loader:
                columns = [np.ravel(getattr(column, "array", column)).tolist() for column in batch]
                taken.append((columns, minidl.rand(1).item()))
                if len(taken) == stop:
                    return loader.state_dict(), minidl.get_rng_state()
        return None

    minidl.manual_seed(0)
    whole: list = []
    run(LOADERS[kind](), whole)
    n = len(whole) // 2
    for stop in (1, n - 1, n, n + 1, 2 * n - 1):
        minidl.manual_seed(0)
        taken: list = []
        state, random = run(LOADERS[kind](), taken, stop)
        minidl.manual_seed(99)  # another process
        minidl.set_rng_state(random)
        loader = LOADERS[kind]()
        loader.load_state_dict(state)
        if stop % n:
            assert loader.state_dict() == state
        loader.set_epoch(state["epoch"])
        run(loader, taken)
        assert taken == whole, stop


def test_batches_before_are_not_made_again():
    made = []

    class Counting(Noisy):
        def __getitem__(self, index):
            made.append(index)
            return super().__getitem__(index)

    loader = DataLoader(Counting(6), 2)
    next(iter(loader))
    state = loader.state_dict()
    assert (state["epoch"], state["batch"]) == (0, 1)
    other = DataLoader(Counting(6), 2)
    other.load_state_dict(state)
    made.clear()
    assert len(list(other)) == 2
    assert made == [2, 3, 4, 5]
    assert len(list(other)) == 3
    assert other.state_dict()["epoch"] == 2


def test_another_epoch_drops_what_was_to_be_resumed():
    loader = DataLoader(range(6), 2)
    next(iter(loader))
    other = DataLoader(range(6), 2)
    other.load_state_dict(loader.state_dict())
    other.set_epoch(1)
    assert len(list(other)) == 3


@pytest.mark.parametrize("state", [{}, {"epoch": 1}, None])
def test_wrong_states(state):
    message = r"load_state_dict: state must be what state_dict\(\) of a DataLoader gave, got"
    with pytest.raises(ArgumentError, match=message):
        DataLoader(range(3)).load_state_dict(state)


# ---- errors


def test_an_error_says_which_sample_it_was():
    class Broken(Noisy):
        def __getitem__(self, index):
            return 1 / (index - 3)

    with pytest.raises(ZeroDivisionError) as caught:
        list(DataLoader(Subset(Broken(), [5, 3]), 2))
    assert "while sample 3 of Broken was loaded" in caught.value.__notes__


# ---- determinism


def test_who_declares_determinism():
    tensors = TensorDataset(Tensor(np.arange(4)))
    assert tensors.deterministic
    assert Subset(tensors, [1]).deterministic
    assert ConcatDataset([tensors, tensors]).deterministic
    assert not Subset(Noisy(), [1]).deterministic
    assert not ConcatDataset([tensors, Noisy()]).deterministic


def test_fingerprints_tell_contents_apart():
    a, b = TensorDataset(Tensor(np.arange(4))), TensorDataset(Tensor(np.arange(4) + 1))
    same = TensorDataset(Tensor(np.arange(8)[::2] // 2))
    assert a.fingerprint() == same.fingerprint() != b.fingerprint()
    assert (
        Subset(a, [1, 2]).fingerprint()
        == Subset(same, [1, 2]).fingerprint()
        != Subset(a, [2, 1]).fingerprint()
    )
    assert ConcatDataset([a, b]).fingerprint() != ConcatDataset([b, a]).fingerprint()
    reshaped = TensorDataset(Tensor(np.arange(4).reshape(2, 2)))
    assert reshaped.fingerprint() != a.fingerprint()
