"""Checkpoints: going on from one, and what is said when that cannot be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.data import ConcatDataset, DataLoader, Subset, TensorDataset
from minidl.errors import ArgumentError, WeightsError
from minidl.tensor import Tensor
from minidl.training import Callback, Checkpoint, Trainer
from minidl.training.checkpoint import checkpoint_file, clean, read_checkpoint
from minidl.weights import safetensors


def network(features: int = 6) -> nn.Sequential:
    minidl.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, features), nn.BatchNorm1d(features), nn.Dropout(0.2), nn.Linear(features, 3)
    )


def arrays(count: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random((count, 4), np.float32), random.integers(0, 3, count)


class Stop(Callback):
    """Ends a run in the middle, as an error would."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.where = (epoch, batch)

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        if (self.trainer.epoch, batch) == self.where:
            raise InterruptedError("stopped")


def interrupted(path: Path, epoch: int = 1, batch: int = 3, model: Any = None, **options: Any) -> None:
    """A run with a checkpoint after every batch that breaks off."""
    trainer = Trainer(network() if model is None else model, seed=1)
    options = {"epochs": 3, "batch_size": 8, "verbose": 0} | options
    with pytest.raises(InterruptedError):
        trainer.fit(arrays(), callbacks=[Checkpoint(path, batches=1), Stop(epoch, batch)], **options)


def bits(trainer: Trainer) -> list[bytes]:
    return [tensor.array.tobytes() for tensor in trainer.model.state_dict().values()]


def whole(**options: Any) -> Trainer:
    trainer = Trainer(network(), seed=1)
    trainer.fit(arrays(), **({"epochs": 3, "batch_size": 8, "verbose": 0} | options))
    return trainer


class Nothing(Stop):
    """In the place of Stop, whose state is expected."""

    def __init__(self) -> None:
        super().__init__(-1, -1)


Nothing.__name__ = "Stop"


@pytest.mark.parametrize("where", [(0, 0), (0, 1), (1, 0), (1, 3), (2, 4)])
def test_it_ends_with_the_weights_and_the_history_of_the_whole_run(
    where: tuple[int, int], tmp_path: Path
) -> None:
    interrupted(tmp_path / "x.safetensors", *where)
    resumed = Trainer(network(), seed=1)
    minidl.manual_seed(99)
    resumed.fit(
        arrays(), 3, resume=tmp_path / "x.safetensors", callbacks=[Nothing()], batch_size=8, verbose=0
    )  # fmt: skip
    expected = whole()
    assert bits(resumed) == bits(expected)
    assert resumed.history.history == expected.history.history


def test_with_features_kept(tmp_path: Path) -> None:
    def net() -> nn.Sequential:
        minidl.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 4).freeze(), nn.ReLU(), network())

    options = {"cache_features": True, "validation_data": arrays(9, 1)}
    interrupted(tmp_path, model=net(), **options)
    resumed, expected = Trainer(net(), seed=1), Trainer(net(), seed=1)
    resumed.fit(arrays(), 3, resume=tmp_path, callbacks=[Nothing()], batch_size=8, verbose=0, **options)
    expected.fit(arrays(), 3, batch_size=8, verbose=0, validation_data=options["validation_data"])
    assert bits(resumed) == bits(expected)
    assert resumed.history.history == expected.history.history


def test_a_finished_run_stays_as_it_is_and_can_be_made_longer(tmp_path: Path) -> None:
    done = whole(callbacks=[Checkpoint(tmp_path)])
    for epochs in (3, 5):
        resumed = Trainer(network(), seed=1)
        history = resumed.fit(arrays(), epochs, resume=tmp_path, batch_size=8, verbose=0)
        assert len(history) == epochs
        assert bits(resumed) == bits(done if epochs == 3 else whole(epochs=5))


def test_between_the_batches_of_a_step_nothing_is_written(tmp_path: Path) -> None:
    interrupted(tmp_path, 0, 4, accumulate=3)
    assert read_checkpoint(tmp_path)["batch"] == 3


def test_a_checkpoint_is_written_when_time_has_gone_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(1000))
    monkeypatch.setattr("minidl.training.checkpoint.time.monotonic", lambda: next(now))
    with pytest.raises(InterruptedError):
        Trainer(network(), seed=1).fit(
            arrays(), callbacks=[Checkpoint(tmp_path, seconds=4), Stop(0, 4)], batch_size=8, verbose=0
        )
    # the clock is read after the first checkpoint, then after each batch: the third is 4 seconds later
    assert read_checkpoint(tmp_path)["batch"] == 4


