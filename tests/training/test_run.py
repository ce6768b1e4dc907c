"""The folder of a run: its files, and what becomes of it when the run is resumed, interrupted or begun again."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.errors import ArgumentError, DTypeError
from minidl.tensor import Tensor
from minidl.training import Callback, RunFolder, Trainer
from minidl.training.pictures import draw_curves
from minidl.training.run import plain


def network() -> nn.Sequential:
    minidl.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6).freeze(), nn.ReLU(), nn.Dropout(0.1), nn.Linear(6, 2))


def data(count: int = 20, seed: int = 0) -> TensorDataset:
    random = np.random.default_rng(seed)
    dataset = TensorDataset(
        Tensor(random.random((count, 4), np.float32)), Tensor(random.integers(0, 2, count))
    )
    dataset.classes, dataset.targets = ["cat", "dog"], dataset.tensors[1]  # type: ignore[attr-defined]
    return dataset


def trained(folder: Any, epochs: int = 3, **options: Any) -> Trainer:
    trainer = Trainer(network(), lambda p: optim.SGD(p, lr=0.5, momentum=0.9), run_dir=folder, seed=3)
    trainer.fit(data(), epochs, **({"validation_data": data(6, 1), "verbose": 0, "batch_size": 8} | options))
    return trainer


def settings(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "settings.json").read_text(encoding="utf-8"))


def history(folder: Path) -> list[dict[str, float]]:
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


def test_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    trainer = trained(folder, clip_norm=2.0, accumulate=2)
    names = {"settings.json", "history.csv", "last.safetensors", "best.safetensors"}
    pictures = {"pictures"} if importlib.util.find_spec("matplotlib") else set()
    assert {file.name for file in folder.iterdir()} == names | pictures
    found = settings(folder)
    assert (found["format"], found["version"], found["status"], found["epochs_done"]) == (
        "minidl run",
        1,
        "finished",
        3,
    )
    assert found["model"] == {
        "class": "minidl.nn.Sequential", "text": repr(trainer.model), "parameters": 44, "trainable": 14, "frozen": 30,
        "input_size": [4],
    }  # fmt: skip
    assert found["optimizer"]["class"] == "SGD"
    (group,) = found["optimizer"]["groups"]
    assert (group["lr"], group["momentum"], group["parameters"]) == (0.5, 0.9, 44)
    assert (found["loss"], found["metrics"]) == ("cross_entropy", ["accuracy"])
    assert found["training"] == {
        "epochs": 3, "batch_size": 8, "batches": 3, "accumulate": 2, "clip_norm": 2.0, "seed": 3, "callbacks": [],
        "cached_features": False,
    }  # fmt: skip
    counts = np.bincount(data().tensors[1].array).tolist()
    assert found["data"]["train"] == {
        "dataset": "TensorDataset", "samples": 20, "batches": 3, "batch_size": 8, "transform": None,
        "classes": ["cat", "dog"], "counts": counts,
    }  # fmt: skip
    assert found["data"]["validation"]["samples"] == 6
    assert set(found["versions"]) == {"minidl", "python", "numpy", "numba"}
    assert found["seconds"] > 0


def test_the_history_has_all_digits(tmp_path: Path) -> None:
    trainer = trained(tmp_path)
    rows = history(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for name, values in trainer.history.history.items():
        assert [row[name] for row in rows] == values
    assert all(row["seconds"] > 0 for row in rows)


def test_best_is_the_network_of_the_best_epoch(tmp_path: Path) -> None:
    trained(tmp_path, epochs=6)
    losses = [row["val_loss"] for row in history(tmp_path)]
    best = settings(tmp_path)["best"]
    assert best == {"epoch": int(np.argmin(losses)) + 1, "monitor": "val_loss", "value": min(losses)}
    model = minidl.load(tmp_path / "best.safetensors")
    assert not model.training
    loss = Trainer(model, loss="cross_entropy").evaluate(data(6, 1), verbose=0)["loss"]
    assert loss == pytest.approx(min(losses), rel=1e-6)


def test_without_validation_the_loss_decides(tmp_path: Path) -> None:
    trained(tmp_path, validation_data=None)
    assert settings(tmp_path)["best"]["monitor"] == "loss"


class At(Callback):
    def __init__(self, epoch: int, error: BaseException | None = None) -> None:
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        if epoch == self.epoch and self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "interrupted"), (ValueError("x"), "failed")]
)
def test_a_run_that_breaks_off_says_so_and_goes_on(error: BaseException, status: str, tmp_path: Path) -> None:
    expected = trained(tmp_path / "whole")
    with pytest.raises(type(error)):
        trained(tmp_path / "run", callbacks=[At(2, error)])
    assert (settings(tmp_path / "run")["status"], settings(tmp_path / "run")["epochs_done"]) == (status, 2)
    assert len(history(tmp_path / "run")) == 2
    trainer = trained(tmp_path / "run", callbacks=[At(9)], resume=True)
    assert settings(tmp_path / "run")["status"] == "finished"
    assert minidl.equal(trainer.model[3].weight, expected.model[3].weight)
    assert [row["val_loss"] for row in history(tmp_path / "run")] == expected.history.history["val_loss"]
    assert settings(tmp_path / "run")["best"] == settings(tmp_path / "whole")["best"]
    started = [settings(tmp_path / name)["started"] for name in ("whole", "run")]
    assert started == sorted(started)


def test_resume_true_begins_where_there_is_nothing_yet(tmp_path: Path) -> None:
    assert len(trained(tmp_path, resume=True).history) == 3


def test_a_folder_that_has_a_run_is_left_alone(tmp_path: Path) -> None:
    trained(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    message = r"Trainer: run_dir must be another folder, or resume=True given to fit: .* has a run already, got a new"
    with pytest.raises(ArgumentError, match=message):
        trained(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_a_run_can_go_on_from_a_checkpoint_elsewhere(tmp_path: Path) -> None:
    trained(tmp_path / "a", epochs=2)
    trained(tmp_path / "b", epochs=3, resume=tmp_path / "a")
    assert [row["epoch"] for row in history(tmp_path / "b")] == [1, 2, 3]
    assert [row["epoch"] for row in history(tmp_path / "a")] == [1, 2]


def test_a_second_fit_goes_on_in_the_folder(tmp_path: Path) -> None:
    trainer = trained(tmp_path, epochs=2)
    trainer.fit(data(), 2, verbose=0)
    assert [row["epoch"] for row in history(tmp_path)] == [1, 2, 3, 4]
    assert math.isnan(history(tmp_path)[3]["val_loss"])  # nothing was validated


def test_kept_features_are_mentioned(tmp_path: Path) -> None:
    trained(tmp_path, cache_features=True)
    found = settings(tmp_path)
    assert found["training"]["cached_features"]
    assert found["data"]["train"]["dataset"] == "TensorDataset"


def test_names_in_other_scripts(tmp_path: Path) -> None:
    dataset = data()
    dataset.classes = ["Katze", "犬"]  # type: ignore[attr-defined]
    trainer = Trainer(network(), run_dir=str(tmp_path))
    trainer.fit(DataLoader(dataset, 8), verbose=0)
    assert settings(tmp_path)["data"]["train"]["classes"] == ["Katze", "犬"]


def test_run_dir_is_checked(tmp_path: Path) -> None:
    with pytest.raises(DTypeError, match="Trainer: run_dir must be a path, got int"):
        Trainer(network(), run_dir=3)  # type: ignore[arg-type]
    folder = RunFolder(tmp_path, batches=2)
    assert Trainer(network(), run_dir=folder).run_dir == tmp_path
    assert Trainer(network()).run_dir is None


def test_values_that_json_does_not_have() -> None:
    value = {
        1: (np.float32(0.5), np.int64(3)), "nan": math.nan, "inf": -math.inf, "t": minidl.tensor([1.0, 2.0]), "f": abs,
        "none": None, "text": "x", "yes": True,
    }  # fmt: skip
    assert plain(value) == {
        "1": [0.5, 3], "nan": None, "inf": None, "t": [1.0, 2.0], "f": repr(abs), "none": None, "text": "x",
        "yes": True,
    }  # fmt: skip


def test_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [
        {"epoch": i, "seconds": 1.0, "loss": 1 / i, "val_loss": 2 / i, "val_top5": 0.5, "lr": 0.1}
        for i in (1, 2, 3)
    ]
    assert draw_curves(rows, tmp_path / "pictures" / "curves.png")
    with Image.open(tmp_path / "pictures" / "curves.png") as picture:
        assert picture.size == (1200, 432)  # two of them
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20  # something is drawn
    assert not draw_curves([], tmp_path / "none.png")


def test_without_matplotlib_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minidl.training.pictures.importlib.util.find_spec", lambda name: None)
    trained(tmp_path)
    assert not (tmp_path / "pictures").exists()
