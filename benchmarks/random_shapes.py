"""Shapes that nobody chose: random convolutions and matrix products against PyTorch.

    python -m benchmarks.random_shapes --seed 0

    --count N       shapes (200), of which a quarter are matrix products
    --backward      forward and all gradients, instead of forward alone
    --worst N       print the N slowest, compared to PyTorch (20)

A policy is made from the shapes that one measured; this asks whether it holds for others. Sizes are drawn on a
logarithmic scale, as they occur: one channel or hundreds, images of 4 to 224 pixels, filters of 1 to 7 taps, strides,
dilations, groups and depthwise, batches of 1 to 32; what takes PyTorch more than some 2 GFLOP is drawn again. The speed
is the ratio to the better of PyTorch's two memory formats, the median over turns that the engines take in one run.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

ENGINES = ("minidl", "torch", "torch channels-last")
TOLERANCE = 1e-3
LARGEST = 2e9  # operations
SECONDS = 0.02  # that an engine is given a turn
TURNS = 5


def draw(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Random problems."""
    problems: list[dict[str, Any]] = []
    while len(problems) < count:
        problem = _matmul(rng) if len(problems) % 4 == 3 else _conv2d(rng)
        if problem and problem["operations"] <= LARGEST:
            problems.append(problem)
    return problems


