"""The report of a training run: one HTML page with everything in it, made from the folder that Trainer keeps.

The page loads nothing, from the network or elsewhere, and has no scripts; its own policy forbids both. All text that
comes from the run is escaped.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from minidl.creation import zeros
from minidl.errors import ArgumentError, DataError, MinidlError, must
from minidl.nn.module import Module
from minidl.nn.summary import summary
from minidl.serialization import load
from minidl.tensor import Tensor
from minidl.viz.charts import bars, curves
from minidl.viz.computation import graph
from minidl.viz.plots import LABELS, history_of
from minidl.weights.files import replacing

KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp", ".svg": "svg+xml"}
LARGEST = 16_000_000  # bytes of a picture that goes into the page

STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:0 1rem 3rem;color:#222;background:#fff}
h1{font-size:1.6rem;margin:1.2rem 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2rem 0 .6rem;border-bottom:1px solid #ddd}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:1rem 0}
.facts div{background:#f4f6f8;border-radius:.4rem;padding:.5rem .8rem;overflow-wrap:anywhere}
.facts b{display:block;font-size:1.15rem}.facts span{color:#666;font-size:.85rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem}
.chart{width:100%;height:auto;font:12px system-ui,sans-serif;fill:#444}
.scroll{overflow:auto;max-height:26rem;border:1px solid #e3e3e3;border-radius:.3rem}
.scroll svg{max-width:none!important}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .7rem;text-align:right;white-space:nowrap}th{text-align:left;font-weight:600}
.epochs thead th{position:sticky;top:0;background:#eef1f4;text-align:right}.epochs .best{background:#e7f5ea}
.epochs tbody tr:nth-child(even):not(.best){background:#fafafa}
.settings{width:100%}.settings td{text-align:left;white-space:pre-wrap;overflow-wrap:anywhere}
.settings th{vertical-align:top;white-space:normal;width:30%}.settings tr{border-top:1px solid #eee}
.bars{width:100%;table-layout:fixed}.bars .bar div{background:#7fa8d1;height:.9rem;border-radius:.2rem}
.bars th{white-space:normal;overflow-wrap:anywhere;width:40%}.bars td:last-child{width:6rem}
pre{overflow:auto;background:#f4f6f8;padding:.8rem;border-radius:.3rem;font-size:.8rem;line-height:1.35}
figure{margin:1rem 0}figcaption{color:#555;font-size:.9rem}img{max-width:100%;height:auto;border:1px solid #eee}
"""


def report(
    run_dir: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    input_size: Sequence[int] | None = None,
) -> Path:
    """Write the report of a run: one HTML file with settings, curves, table, pictures and graph.

    Args:
        run_dir: the folder that ``Trainer(run_dir=...)`` keeps. Every picture in its ``pictures`` goes into the page.
        path: where to write; default: ``report.html`` in the folder.
        input_size: the shape of one sample, for the layers and the graph of the best model; default: what the settings
            say. Where they do not, or the model is of a class that minidl cannot rebuild, there are none.

    Returns:
        Where it was written.

    Raises:
        ArgumentError: the folder holds no run.
        DataError: settings.json or history.csv is damaged.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "history.csv").write_text("epoch,loss\\n1,0.5\\n2,0.25\\n")
    >>> report(folder).name
    'report.html'
    """
    folder = Path(run_dir)
    settings, history = _settings(folder), _history(folder)
    if settings is None and history is None:
        expected = "a folder that Trainer(run_dir=...) keeps"
        raise ArgumentError(must("report", "run_dir", expected, repr(str(run_dir))))
    page = "\n".join(_page(folder, settings or {}, history or {}, input_size))
    target = folder / "report.html" if path is None else Path(path)
    with replacing(target) as file:
        file.write(page.encode())
    return target


def _settings(folder: Path) -> dict[str, Any] | None:
    path = folder / "settings.json"
    if not path.is_file():
        return None
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"report: {path} is damaged: {error}") from error
    if not isinstance(settings, dict):
        raise DataError(f"report: {path} is damaged: it holds no settings")
    return settings


def _history(folder: Path) -> dict[str, list[float]] | None:
    path = folder / "history.csv"
    return history_of(path, keep=("epoch", "seconds")) if path.is_file() else None


def _page(
    folder: Path, settings: dict[str, Any], history: dict[str, list[float]], size: Any
) -> Iterator[str]:
    name = escape(folder.resolve().name)
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
    )
    yield f"<title>{name}: training report</title><style>{STYLE}</style></head><body>"
    yield f"<h1>{name}</h1>"
    yield _facts(settings, history)
    numbers = {key: values for key, values in history.items() if key not in ("epoch", "seconds")}
    if any(map(len, numbers.values())):
        yield "<h2>Curves</h2>" + _curves(numbers, history.get("epoch"))
        yield "<h2>Epochs</h2>" + _epochs(history, settings.get("best"))
    yield _classes(_dict(_dict(settings, "data"), "train"))
    yield from _pictures(folder / "pictures")
    yield _network(folder, settings, size)
    kept = {key: value for key, value in settings.items() if key not in ("format", "version")}
    kept["model"] = {key: value for key, value in _dict(settings, "model").items() if key != "text"}
    if rows := "".join(_rows(kept)):
        yield f'<h2>Settings</h2><table class="settings">{rows}</table>'
    yield "</body></html>\n"