def test_a_model_can_be_taken_out_of_a_checkpoint(tmp_path: Path) -> None:
    trainer = whole(callbacks=[Checkpoint(tmp_path)])
    model = network()
    model.load_state_dict(minidl.load(tmp_path / "last.safetensors")["model"])
    assert bits(Trainer(model)) == bits(trainer)
    assert "model.0.weight" in safetensors.read(tmp_path / "last.safetensors")[0]


# --- What does not fit ----------------------------------------------------------------------------------------


def resume(
    path: Any, model: Any = None, optimizer: Any = "adam", data: Any = None, **options: Any
) -> Trainer:
    trainer = Trainer(network() if model is None else model, optimizer, seed=1)
    before = bits(trainer)
    options = {"batch_size": 8, "verbose": 0, "callbacks": [Nothing()], "epochs": 3} | options
    try:
        trainer.fit(arrays() if data is None else data, resume=path, **options)
    except WeightsError:
        assert bits(trainer) == before  # nothing was loaded
        raise
    return trainer


def halves(parameters: Any) -> optim.Optimizer:
    parameters = list(parameters)
    return optim.Adam([{"params": parameters[:2]}, {"params": parameters[2:]}])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model": nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 2), nn.ReLU())},
            r"model is not that of the run to resume, a Sequential; nothing was loaded\n  of another shape: 3.weight,",
        ),
        ({"model": nn.Linear(4, 3)}, r"missing there: weight, bias\n  unknown here: 0.weight, 0.bias, .* \.\.\."),
        ({"optimizer": "sgd"}, "Trainer.fit: the optimizer must be that of the run to resume, Adam, got SGD"),
        ({"optimizer": halves}, r"numbers of parameters in the optimizer's groups must be .*, \[6\], got \[2, 4\]"),
        ({"data": arrays(41)}, "Trainer.fit: the number of samples must be that of the run to resume, 40, got 41"),
        ({"batch_size": 4}, "the number of batches in an epoch must be that of the run to resume, 5, got 10"),
        ({"accumulate": 2}, "accumulate must be that of the run to resume, 1, got 2"),
        ({"clip_norm": 1.0}, "clip_norm must be that of the run to resume, None, got 1.0"),
        ({"callbacks": []}, r"callbacks must be those of the run that goes on, \[Stop\], got \[\]"),
    ],
    ids=["network", "layer", "optimizer", "groups", "samples", "batch size", "accumulate", "clip norm", "callbacks"],
)  # fmt: skip
def test_another_run_is_not_gone_on_with(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    interrupted(tmp_path)
    with pytest.raises(WeightsError, match=message):
        resume(tmp_path, **options)


def test_other_data_of_the_same_size_is_worth_a_warning(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with pytest.warns(
        UserWarning, match="Trainer.fit: the training data has changed since the checkpoint was written"
    ):
        resume(tmp_path, data=arrays(seed=1))


def test_data_without_a_fingerprint_is_taken_as_it_is(tmp_path: Path) -> None:
    class Plain:
        def __getitem__(self, index: int) -> Any:
            x, y = arrays()
            return x[index], int(y[index])

        def __len__(self) -> int:
            return 40

    interrupted(tmp_path)
    resume(tmp_path, data=DataLoader(Plain(), 8, shuffle=True, seed=1))
    part = Subset(ConcatDataset([Plain(), Plain()]), range(40))
    resume(tmp_path, data=DataLoader(part, 8, shuffle=True, seed=1))
    resume(tmp_path, data=DataLoader(TensorDataset(*(Tensor(a) for a in arrays())), 8, shuffle=True, seed=1))


def test_files_that_are_no_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint last.safetensors in the folder: '.*nowhere'"):
        resume(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint last.safetensors in the folder"):
        resume(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"x\.safetensors"):
        resume(tmp_path / "x.safetensors")
    minidl.save(network(), tmp_path / "x.safetensors")
    with pytest.raises(
        WeightsError, match=r"resume, .*x\.safetensors, must be a checkpoint of a run, got another"
    ):
        resume(tmp_path / "x.safetensors")
    interrupted(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes((tmp_path / "x.safetensors").read_bytes()[:-5])
    with pytest.raises(WeightsError, match=r"x\.safetensors is truncated or damaged"):
        resume(tmp_path / "x.safetensors")


def test_resume_is_checked() -> None:
    with pytest.raises(
        ArgumentError, match="resume must be a path where the Trainer has no run_dir, got True"
    ):
        resume(True)
    with pytest.raises(
        WeightsError, match=r"resume must be a checkpoint's path, or a Trainer's state_d.*, got int"
    ):
        resume(3)
    with pytest.raises(WeightsError, match=r"resume must be .* got dict"):
        resume({"model": {}})
    with pytest.raises(WeightsError, match=r"resume must be .* got that of one that has not run"):
        resume(Trainer(network()).state_dict())


@pytest.mark.parametrize("options", [{"batches": 0}, {"batches": "x"}, {"seconds": -1}], ids=repr)
def test_how_often_is_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=r"Checkpoint: (batches|seconds) must be positive or None, got"):
        Checkpoint("x", **options)


def test_a_path_without_an_ending_is_a_folder(tmp_path: Path) -> None:
    assert checkpoint_file("runs/a") == Path("runs/a/last.safetensors")
    assert checkpoint_file("runs/a.safetensors") == Path("runs/a.safetensors")
    (tmp_path / "run.1").mkdir()
    assert checkpoint_file(tmp_path / "run.1") == tmp_path / "run.1" / "last.safetensors"


# --- Disks ----------------------------------------------------------------------------------------------------


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        ".last.safetensors.0123abcd",
        ".last.safetensors.txt",
        ".other.safetensors.0123abcd",
        "last.safetensors",
    ):
        (tmp_path / name).write_text("")
    clean(tmp_path / "last.safetensors")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        ".last.safetensors.txt", ".other.safetensors.0123abcd", "last.safetensors"
    ]  # fmt: skip


def mount(*arguments: str) -> None:
    done = (
        subprocess.run(["mount", *arguments], capture_output=True, check=False)
        if os.name == "posix"
        else None
    )
    if done is None or done.returncode != 0:
        pytest.skip("this system does not let this user mount a small file system")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def larger() -> nn.Sequential:
    minidl.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 500), nn.ReLU(), nn.Linear(500, 3))