def _size(rng: np.random.Generator, low: int, high: int) -> int:
    """Between low and high on a logarithmic scale; a multiple of 8 every other time."""
    n = round(math.exp(rng.uniform(math.log(low), math.log(high))))
    return max(low, n // 8 * 8) if n > 8 and rng.random() < 0.5 else n


def _matmul(rng: np.random.Generator) -> dict[str, Any]:
    m, k, n = (_size(rng, 1, 2048) for _ in range(3))
    return {"a": (m, k), "b": (k, n), "operations": 2 * m * k * n, "name": f"{m}x{k} @ {k}x{n}"}


def _conv2d(rng: np.random.Generator) -> dict[str, Any] | None:
    n, c, f = _size(rng, 1, 32), _size(rng, 1, 512), _size(rng, 1, 512)
    h, w = _size(rng, 4, 224), _size(rng, 4, 224)
    taps = int(rng.choice([1, 2, 3, 3, 3, 4, 5, 7]))
    stride = int(rng.choice([1, 1, 1, 2, 3]))
    dilation = int(rng.choice([1, 1, 1, 1, 2]))
    padding = int(rng.integers(0, taps // 2 + 1)) * dilation
    kind, groups = rng.random(), 1
    if kind < 0.12:
        groups, f = c, c * int(rng.choice([1, 1, 2]))
    elif kind < 0.24:
        groups = int(rng.choice([2, 4, 8, 32]))
        c, f = -(-c // groups) * groups, -(-f // groups) * groups
    out = [(size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1 for size in (h, w)]
    if min(out) < 1:
        return None
    extra = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    name = f"{n}x{c}x{h}x{w} * {f}x{c // groups}x{taps}x{taps}" + "".join(
        f" {key[0]}{value}" for key, value in extra.items() if value != (key != "padding")
    )
    operations = 2 * n * f * math.prod(out) * c // groups * taps**2
    return {
        "x": (n, h, w, c), "w": (f, c // groups, taps, taps), "options": extra, "operations": operations, "name": name,
    }  # fmt: skip


def prepare(engine: str, problem: dict[str, Any], backward: bool) -> Callable[[], Any]:
    """The step of one engine on one problem; it returns arrays."""
    rng = np.random.default_rng(1)
    names = ("x", "w") if "x" in problem else ("a", "b")
    arrays = [rng.standard_normal(problem[name], dtype="f") for name in names]
    if "x" in problem:
        arrays[0] = arrays[0].transpose(0, 3, 1, 2)
    if engine == "minidl":
        import minidl as module

        conv2d = module.nn.functional.conv2d
    else:
        import torch as module  # type: ignore[no-redef]

        conv2d = module.conv2d
    operands = [module.from_numpy(a) for a in arrays]
    if engine != "minidl" and "x" in problem:
        order = module.channels_last if engine.endswith("last") else module.contiguous_format  # type: ignore[attr-defined]
        operands = [a.contiguous(memory_format=order) for a in operands]
    operands = [a.requires_grad_(backward) for a in operands]
    without = module.no_grad if engine == "minidl" else module.inference_mode  # type: ignore[attr-defined]

    def compute() -> Any:
        return conv2d(*operands, **problem["options"]) if "x" in problem else operands[0] @ operands[1]

    def step() -> Any:
        if not backward:
            with without():
                return [compute()]
        y = compute()
        return module.autograd.grad(y, operands, y.detach())

    return step


def _serve(engine: str, backward: bool) -> None:
    """Read problems; for each, take turns when told to: seconds per step, and a sum of the results."""
    step: Any = None
    steps = 1
    for line in sys.stdin:
        message = json.loads(line)
        if message is not None:
            step = prepare(engine, message, backward)
            results = step()
            begin = time.perf_counter()
            step()
            steps = max(1, int(SECONDS / (time.perf_counter() - begin)))
            print(
                json.dumps(sum(float(np.abs(r.detach().numpy()).sum(dtype="d")) for r in results)), flush=True
            )
            continue
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        print(json.dumps((time.perf_counter() - begin) / steps), flush=True)


class _Worker:
    def __init__(self, engine: str, backward: bool) -> None:
        command = [sys.executable, "-m", "benchmarks.random_shapes", "--serve", engine]
        self.process = subprocess.Popen(
            command + ["--backward"] * backward, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, message: Any) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(message), file=self.process.stdin, flush=True)
        return float(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def compare(workers: list[_Worker], problem: dict[str, Any]) -> tuple[float, float]:
    """minidl's seconds, and how many times as fast it is as the better of PyTorch's formats.

    Raises:
        ValueError: the results differ.
    """
    sums = [worker.ask(problem) for worker in workers]
    if max(sums) - min(sums) > TOLERANCE * max(sums):
        raise ValueError(f"{problem['name']}: the engines computed {sums}")
    turns = [[worker.ask(None) for worker in workers] for _ in range(TURNS)]
    return statistics.median(t[0] for t in turns), statistics.median(min(t[1:]) / t[0] for t in turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--worst", type=int, default=20)
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--serve", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve, options.backward)
        return
    workers = [_Worker(engine, options.backward) for engine in ENGINES]
    found = []
    for problem in draw(np.random.default_rng(options.seed), options.count):
        seconds, speed = compare(workers, problem)
        found.append((speed, seconds, problem))
    for worker in workers:
        worker.close()
    found.sort(key=lambda entry: entry[0])
    print(f"{'speed':>6}{'µs':>10}{'GFLOP/s':>9}  the slowest {options.worst}, compared to PyTorch")
    for speed, seconds, problem in found[: options.worst]:
        rate = problem["operations"] * (3 if options.backward else 1) / seconds / 1e9
        print(f"{speed:>6.2f}{seconds * 1e6:>10.0f}{rate:>9.1f}  {problem['name']}")
    speeds = [entry[0] for entry in found]
    quantiles = np.quantile(speeds, [0.05, 0.25, 0.5, 0.75, 0.95])
    print("5, 25, 50, 75, 95%: " + ", ".join(f"{q:.2f}" for q in quantiles))
    print(f"geometric mean {math.exp(statistics.fmean(map(math.log, speeds))):.2f} times as fast as PyTorch")
    print(f"at 0.8 or better: {100 * np.mean(np.array(speeds) >= 0.8):.1f}%")
    print(f"below 0.5: {sum(speed < 0.5 for speed in speeds)} of {len(speeds)}")


if __name__ == "__main__":
    main()
