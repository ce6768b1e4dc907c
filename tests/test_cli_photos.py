"""minidl finetune, evaluate and predict, on small folders of drawn pictures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl import models, weights
from minidl.cli import main
from minidl.cli.photos import find_photos
from minidl.errors import DataError
from minidl.training import Trainer

COLOURS = {"blue": (40, 60, 220), "red": (220, 50, 40)}


def draw(folder: Path, count: int, seed: int = 0) -> Path:
    """Noise around a colour for each class."""
    random = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.clip(random.normal(colour, 40, (48, 60, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    draw(folder / "train", 6)
    draw(folder / "validation", 2, seed=1)
    return folder


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory) -> Path:
    """A classifier that the command has trained."""
    out = tmp_path_factory.mktemp("model") / "m.safetensors"
    command = ["finetune", "--data", str(photos), "--base", "vgg11", "--epochs", "6", "--batch-size", "4"]
    assert main([*command, "--out", str(out)]) == 0
    return out


def test_finetune_says_what_it_does_and_learns(photos, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    command = ["finetune", "--data", str(photos), "--base", "vgg11", "--epochs", "6", "--batch-size", "4"]
    assert main([*command, "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("no --weights: the base is random")
    assert lines[1] == "12 photos of 2 classes (blue, red) to train on, 4 to validate"
    assert re.fullmatch(
        r"it will take about \d+ s: the base, once for each photo \(\d+ ms\), then 6 epochs .*", lines[2]
    )
    assert lines[-4] == "validation accuracy 1.0000"
    assert lines[-3:] == ["  blue  1.0000 of 2", "  red   1.0000 of 2", f"wrote {out}"]
    model = minidl.load(out)
    assert model.classes == ["blue", "red"]
    assert model.base.name == "vgg11"


def test_evaluate(trained, photos, capsys):
    assert main(["evaluate", str(trained), str(photos / "validation")]) == 0
    first, *classes = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"accuracy 1\.0000, loss 0\.\d{4} on 4 photos", first)
    assert classes == ["  blue  1.0000 of 2", "  red   1.0000 of 2"]


def test_evaluate_goes_by_the_names_of_folders(trained, photos, tmp_path, capsys):
    shutil.copytree(photos / "validation" / "red", tmp_path / "red")  # one class, which is number 0 here
    assert main(["evaluate", str(trained), str(tmp_path)]) == 0
    assert "  red   1.0000 of 2" in capsys.readouterr().out
    (tmp_path / "red").rename(tmp_path / "green")
    assert main(["evaluate", str(trained), str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "the folder 'green' is none of the classes that are known: blue, red" in error
    assert error.count("\n") == 1


def test_predict(trained, photos, tmp_path, capsys):
    (tmp_path / "note.jpg").write_text("no picture")
    red, blue = (str(photos / "validation" / name / "0.png") for name in ("red", "blue"))
    status = main(
        ["predict", str(trained), red, str(tmp_path / "note.jpg"), str(tmp_path / "none.jpg"), blue]
    )
    written = capsys.readouterr()
    assert status == 2
    assert re.fullmatch(rf"{red}: red \d+\.\d %, blue \d+\.\d %\n{blue}: blue .* %, red .* %\n", written.out)
    assert len(written.err.splitlines()) == 2
    assert "note.jpg cannot be read as a picture" in written.err


def test_weights_are_loaded_into_the_base(photos, tmp_path, capsys):
    source = models.vgg11(include_top=False)
    arrays = {name: value.numpy(force=True) for name, value in source.state_dict().items()}
    weights.write(tmp_path / "w.npz", arrays)
    out = tmp_path / "m.safetensors"
    command = ["finetune", "--data", str(photos), "--base", "vgg11", "--epochs", "1", "--weights"]
    assert main([*command, str(tmp_path / "w.npz"), "--out", str(out)]) == 0
    assert "random" not in capsys.readouterr().out
    model = minidl.load(out)
    assert (model.base.features[0].weight == source.features[0].weight).all()
    assert model.base.weight_set == "torchvision"


def test_an_interrupt_saves_what_there_is(photos, tmp_path, capsys, monkeypatch):
    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "fit", interrupted)
    out = tmp_path / "m.safetensors"
    assert main(["finetune", "--data", str(photos), "--base", "vgg11", "--out", str(out)]) == 130
    assert capsys.readouterr().out.endswith(f"interrupted after 0 of 5 epochs\nwrote {out}\n")
    assert minidl.load(out).classes == ["blue", "red"]


class TestFindPhotos:
    def test_classes_alone_are_split(self, tmp_path):
        draw(tmp_path, 10)
        train, validation = find_photos(tmp_path, 0.3, seed=0)
        assert (len(train), len(validation)) == (14, 6)
        assert sorted(validation.targets) == [0] * 3 + [1] * 3
        assert not set(train.files) & set(validation.files)
        again = find_photos(tmp_path, 0.3, seed=0)[1]
        assert again.files == validation.files != find_photos(tmp_path, 0.3, seed=1)[1].files

    def test_train_alone_is_split_too(self, tmp_path):
        draw(tmp_path / "train", 5)
        train, validation = find_photos(tmp_path, 0.2, seed=0)
        assert (len(train), len(validation)) == (8, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["finetune", "--data", "nowhere"], "nowhere"),
        (["finetune", "--data", ".", "--out", "no/such/folder/m.safetensors"],
         "minidl finetune: --out must be a file in a folder that is there"),
        (["evaluate", "none.safetensors", "."], "none.safetensors"),
        (["predict", "none.safetensors", "a.jpg"], "none.safetensors"),
    ],
)  # fmt: skip
def test_errors_are_told_in_one_line(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_of_something_else_is_refused(tmp_path, capsys):
    minidl.save({"a": 1}, tmp_path / "x.safetensors")
    assert main(["predict", str(tmp_path / "x.safetensors"), "a.jpg"]) == 2
    assert "must be a classifier that minidl finetune wrote, got a dict" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("--epochs", "0"), ("--validation", "1.5"), ("--base", "vgg12")]
)
def test_options_are_checked(option, value, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["finetune", "--data", ".", option, value])
    assert ended.value.code == 2
    assert f"argument {option}" in capsys.readouterr().err


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cats").mkdir()
    for i in range(4):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "cats" / f"{i}.png")
    assert main(["finetune", "--data", str(tmp_path), "--out", str(tmp_path / "m.safetensors")]) == 2
    message = f"minidl: error: {tmp_path}: there is one class only, 'cats', and nothing to tell apart. "
    assert capsys.readouterr().err == message + "--data is the folder that holds a folder for each class\n"
    assert not (tmp_path / "m.safetensors").exists()


def test_files_that_are_no_photos_are_skipped_if_told_to(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "dogs" / "notes.txt").write_text("no photo")
    with pytest.raises(DataError, match=r"notes\.txt"):
        find_photos(tmp_path, 0.3, seed=0)
    with pytest.warns(UserWarning, match="1 files are left out"):
        train, validation = find_photos(tmp_path, 0.3, seed=0, on_error="skip")
    assert len(train) + len(validation) == 8
