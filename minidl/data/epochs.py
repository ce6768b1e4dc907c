"""Which epoch a DataLoader is in, and how far: what is needed to go on in the middle of one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.random import Generator, default_generator


class Epoch:
    """One pass over the data.

    Attributes:
        number: which one. given: how many batches the consumer has had.
        start: the state of the order's generator when the pass began.
    """

    def __init__(self, number: int, generator: Generator, resumed: dict[str, Any] | None) -> None:
        self.number = number
        self.generator = generator
        self.given = resumed["batch"] if resumed else 0
        self.start = resumed["start"] if resumed else generator.get_state()

    def skip(self, items: Iterator[Any]) -> Iterator[Any]:
        """``items`` without those that were given before the pass was interrupted.

        They are drawn again from where the generator was then.
        """
        if self.given:
            now = self.generator.get_state()
            self.generator.set_state(self.start)
            for _ in itertools.islice(items, self.given):
                pass
            if self.generator is default_generator:  # from which others draw too
                self.generator.set_state(now)
        return items


class Epochs:
    """The passes of one DataLoader; ``generator`` is its own, or None where it draws from the default one."""

    def __init__(self, generator: Generator | None) -> None:
        self.own = generator
        self.next = 0
        self.current: Epoch | None = None  # the pass that began last, until it ends
        self._resumed: dict[str, Any] | None = None

    def begin(self) -> Epoch:
        """A new pass."""
        generator = default_generator if self.own is None else self.own
        self.current = Epoch(self.next, generator, self._resumed)
        self._resumed = None
        self.next += 1
        return self.current

    def end(self, epoch: Epoch) -> None:
        """All batches of this pass have been given."""
        if self.current is epoch:
            self.current = None

    def set(self, epoch: int) -> None:
        """The next pass is that of this number; what was to be resumed is, if it is of this number."""
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise ArgumentError(must("set_epoch", "epoch", "a non-negative int", repr(epoch)))
        self.next = epoch
        self.current = None
        if self._resumed is not None and self._resumed["epoch"] != epoch:
            self._resumed = None

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`minidl.data.DataLoader.state_dict`."""
        if self._resumed is not None:
            return dict(self._resumed)
        going = self.current
        return {
            "epoch": self.next if going is None else going.number,
            "batch": 0 if going is None else going.given,
            "start": None if going is None else going.start,
            "generator": None if self.own is None else self.own.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`minidl.data.DataLoader.load_state_dict`."""
        if not isinstance(state, dict) or set(state) != {"epoch", "batch", "start", "generator"}:
            got = sorted(state) if isinstance(state, dict) else type(state).__name__
            raise ArgumentError(
                must("load_state_dict", "state", "what state_dict() of a DataLoader gave", got)
            )
        self.set(state["epoch"])
        if self.own is not None and state["generator"] is not None:
            self.own.set_state(state["generator"])
        self._resumed = dict(state) if state["batch"] else None
