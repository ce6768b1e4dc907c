"""Memory of training VGG16 at 224x224, batch 8: page faults of a step, and the peak. ``python -m benchmarks.memory``

A page fault is a page of memory that the system had to hand out, cleared, in the middle of a step: a sign that freed
memory was given back only to be fetched again. The peak is the most that the process ever held (VmHWM). Each engine
runs in a process of its own; the works are those of ``benchmarks.vgg16`` that train.
"""

from __future__ import annotations

import resource
import subprocess
import sys

STEPS = 3
JOBS = {
    "VGG16 base frozen, head trained": ("benchmarks.vgg16", "frozen base and head, batch 8"),
    "VGG16 base and head trained": ("benchmarks.vgg16", "base and head, batch 8"),
}
ENGINES = ("minidl", "torch", "torch channels-last")


def _measure(module: str, job: str) -> None:
    import importlib

    step = importlib.import_module(module).prepare(job)
    for _ in range(2):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(STEPS):
        step()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{(usage.ru_minflt - before) / STEPS:.0f} {usage.ru_maxrss / 1024:.0f}")


def main() -> None:
    print(f"{'work and engine':<58}{'faults a step':>14}{'peak MB':>10}")
    for name, (module, work) in JOBS.items():
        for engine in ENGINES:
            command = [sys.executable, "-m", "benchmarks.memory", module, f"{engine}: {work}"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            faults, peak = done.stdout.split()[-2:]
            print(f"{name + ': ' + engine:<58}{faults:>14}{peak:>10}", flush=True)


if __name__ == "__main__":
    _measure(*sys.argv[1:]) if len(sys.argv) == 3 else main()
