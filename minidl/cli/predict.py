"""``minidl predict``: what a classifier sees in photos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from minidl.cli.photos import load_classifier, positive

EXAMPLES = """example:
  minidl predict pets.safetensors photo.jpg holiday/*.png
"""


def add_to(commands: Any) -> None:
    what = "say what a classifier sees in photos"
    parser = commands.add_parser(
        "predict", help=what, description=f"{what.capitalize()}.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file that minidl finetune wrote")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="picture files")
    parser.add_argument("--top", type=positive, default=3, metavar="N", help="classes to name for each (3)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A line for each photo; one that cannot be read is told on stderr, and the others are named all the same."""
    model, status = load_classifier(options.model), 0
    for path in options.photos:
        try:
            (found,) = model.classify([path], options.top)
        except OSError as error:
            status = 2
            print(f"minidl predict: {path} cannot be read as a picture: {error}", file=sys.stderr)
            continue
        print(f"{path}: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share, _ in found), flush=True)
    return status
