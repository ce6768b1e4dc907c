"""One page of measurements, with its pictures. ``python -m benchmarks.report --out DIR``

    ladder.png      every implementation of a product and of a convolution, as bars by shape
    roofline.png    what the machine allows at each intensity, and where the default kernels stand
    peers.png       minidl's speed as a multiple of PyTorch's and ONNX Runtime's, on whole programs
    report.md       the page that shows them, with the numbers

The comparison with peers takes turns in one run, each engine in a process of its own; the ratios are medians. It takes
about ten minutes; ``--turns 1`` is a look.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from pathlib import Path
from typing import Any

from benchmarks import autoencoder, chain, cnn, ladder, vgg16
from benchmarks.interleaved import Turns, ratio, take_turns
from benchmarks.machine import bandwidth, best, peak_gflops

BAR = {"PyTorch": "#d95f02", "blas": "#e7ab02"}
OURS, DEFAULT = "#a6bddb", "#2b6cb0"


def measure_ladder() -> dict[str, dict[str, float]]:
    """GFLOP/s of every rung, by group; each result is checked first."""
    found: dict[str, dict[str, float]] = {}
    for rung in ladder.rungs():
        ladder.check(rung)
        turns = 3 if rung.operations > 1e9 else 15
        found.setdefault(rung.group, {})[rung.name] = rung.operations / best(rung.run, turns) / 1e9
        print(f"{rung.group:<48}{rung.name:<16}{found[rung.group][rung.name]:>8.1f} GFLOP/s", flush=True)
    return found


def measure_peers(turns: int) -> dict[str, list[Turns]]:
    """The records of every work, minidl's first."""
    works: dict[str, tuple[str, list[str], int]] = {
        f"VGG16 {work}": ("benchmarks.vgg16", [f"{e}: {work}" for e in vgg16.engines_for(work)], 1)
        for work in vgg16.WORKS
    }
    works["autoencoder, one epoch"] = ("benchmarks.autoencoder", list(autoencoder.ENGINES), 1)
    works["small CNN, a tenth of an epoch"] = ("benchmarks.cnn", list(cnn.ENGINES), 1)
    works["chain of 60 small operations"] = ("benchmarks.chain", list(chain.ENGINES), 300)
    found = {}
    for name, (job, engines, steps) in works.items():
        found[name] = take_turns(job, engines, turns, steps)
        print(table({name: found[name]}), flush=True)
    return found


def _engine(record: Turns) -> str:
    return record.engine.split(": ")[0]


def table(peers: dict[str, list[Turns]]) -> str:
    """minidl against its peers, in Markdown."""
    lines = ["| work | minidl | peer | its time | minidl's speed |", "|---|---|---|---|---|"]
    for name, (ours, *theirs) in peers.items():
        for record in theirs:
            times = [statistics.median(r.seconds) for r in (ours, record)]
            shown = [f"{t:.2f} s" if t > 0.5 else f"{t * 1e3:.3g} ms" for t in times]
            lines.append(
                f"| {name} | {shown[0]} | {_engine(record)} | {shown[1]} | {ratio(record, ours):.2f} |"
            )
    return "\n".join(lines)


