"""What a run shows: bars in a terminal, lines elsewhere, nothing where that is wanted."""

from __future__ import annotations

import copy
import re
import sys
from typing import Any

import numpy as np
import pytest

from minidl import nn
from minidl.training import Callback, Trainer
from minidl.training.progress import Progress, duration, worded

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = np.arange(40) % 3


def fit(verbose: int, x: np.ndarray = X, **options: Any) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    Trainer(model).fit((x, Y), epochs=2, validation_data=(x, Y), verbose=verbose, batch_size=16, **options)


def test_verbose_0_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    fit(0)
    assert capfd.readouterr() == ("", "")


LINE = (
    r"epoch {}/2: loss \d\.\d{{4}}, accuracy 0\.\d{{4}}, val_loss \d\.\d{{4}}, val_accuracy 0\.\d{{4}}, "
    r"\d+ s, \d+ {}/s\n"
)


@pytest.mark.parametrize("verbose", [1, 2])
def test_lines_where_there_is_no_terminal(verbose: int, capfd: pytest.CaptureFixture[str]) -> None:
    fit(verbose)
    out, err = capfd.readouterr()
    assert re.fullmatch(LINE.format(1, "samples") + LINE.format(2, "samples"), out)
    assert err == ""


def test_pictures_are_counted_as_images(capfd: pytest.CaptureFixture[str]) -> None:
    fit(2, X.reshape(40, 1, 2, 2))
    assert capfd.readouterr().out.count(" images/s\n") == 2


def test_a_bar_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    fit(1, X.reshape(40, 1, 2, 2))
    out = capsys.readouterr().out
    assert "epoch 1/2: 100%" in out
    assert "epoch 2/2, validation" in out
    assert re.search(r"40/40 \[\d\d:\d\d<\d\d:\d\d, .* images/s, loss .*, val_accuracy 0\.\d{4}\]", out)


def test_a_bar_goes_on_where_the_run_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one of three batches done, of 40 samples."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    state: list[Any] = []

    class Save(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
            if batch == 0 and not state:
                state.append(copy.deepcopy(self.trainer.state_dict()))

    trainer = Trainer(nn.Linear(4, 3))
    trainer.fit((X, Y), verbose=0, batch_size=16, callbacks=[Save()])
    capsys.readouterr()
    trainer.fit((X, Y), verbose=1, batch_size=16, callbacks=[Save()], resume=state[0])
    assert "epoch 1/1:  32%" in capsys.readouterr().out


class Clock:
    """Time that goes by as it is told."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_the_first_batches_of_a_long_run_say_how_long_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first batch, in which kernels compile, does not count; validation counts a third."""
    clock = Clock()
    monkeypatch.setattr("minidl.training.progress.time", clock)
    progress = Progress(1, epochs=5, samples=800, batches=110.0)
    progress.set_params({"steps": 100})

    class Here:
        epoch = batch = 0

    progress.trainer = Here()  # type: ignore[assignment]
    progress.on_epoch_begin(0, {})
    for batch, seconds in enumerate([8.0, 0.5, 0.4, 0.3, 0.4, 30.0]):
        clock.now += seconds
        progress.on_forward_end(1.0, X[:8], None)
        progress.on_train_batch_end(batch, {"loss": 1.0})
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "about 4 min for 5 epochs"  # 0.4 s * 110 * 5
    assert out[1] == "epoch 1/5, 1 samples/s, 10 min left: loss 1.0000"
    assert len(out) == 2


def test_wording() -> None:
    assert worded({"loss": 0.00001, "val_loss": float("nan"), "n": 3, "matrix": np.ones(2)}) == (
        "loss 1e-05, val_loss nan, n 3"
    )
    assert [duration(s) for s in (0.3, 89, 91, 5400, 86400)] == [
        "0 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "24 h 0 min",
    ]
