"""Kept features: the same weights to the last bit, no pass of the base too many, a reason where it cannot be done."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, IterableDataset, Subset, SubsetRandomSampler, TensorDataset
from minidl.errors import ArgumentError
from minidl.tensor import Tensor
from minidl.training.features import FeatureCache, Features
from minidl.training.rows import Rows
from minidl.training.splitting import CannotCache


def network(seed: int = 0) -> nn.Sequential:
    """A convolutional base, frozen, whose images leave it channels last, and a head with Dropout."""
    minidl.manual_seed(seed)
    base = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU()
    )  # fmt: skip
    head = [nn.Conv2d(16, 8, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.4), nn.Linear(32, 3)]
    return nn.Sequential(base.freeze(), *head)


def pictures(count: int = 37) -> TensorDataset:
    random = np.random.default_rng(3)
    x = random.standard_normal((count, 3, 12, 12), np.float32)
    return TensorDataset(Tensor(x), Tensor(random.integers(0, 3, count)))


def train(net: nn.Module, network: nn.Module, loader: DataLoader, epochs: int = 3) -> list[bytes]:
    """The bits of all parameters after training ``net``, of which ``network`` is called."""
    optimizer = optim.Adam([p for p in net.parameters() if p.requires_grad])
    net.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x), y).backward()
            optimizer.step()
    return [p.array.tobytes() for p in net.parameters()]


def cached(
    net: nn.Module, loader: DataLoader, cache: FeatureCache | None = None, **options: Any
) -> list[bytes]:
    applied = (cache or FeatureCache(**options)).apply(net, loader)
    assert applied.cached
    minidl.manual_seed(7)
    return train(net, applied.network, applied.loader)


def uncached(net: nn.Module, loader: DataLoader) -> list[bytes]:
    minidl.manual_seed(7)
    return train(net, net, loader)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = minidl.get_num_threads()
    minidl.set_num_threads(request.param)
    yield request.param
    minidl.set_num_threads(before)


@pytest.mark.parametrize("batch_size", [1, 5, 32])
@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_the_weights_are_those_of_the_run_without(
    threads: int, batch_size: int, limit: int, tmp_path: Path
) -> None:
    def loader() -> DataLoader:
        return DataLoader(pictures(), batch_size, shuffle=True, seed=5)

    assert cached(network(), loader(), limit=limit, folder=tmp_path) == uncached(network(), loader())
    assert list(tmp_path.iterdir()) == []


def test_the_order_may_come_from_the_default_generator() -> None:
    loader = DataLoader(pictures(), 8, shuffle=True)
    assert cached(network(), loader) == uncached(network(), loader)


def test_a_sampler_of_a_part_and_a_short_last_batch(threads: int) -> None:
    sampler = SubsetRandomSampler(range(3, 30), minidl.Generator().manual_seed(1))
    data = pictures()
    first = uncached(network(), DataLoader(data, 8, sampler=sampler, drop_last=True))
    sampler.generator.manual_seed(1)  # type: ignore[union-attr]
    assert cached(network(), DataLoader(data, 8, sampler=sampler, drop_last=True)) == first


def test_evaluation_computes_the_same_bits(threads: int) -> None:
    net, loader = network().eval(), DataLoader(pictures(), 7)
    head, features, _ = FeatureCache().apply(net, loader)
    for (x, y), (kept, target) in zip(loader, features, strict=True):
        assert net(x).detach().array.tobytes() == head(kept).detach().array.tobytes()
        assert y.tolist() == target.tolist()
    assert not any(part.training for part in net.modules())


def test_features_keep_their_memory_order() -> None:
    net, loader = network(), DataLoader(pictures(), 4)
    _, features, _ = FeatureCache().apply(net, loader)
    x = next(iter(loader))[0]
    kept = next(iter(features))[0]
    assert kept.array.strides == net[0](x).array.strides
    assert kept.array.strides[1] == kept.array.itemsize  # channels last


def test_the_modes_and_the_random_numbers_are_as_before() -> None:
    net = network()
    net[4].eval()
    before, modes = minidl.get_rng_state(), [part.training for part in net.modules()]
    FeatureCache().apply(net, DataLoader(pictures(), 4, shuffle=True))
    assert minidl.equal(minidl.get_rng_state(), before)
    assert [part.training for part in net.modules()] == modes


class Counting(nn.Module):
    """Counts the samples that come through."""

    samples = 0

    def forward(self, x: Tensor) -> Tensor:
        Counting.samples += len(x)
        return x * 1


@pytest.fixture
def counting() -> nn.Sequential:
    Counting.samples = 0
    return nn.Sequential(nn.Sequential(Counting(), nn.Linear(4, 4)).freeze(), nn.Linear(4, 2))


def flat(count: int = 50, seed: int = 0) -> TensorDataset:
    random = np.random.default_rng(seed)
    return TensorDataset(Tensor(random.random((count, 4), np.float32)), Tensor(random.integers(0, 2, count)))


TRIAL = 4 + 4 + 2 + 4  # samples that go through the base to see whether it can be kept


def test_the_base_runs_once_for_each_sample(counting: nn.Sequential) -> None:
    cached(counting, DataLoader(flat(), 8, shuffle=True))
    assert Counting.samples == TRIAL + 50


def test_features_are_used_again_until_something_changes(counting: nn.Sequential) -> None:
    cache, loader = FeatureCache(), DataLoader(flat(), 8)
    validation = DataLoader(flat(20, seed=1), 16)

    def passes(*loaders: DataLoader) -> int:
        Counting.samples = 0
        assert all(cache.apply(counting, loader).cached for loader in loaders)
        return Counting.samples - TRIAL * len(loaders)

    assert passes(loader, validation) == 70
    assert passes(loader, validation) == 0
    assert passes(DataLoader(flat(), 5, shuffle=True)) == 0  # the same data from another loader
    loader.dataset.tensors[0].array[3, 0] += 1  # changed data
    assert passes(loader, validation) == 50
    counting[0][1].weight.array[0, 0] += 1  # changed weights
    assert passes(loader, validation) == 70
    counting[0].insert(0, nn.ReLU())  # another base
    counting.freeze("0")
    assert passes(loader) == 50
    cache.clear()
    assert passes(loader) == 50


def test_a_change_that_only_the_forward_knows_is_seen(counting: nn.Sequential, monkeypatch: Any) -> None:
    cache, loader = FeatureCache(), DataLoader(flat(), 8)
    cache.apply(counting, loader)
    monkeypatch.setattr(Counting, "forward", lambda _self, x: x * 2)
    head, features, _ = cache.apply(counting, loader)
    x, kept = next(iter(loader))[0], next(iter(features))[0]
    assert minidl.equal(head(kept), counting(x))


def test_without_a_fingerprint_nothing_is_used_again(counting: nn.Sequential) -> None:
    class Plain:
        deterministic = True

        def __getitem__(self, index: int) -> Any:
            return flat()[index]

        def __len__(self) -> int:
            return 50

    cache = FeatureCache()
    for data in (Plain(), Plain(), Subset(Plain(), range(50))):
        Counting.samples = 0
        cache.apply(counting, DataLoader(data, 8))
        assert Counting.samples == TRIAL + 50


def test_it_is_seen_when_the_base_changes_between_epochs() -> None:
    net, cache = network(), FeatureCache()
    assert not cache.is_valid()
    cache.apply(net, DataLoader(pictures(), 4))
    assert cache.is_valid()
    net.unfreeze("0.4")
    assert not cache.is_valid()
    net.freeze("0")
    assert cache.is_valid()
    net.load_state_dict(net.state_dict())  # the same values, but who knows
    assert not cache.is_valid()
    cache.apply(net, DataLoader(pictures(), 4))
    alias = net[0][0].weight.detach().numpy()
    cache.apply(net, DataLoader(pictures(), 4))
    assert cache.is_valid()
    alias[0, 0, 0, 0] += 1
    assert not cache.is_valid()


def test_names_of_classes_are_those_of_the_source() -> None:
    data = flat()
    data.classes = ["a", "b"]  # type: ignore[attr-defined]
    net = nn.Sequential(nn.Linear(4, 4).freeze(), nn.Linear(4, 2))
    features = FeatureCache().apply(net, DataLoader(data, 8)).loader.dataset
    assert isinstance(features, Features)
    assert (features.classes, len(features), features[3][0].shape) == (["a", "b"], 50, (4,))
    with pytest.raises(AttributeError, match="Features has no attribute 'other'"):
        _ = features.other


def test_the_pass_can_be_watched() -> None:
    seen = []

    def watch(batches: Any, title: str) -> Iterator[Any]:
        for batch in batches:
            seen.append((title, len(batches)))
            yield batch

    FeatureCache().apply(network(), DataLoader(pictures(), 8), watch)
    assert seen == [("features", 5)] * 5


# --- Where it cannot be done ----------------------------------------------------------------------------------


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(flat())

    def __len__(self) -> int:
        return 50


class Random(TensorDataset):
    deterministic = False  # type: ignore[assignment]


def simple(*first: nn.Module) -> nn.Sequential:
    return nn.Sequential(*first, nn.Linear(4, 4).freeze(), nn.Linear(4, 2))


class Odd(nn.Module):
    """Does what no layer of minidl's does."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Any:
        if self.what == "noise":
            return x + minidl.rand(*x.shape)
        if self.what == "mode":
            return x + 1 if self.training else x
        if self.what == "batch":
            return x - x.mean(0)
        return x if self.what != "tuple" else (x, x)


class Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base, self.head = nn.Linear(4, 4).freeze(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.base(x)) + 1


CANNOT = {
    "model": (nn.Linear(4, 2), DataLoader(flat(), 8), "the model has no frozen bottom: the Linear is not frozen"),
    "stream": (simple(), DataLoader(Stream(), 8), "the samples of the Stream have no index"),
    "collate_fn": (
        simple(),
        DataLoader(flat(), 8, collate_fn=lambda samples: samples),
        "the DataLoader does not make its batches with default_collate",
    ),
    "samples": (simple(), DataLoader(flat(), None), "the DataLoader does not make its batches with default_collate"),
    "random": (
        simple(), DataLoader(Random(*flat().tensors), 8),
        r"the Random does not say that its samples are the same every time \(its attribute deterministic is not True\)",
    ),
    "undeclared": (simple(), DataLoader(list(flat()), 8), "the list does not say that its samples are the same"),
    "no pair": (simple(), DataLoader(TensorDataset(flat().tensors[0]), 8), "the samples are not pairs of one tensor"),
    "noise": (simple(Odd("noise")), DataLoader(flat(), 8), "the frozen part draws random numbers"),
    "mode": (simple(Odd("mode")), DataLoader(flat(), 8), "does not compute the same in training as in evaluation"),
    "batch": (simple(Odd("batch")), DataLoader(flat(), 8), "what the frozen part makes of a sample depends on others"),
    "tuple": (
        nn.Sequential(nn.Linear(4, 4).freeze(), Odd("tuple"), nn.Linear(4, 2)), DataLoader(flat(), 8),
        "a part of the model returns no tensor, but a tuple",
    ),
    "halves": (Wrong(), DataLoader(flat(), 8), "what the model computes is not what its head makes of what its base"),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT)
