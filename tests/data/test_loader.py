"""DataLoader, samplers and collating, against their definition and PyTorch's."""

from __future__ import annotations

import collections
import inspect
import types
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

import minidl
from minidl.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
)
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.random import Generator
from minidl.tensor import Tensor

Point = collections.namedtuple("Point", ["x", "y"])


def values(batch):
    """A batch with its tensors, minidl's or PyTorch's, as (dtype, list), to be compared."""
    if hasattr(batch, "numpy"):
        array = batch.numpy()
        return array.dtype.name, array.tolist()
    if isinstance(batch, Mapping):
        return type(batch).__name__, {key: values(value) for key, value in batch.items()}
    if isinstance(batch, Sequence) and not isinstance(batch, (str, bytes)):
        return type(batch).__name__, [values(value) for value in batch]
    return batch


def epoch(loader) -> list[list[int]]:
    return [batch.tolist() for batch in loader]


# ---- batches


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (9, 3), (2, 5), (1, 1)])
def test_batches_in_order(n, batch_size, drop_last):
    loader = DataLoader(range(n), batch_size, drop_last=drop_last)
    expected = [list(range(i, min(i + batch_size, n))) for i in range(0, n, batch_size)]
    if drop_last and n % batch_size:
        expected.pop()
    assert epoch(loader) == expected
    assert len(loader) == len(expected)


def test_tensor_dataset_comes_as_a_list_of_tensors():
    x, y = np.random.default_rng(0).normal(size=(5, 3)), np.arange(5)
    batches = list(DataLoader(TensorDataset(Tensor(x), Tensor(y)), batch_size=2))
    assert [type(batch) for batch in batches] == [list] * 3
    np.testing.assert_array_equal(np.concatenate([b[0].numpy() for b in batches]), x)
    np.testing.assert_array_equal(np.concatenate([b[1].numpy() for b in batches]), y)


def test_the_fast_path_gives_what_collating_gives():
    random = np.random.default_rng(0)
    dataset = TensorDataset(
        Tensor(random.normal(size=(20, 3, 4)).astype(np.float32)),
        Tensor(random.integers(5, size=20)),
        Tensor(random.normal(size=(4, 20)).T),  # not contiguous
        Tensor(random.normal(size=20) > 0),
    )
    fast = DataLoader(dataset, 6, shuffle=True, seed=1)
    slow = DataLoader(dataset, 6, shuffle=True, seed=1, collate_fn=lambda samples: default_collate(samples))
    assert [values(batch) for batch in fast] == [values(batch) for batch in slow]


def test_writing_to_a_batch_leaves_the_dataset_alone():
    dataset = TensorDataset(Tensor(np.zeros((4, 2))))
    for (x,) in DataLoader(dataset, batch_size=4):
        x.numpy()[:] = 1
    assert not dataset.tensors[0].numpy().any()


def test_gradients_flow_through_batches():
    x = Tensor(np.ones(4), requires_grad=True)
    for collate_fn in (None, lambda samples: default_collate(samples)):
        (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=3, collate_fn=collate_fn)))
        assert batch.requires_grad


def test_without_batches_samples_come_one_by_one():
    loader = DataLoader([np.arange(2), np.arange(3)], batch_size=None)
    assert len(loader) == 2
    assert [values(sample) for sample in loader] == [("int64", [0, 1]), ("int64", [0, 1, 2])]


def test_collate_fn_gets_the_list_of_samples():
    assert list(DataLoader(range(5), 2, collate_fn=tuple)) == [(0, 1), (2, 3), (4,)]


def test_samplers_decide_what_comes():
    assert epoch(DataLoader(range(9), 2, sampler=[8, 1, 5])) == [[8, 1], [5]]
    loader = DataLoader(range(9), batch_sampler=[[3], [4, 5, 6]])
    assert epoch(loader) == [[3], [4, 5, 6]]
    assert len(loader) == 2
    assert loader.batch_size is None


