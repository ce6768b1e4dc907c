"""The report of a run: what is in the page, that it is one file, and what a real browser says of it."""

from __future__ import annotations

import base64
import json
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from PIL import Image

import minidl
from minidl.cli import main
from minidl.errors import ArgumentError, DataError
from minidl.models import MLP
from minidl.viz import report
from minidl.viz.charts import curves, scale, whole_ticks

HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(2)>&'
EPOCHS = """epoch,seconds,loss,accuracy,val_loss,val_accuracy,lr
1,2.0,0.9,0.5,1.0,0.45,0.001
2,2.1,0.5,0.8,0.6,nan,0.001
3,2.2,0.4,0.9,0.7,0.75,0.0001
"""
SETTINGS: dict[str, Any] = {
    "format": "minidl run", "version": 1, "status": "finished", "started": "2026-03-01T12:00:00+00:00",
    "seconds": 4000.0, "epochs_done": 3,
    "model": {"class": "minidl.models.MLP", "text": f"MLP(\n  {HOSTILE}\n)", "parameters": 12560, "trainable": 16},
    "optimizer": {"class": "Adam", "groups": [{"lr": 0.001, "betas": [0.9, 0.999]}, {"lr": 1e-5}]},
    "loss": "cross_entropy", "metrics": ["accuracy"], "training": {"epochs": 10, "clip_norm": None, HOSTILE: HOSTILE},
    "data": {"train": {"classes": ["cats", HOSTILE], "counts": [1000, 500]}, "validation": None},
    "best": {"epoch": 2, "monitor": "val_loss", "value": 0.6},
}  # fmt: skip


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "pets <& co>"
    (folder / "pictures").mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps(SETTINGS))
    (folder / "history.csv").write_text(EPOCHS)
    minidl.save(MLP([784, 16]), folder / "best.safetensors")
    Image.new("RGB", (900, 20), (200, 0, 0)).save(folder / "pictures" / "confusion_matrix.png")
    Image.new("RGB", (9, 9)).save(folder / "pictures" / "curves.png")
    (folder / "pictures" / "drawn.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
    )
    (folder / "pictures" / "notes.txt").write_text("no picture")
    return folder


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page(run_dir: Path) -> None:
    path = report(run_dir, input_size=(1, 28, 28))
    assert path == run_dir / "report.html"
    page = _Reader(path.read_text(encoding="utf-8"))
    text = " ".join(page.text)
    for expected in (
        "pets <& co>", "finished", "3 of 10", "1 h 6 min", "best val_loss, epoch 2", "12,560", "2026-03-01 12:00",
        "0.7500", "optimizer · groups 2 · lr", "0.9, 0.999", "1,000", "confusion matrix", "layers.1.weight", HOSTILE,
    ):  # fmt: skip
        assert expected in text
    assert "clip_norm" not in text
    assert text.count(HOSTILE) == 4  # a class in two places, a setting's name and its value
    plain = report(run_dir).read_text(encoding="utf-8")
    assert HOSTILE not in plain
    assert " ".join(_Reader(plain).text).count(HOSTILE) == 5  # and the network as it prints
    rows = [attrs for tag, attrs in page.tags if tag == "tr" and attrs.get("class") == "best"]
    assert len(rows) == 1
    assert sum(tag == "img" for tag, _ in page.tags) == 2


def test_it_is_one_file_without_scripts_and_links(run_dir: Path) -> None:
    page = _Reader(report(run_dir, input_size=(784,)).read_text(encoding="utf-8"))
    assert not {"script", "link", "iframe", "object", "base", "form", "a"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("src") or "data:").startswith("data:image/") or "src" not in attributes
        assert "href" not in attributes
    (policy,) = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'")


def test_pictures_are_in_it_whole(run_dir: Path) -> None:
    page = report(run_dir).read_text()
    kept = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(data) for data in kept] == [
        (run_dir / "pictures" / "confusion_matrix.png").read_bytes()
    ]


def test_what_a_browser_says(run_dir: Path, tmp_path: Path) -> None:
    page = report(run_dir, input_size=(784,))
    dom, complaints = chromium(page, tmp_path / "profile")
    assert complaints == []
    assert "<title>pets &lt;&amp; co&gt;: training report</title>" in dom
    assert "</html>" in dom


def test_on_a_phone_nothing_is_wider_than_the_screen(run_dir: Path, tmp_path: Path) -> None:
    """Within a frame of a phone's width; the measuring script belongs to the page around it."""
    text = report(run_dir, input_size=(784,)).read_text()
    outer = tmp_path / "phone.html"
    outer.write_text(
        f'<!doctype html><iframe width="375" height="700" style="border:0" srcdoc="{escape(text)}" onload="'
        "document.title = [this.contentDocument.documentElement.scrollWidth, "
        "this.contentDocument.querySelectorAll('svg.chart').length]\"></iframe>",
        encoding="utf-8",
    )
    dom, complaints = chromium(outer, tmp_path / "profile")
    assert complaints == []
    assert "<title>375,3</title>" in dom


