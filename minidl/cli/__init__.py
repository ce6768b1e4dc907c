"""The command line: ``python -m minidl``, or ``minidl`` where it is installed. ``minidl --help`` lists its commands.

A command is a module of this package with a ``add_to(commands)``, which adds the command's parser to argparse's
subparsers and sets ``run``, a function of the options that returns the exit status.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from minidl.cli import convert, evaluate, finetune, info, predict, report, summary, warmup
from minidl.errors import MinidlError

# in the order in which --help lists them
COMMANDS = (finetune, evaluate, predict, summary, report, convert, info, warmup)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="minidl", description="minidl's command line.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (those of the process if None) name; returns the exit status.

    What the user can mend ends in one line and status 2: a wrong option, a missing or damaged file, a wrong shape.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (MinidlError, OSError) as error:
        print(f"{parser.prog}: error: {_in_words(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130


def _in_words(error: Exception) -> str:
    """The error without Python's "[Errno 2]"."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
