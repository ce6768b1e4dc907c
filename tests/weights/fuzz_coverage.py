"""Mutated weight files led by coverage, with atheris: ``python tests/weights/fuzz_coverage.py npz -runs=100000``.

What it finds it writes to a file ``crash-...`` in the working directory; libFuzzer's options follow the format.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["minidl.weights"]):
    from minidl import weights
    from minidl.weights import formats

import numpy as np
from mutations import damaged, mutated
from seeds import FORMATS

from minidl.errors import WeightsError

LONGEST = 20_000  # bytes of a file


def main() -> None:
    format, *options = sys.argv[1:]
    seeds = [seed for seed in FORMATS[format]() if len(seed.content) < LONGEST]
    with tempfile.TemporaryDirectory() as folder:
        corpus, path = Path(folder, "corpus"), Path(folder, "file")
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / str(number)).write_bytes(seed.content)
        with atheris.instrument_imports(include=["minidl.weights"]):
            for module, function in formats.READERS.values():
                formats._function((module, function))

        def read(data: bytes) -> None:
            path.write_bytes(data)
            try:
                for array in weights.read(path).arrays.values():
                    np.count_nonzero(array)
            except WeightsError as error:
                if str(path) not in str(error):
                    raise

        def mutate(data: bytes, max_size: int, number: int) -> bytes:
            """libFuzzer's own mutation, this harness's, or a new file made from a seed."""
            random = Random(number)
            kind = random.randrange(4)
            if kind == 0:
                return mutated(random.choice(seeds), random)[:max_size]
            return (damaged(data, random) if kind == 1 else atheris.Mutate(data, len(data) + 8))[:max_size]

        atheris.Setup(
            [sys.argv[0], "-timeout=5", "-rss_limit_mb=1000", f"-max_len={LONGEST}", *options, str(corpus)],
            read, custom_mutator=mutate,
        )  # fmt: skip
        atheris.Fuzz()


if __name__ == "__main__":
    main()