def test_it_says_why_not_and_hands_back_model_and_loader(case: str) -> None:
    model, loader, message = CANNOT[case]
    with pytest.warns(
        UserWarning, match="cache_features: training without kept features, because .*" + message
    ):
        applied = FeatureCache().apply(model, loader)
    assert applied == (model, loader, False)


def test_a_folder_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    net, loader = network(), DataLoader(pictures(), 8)
    with pytest.warns(UserWarning, match=r"because their file cannot be made: .*file"):
        assert FeatureCache(limit=0, folder=tmp_path / "file").apply(net, loader) == (net, loader, False)


def test_a_full_disk_is_a_reason(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this system does not let this user mount a small file system")
    try:
        net, loader = network(), DataLoader(pictures(), 8)
        with pytest.warns(UserWarning, match=r"because their file cannot be written: .*No space left"):
            assert FeatureCache(limit=0, folder=tmp_path).apply(net, loader) == (net, loader, False)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_rows_of_several_shapes_are_a_reason() -> None:
    rows = Rows(4, 1 << 20)
    rows.append(np.zeros((2, 3)))
    with pytest.raises(CannotCache, match="the features of the samples are not all of one shape and dtype"):
        rows.append(np.zeros((2, 4)))


@pytest.mark.parametrize("limit", [-1, 1.5, True, None])
def test_a_limit_is_a_number_of_bytes(limit: Any) -> None:
    with pytest.raises(ArgumentError, match="FeatureCache: limit must be a number of bytes, got"):
        FeatureCache(limit=limit)


def test_parts_of_a_dataset(counting: nn.Sequential) -> None:
    parts = [Subset(flat(), range(10)), Subset(flat(), range(10, 50))]
    cache = FeatureCache()
    for part in parts:
        _, features, _ = cache.apply(counting, DataLoader(part, 8))
        for (x, _), (kept, _) in zip(DataLoader(part, 8), features, strict=True):
            assert minidl.equal(counting[0](x), kept)
