"""Random numbers: counter-based streams, so that the same seed gives the same numbers everywhere.

Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) turns a key and a counter into random
bits, so a stream can be opened for any (seed, epoch, index) without drawing what comes before it: a sample's
augmentation depends neither on the number of workers nor on the order in which they run.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, must

__all__ = ["Generator", "default_generator", "initial_seed", "manual_seed"]


def _check_seed(op: str, seed: int) -> int:
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
        raise DTypeError(must(op, "seed", "an int", type(seed).__name__))
    if not -(2**63) <= seed < 2**64:
        raise ArgumentError(must(op, "seed", "in [-2**63, 2**64)", seed))
    return int(seed) % 2**64


def stream(seed: int, *indices: int) -> np.random.Generator:
    """The random stream that belongs to ``(seed, *indices)``, for instance ``(seed, epoch, sample)``.

    >>> float(stream(0, 3, 7).random()) == float(stream(0, 3, 7).random())
    True
    """
    # As spawn_key, because [seed, 0] as entropy would be [seed]: SeedSequence fills up with zeros.
    spawn_key = [_check_seed("stream", i) for i in indices]
    key = np.random.SeedSequence(_check_seed("stream", seed), spawn_key=spawn_key)
    return np.random.Generator(np.random.Philox(key))


class Generator:
    """A source of random numbers with a state that can be saved, with ``torch.Generator``'s methods.

    ``generator.numpy`` is the underlying :class:`numpy.random.Generator`.
    """

    def __init__(self, device: object = "cpu") -> None:
        if str(device) != "cpu":
            raise ArgumentError(must("Generator", "device", "'cpu'", repr(device)))
        self.manual_seed(0)

    def manual_seed(self, seed: int) -> Generator:
        """Start over from ``seed``; returns the generator itself."""
        self._seed = _check_seed("manual_seed", seed)
        self.numpy = stream(self._seed)
        return self

    def seed(self) -> int:
        """Start over from a seed taken from the operating system; returns it."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The whole state, as nested dicts of numbers and arrays."""
        return {"seed": self._seed, "bit_generator": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Continue from what :meth:`get_state` returned."""
        self._seed = state["seed"]
        self.numpy.bit_generator.state = state["bit_generator"]
        return self


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that everything draws from by default: creation functions, initialisation, dropout."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed that the default generator began with."""
    return default_generator.initial_seed()


def numpy_generator(generator: Generator | None) -> np.random.Generator:
    """The NumPy generator behind ``generator``; of the default one if that is None."""
    return (default_generator if generator is None else generator).numpy
