"""Random numbers: counter-based streams, so that the same seed gives the same numbers everywhere.

Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) turns a key and a counter into random
bits, so a stream can be opened for any (seed, epoch, index) without drawing what comes before it: a sample's
augmentation depends neither on the number of workers nor on the order in which they run.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl.device import device as Device
from minidl.errors import ArgumentError, DTypeError, ShapeError, must

__all__ = [
    "Generator", "default_generator", "initial_seed", "manual_seed", "seed", "get_rng_state", "set_rng_state",
    "current_generator", "sample_stream",
]  # fmt: skip

_STATE = np.dtype(  # what get_state packs into bytes: the seed, and NumPy's state of Philox
    [("seed", "<u8"), ("counter", "<u8", 4), ("key", "<u8", 2), ("buffer", "<u8", 4), ("buffer_pos", "<u8"),
     ("has_uint32", "<u8"), ("uinteger", "<u8")]
)  # fmt: skip
_handed_out: Callable[[np.ndarray], Any] = np.asarray


def states_are(form: Callable[[np.ndarray], Any]) -> None:
    """Hand out states as ``form(array)``: this file knows no Tensor, so ``minidl.tensor`` says that they are one."""
    global _handed_out
    _handed_out = form


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

    def __init__(self, device: Any = "cpu") -> None:
        if str(device) not in ("cpu", "cpu:0"):
            raise ArgumentError(must("Generator", "device", "'cpu'", repr(device)))
        self.device = Device()
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

    def get_state(self) -> Any:
        """All of the state, as a tensor of bytes: what :meth:`set_state` takes, and :func:`minidl.save`."""
        philox: Any = self.numpy.bit_generator.state
        state = np.zeros((), _STATE)
        state["seed"], state["counter"], state["key"] = (
            self._seed,
            philox["state"]["counter"],
            philox["state"]["key"],
        )
        for name in ("buffer", "buffer_pos", "has_uint32", "uinteger"):
            state[name] = philox[name]
        return _handed_out(np.frombuffer(bytearray(state.tobytes()), np.uint8))

    def set_state(self, new_state: Any) -> Generator:
        """Continue from what :meth:`get_state` returned; returns the generator itself.

        Raises:
            DTypeError: it is no tensor of bytes.
            ShapeError: it is of another length than a state's.
        """
        array = getattr(new_state, "array", new_state)
        if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
            got = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise DTypeError(must("set_state", "new_state", "a uint8 Tensor, as get_state returns", got))
        if array.shape != (_STATE.itemsize,):
            raise ShapeError(must("set_state", "new_state", f"of shape ({_STATE.itemsize},)", array.shape))
        state = np.frombuffer(array.tobytes(), _STATE)[0]
        if state["buffer_pos"] > 4 or state["has_uint32"] > 1:
            raise ArgumentError(must("set_state", "new_state", "what get_state returned", "other bytes"))
        self._seed = int(state["seed"])
        self.numpy = stream(self._seed)
        self.numpy.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {"counter": state["counter"].astype(np.uint64), "key": state["key"].astype(np.uint64)},
            "buffer": state["buffer"].astype(np.uint64),
            "buffer_pos": int(state["buffer_pos"]),
            "has_uint32": int(state["has_uint32"]),
            "uinteger": int(state["uinteger"]),
        }
        return self


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that everything draws from by default: creation functions, initialisation, dropout.

    Raises:
        DTypeError: ``seed`` is no int.
        ArgumentError: it has more than 64 bits.

    >>> import minidl
    >>> minidl.manual_seed(3).initial_seed()
    3
    >>> a = minidl.rand(2)
    >>> minidl.manual_seed(3).initial_seed(), minidl.equal(a, minidl.rand(2))
    (3, True)
    """
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed that the default generator began with.

    >>> import minidl
    >>> minidl.manual_seed(7).initial_seed(), minidl.initial_seed()
    (7, 7)
    """
    return default_generator.initial_seed()


def seed() -> int:
    """Seed the default generator with a number taken from the operating system; returns it."""
    return default_generator.seed()


def get_rng_state() -> Any:
    """The state of the default generator, as a tensor of bytes, to continue from later with :func:`set_rng_state`.

    >>> import minidl
    >>> state = minidl.get_rng_state()
    >>> first = minidl.rand(3)
    >>> minidl.set_rng_state(state)
    >>> minidl.equal(minidl.rand(3), first)
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Let the default generator continue from what :func:`get_rng_state` returned (see :meth:`Generator.set_state`)."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    *,
    device_type: str | None = None,  # noqa: ARG001 - PyTorch's argument, without meaning here
) -> Iterator[None]:
    """What is drawn within this context leaves the default generator as it was before.

    Args:
        devices: none, as there is only the CPU.
        enabled: False makes the context do nothing.
        device_type: not looked at.
    """
    if devices:
        raise ArgumentError(must("fork_rng", "devices", "empty, as there is only the CPU", devices))
    state = default_generator.get_state()
    try:
        yield
    finally:
        if enabled:
            default_generator.set_state(state)