def _dict(value: Any, key: str) -> dict[str, Any]:
    """``value[key]`` if it is a dict, else an empty one."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _facts(settings: dict[str, Any], history: dict[str, list[float]]) -> str:
    model, best = _dict(settings, "model"), _dict(settings, "best")
    epochs = max((len(values) for values in history.values()), default=0)
    planned = _dict(settings, "training").get("epochs")
    facts = {
        "status": settings.get("status"),
        "epochs": f"{epochs} of {planned}" if planned and planned != epochs else epochs,
        "time": _duration(settings.get("seconds")),
        f"best {best.get('monitor')}, epoch {best.get('epoch')}": _number(best.get("value")),
        "parameters": _number(model.get("parameters")),
        "of them trained": _number(model.get("trainable")),
        "started": str(settings.get("started") or "").replace("T", " ")[:16],
    }
    for key, values in history.items():
        if key.removeprefix("val_") == "accuracy" and values:
            facts[f"last {key}"] = f"{values[-1]:.4f}"
    shown = [(key, value) for key, value in facts.items() if value not in (None, "")]
    return '<div class="facts">{}</div>'.format(
        "".join(f"<div><b>{escape(str(value))}</b><span>{escape(key)}</span></div>" for key, value in shown)
    )


def _duration(seconds: Any) -> str:
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
    )


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.5g}"


def _curves(history: dict[str, list[float]], epochs: list[float] | None) -> str:
    first = int(epochs[0]) if epochs and math.isfinite(epochs[0]) else 1
    names = dict.fromkeys(name.removeprefix("val_") for name in history)
    charts = []
    for name in names:
        series = {"training": history.get(name), "validation": history.get(f"val_{name}")}
        found = {label: values for label, values in series.items() if values}
        charts.append(curves(LABELS.get(name, name), found, first))
    return f'<div class="charts">{"".join(charts)}</div>'


def _epochs(history: dict[str, list[float]], best: Any) -> str:
    number = best.get("epoch") if isinstance(best, dict) else None
    head = "".join(f"<th>{escape(name)}</th>" for name in history)
    rows = []
    for values in zip(*history.values(), strict=True):
        row = dict(zip(history, values, strict=True))
        cells = "".join(f"<td>{_cell(name, value)}</td>" for name, value in row.items())
        mark = ' class="best"' if number is not None and row.get("epoch") == number else ""
        rows.append(f"<tr{mark}>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="epochs"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(name: str, value: float) -> str:
    if name == "epoch" and math.isfinite(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if name == "seconds" else f"{value:.5g}"


def _classes(train: dict[str, Any]) -> str:
    names, counts = train.get("classes"), train.get("counts")
    numbers = isinstance(counts, list) and all(isinstance(n, (int, float)) for n in counts)
    if not (isinstance(names, list) and numbers and len(names) == len(counts)):  # type: ignore[arg-type]
        return ""
    return "<h2>Training samples of each class</h2>" + bars([str(name) for name in names], counts)  # type: ignore[arg-type]


def _pictures(folder: Path) -> Iterator[str]:
    """Each picture of the folder, within the page; the run's curves, which the page draws itself, aside."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    chosen = [f for f in files if f.suffix.lower() in KINDS and f.stem != "curves" and f.is_file()]
    if chosen:
        yield "<h2>Pictures</h2>"
    for file in chosen:
        caption = escape(file.stem.replace("_", " "))
        if file.stat().st_size > LARGEST:
            yield f"<p>{caption}: {escape(file.name)} is too large for this page.</p>"
            continue
        data = base64.b64encode(file.read_bytes()).decode()
        kind = KINDS[file.suffix.lower()]
        yield (
            f'<figure><figcaption>{caption}</figcaption><img alt="{caption}" src="data:image/{kind};base64,{data}">'
            "</figure>"
        )


def _network(folder: Path, settings: dict[str, Any], size: Any) -> str:
    """What the network is made of, and its graph, if the best model can be made again and ``size`` is known."""
    described = _dict(settings, "model")
    text, size = described.get("text"), size or described.get("input_size")
    layers, drawn = _layers(folder / "best.safetensors", size)
    shown = layers or (text if isinstance(text, str) else "")
    parts = [f"<h2>Network</h2><pre>{escape(shown)}</pre>"] if shown else []
    return "".join([*parts, f"<h2>Graph</h2>{drawn}" if drawn else ""])


def _layers(best: Path, size: Any) -> tuple[str, str]:
    """The summary of the best model, and its graph on one sample of zeros; empty where they cannot be."""
    whole = isinstance(size, (list, tuple)) and all(type(n) is int for n in size)
    if not whole or not best.is_file():
        return "", ""
    try:
        model = load(best)
        if not isinstance(model, Module):
            return "", ""
        layers = str(summary(model, size, batch_size=1))
        result = model.eval()(zeros(1, *size))
        if not (isinstance(result, Tensor) and result.requires_grad):
            return layers, ""
        return layers, f'<div class="scroll">{graph(result, model).svg()}</div>'
    except MinidlError as error:
        return "", f"<p>It could not be drawn: {escape(str(error))}</p>"


def _rows(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A row for each setting, however deep; a list of plain values is one."""
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _rows(value, f"{name} · ")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for i, item in enumerate(value, 1):
                numbered = name if len(value) == 1 else f"{name} {i}"
                yield from _rows(item if isinstance(item, dict) else {"": item}, f"{numbered} · ")
        elif value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else _number(value)
            yield f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
