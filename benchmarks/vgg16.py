"""VGG16 at 224x224 against PyTorch and ONNX Runtime. ``python -m benchmarks.vgg16``

Five works, each a step of a program that people run:

    base, batch 8 and 1      the 13 convolutions and 5 poolings, forward, nothing recorded
    frozen base and head     the base without gradients, then Dense(1024), ReLU and Dense(10), trained by Adam
    base and head            all of it trained

The engines take turns in one run, each in a process of its own, with the same weights; PyTorch runs in both of its
memory formats, with inference_mode where there is no gradient and with its fused Adam. ONNX Runtime runs the base.
The result that is compared is the mean of the base's features, or the loss.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import onnx_model
from benchmarks.interleaved import ratio, take_turns

TOLERANCE = 2e-3
LAYERS = (
    64,
    64,
    "pool",
    128,
    128,
    "pool",
    256,
    256,
    256,
    "pool",
    512,
    512,
    512,
    "pool",
    512,
    512,
    512,
    "pool",
)
FEATURES, HIDDEN, CLASSES = 512 * 7 * 7, 1024, 10
ENGINES = ("minidl", "torch", "torch channels-last", "onnxruntime")
WORKS = ("base, batch 8", "base, batch 1", "frozen base and head, batch 8", "base and head, batch 8")


def weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Filters and biases of the 13 convolutions, then of the head: He's scale, so that the features stay of size 1."""
    random, channels, made = np.random.default_rng(0), 3, []
    for filters in LAYERS:
        if isinstance(filters, int):
            scale = np.sqrt(2 / (9 * channels))
            w = random.standard_normal((filters, channels, 3, 3), np.float32) * np.float32(scale)
            made.append((w, random.standard_normal(filters, np.float32) * np.float32(0.1)))
            channels = filters
    for rows, columns in ((HIDDEN, FEATURES), (CLASSES, HIDDEN)):
        w = random.standard_normal((rows, columns), np.float32) * np.float32(np.sqrt(2 / columns))
        made.append((w, np.zeros(rows, np.float32)))
    return made


def images(batch: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((batch, 3, 224, 224), np.float32)


def _networks(nn: Any, tensor: Callable[[np.ndarray], Any]) -> tuple[Any, Any]:
    """The base and the head, in minidl or in PyTorch."""
    given = iter(weights())
    layers: list[Any] = []
    channels = 3
    for filters in LAYERS:
        if filters == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
        layers[-2].load_state_dict(dict(zip(("weight", "bias"), map(tensor, next(given)), strict=True)))
        channels = filters
    dense = [nn.Linear(FEATURES, HIDDEN), nn.Linear(HIDDEN, CLASSES)]
    for layer, (w, b) in zip(dense, given, strict=True):
        layer.load_state_dict({"weight": tensor(w), "bias": tensor(b)})
    return nn.Sequential(*layers), nn.Sequential(nn.Flatten(), dense[0], nn.ReLU(), dense[1])


def number(result: Any) -> float:
    return float(np.mean(np.asarray(result, dtype=np.float64)))


def prepare(job: str) -> Callable[[], Any]:
    engine, work = job.split(": ")
    batch = int(work.split()[-1])
    if engine == "onnxruntime":
        return _prepare_onnxruntime(images(batch))
    return _prepare_eager(engine, work, images(batch))


def _prepare_eager(engine: str, work: str, x: np.ndarray) -> Callable[[], Any]:
    if engine == "minidl":
        import minidl as library
    else:
        import torch as library
    nn, F = library.nn, library.nn.functional
    base, head = _networks(nn, library.tensor)
    if engine == "minidl":  # pictures arrive channels-last
        inputs = library.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    else:
        inputs = library.from_numpy(x)
        if "channels-last" in engine:
            base, inputs = (
                base.to(memory_format=library.channels_last),
                inputs.contiguous(memory_format=library.channels_last),
            )
    labels = library.tensor(np.arange(len(x)) % CLASSES)
    if work.startswith("base,"):
        base.requires_grad_(False)

        def forward() -> Any:
            with library.inference_mode():
                return base(inputs).numpy()

        return forward
    base.requires_grad_(not work.startswith("frozen"))
    trained = [p for p in (*base.parameters(), *head.parameters()) if p.requires_grad]
    # A rate of next to nothing: the work is the same, and the losses of all engines stay comparable.
    options = {} if engine == "minidl" else {"fused": True}
    optimizer = library.optim.Adam(trained, lr=1e-12, **options)

    def step() -> Any:
        loss = F.cross_entropy(head(base(inputs)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _prepare_onnxruntime(x: np.ndarray) -> Callable[[], Any]:
    nodes: list[tuple[Any, ...]] = []
    constants, name, given = {}, "x", iter(weights())
    for i, filters in enumerate(LAYERS):
        if filters == "pool":
            nodes.append(("MaxPool", [name], f"p{i}", {"kernel_shape": [2, 2], "strides": [2, 2]}))
            name = f"p{i}"
            continue
        constants[f"w{i}"], constants[f"b{i}"] = next(given)
        nodes.append(("Conv", [name, f"w{i}", f"b{i}"], f"c{i}", {"pads": [1, 1, 1, 1]}))
        nodes.append(("Relu", [f"c{i}"], f"r{i}"))
        name = f"r{i}"
    return onnx_model.session(nodes, constants, x, (len(x), 512, 7, 7))


def engines_for(work: str) -> list[str]:
    """The engines that can do the work and are installed, minidl first."""
    found = []
    for engine in ENGINES:
        if engine == "onnxruntime" and not work.startswith("base,"):
            continue
        try:
            for package in ("onnx", "onnxruntime") if engine == "onnxruntime" else (engine.split()[0],):
                __import__(package)
        except ImportError:
            continue
        found.append(engine)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="measure the works whose names begin so")
    parser.add_argument("--turns", type=int, default=7, help="turns of each engine (default 7)")
    options = parser.parse_args()
    for work in WORKS:
        if not work.startswith(options.only):
            continue
        steps = 3 if work.endswith(" 1") else 1
        found = take_turns(__spec__.name, [f"{e}: {work}" for e in engines_for(work)], options.turns, steps)
        batch = int(work.split()[-1])
        print(f"{work}: milliseconds per image, and the speed of minidl as a multiple of each")
        for record in found:
            ms = statistics.median(record.seconds) / batch * 1e3
            print(
                f"  {record.engine.split(': ')[0]:<22}{ms:>8.1f}{ratio(record, found[0]):>8.2f}", flush=True
            )


if __name__ == "__main__":
    main()
