"""fit(cache_features=True): the same history and the same weights, to the last bit, as without."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.data import DataLoader, TensorDataset
from minidl.errors import DTypeError
from minidl.tensor import Tensor
from minidl.training import Callback, FeatureCache, Trainer


def network() -> nn.Sequential:
    minidl.manual_seed(0)
    base = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)).freeze()
    return nn.Sequential(base, nn.Flatten(), nn.Dropout(0.3), nn.Linear(72, 3))


def arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random((count, 1, 8, 8), np.float32), random.integers(0, 3, count)


def bits(model: nn.Module) -> list[bytes]:
    return [tensor.array.tobytes() for tensor in model.state_dict().values()]


def fitted(
    cache_features: Any, data: Any = None, **options: Any
) -> tuple[dict[str, list[float]], list[bytes]]:
    minidl.manual_seed(1)
    trainer = Trainer(network(), seed=options.pop("seed", 3))
    data = arrays(45, 0) if data is None else data
    options = {"validation_data": arrays(20, 1), "epochs": 3, "verbose": 0, "batch_size": 8} | options
    history = trainer.fit(data, cache_features=cache_features, **options)
    return history.history, bits(trainer.model)


@pytest.mark.parametrize(
    "options",
    [{}, {"accumulate": 3, "clip_norm": 0.5}, {"validation_data": None}, {"seed": None}, {"batch_size": 45}],
    ids=repr,
)
def test_weights_and_history_are_those_of_the_run_without(options: dict[str, Any]) -> None:
    assert fitted(True, **options) == fitted(False, **options)


def test_with_a_loader_that_shuffles() -> None:
    def loader() -> DataLoader:
        return DataLoader(TensorDataset(*(Tensor(a) for a in arrays(45, 0))), 7, shuffle=True, drop_last=True)

    assert fitted(True, loader()) == fitted(False, loader())


def test_a_second_fit_uses_the_features_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, data = Trainer(network(), seed=0), arrays(45, 0)
    trainer.fit(data, verbose=0, cache_features=True)
    cache = trainer.feature_cache
    monkeypatch.setattr(FeatureCache, "_compute", lambda *_: pytest.fail("computed again"))
    trainer.fit(data, verbose=0, cache_features=True)
    assert trainer.feature_cache is cache


class At(Callback):
    def __init__(self, epoch: int, action: Any) -> None:
        self.epoch, self.action = epoch, action

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        if epoch == self.epoch:
            self.action(self.model)


def test_a_base_that_a_callback_unfreezes_is_trained() -> None:
    def thaw(model: nn.Module) -> None:
        model.unfreeze("0")

    expected = fitted(False, callbacks=[At(1, thaw)])
    with pytest.warns(
        UserWarning, match="goes on without kept features, because the frozen part was changed"
    ):
        assert fitted(True, callbacks=[At(1, thaw)]) == expected


def test_a_base_that_a_callback_freezes_at_the_beginning_is_kept() -> None:
    class Freeze(Callback):
        def on_train_begin(self, logs: Any) -> None:
            self.model.freeze("0")

    trainer = Trainer(network().unfreeze(), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.fit(arrays(20, 0), verbose=0, cache_features=True, callbacks=[Freeze()])


def test_where_it_cannot_be_done_it_says_so_and_trains() -> None:
    trainer = Trainer(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), seed=0)
    with pytest.warns(UserWarning, match="because the model has no frozen bottom: Linear '1' is not frozen"):
        history = trainer.fit(arrays(20, 0), verbose=0, cache_features=True, epochs=2)
    assert len(history) == 2


def test_validation_data_may_be_of_another_kind() -> None:
    class Changing(TensorDataset):
        deterministic = False  # type: ignore[assignment]

    validation = DataLoader(Changing(*(Tensor(a) for a in arrays(20, 1))), 8)
    expected = fitted(False, validation_data=validation)
    with pytest.warns(UserWarning, match="because the Changing does not say that its samples are the same"):
        assert fitted(True, validation_data=validation) == expected


def test_a_cache_of_ones_own(tmp_path: Any) -> None:
    cache = FeatureCache(limit=0, folder=tmp_path)
    assert fitted(cache) == fitted(False)


def test_cache_features_is_checked() -> None:
    with pytest.raises(
        DTypeError, match=r"Trainer.fit: cache_features must be a bool or a FeatureCache, got int"
    ):
        Trainer(network()).fit(arrays(4, 0), cache_features=3)  # type: ignore[arg-type]


def test_the_pass_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    Trainer(network(), seed=0).fit(arrays(20, 0), cache_features=True)
    assert "features" in capsys.readouterr().out