# ---- a stream per sample ----


class _Here(threading.local):
    """What random numbers are drawn from in this thread, within :func:`sample_stream` and :func:`epoch_of`."""

    key: tuple[int, int, int] | None = None  # (seed, epoch, index) of the sample that is being made
    drawn: np.random.Generator | None = None  # its stream, once something has been drawn
    epoch: tuple[int | None, int] | None = None  # (seed, epoch) of the DataLoader that asks for samples


_here = _Here()


@contextmanager
def sample_stream(seed: int | None, epoch: int, index: int) -> Iterator[None]:
    """What is drawn by default within this context, in this thread, comes from the stream (seed, epoch, index).

    A dataset makes each sample in such a context, so that a sample's random transforms depend on these three numbers
    alone: not on the order in which samples are made, nor on the number of threads that make them. It holds for all
    that draws from the default generator: ``minidl.rand`` and dropout too.

    Args:
        seed: None takes the seed of the DataLoader that asks for the sample, else the default generator's.
        epoch: the epoch; that of the DataLoader that asks for the sample goes before.
        index: which sample it is.

    >>> def noise(epoch, index):
    ...     with sample_stream(0, epoch, index):
    ...         return float(current_generator().random())
    >>> noise(0, 5) == noise(0, 5), noise(0, 5) == noise(1, 5)
    (True, False)
    """
    loader_seed, epoch = _here.epoch or (None, epoch)
    if seed is None:
        seed = default_generator.initial_seed() if loader_seed is None else loader_seed
    before = _here.key, _here.drawn
    _here.key, _here.drawn = (seed, epoch, index), None
    try:
        yield
    finally:
        _here.key, _here.drawn = before


@contextmanager
def epoch_of(seed: int | None, epoch: int) -> Iterator[None]:
    """Samples that are made within this context, in this thread, belong to this epoch of a DataLoader."""
    before, _here.epoch = _here.epoch, (seed, epoch)
    try:
        yield
    finally:
        _here.epoch = before


def loading() -> bool:
    """Whether a DataLoader has asked this thread for samples."""
    return _here.epoch is not None


def current_generator() -> np.random.Generator:
    """Where random transforms draw from: the sample's stream within :func:`sample_stream`, else the default generator.

    >>> import minidl
    >>> minidl.manual_seed(0) and current_generator() is minidl.random.default_generator.numpy
    True
    """
    if _here.key is None:
        return default_generator.numpy
    if _here.drawn is None:
        _here.drawn = stream(*_here.key)
    return _here.drawn


def numpy_generator(generator: Generator | None) -> np.random.Generator:
    """The NumPy generator behind ``generator``; :func:`current_generator` if that is None."""
    return current_generator() if generator is None else generator.numpy