def test_arguments_about_workers_are_accepted():
    loader = DataLoader(
        range(3), 1, False, None, None, 4, None, True, False, 10, print, "fork",
        prefetch_factor=2, persistent_workers=True, pin_memory_device="cuda", in_order=False,
    )  # fmt: skip
    assert epoch(loader) == [[0], [1], [2]]
    assert loader.num_workers == 4


def test_arguments_are_pytorchs_in_its_order():
    torch_data = pytest.importorskip("torch.utils.data")

    def parameters(cls):
        return [(p.name, p.kind, p.default) for p in inspect.signature(cls).parameters.values()]

    for name in (
        "TensorDataset",
        "Subset",
        "ConcatDataset",
        "SequentialSampler",
        "RandomSampler",
        "BatchSampler",
        "SubsetRandomSampler",
        "WeightedRandomSampler",
        "StackDataset",
        "ChainDataset",
    ):
        assert parameters(getattr(minidl.data, name)) == parameters(getattr(torch_data, name)), name
    ours = parameters(DataLoader)
    assert ours[-1] == ("seed", inspect.Parameter.KEYWORD_ONLY, None)
    assert ours[:-1] == parameters(torch_data.DataLoader)


def test_all_of_pytorchs_names_are_there():
    torch_data = pytest.importorskip("torch.utils.data")
    left_out = {
        "DistributedSampler",
        "argument_validation",
        "runtime_validation",
        "runtime_validation_disabled",
    }
    left_out |= {"functional_datapipe", "guaranteed_datapipes_determinism", "non_deterministic", "DataChunk"}
    names = {n for n in torch_data.__all__ if "Pipe" not in n and not n.startswith("_")} - left_out
    assert names <= set(minidl.utils.data.__all__)


# ---- without an index


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


class Sized(Count):
    def __len__(self):
        return self.n


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 20, None])
def test_iterable_datasets(batch_size, drop_last):
    torch_data = pytest.importorskip("torch.utils.data")

    class Theirs(torch_data.IterableDataset):
        __iter__ = lambda self: iter(range(8))  # noqa: E731
        __len__ = lambda self: 8  # noqa: E731

    if batch_size is None and drop_last:
        return
    loaders = (
        DataLoader(Sized(8), batch_size, drop_last=drop_last),
        torch_data.DataLoader(Theirs(), batch_size, drop_last=drop_last),
    )
    ours, expected = ([getattr(b, "tolist", lambda b=b: b)() for b in loader] for loader in loaders)
    assert ours == expected
    assert len(loaders[0]) == len(loaders[1])
    assert [getattr(b, "tolist", lambda b=b: b)() for b in loaders[0]] == expected  # the next epoch


def test_an_iterable_dataset_need_not_have_a_length():
    loader = DataLoader(Count(3), 2, num_workers=2)
    assert epoch(loader) == [[0, 1], [2]]
    with pytest.raises(TypeError, match="has no len"):
        len(loader)
    with pytest.raises(NotImplementedError, match="IterableDataset must define __iter__"):
        iter(IterableDataset())


def test_chains_of_iterable_datasets():
    chain = Sized(2) + Sized(3)
    assert type(chain) is ChainDataset
    assert list(chain) == [0, 1, 0, 1, 2]
    assert len(chain) == 5
    assert epoch(DataLoader(chain, 3)) == [[0, 1, 0], [1, 2]]
    with pytest.raises(
        ArgumentError, match="ChainDataset: every dataset must be an IterableDataset, got range"
    ):
        list(ChainDataset([range(3)]))
    with pytest.raises(
        ArgumentError, match="ConcatDataset: datasets must be datasets with an index, got an Iter"
    ):
        ConcatDataset([Count(2)])


