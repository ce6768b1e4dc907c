"""``minidl summary``: the layers of a network, with their output shapes, parameters and multiply-adds."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import Any

from minidl import models
from minidl.errors import ArgumentError, DTypeError, must
from minidl.nn.module import Module
from minidl.nn.summary import summary
from minidl.serialization import load

EXAMPLES = """examples:
  minidl summary vgg16 --input-size 3 224 224
  minidl summary encoder.safetensors --input-size 784 --batch-size 32
"""


def add_to(commands: Any) -> None:
    what = "show a network's layers, output shapes, parameters and multiply-adds"
    parser = commands.add_parser(
        "summary",
        help=what,
        description=f"{what.capitalize()}.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="MODEL", help=f"a file that minidl.save wrote, or one of {', '.join(built_in())}"
    )
    parser.add_argument(
        "--input-size",
        type=int,
        nargs="+",
        required=True,
        metavar="N",
        help="the shape of one sample, such as 3 224 224",
    )
    parser.add_argument("--batch-size", type=int, default=1, metavar="N", help="samples in the batch (1)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    print(summary(find_model(options.model), options.input_size, batch_size=options.batch_size))
    return 0


def built_in() -> list[str]:
    """The networks of :mod:`minidl.models` that a name is enough to build."""
    return [
        name
        for name in models.__all__
        if name.islower()
        and all(
            p.default is not p.empty or p.kind is p.VAR_KEYWORD
            for p in inspect.signature(getattr(models, name)).parameters.values()
        )
        and _makes_a_module(getattr(models, name))
    ]


def _makes_a_module(function: Any) -> bool:
    made = inspect.signature(function, eval_str=True).return_annotation
    return inspect.isclass(made) and issubclass(made, Module)


def find_model(name: str) -> Module:
    """The network that ``name`` says, or that the file ``name`` holds.

    Raises:
        ArgumentError: there is neither.
        DTypeError: the file holds no network, but the values of one.
    """
    if not Path(name).exists() and name in built_in():
        return getattr(models, name)()
    if not Path(name).exists() and not Path(name).suffix:
        expected = f"a file or one of {', '.join(built_in())}"
        raise ArgumentError(must("summary", "the model", expected, repr(name)))
    model = load(name)
    if not isinstance(model, Module):
        expected = "a network of a class that minidl.serialization.rebuildable knows"
        raise DTypeError(must("summary", f"what {name} holds", expected, type(model).__name__))
    return model
