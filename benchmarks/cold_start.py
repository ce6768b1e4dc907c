"""The first VGG16 of a machine, and of a process. ``python -m benchmarks.cold_start``

The base of VGG16 goes forward over one image of 224x224: in a fresh process with nothing compiled, and in a second one
that finds all compiled. Both are timed from before ``import minidl`` to the result, in parts; what was compiled, and
what was compiled for more than one signature, is listed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from typing import Any

WIDTHS = (64, 64, "pool", 128, 128, "pool", *(256,) * 3, "pool", *(512,) * 3, "pool", *(512,) * 3, "pool")

_PROCESS = """
import json, time
start = time.perf_counter()
import minidl
from benchmarks.cold_start import vgg16_base
imported = time.perf_counter()
model = vgg16_base()
image = minidl.randn(1, 3, 224, 224)
built = time.perf_counter()
times = []
with minidl.no_grad():
    for _ in range(2):
        begin = time.perf_counter()
        assert model(image).shape == (1, 512, 7, 7)
        times.append(time.perf_counter() - begin)
from minidl.kernels.compile import compilations
print(json.dumps({"import": imported - start, "model": built - imported, "first": times[0], "next": times[1],
                  "kernels": [list(c) for c in compilations]}))
"""


def vgg16_base() -> Any:
    """VGG16 without its head: 13 convolutions of 3x3, each with ReLU, and 5 poolings."""
    from minidl import nn

    layers: list[Any] = []
    channels = 3
    for width in WIDTHS:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


def measure(home: str) -> dict[str, Any]:
    """What one process took, in seconds, and which kernels it compiled or loaded."""
    environment = {**os.environ, "MINIDL_HOME": home}
    out = subprocess.run(
        [sys.executable, "-c", _PROCESS], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        found = {"nothing compiled": measure(home), "all compiled": measure(home)}
    print(
        f"{'VGG16 base, 1x3x224x224':<28}{'import':>8}{'model':>8}{'first':>8}{'next':>8}{'compiled':>10}{'loaded':>8}"
    )
    for name, times in found.items():
        loaded = sum(from_disk for *_, from_disk in times["kernels"])
        parts = "".join(f"{times[part]:>8.2f}" for part in ("import", "model", "first", "next"))
        print(f"{name:<28}{parts}{len(times['kernels']) - loaded:>10}{loaded:>8}")
    compiled = [name for name, _, from_disk in found["nothing compiled"]["kernels"] if not from_disk]
    twice = {name: n for name, n in Counter(compiled).items() if n > 1}
    print("compiled:", ", ".join(name.removeprefix("minidl.kernels.") for name in compiled))
    print("for more than one signature:", twice or "none")


if __name__ == "__main__":
    main()