@pytest.mark.parametrize("arguments", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_an_iterable_dataset_is_not_sampled(arguments):
    (name,) = arguments
    with pytest.raises(
        ArgumentError, match=f"DataLoader: {name} must be left out for an IterableDataset, got"
    ):
        DataLoader(Count(3), **arguments)


# ---- side by side


def test_stacked_datasets():
    torch_data = pytest.importorskip("torch.utils.data")
    for library in (minidl.data, torch_data):
        pairs, named = library.StackDataset("abc", range(3)), library.StackDataset(x="abc", y=range(3))
        assert (len(pairs), pairs[1], pairs[-1]) == (3, ("b", 1), ("c", 2))
        assert (len(named), named[1]) == (3, {"x": "b", "y": 1})
        batches = [list(library.DataLoader(d, 2)) for d in (pairs, named)]
        assert batches[0][0][0] == batches[1][0]["x"] == ["a", "b"] or batches[0][0][0] == ("a", "b")
        assert batches[0][1][1].tolist() == batches[1][1]["y"].tolist() == [2]
    stacked = StackDataset(Subset(range(5), [4, 3, 2]), "abc")
    assert stacked.__getitems__([2, 0]) == [(2, "c"), (4, "a")]


@pytest.mark.parametrize(
    ("args", "named", "message"),
    [
        (("ab",), {"x": "ab"}, "StackDataset: datasets must be given by position or by name, got both"),
        ((), {}, "StackDataset: datasets must be given by position or by name, got none"),
        (("ab", "abc"), {}, r"StackDataset: datasets must be of one length, got \[2, 3\]"),
    ],
)
def test_what_cannot_be_stacked(args, named, message):
    with pytest.raises(ArgumentError, match=message):
        StackDataset(*args, **named)
    torch_data = pytest.importorskip("torch.utils.data")
    with pytest.raises(ValueError, match=r"dataset|Supported"):
        torch_data.StackDataset(*args, **named)


# ---- what cannot be changed


@pytest.mark.parametrize(
    "name", ["batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"]
)
def test_what_a_loader_is_made_of_stays(name):
    loader = DataLoader(range(3))
    with pytest.raises(
        ArgumentError, match=f"DataLoader: {name} cannot be assigned; make another DataLoader"
    ):
        setattr(loader, name, None)
    torch_data = pytest.importorskip("torch.utils.data")
    with pytest.raises(ValueError, match="should not be set"):
        setattr(torch_data.DataLoader(range(3)), name, None)
    loader.collate_fn = tuple
    assert list(loader) == [(0,), (1,), (2,)]


def test_attributes_are_pytorchs():
    torch_data = pytest.importorskip("torch.utils.data")
    for arguments in ({}, {"num_workers": 1}, {"num_workers": 1, "prefetch_factor": 4}, {"batch_size": None}):
        ours, theirs = DataLoader(range(3), **arguments), torch_data.DataLoader(range(3), **arguments)
        for name in (
            "batch_size",
            "num_workers",
            "prefetch_factor",
            "drop_last",
            "timeout",
            "pin_memory",
            "in_order",
        ):
            assert getattr(ours, name) == getattr(theirs, name), name
    assert minidl.data.get_worker_info() is torch_data.get_worker_info() is None


# ---- order


def test_every_epoch_has_another_order_of_all_samples():
    loader = DataLoader(range(50), 8, shuffle=True)
    epochs = [[i for batch in loader for i in batch.tolist()] for _ in range(3)]
    assert all(sorted(order) == list(range(50)) for order in epochs)
    assert len({tuple(order) for order in epochs} | {tuple(range(50))}) == 4


def test_the_seed_alone_decides_the_orders():
    def orders(**arguments):
        np.random.seed(None)  # noqa: NPY002
        loader = DataLoader(range(50), 8, shuffle=True, **arguments)
        return [epoch(loader), epoch(loader)]

    assert orders(seed=1) == orders(seed=1) == orders(generator=Generator().manual_seed(1))
    assert orders(seed=1) != orders(seed=2)
    minidl.random.manual_seed(3)
    first = orders()
    minidl.random.manual_seed(3)
    assert orders() == first


def test_a_generators_state_continues_the_orders():
    generator = Generator().manual_seed(1)
    loader = DataLoader(range(50), 8, shuffle=True, generator=generator)
    epoch(loader)
    state = generator.get_state()
    second = epoch(loader)
    generator.set_state(state)
    assert epoch(loader) == second


def test_two_iterators_at_once():
    loader = DataLoader(range(4), 2)
    assert [(a.tolist(), b.tolist()) for a in loader for b in loader][:2] == [
        ([0, 1], [0, 1]),
        ([0, 1], [2, 3]),
    ]


def test_random_sampler():
    generator = Generator().manual_seed(0)
    assert sorted(RandomSampler(range(7), generator=generator)) == list(range(7))
    more = list(RandomSampler(range(3), num_samples=8, generator=generator))
    assert [sorted(more[:3]), sorted(more[3:6]), len(more)] == [[0, 1, 2], [0, 1, 2], 8]
    assert len(list(RandomSampler(range(9), num_samples=4))) == 4
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=3000, generator=generator))
    assert all(abs(drawn.count(i) - 1000) < 150 for i in range(3))
    assert len(RandomSampler(range(3), num_samples=8)) == 8


