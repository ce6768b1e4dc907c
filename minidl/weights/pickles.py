"""A machine for the pickles in PyTorch's files, which builds dicts, lists, numbers and strings, and runs nothing.

A pickle is a program for a small stack machine. Python's own machine imports and calls whatever the program names.
This one knows a name only if it stands in the table that it is given, and calls only the function that stands beside
it there; there is no way from a pickle to ``import`` or ``getattr``. Instructions that PyTorch's ``state_dict`` does
not need are refused. The instructions: ``pickletools.py`` in Python's library, with a description of each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pickletools import opcodes
from typing import Any

from minidl.errors import WeightsError
from minidl.weights.stored import MappedFile

MOST_STEPS = 400_000  # instructions; a tensor takes about 25
LONGEST = 8 * 2**20  # bytes of one pickle
LONGEST_LINE = 1000  # bytes of a name or a number in digits
STOP = 0x2E
_NAMES = {ord(opcode.code): opcode.name for opcode in opcodes}
_MARK = object()


@dataclass(frozen=True)
class Global:
    """What stands on the machine's stack for a name that the pickle may use."""

    name: str
    call: Callable[..., Any] | None = None  # None: it is only handed on, as a storage's type is

    def __repr__(self) -> str:
        return self.name


class Machine:
    """Runs the pickles that stand one after the other in ``content``.

    Args:
        file: the file that they are from, for the errors.
        content: its bytes, or those of a record of it.
        names: what a pickle may name, ``"module.name"``, and what each stands for.
        persistent: what makes a storage of the identity that the pickle gives for it.
    """

    def __init__(
        self,
        file: MappedFile,
        content: Any,
        names: Mapping[str, Global],
        persistent: Callable[[Any], Any],
    ) -> None:
        self.file, self.content, self.names, self.persistent = file, content, names, persistent
        self.position = 0  # in content, of the next instruction
        self.steps = 0
        self.program = b""  # the bytes of content that the current pickle may have
        self.at = 0  # in the program
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value of the next pickle.

        Raises:
            WeightsError: it is truncated or damaged, names what it may not, or is too long.
        """
        self.stack, self.memo = [], {}
        self.program, self.at = self.content[self.position : self.position + LONGEST], 0
        try:
            while (code := self.take(1)[0]) != STOP:
                self.step(code)
            (value,) = self.stack
        except WeightsError:
            raise
        except (ValueError, IndexError, TypeError, KeyError, struct.error, OverflowError) as error:
            # Of a damaged program: values missing from the stack, or of other types than the instruction takes.
            raise self.file.damaged(f"its pickle goes wrong at byte {self.at:,}: {error!r}"[:500]) from error
        self.position += self.at
        return value

    def step(self, code: int) -> None:
        """Do one instruction."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise self.file.refused(f"its pickle has more than {MOST_STEPS:,} instructions")
        instruction = _INSTRUCTIONS.get(code)
        if instruction is None:
            name = _NAMES.get(code, f"{code:#04x}")
            raise self.file.refused(f"its pickle uses the instruction {name}, which no state_dict needs")
        instruction(self)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        begin, end = self.at, self.at + count
        if end > len(self.program):
            raise self.file.damaged("its pickle has no end")
        self.at = end
        return self.program[begin:end]

    def number(self, code: str) -> Any:
        """The next number, of a struct's format."""
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def line(self) -> str:
        end = self.program.find(b"\n", self.at, self.at + LONGEST_LINE)
        if end < 0:
            raise self.file.damaged("its pickle has a name without an end")
        return self.take(end + 1 - self.at)[:-1].decode("utf-8")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def marked(self) -> list[Any]:
        """What is on the stack above the last mark; it is taken off, with the mark."""
        stack = self.stack
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                values = stack[i + 1 :]
                del stack[i:]
                return values
        raise ValueError("no mark")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark")
        return value

    def top(self, kind: type) -> Any:
        """What is on top of the stack, which must be of that type."""
        if type(self.stack[-1]) is not kind:
            raise TypeError(f"a {kind.__name__} is needed, and there is {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def remember(self, key: int) -> None:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark")
        self.memo[key] = self.stack[-1]

    def look_up(self, module: Any, name: Any) -> None:
        full = f"{module}.{name}"
        if full not in self.names:
            raise self.file.refused(
                f"it names {full[:200]!r}, and a pickle could run what it names (nothing was run). A file of weights "
                "names only what PyTorch's tensors are made of; this one holds a whole module or other objects. "
                "If you trust it, make another in PyTorch: "
                "torch.save(torch.load(file, weights_only=False).state_dict(), other_file)"
            )
        self.push(self.names[full])

    def set_items(self, values: Sequence[Any]) -> None:
        target = self.top(dict)
        if len(values) % 2:
            raise ValueError("a key without a value")
        for i in range(0, len(values), 2):
            add_item(self.file, target, values[i], values[i + 1])

    def reduce(self) -> None:
        arguments = self.pop()
        function = self.top(Global)
        if function.call is None or type(arguments) is not tuple:
            raise self.file.refused(f"its pickle calls {function.name}, which is nothing to call")
        self.stack[-1] = function.call(*arguments)

    def build(self) -> None:
        """A state for what was built before: of an OrderedDict, its ``_metadata``; it is not needed."""
        self.pop()
        if type(self.stack[-1]) is not dict and not getattr(self.stack[-1], "has_state", False):
            raise self.file.refused(f"its pickle gives a state to a {type(self.stack[-1]).__name__}")