@pytest.mark.parametrize("missing", ["settings.json", "history.csv", "best.safetensors", "pictures"])
def test_what_is_missing_is_left_out(run_dir: Path, missing: str) -> None:
    if missing == "pictures":
        for file in (run_dir / missing).iterdir():
            file.unlink()
        (run_dir / missing).rmdir()
    else:
        (run_dir / missing).unlink()
    page = report(run_dir, input_size=(784,)).read_text()
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    gone = {
        "settings.json": {"Settings", "Training samples of each class"},
        "history.csv": {"Curves", "Epochs"},
        "best.safetensors": {"Graph"},
        "pictures": {"Pictures"},
    }
    everything = {
        "Curves",
        "Epochs",
        "Training samples of each class",
        "Pictures",
        "Network",
        "Graph",
        "Settings",
    }
    assert set(headings) == everything - gone[missing]


@pytest.mark.parametrize("value", [None, 3, "text", [], [1], {"train": 1}, {"classes": 1, "counts": "a"}])
def test_settings_of_another_form_are_no_error(run_dir: Path, value: Any) -> None:
    for key in ("model", "data", "best", "training", "optimizer", "seconds", "started", "status"):
        settings = {**SETTINGS, key: value, "data": value if key == "data" else {"train": value}}
        (run_dir / "settings.json").write_text(json.dumps(settings))
        assert report(run_dir).stat().st_size > 1000


def test_the_graph_says_why_it_could_not_be_drawn(run_dir: Path) -> None:
    assert "It could not be drawn: linear: input must be" in report(run_dir, input_size=(5,)).read_text()
    minidl.save({"weight": minidl.ones(2)}, run_dir / "best.safetensors")  # values only
    assert "Graph" not in report(run_dir, input_size=(784,)).read_text()


def test_a_real_run_is_reported_with_its_layers_and_graph(tmp_path: Path) -> None:
    from minidl.training import Trainer

    x, y = minidl.randn(40, 1, 4, 4), minidl.arange(40) % 2
    model = minidl.nn.Sequential(minidl.nn.Flatten(), minidl.nn.Linear(16, 2))
    Trainer(model, seed=0, run_dir=tmp_path / "run").fit((x, y), epochs=2, validation_data=(x, y), verbose=0)
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["model"]["input_size"] == [1, 4, 4]
    text = " ".join(_Reader(report(tmp_path / "run").read_text()).text)
    for expected in (
        "finished",
        "multiply-adds",
        "(1, 1, 4, 4) float32",
        "1.weight",
        "best val_loss, epoch",
        "Adam",
    ):
        assert expected in text


def test_the_command(run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.html"
    assert main(["report", str(run_dir), "--out", str(out), "--input-size", "784"]) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    assert "Graph" in out.read_text()
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert re.search(
        r"^minidl: error: report: run_dir must be a folder that Trainer\(run_dir=...\) keeps, got '.*nowhere'\n$",
        capsys.readouterr().err,
    )


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000])
def test_damaged_settings(run_dir: Path, text: str) -> None:
    (run_dir / "settings.json").write_text(text)
    with pytest.raises(DataError, match=r"report: .*settings\.json is damaged: "):
        report(run_dir)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"report: run_dir must be a folder that Trainer\(run_dir=...\) keeps"
    ):
        report(tmp_path)
    (tmp_path / "history.csv").write_text("loss\nmuch\n")
    with pytest.raises(DataError, match=r"history: .*history\.csv is no table of numbers"):
        report(tmp_path)


# ---- the charts


def test_a_curve_ends_where_a_number_is_missing() -> None:
    chart = curves("loss", {"training": [1.0, 2.0, float("nan"), 3.0], "validation": [2.0, 2.0, 1.0, 1.0]})
    first, second = re.findall(r'<path d="(M[^"H]+)" fill="none"', chart)
    assert re.fullmatch(r"M[\d. ]+L[\d. ]+M[\d. ]+", first)
    assert second.count("L") == 3
    assert chart.count("<circle") == 1  # the last point stands alone
    assert "<circle" in curves("loss", {"training": [1.0]})
    curves("loss", {"training": [float("nan")]})
    curves("loss", {"training": [float("inf"), 1.0]})


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (-3, 250), (0.00012, 0.00013), (5, 5), (0, 0), (-2, -2), (1e-30, 1e30), (99.9, 100)],
)
def test_an_axis_has_some_round_numbers_and_holds_all_values(low: float, high: float) -> None:
    bottom, top, ticks = scale(low, high)
    assert bottom <= low <= high <= top
    assert bottom < top
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 35, 99, 100, 1234, 10_000])
def test_epochs_on_the_axis(count: int) -> None:
    ticks = whole_ticks(count)
    assert ticks[0] == 0
    assert ticks[-1] < count
    assert len(ticks) <= 7
    assert len(ticks) >= min(count, 3)
