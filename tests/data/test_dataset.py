"""Datasets and splits, against their definition and PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split
from minidl.errors import ArgumentError, DimensionError, ShapeError
from minidl.random import Generator
from minidl.tensor import Tensor


@pytest.fixture
def arrays():
    return np.arange(24.0).reshape(6, 2, 2), np.arange(6)


@pytest.fixture
def dataset(arrays):
    return TensorDataset(*map(Tensor, arrays))


def test_tensor_dataset(dataset, arrays):
    assert len(dataset) == 6
    x, y = dataset[4]
    np.testing.assert_array_equal(x.numpy(), arrays[0][4])
    assert y.item() == 4
    assert y.shape == ()
    np.testing.assert_array_equal(dataset[1:3][0].numpy(), arrays[0][1:3])
    assert [y.item() for _, y in dataset] == list(range(6))  # ends at the IndexError


def test_whole_batches_equal_single_samples_collated(dataset, arrays):
    x, y = dataset.get_batch([5, 0, -1])
    np.testing.assert_array_equal(x.numpy(), arrays[0][[5, 0, 5]])
    np.testing.assert_array_equal(y.numpy(), [5, 0, 5])


@pytest.mark.parametrize("shapes", [[(3, 2), (4,)], [(3,), ()], [()], []])
def test_tensor_dataset_of_different_lengths(shapes):
    with pytest.raises(ShapeError, match="TensorDataset: tensors must be of the same first dimension, got"):
        TensorDataset(*[Tensor(np.zeros(shape)) for shape in shapes])


def test_subset(dataset, arrays):
    subset = Subset(dataset, [3, 1, 1])
    assert len(subset) == 3
    assert [y.item() for _, y in subset] == [3, 1, 1]
    assert subset.get_batch([2, 0])[1].tolist() == [1, 3]
    assert [y.item() for _, y in subset.__getitems__([2, 0])] == [1, 3]
    nested = Subset(subset, [2, 0])
    assert nested.get_batch([0, 1])[1].tolist() == [1, 3]
    np.testing.assert_array_equal(subset[[0, 1]][0].numpy(), arrays[0][[3, 1]])


def test_subset_of_anything_with_indices():
    subset = Subset("abcdef", [5, 0])
    assert list(DataLoader(subset, batch_size=2)) == [["f", "a"]]


def test_an_overridden_getitem_is_not_passed_by():
    """Neither get_batch nor __getitems__ of a base class answers for the __getitem__ of a subclass."""

    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * t for t in super().__getitem__(index))

    class Shifted(Subset):
        def __getitem__(self, index):
            return super().__getitem__(index)[0] + 100

    doubled = Doubled(Tensor(np.arange(4)))
    assert next(iter(DataLoader(doubled, batch_size=4)))[0].tolist() == [0, 2, 4, 6]
    shifted = Shifted(doubled, [1, 3])
    assert next(iter(DataLoader(shifted, batch_size=2))).tolist() == [102, 106]
    assert next(iter(DataLoader(Subset(shifted, [1, 0]), batch_size=2))).tolist() == [106, 102]


def test_getitems_reads_samples_together():
    asked = []

    class Together(Dataset):
        def __getitem__(self, index):
            raise AssertionError("asked one by one")

        def __getitems__(self, indices):
            asked.append(indices)
            return [10 * i for i in indices]

        def __len__(self):
            return 5

    together = Together()
    assert [batch.tolist() for batch in DataLoader(together, batch_size=3)] == [[0, 10, 20], [30, 40]]
    assert next(iter(DataLoader(Subset(together, [4, 2]), batch_size=2))).tolist() == [40, 20]
    assert asked == [[0, 1, 2], [3, 4], [4, 2]]


def test_concat(dataset):
    both = dataset + Subset(dataset, [0])
    assert isinstance(both, ConcatDataset)
    assert len(both) == 7
    assert [y.item() for _, y in both] == [0, 1, 2, 3, 4, 5, 0]
    assert both[-1][1].item() == 0
    assert both[-2][1].item() == 5
    with pytest.raises(DimensionError, match=r"ConcatDataset: index must be in \[-7, 7\), got 7"):
        both[7]
    with pytest.raises(ArgumentError, match="ConcatDataset: datasets must be at least one dataset, got none"):
        ConcatDataset([])


def test_a_dataset_must_say_what_its_samples_are():
    with pytest.raises(NotImplementedError, match="Dataset must define __getitem__"):
        Dataset()[0]


# ---- random_split


def test_random_split_parts_the_dataset():
    parts = random_split(range(10), [3, 7], generator=Generator().manual_seed(1))
    assert [len(part) for part in parts] == [3, 7]
    assert sorted([*parts[0], *parts[1]]) == list(range(10))
    assert list(parts[0]) != [0, 1, 2]


def test_random_split_repeats_with_its_generators_seed():
    def split(seed):
        return [list(part) for part in random_split(range(50), [20, 30], Generator().manual_seed(seed))]

    assert split(3) == split(3)
    assert split(3) != split(4)


def test_random_split_draws_from_the_default_generator():
    minidl.random.manual_seed(5)
    first = [list(part) for part in random_split(range(50), [0.5, 0.5])]
    minidl.random.manual_seed(5)
    assert [list(part) for part in random_split(range(50), [0.5, 0.5])] == first


@pytest.mark.parametrize("n", [10, 11, 29, 100])
@pytest.mark.parametrize("fractions", [[0.3, 0.7], [0.3, 0.3, 0.4], [1.0], [0.25] * 4, [1 / 3] * 3])
def test_random_split_by_fractions_has_pytorchs_lengths(n, fractions):
    torch_data = pytest.importorskip("torch.utils.data")
    expected = [len(part) for part in torch_data.random_split(range(n), fractions)]
    assert [len(part) for part in random_split(range(n), fractions)] == expected


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match=r"random_split: a part of the split \[1, 0\] is empty"):
        random_split(range(1), [0.5, 0.5])


@pytest.mark.parametrize("lengths", [[3, 4], [0.5, 0.4], [11, -1], [5.5, 4.5]])
def test_random_split_lengths_that_do_not_fit(lengths):
    with pytest.raises(
        ArgumentError, match="random_split: lengths must be counts that sum to the dataset's length 10"
    ):
        random_split(range(10), lengths)


def test_random_split_fractions_out_of_range():
    with pytest.raises(
        ArgumentError, match=r"random_split: every fraction must be in \[0, 1\], got \[1.5, -0.5\]"
    ):
        random_split(range(10), [1.5, -0.5])