def add_item(file: MappedFile, target: dict[Any, Any], key: Any, value: Any) -> None:
    """``target[key] = value``, for a key that is new, and a string or int (to hash others may take forever)."""
    if type(key) not in (str, int):
        raise file.refused(f"it has a dict with keys of type {type(key).__name__}")
    if key in target:
        raise file.refused(f"it has two entries named {key!r}"[:300])
    target[key] = value


def _text(machine: Machine, length: str) -> None:
    machine.push(machine.take(machine.number(length)).decode("utf-8", "surrogatepass"))


def _python2(machine: Machine, length: str) -> None:
    machine.push(machine.take(machine.number(length)).decode("latin-1"))


def _raw(machine: Machine, length: str) -> None:
    machine.push(bytes(machine.take(machine.number(length))))


def _tuple(machine: Machine, count: int) -> None:
    values = tuple(machine.pop() for _ in range(count))
    machine.push(values[::-1])


def _int(machine: Machine) -> None:
    line = machine.line()
    machine.push({"00": False, "01": True}[line] if line in ("00", "01") else int(line))


def _extend(machine: Machine, values: list[Any]) -> None:
    machine.top(list).extend(values)


def _frame(machine: Machine) -> None:
    if machine.number("<Q") > len(machine.program) - machine.at:
        raise machine.file.damaged("its pickle has no end")


def _protocol(machine: Machine) -> None:
    if (version := machine.number("B")) > 5:
        raise machine.file.refused(f"its pickle is of protocol {version}")


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if type(name) is not str or type(module) is not str:
        raise TypeError("a name that is no string")
    machine.look_up(module, name)


# What each instruction does, by the names in pickletools.
_BY_NAME: dict[str, Callable[[Machine], Any]] = {
    "PROTO": _protocol,
    "FRAME": _frame,
    "MARK": lambda m: m.push(_MARK),
    "NONE": lambda m: m.push(None),
    "NEWTRUE": lambda m: m.push(True),
    "NEWFALSE": lambda m: m.push(False),
    "BININT": lambda m: m.push(m.number("<i")),
    "BININT1": lambda m: m.push(m.number("B")),
    "BININT2": lambda m: m.push(m.number("<H")),
    "LONG1": lambda m: m.push(int.from_bytes(m.take(m.number("B")), "little", signed=True)),
    "INT": _int,
    "LONG": lambda m: m.push(int(m.line().removesuffix("L"))),
    "BINFLOAT": lambda m: m.push(m.number(">d")),
    "BINUNICODE": lambda m: _text(m, "<I"),
    "SHORT_BINUNICODE": lambda m: _text(m, "B"),
    "BINSTRING": lambda m: _python2(m, "<I"),
    "SHORT_BINSTRING": lambda m: _python2(m, "B"),
    "BINBYTES": lambda m: _raw(m, "<I"),
    "SHORT_BINBYTES": lambda m: _raw(m, "B"),
    "EMPTY_TUPLE": lambda m: m.push(()),
    "TUPLE": lambda m: m.push(tuple(m.marked())),
    "TUPLE1": lambda m: _tuple(m, 1),
    "TUPLE2": lambda m: _tuple(m, 2),
    "TUPLE3": lambda m: _tuple(m, 3),
    "EMPTY_LIST": lambda m: m.push([]),
    "LIST": lambda m: m.push(m.marked()),
    "APPEND": lambda m: _extend(m, [m.pop()]),
    "APPENDS": lambda m: _extend(m, m.marked()),
    "EMPTY_DICT": lambda m: m.push({}),
    "SETITEM": lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m: m.set_items(m.marked()),
    "GET": lambda m: m.push(m.memo[int(m.line())]),
    "BINGET": lambda m: m.push(m.memo[m.number("B")]),
    "LONG_BINGET": lambda m: m.push(m.memo[m.number("<I")]),
    "BINPUT": lambda m: m.remember(m.number("B")),
    "LONG_BINPUT": lambda m: m.remember(m.number("<I")),
    "MEMOIZE": lambda m: m.remember(len(m.memo)),
    "GLOBAL": lambda m: m.look_up(m.line(), m.line()),
    "STACK_GLOBAL": _stack_global,
    "BINPERSID": lambda m: m.push(m.persistent(m.pop())),
    "REDUCE": Machine.reduce,
    "BUILD": Machine.build,
}
_CODES = {name: code for code, name in _NAMES.items()}
_INSTRUCTIONS = {_CODES[name]: instruction for name, instruction in _BY_NAME.items()}