def test_random_order_is_uniform():
    counts = collections.Counter(tuple(RandomSampler(range(3))) for _ in range(6000))
    assert len(counts) == 6
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_subset_random_sampler():
    sampler = SubsetRandomSampler([9, 4, 7], generator=Generator().manual_seed(0))
    orders = [tuple(sampler) for _ in range(600)]
    assert len(sampler) == 3
    counts = collections.Counter(orders)
    assert {tuple(sorted(order)) for order in orders} == {(4, 7, 9)}
    assert len(counts) == 6
    assert all(abs(count - 100) < 50 for count in counts.values())


def test_weighted_random_sampler():
    generator = Generator().manual_seed(0)
    drawn = list(WeightedRandomSampler([1, 0, 3], 4000, generator=generator))
    assert drawn.count(1) == 0
    assert abs(drawn.count(2) - 3000) < 5 * np.sqrt(4000 * 0.75 * 0.25)
    once = WeightedRandomSampler(Tensor(np.array([1.0, 2.0, 3.0])), 3, replacement=False, generator=generator)
    assert sorted(once) == [0, 1, 2]
    assert len(once) == 3
    assert [len(batch) for batch in DataLoader(range(3), 2, sampler=once)] == [2, 1]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([1.0], 0), ArgumentError, "WeightedRandomSampler: num_samples must be a positive int, got 0"),
        (([1.0], 1, 1), ArgumentError, "WeightedRandomSampler: replacement must be a bool, got 1"),
        (
            ([[1.0]], 1),
            ShapeError,
            r"WeightedRandomSampler: weights must be of one dimension, got shape \(1, 1\)",
        ),
    ],
)
def test_wrong_arguments_of_weighted_random_sampler(arguments, kind, message):
    with pytest.raises(kind, match=message):
        WeightedRandomSampler(*arguments)
    torch_data = pytest.importorskip("torch.utils.data")
    with pytest.raises(ValueError, match="should be"):
        torch_data.WeightedRandomSampler(*arguments)


def test_sequential_and_batch_sampler():
    assert list(SequentialSampler("abc")) == [0, 1, 2]
    assert len(SequentialSampler("abc")) == 3
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(range(5), 2, False)) == 3
    with pytest.raises(NotImplementedError, match="Sampler must define __iter__"):
        iter(Sampler())


# ---- wrong calls


