"""``minidl report``: the report of a training run, as one HTML page."""

from __future__ import annotations

import argparse
from typing import Any

from minidl.viz import report

EXAMPLES = """examples:
  minidl report runs/pets
  minidl report runs/pets --out pets.html --input-size 3 224 224
"""


def add_to(commands: Any) -> None:
    what = "write the report of a training run: one HTML page with settings, curves, table and pictures"
    parser = commands.add_parser(
        "report",
        help=what,
        description=f"{what.capitalize()}.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_dir", metavar="DIR", help="the folder that Trainer(run_dir=DIR) keeps")
    parser.add_argument("--out", metavar="FILE", help="where to write (report.html in the folder)")
    parser.add_argument(
        "--input-size",
        type=int,
        nargs="+",
        metavar="N",
        help="the shape of one sample, to draw the graph too",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    print(f"wrote {report(options.run_dir, options.out, options.input_size)}")
    return 0
