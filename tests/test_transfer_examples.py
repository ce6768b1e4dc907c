"""The transfer-learning examples, run as a user runs them, on a few drawn pictures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl import models, nn

EXAMPLES = Path(__file__).parents[1] / "examples"
RECIPES = {"finetune_vgg16": "finetuned", "vgg16_pooled": "pooled"}
EXAMPLE_NAMES = (*RECIPES, "finetune_last_block")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for part, count in (("train", 3), ("validation", 2)):
        for name, colour in (("blue", (40, 60, 220)), ("red", (220, 50, 40))):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(random.normal(colour, 40, (48, 60, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{i}.png")
    return folder


def run(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=dict(os.environ), capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe(name: str, photos: Path, tmp_path: Path) -> None:
    done = run(name, "--data", photos, "--epochs", 2, "--limit", 4, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("no --weights: the base is random")
    assert re.fullmatch(r"training accuracy \d\.\d{4}, loss \d+\.\d{4}", lines[-3])
    assert re.fullmatch(r"validation accuracy \d\.\d{4}, loss \d+\.\d{4}", lines[-2])
    file = tmp_path / "out" / f"{RECIPES[name]}.safetensors"
    assert lines[-1] == f"wrote {file}"
    model = minidl.load(file)
    assert isinstance(model, nn.Sequential)
    assert isinstance(model[0], models.VGG)
    assert model[0].preprocess == models.Preprocess("rescale")
    assert not any(p.requires_grad for p in model[0].parameters())
    assert model[-2].out_features == 2


@pytest.mark.slow
def test_the_last_block_beside_the_head_alone_and_from_scratch(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    options = ["--epochs", 1, "--limit", 4, "--size", 64, "--out", "out"]
    done = run("finetune_last_block", "--data", photos, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = done.stdout.splitlines()[-5:-1]
    assert table[0].split() == ["epochs", "training", "validation"]
    assert [re.split(r"\s{2,}", line)[:2] for line in table[1:]] == [
        ["head only", "1"], ["last block fine-tuned", "1"], ["from scratch", "1"],
    ]  # fmt: skip
    with Image.open(tmp_path / "out" / "comparison.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10
    model = minidl.load(tmp_path / "out" / "finetuned.safetensors")
    trained = {name for name, p in model.named_parameters() if p.requires_grad and name.startswith("base")}
    assert trained == {f"base.features.{i}.{kind}" for i in (24, 26, 28) for kind in ("weight", "bias")}


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_a_folder_without_photos_is_an_error_in_one_line(name: str, tmp_path: Path) -> None:
    done = run(name, "--data", tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(rf"{name}\.py: error: ImageFolder: .*none.*\n", done.stderr)


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_options(name: str, tmp_path: Path) -> None:
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert {"--data DIR", "--weights FILE", "--epochs N", "--limit N", "--seed N", "--out DIR"} <= set(
        re.findall(r"^  (--\S+ \S+)", done.stdout, re.MULTILINE)
    )
    done = run(name, "--data", tmp_path, "--epochs", 0, cwd=tmp_path)
    assert done.returncode == 2
    assert "argument --epochs: must be a whole number, at least 1, got '0'" in done.stderr
