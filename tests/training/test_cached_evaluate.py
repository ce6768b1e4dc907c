"""evaluate(cache_features=True): the numbers of the model, from features that fit has kept."""

from __future__ import annotations

from typing import Any

import pytest

import minidl
from minidl import nn
from minidl.data import DataLoader, Dataset
from minidl.training import Trainer


class Counted(Dataset[Any]):
    """Samples that count how often they are asked for."""

    deterministic = True

    def __init__(self, n: int) -> None:
        self.x, self.y, self.asked = minidl.randn(n, 4), minidl.arange(n) % 3, 0

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.asked += 1
        return self.x[index], self.y[index]

    def __len__(self) -> int:
        return len(self.x)

    def fingerprint(self) -> str:
        return f"counted {len(self)}"


def test_evaluates_on_kept_features_with_the_same_result() -> None:
    base = nn.Sequential(nn.Linear(4, 8), nn.ReLU()).freeze()
    model = nn.Sequential(base, nn.Dropout(0.5), nn.Linear(8, 3))
    train, test = Counted(40), Counted(17)
    batches = DataLoader(train, 8, shuffle=True, seed=0)
    trainer = Trainer(model, seed=0)
    trainer.fit(batches, 2, validation_data=test, cache_features=True, verbose=0)
    want = trainer.evaluate(batches, verbose=0), trainer.evaluate(test, verbose=0)
    train.asked = test.asked = 0
    got = trainer.evaluate(batches, verbose=0, cache_features=True)
    assert got.pop("loss") == pytest.approx(want[0].pop("loss"), rel=1e-6)  # the order is another
    assert got == want[0]
    assert trainer.evaluate(test, verbose=0, cache_features=True) == want[1]
    assert (
        train.asked + test.asked <= 16
    )  # a trial of eight each, to see that the kept features are the base's
    assert "per_class" in want[0]