@pytest.mark.parametrize("number", ["2", 1.5, True])
def test_the_number_of_workers_is_an_int(number):
    with pytest.raises(ArgumentError, match=f"num_workers must be a non-negative int, got {number!r}"):
        DataLoader([1, 2], num_workers=number)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": [0], "shuffle": True}, "shuffle must be False when a sampler is given, got True"),
        (
            {"batch_sampler": [[0]], "batch_size": 2},
            "batch_sampler must be given without batch_size, shuffle",
        ),
        (
            {"batch_sampler": [[0]], "shuffle": True},
            "batch_sampler must be given without batch_size, shuffle",
        ),
        ({"batch_sampler": [[0]], "sampler": [0]}, "batch_sampler must be given without batch_size, shuffle"),
        (
            {"batch_sampler": [[0]], "drop_last": True},
            "batch_sampler must be given without batch_size, shuffle",
        ),
        (
            {"batch_size": None, "drop_last": True},
            "drop_last must be False when batch_size is None, got True",
        ),
        ({"batch_size": 0}, "batch_size must be a positive int, got 0"),
        ({"batch_size": 2.0}, "batch_size must be a positive int, got 2.0"),
        ({"batch_size": True}, "batch_size must be a positive int, got True"),
        ({"drop_last": 1}, "drop_last must be a bool, got 1"),
        ({"num_workers": -1}, "num_workers must be a non-negative int, got -1"),
        ({"timeout": -1}, "timeout must be non-negative, got -1"),
        ({"prefetch_factor": 2}, "prefetch_factor must be None, or non-negative with num_workers > 0, got 2"),
        ({"prefetch_factor": -2, "num_workers": 1}, "prefetch_factor must be None, or non-negative"),
        (
            {"multiprocessing_context": "fork"},
            "multiprocessing_context must be None when num_workers is 0, got fork",
        ),
        (
            {"multiprocessing_context": "threads", "num_workers": 1},
            "multiprocessing_context must be 'fork', 'spawn' or 'forkserver', got 'threads'",
        ),
        ({"persistent_workers": True}, "persistent_workers must be False when num_workers is 0, got True"),
    ],
)
def test_wrong_arguments_raise_where_pytorchs_do(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        DataLoader(range(4), **arguments)
    torch_data = pytest.importorskip("torch.utils.data")
    with pytest.raises(ValueError, match=r"option|should|can only"):
        torch_data.DataLoader(range(4), **arguments)


def test_seed_and_generator_exclude_each_other():
    with pytest.raises(ArgumentError, match="DataLoader: seed must be None when a generator is given, got 1"):
        DataLoader(range(4), seed=1, generator=Generator())


def test_wrong_arguments_of_random_sampler():
    with pytest.raises(DTypeError, match="RandomSampler: replacement must be a bool, got 1"):
        RandomSampler(range(3), replacement=1)
    with pytest.raises(ArgumentError, match="RandomSampler: num_samples must be a positive int, got 0"):
        RandomSampler(range(3), num_samples=0)
    with pytest.raises(ArgumentError, match="RandomSampler: num_samples must be a positive int, got 0"):
        DataLoader([], shuffle=True)


# ---- collating

COLLATED = [
    [1.5, 2.0],
    [1, 2],
    [True, False],
    ["a", "bc"],
    [b"a", b"bc"],
    [np.float32(1), np.float32(2)],
    [np.float64(1), np.float64(2)],
    [np.int8(1), np.int8(2)],
    [np.arange(3, dtype=np.uint8), np.ones(3, dtype=np.uint8)],
    [(1, 2.0), (3, 4.0)],
    [[1, "a"], [3, "b"]],
    [(np.zeros(2, np.float32), 1, "x"), (np.ones(2, np.float32), 2, "y")],
    [{"a": 1, "b": (2.0, "s")}, {"a": 3, "b": (4.0, "t")}],
    [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    [types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})],
    [Point(1, 2.0), Point(3, 4.0)],
    [range(2), range(2)],
    [collections.deque([1, 2]), collections.deque([3, 4])],
    [collections.UserList([1, 2]), collections.UserList([3, 4])],
    [[], []],
]


