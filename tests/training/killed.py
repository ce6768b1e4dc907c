"""A run for ``test_killed_runs.py``, started again and again in forks of this process, which compiles once.

Reads commands from the standard input, a line of JSON each: ``{"folder": ..., "bomb": [write, share] or null,
"seconds": ... or null, "until": a file or null}``. For each it forks a child, which goes on with the run in that
folder, kills it after so many seconds, or as soon as that file is there, and prints its status (negative: the signal
that ended it). With a bomb, the child kills itself in its write number ``write``, after that share of the file's bytes;
from a share of 1 on, at the steps that come after.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, Dataset
from minidl.random import current_generator
from minidl.tensor import Tensor
from minidl.training import Callback, RunFolder, Trainer
from minidl.weights import files

EPOCHS = 4


class Noisy(Dataset[Any]):
    """Samples with noise, another one in every epoch: what augmentation is."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.x = random.standard_normal((27, 6)).astype(np.float32)
        self.y = random.integers(0, 3, 27)
        self.seed, self.epoch = 5, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __getitem__(self, index: int) -> Any:
        with minidl.random.sample_stream(self.seed, self.epoch, index):
            noise = current_generator().standard_normal(6).astype(np.float32)
        return Tensor(self.x[index] + noise), int(self.y[index])

    def __len__(self) -> int:
        return len(self.x)


class Decay(Callback):
    """A schedule with a state of its own."""

    def __init__(self) -> None:
        self.calls = 0

    def on_step_end(self) -> None:
        self.calls += 1
        for group in self.trainer.optimizer.param_groups:
            group["lr"] *= 0.99 if self.calls % 3 else 0.9

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


def run(folder: str | None, epochs: int = EPOCHS) -> list[bytes]:
    """Train to the end, from where the run in the folder is; what must be the same in the end."""
    minidl.manual_seed(4)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    kept = None if folder is None else RunFolder(folder, batches=1)
    trainer = Trainer(model, lambda p: optim.Adam(p, lr=0.01, amsgrad=True), run_dir=kept)
    data = Noisy()
    train = DataLoader(data, 4, shuffle=True, num_workers=2)
    check = DataLoader(data, 9, shuffle=True)
    callbacks = [Decay()]
    history = trainer.fit(
        train, epochs, check, callbacks, accumulate=2, clip_norm=1.0, verbose=0, resume=folder is not None
    )
    tensors = [tensor.array for tensor in model.state_dict().values()]
    for state in trainer.optimizer.state.values():
        tensors += [value.array for value in state.values() if isinstance(value, Tensor)]
    return [json.dumps(history.history).encode(), *(array.tobytes() for array in tensors)]


class Fused:
    """A file in which a bomb lies at a byte."""

    def __init__(self, file: Any, byte: float) -> None:
        self.file, self.left = file, byte

    def write(self, content: Any) -> None:
        content = memoryview(content).cast("B")
        if len(content) >= self.left:
            self.file.write(content[: int(self.left)])
            self.file.flush()
            explode()
        self.left -= len(content)
        self.file.write(content)

    def __enter__(self) -> Fused:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.file.__exit__(*exception)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def explode() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lay(write: int, share: float, size: int) -> None:
    """Kill this process in its write number ``write`` of a file of about ``size`` bytes."""
    writes = 0
    plain_open, plain_sync, plain_replace = pathlib.Path.open, os.fsync, pathlib.Path.replace
    syncs = 0

    def opened(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        nonlocal writes, syncs
        file = plain_open(path, mode, *rest, **options)
        if mode != "xb" or "last" not in path.name:
            return file
        writes, syncs = writes + 1, 0
        return Fused(file, share * size) if writes == write and share < 1 else file

    def synced(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        if writes == write and share == 1 and syncs == 1:  # all is written, not synced
            explode()
        plain_sync(descriptor)
        if writes == write and share == 4 and syncs == 2:  # the folder too is synced
            explode()

    def replaced(path: Any, target: Any) -> Any:
        if writes == write and share == 2 and "last" in path.name:
            explode()
        result = plain_replace(path, target)
        if writes == write and share == 3 and "last" in path.name:
            explode()
        return result

    files.os.fsync = synced  # type: ignore[assignment]
    pathlib.Path.open = opened  # type: ignore[method-assign, assignment]
    pathlib.Path.replace = replaced  # type: ignore[method-assign]


def child(folder: str, bomb: Any) -> None:
    if bomb is not None:
        lay(bomb[0], bomb[1], (Path(folder) / "last.safetensors").stat().st_size)
    result = run(folder)
    (Path(folder) / "result").write_bytes(b"\n".join(part.hex().encode() for part in result))


def serve() -> None:
    run(None, 1)  # all kernels are there
    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                child(command["folder"], command["bomb"])
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        if command["seconds"] is not None:
            kill_after(pid, command["seconds"], command["until"])
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def kill_after(pid: int, seconds: float, until: str | None) -> None:
    """Kill a child after so many seconds, or when the file ``until`` is there.

    Or when it has ended, which does nothing to it any more.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if until is not None and os.path.exists(until):
            break
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    serve()
