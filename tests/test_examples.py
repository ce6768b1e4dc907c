"""The examples, run as a user runs them, at small size."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minidl.data import synthetic_digits
from minidl.models import MLP
from minidl.serialization import load
from minidl.tensor import Tensor

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MNIST's four files: 1,500 and 300 digits drawn from a font."""
    folder = tmp_path_factory.mktemp("mnist")
    for part, n in (("train", 1500), ("t10k", 300)):
        images, labels = synthetic_digits(n, train=part == "train")
        for name, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes(), 1))
    return folder


def run(name: str, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_autoencoder(mnist: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    done = run("autoencoder_mnist", "--data", mnist, "--epochs", 2, "--code", 16, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("autoencoder 784-16-784: bce 0.")
    assert lines[1:4] == [
        f"wrote {out / name}" for name in ("encoder.safetensors", "loss.png", "reconstructions.png")
    ]
    assert re.fullmatch(r"test BCE 0\.\d{4}", lines[4])
    accuracy = re.fullmatch(r"test accuracy (0\.\d{4}) of a softmax classifier .*", lines[5])
    assert accuracy is not None
    assert 0.2 < float(accuracy[1]) < 1  # by chance: 0.1
    assert "epoch 2/2: 100%" in done.stderr

    encoder = load(out / "encoder.safetensors")
    assert type(encoder) is MLP
    assert encoder(Tensor(np.zeros((2, 1, 28, 28), "float32"))).shape == (2, 16)
    for name in ("loss.png", "reconstructions.png"):
        with Image.open(out / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 10  # something is drawn


def test_the_same_seed_gives_the_same_encoder(mnist: Path, tmp_path: Path) -> None:
    def encoder(seed: int, out: str) -> bytes:
        arguments = ["--data", mnist, "--epochs", 1, "--limit", 600, "--seed", seed, "--out", out]
        assert run("autoencoder_mnist", *arguments, cwd=tmp_path).returncode == 0
        return (tmp_path / out / "encoder.safetensors").read_bytes()

    first = encoder(1, "a")
    assert encoder(1, "b") == first
    assert encoder(2, "c") != first


def test_autoencoder_without_matplotlib(mnist: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    arguments = ["--data", mnist, "--epochs", 1, "--limit", 300, "--out", "out"]
    done = run("autoencoder_mnist", *arguments, cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert "wrote no pictures: viz needs matplotlib: pip install minidl[plot]" in done.stdout
    assert "test BCE 0." in done.stdout
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["encoder.safetensors"]


def test_cnn(mnist: Path, tmp_path: Path) -> None:
    arguments = ["--data", mnist, "--epochs", 2, "--limit", 1000, "--batch-size", 32, "--out", "out"]
    done = run("cnn_mnist", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accuracies = re.findall(
        r"^epoch \d: loss \d\.\d{4}, test accuracy (\d\.\d{4}), ", done.stdout, re.MULTILINE
    )
    assert len(accuracies) == 2
    assert float(accuracies[1]) > 0.5  # by chance: 0.1
    assert f"wrote {Path('out/cnn.safetensors')}" in done.stdout
    assert load(tmp_path / "out" / "cnn.safetensors")[0].weight.shape == (16, 1, 3, 3)


@pytest.mark.parametrize("name", ["autoencoder_mnist", "cnn_mnist"])
def test_a_folder_without_mnist_is_an_error_in_one_line(name: str, tmp_path: Path) -> None:
    done = run(name, "--data", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(rf"{name}\.py: error: MNIST: found no train-images.* in {tmp_path}.*\n", done.stderr)


@pytest.mark.parametrize("name", ["autoencoder_mnist", "cnn_mnist"])
def test_a_damaged_file_is_an_error_in_one_line(name: str, mnist: Path, tmp_path: Path) -> None:
    for file in mnist.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1000])
    done = run(name, "--data", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(rf"{name}\.py: error: .*train-images-idx3-ubyte\.gz.*\n", done.stderr)


@pytest.mark.parametrize("name", ["autoencoder_mnist", "cnn_mnist"])
def test_options(name: str, tmp_path: Path) -> None:
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert {"--data DIR", "--epochs N", "--batch-size N", "--seed N", "--out DIR", "--limit N"} <= set(
        re.findall(r"^  (--\S+ \S+)", done.stdout, re.MULTILINE)
    )
    done = run(name, "--epochs", 0, cwd=tmp_path)
    assert done.returncode == 2
    assert "argument --epochs: must be a whole number, at least 1, got '0'" in done.stderr


@pytest.mark.parametrize("name", ["autoencoder_mnist", "cnn_mnist"])
def test_a_folder_for_results_that_cannot_be_made_is_noticed_before_training(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run(name, "--out", tmp_path / "file", cwd=tmp_path)
    assert done.returncode == 2
    assert "argument --out: cannot make the folder" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupt_ends_in_one_line(mnist: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(EXAMPLES / "autoencoder_mnist.py"),
        "--data",
        str(mnist),
        "--epochs",
        "10000",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        seen = b""
        while b"epoch 2/" not in seen:  # it is training
            chunk = os.read(process.stderr.fileno(), 10_000)
            assert chunk, seen.decode()  # it has ended
            seen += chunk
        process.send_signal(signal.SIGINT)
        seen += process.stderr.read()
    assert process.returncode == 130
    assert seen.endswith(b"\ninterrupted\n")
    assert b"Traceback" not in seen