@pytest.mark.parametrize("batch", COLLATED, ids=[repr(batch)[:40] for batch in COLLATED])
def test_default_collate_gives_what_pytorchs_gives(batch):
    torch_data = pytest.importorskip("torch.utils.data")
    ours, theirs = default_collate(batch), torch_data.default_collate(batch)
    assert values(ours) == values(theirs)
    assert isinstance(ours, Tensor) or type(ours) is type(theirs)


def test_default_collate_without_pytorch():
    batch = default_collate([{"x": np.ones(2, np.float32), "y": 1}, {"x": np.zeros(2, np.float32), "y": 2}])
    assert values(batch)[1] == {"x": ("float32", [[1, 1], [0, 0]]), "y": ("int64", [1, 2])}
    assert values(default_collate([1, 2.5])) == ("float64", [1.0, 2.5])  # PyTorch: its default dtype
    stacked = default_collate([Tensor(np.ones((2, 3))), Tensor(np.zeros((2, 3)))])
    assert stacked.shape == (2, 2, 3)


def test_a_mapping_keeps_what_else_it_carries():
    class Sample(dict):
        note = None

    first, second = Sample(x=1), Sample(x=2)
    first.note = "kept"
    batch = default_collate([first, second])
    assert type(batch) is Sample
    assert batch.note == "kept"
    assert batch["x"].tolist() == [1, 2]
    assert first["x"] == 1


def test_pictures_are_told_what_to_do():
    Image = pytest.importorskip("PIL.Image")
    image = Image.fromarray(np.zeros((2, 2), np.uint8))
    message = (
        r"default_collate: batch must be of tensors, .* got Image. Give the dataset a transform .*tensor_data"
    )
    with pytest.raises(DTypeError, match=message):
        list(DataLoader([(image, 1)]))
    array = minidl.tensor(np.array(image))  # what the message says
    assert values(next(iter(DataLoader([(array, 1)]))))[1][0] == ("uint8", [[[0, 0], [0, 0]]])


@pytest.mark.parametrize("batch", [[None, None], [object(), object()], [{1}, {2}]])
def test_default_collate_of_what_has_no_batches(batch):
    kind = type(batch[0]).__name__
    expected = "of tensors, arrays, numbers, strings, or mappings and sequences of these"
    with pytest.raises(DTypeError, match=f"default_collate: batch must be {expected}, got {kind}"):
        default_collate(batch)


def test_default_collate_of_arrays_of_text():
    with pytest.raises(DTypeError):
        default_collate([np.array(["a"]), np.array(["b"])])


def test_default_collate_of_different_sizes():
    with pytest.raises(ShapeError, match=r"every tensor must be of shape \(2,\), as the first, got \(3,\)"):
        default_collate([np.zeros(2), np.zeros(3)])
    message = r"default_collate: every sequence in the batch must be of one length, got \[1, 2\]"
    with pytest.raises(ShapeError, match=message):
        default_collate([[1, 2], [1]])


CONVERTED = [
    0,
    "text",
    None,
    np.arange(3),
    np.float32(2),
    np.array(["a"]),
    [np.arange(2), 1],
    (np.arange(2), "a"),
    {"a": np.arange(2)},
    Point(np.array(0), 1),
    range(2),
]


@pytest.mark.parametrize("sample", CONVERTED, ids=[repr(sample)[:40] for sample in CONVERTED])
def test_default_convert_gives_what_pytorchs_gives(sample):
    torch_data = pytest.importorskip("torch.utils.data")
    ours, theirs = default_convert(sample), torch_data.default_convert(sample)
    if isinstance(sample, np.ndarray) and sample.dtype.kind == "U":
        assert ours is sample
    else:
        assert values(ours) == values(theirs)


def test_default_convert_leaves_tensors_as_they_are():
    x = Tensor(np.ones(2))
    assert default_convert(x) is x