class Fill(Callback):
    """Fills the disk before the second epoch."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        if epoch == 1:
            with open(self.disk / "other", "ab", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))


Fill.__name__ = "Stop"


def test_a_full_disk_leaves_the_last_checkpoint(disk: Path) -> None:
    message = (
        r"the checkpoint cannot be written \(No space left on device\); the one before it is whole: '.*last"
    )
    with pytest.raises(OSError, match=message):
        Trainer(larger(), seed=1).fit(
            arrays(), 3, callbacks=[Checkpoint(disk), Fill(disk)], batch_size=8, verbose=0
        )
    assert {file.name for file in disk.iterdir()} == {"last.safetensors", "other"}
    assert read_checkpoint(disk)["epoch"] == 1
    (disk / "other").unlink()
    expected = Trainer(larger(), seed=1)
    expected.fit(arrays(), 3, batch_size=8, verbose=0)
    assert bits(resume(disk, model=larger())) == bits(expected)


def test_a_disk_that_was_full_from_the_beginning(disk: Path) -> None:
    model = nn.Linear(4, 30_000)
    with pytest.raises(
        OSError, match=r"the checkpoint cannot be written \(No space left on device\): '.*last"
    ):
        Trainer(model, seed=1).fit(arrays(), callbacks=[Checkpoint(disk)], verbose=0)
    assert list(disk.iterdir()) == []


def test_a_disk_that_became_read_only_leaves_the_last_checkpoint(disk: Path) -> None:
    interrupted(disk)
    before = (disk / "last.safetensors").read_bytes()
    mount("-o", "remount,ro", str(disk))
    with pytest.raises(
        OSError, match=r"cannot be written \(Read-only file system\); the one before it is whole"
    ):
        resume(disk, callbacks=[Checkpoint(disk), Nothing()])
    assert (disk / "last.safetensors").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file"):
        whole(callbacks=[Checkpoint(tmp_path / "file" / "x.safetensors")])