def draw_ladder(measured: dict[str, dict[str, float]], path: Path) -> None:
    import matplotlib.pyplot as plt

    groups = list(measured.items())
    figure, axes = plt.subplots(-(-len(groups) // 2), 2, figsize=(11, 2.1 * -(-len(groups) // 2)))
    for axis, (group, rungs) in zip(axes.flat, groups, strict=False):
        names = sorted(rungs, key=rungs.__getitem__)
        fastest = max((n for n in names if n not in BAR), key=rungs.__getitem__)
        colours = [BAR.get(n, DEFAULT if n == fastest else OURS) for n in names]
        bars = axis.barh(names, [rungs[n] for n in names], color=colours)
        axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=7)
        axis.axvline(peak_gflops(), color="#888888", linewidth=0.8, linestyle="--")
        axis.set_title(group, fontsize=9, loc="left")
        axis.tick_params(labelsize=7)
        axis.set_xlim(0, 1.15 * max(*rungs.values(), peak_gflops()))
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    figure.suptitle("GFLOP/s, counted by the definition; dashed: the machine's peak", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bytes(group: str) -> float:
    """What must be moved at the least: operands and result, once each, in float32."""
    if group in ladder.PRODUCTS:
        m, k, n = ladder.PRODUCTS[group]
        return 4.0 * (m * k + k * n + m * n)
    layer = ladder.LAYERS[group]
    images = ladder.BATCH * (layer.side**2 * layer.c + layer.out**2 * layer.f)
    return 4.0 * (images + layer.f * layer.c // layer.groups * layer.taps**2)


def draw_roofline(measured: dict[str, dict[str, float]], path: Path) -> None:
    import matplotlib.pyplot as plt
    import numpy as np

    peak, speed = peak_gflops(), bandwidth()
    figure, axis = plt.subplots(figsize=(8, 4.5))
    x = np.geomspace(0.3, 1000, 200)
    axis.plot(x, np.minimum(peak, speed * x), color="#444444")
    operations = {rung.group: rung.operations for rung in ladder.rungs()}
    for number, (group, rungs) in enumerate(measured.items(), 1):
        ours = max(value for name, value in rungs.items() if name not in BAR)
        intensity = operations[group] / _bytes(group)
        axis.plot(intensity, ours, "o", color=DEFAULT, markersize=5, label=f"{number}  {group}")
        axis.annotate(str(number), (intensity, ours), (4, 4), textcoords="offset points", fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s")
    axis.set_title(f"{peak:.0f} GFLOP/s and {speed:.0f} GB/s at most; above the roof: Winograd", fontsize=10)
    axis.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=0, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_peers(peers: dict[str, list[Turns]], path: Path) -> None:
    import matplotlib.pyplot as plt

    rows: list[tuple[str, str, float]] = []
    for name, (ours, *theirs) in peers.items():
        rows += [(name, _engine(record), ratio(record, ours)) for record in theirs]
    rows.reverse()
    figure, axis = plt.subplots(figsize=(8, 0.32 * len(rows) + 1))
    colours = ["#7b6cb0" if engine == "onnxruntime" else "#d95f02" for _, engine, _ in rows]
    bars = axis.barh([f"{name}: {engine}" for name, engine, _ in rows], [r for *_, r in rows], color=colours)
    axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axis.axvline(1, color="#444444", linewidth=0.8)
    axis.set_title("minidl's speed as a multiple of theirs", fontsize=10, loc="left")
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def page(measured: dict[str, dict[str, float]], peers: dict[str, list[Turns]]) -> str:
    from minidl import get_num_threads
    from minidl.kernels.simd import machine

    lines = [
        "# Measurements",
        f"{platform.machine()} with {machine().name}, {get_num_threads()} threads: {peak_gflops():.0f} GFLOP/s in "
        f"float32 and {bandwidth():.0f} GB/s at most. Made by `python -m benchmarks.report`.",
        "## Against other engines",
        "In turns in one run, each engine in a process of its own; medians.",
        table(peers),
        "![minidl's speed as a multiple of theirs](peers.png)",
        "## The ladder",
        "![GFLOP/s of every implementation](ladder.png)",
        "![Roofline](roofline.png)",
        "| shape | implementation | GFLOP/s |\n|---|---|---|\n"
        + "\n".join(f"| {g} | {n} | {v:.1f} |" for g, rungs in measured.items() for n, v in rungs.items()),
    ]
    return "\n\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("out/report"), help="where to write (default out/report)"
    )
    parser.add_argument("--turns", type=int, default=5, help="turns of each engine (default 5)")
    options = parser.parse_args()
    import matplotlib

    matplotlib.use("agg")
    options.out.mkdir(parents=True, exist_ok=True)
    peers = measure_peers(options.turns)
    draw_peers(peers, options.out / "peers.png")
    measured: Any = measure_ladder()
    draw_ladder(measured, options.out / "ladder.png")
    draw_roofline(measured, options.out / "roofline.png")
    (options.out / "report.md").write_text(page(measured, peers), encoding="utf-8")
    print(f"wrote {options.out / 'report.md'}")


if __name__ == "__main__":
    main()
