"""``minidl convert``: a weight file in another format, for the programs of another library."""

from __future__ import annotations

import argparse
import math
import re
import time
from functools import partial
from pathlib import Path
from typing import Any

from minidl import weights
from minidl.errors import ArgumentError, WeightsError, must
from minidl.models.keras_names import Module, from_keras, modules_of, to_keras, vgg_modules
from minidl.models.loading import SET, said_preprocessing
from minidl.models.vgg import BLOCKS, NAMES
from minidl.serialization import KEY
from minidl.weights import Arrays
from minidl.weights.formats import ENDINGS, WRITERS
from minidl.weights.stored import Entry

EXAMPLES = """examples:
  minidl convert vgg16_weights_tf_dim_ordering_tf_kernels.h5 vgg16.safetensors
  minidl convert vgg16-397923af.pth vgg16.weights.h5       # for Keras 3: model.load_weights("vgg16.weights.h5")
  minidl convert model.keras vgg16.pth --arch vgg16        # for PyTorch: torch.load("vgg16.pth")
  minidl convert vgg16.npz old.h5 --to keras-h5            # Keras's legacy layout, which Keras 2 reads, too

Names and layouts change with the format: Keras's block1_conv1/kernel (height, width, in, out) is PyTorch's
features.0.weight (out, in, height, width). Preprocessing does not: what a file's weights were trained with is noted
in the new file, and minidl's networks use it.
"""
OF_THE_FILE = (KEY, "format", "backend", "keras_version")  # metadata
CALLED = {
    "safetensors": "safetensors",
    "npz": "NumPy's .npz",
    "pytorch": "PyTorch's .pth",
    "keras-h5": "Keras's legacy .h5",
    "keras-weights-h5": "Keras 3's .weights.h5",
    "keras": "a .keras archive",
}


def add_to(commands: Any) -> None:
    what = "write a weight file in another format: safetensors, npz, PyTorch's, Keras's"
    parser = commands.add_parser(
        "convert",
        help=what,
        description=f"{what[0].upper()}{what[1:]}. Nothing in the file is executed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", metavar="IN", type=Path, help="the weight file; its content tells its format"
    )
    parser.add_argument(
        "target", metavar="OUT", type=Path, help="the new file; one that is there is replaced"
    )
    endings = ", ".join(ENDINGS)
    parser.add_argument(
        "--to", choices=WRITERS, help=f"OUT's format; default: what its ending says ({endings})"
    )
    parser.add_argument(
        "--arch",
        choices=NAMES,
        metavar="NAME",
        help=f"the network that Keras's layers are of, where their names do not tell: {', '.join(NAMES)}",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    format = options.to or _format(options.target)
    stored = weights.read(options.source)
    _say(options.source, CALLED.get(stored.format, stored.format), stored.arrays)
    arrays, metadata = stored.arrays, _text(stored.metadata)
    if _has_keras_names(arrays) and not format.startswith("keras"):
        arrays, known = _to_pytorch(arrays, options.arch)
        metadata |= {SET: metadata.get(SET, "keras")} if known else {}
    elif format.startswith("keras") and not _has_keras_names(arrays):
        arrays, known = _to_keras(arrays)
        metadata |= {SET: metadata.get(SET, "torchvision")} if known else {}
    else:
        print("  names and layouts stay as they are")
    weights.write(options.target, arrays, format, metadata or None)
    _say(options.target, CALLED[format], arrays, f", in {time.perf_counter() - start:.1f} s")
    return 0


def _text(metadata: dict[str, Any]) -> dict[str, str]:
    """What every format can keep, without what describes the old file alone."""
    told = {
        key: value for key, value in metadata.items() if isinstance(value, str) and key not in OF_THE_FILE
    }
    if said := said_preprocessing(metadata):
        told[SET] = said
    return told


def _format(path: Path) -> str:
    """The format that the path's ending says."""
    for ending, format in ENDINGS.items():
        if path.name.lower().endswith(ending):
            return format
    expected = f"a path that ends in {', '.join(ENDINGS)}, or --to given"
    raise ArgumentError(must("convert", "OUT", expected, repr(str(path))))


def _say(path: Path, what: str, arrays: Arrays, rest: str = "") -> None:
    numbers = sum(map(math.prod, arrays.shapes.values()))
    print(f"{path}: {what}, {len(arrays)} arrays of {numbers:,} numbers{rest}")


def _has_keras_names(arrays: Arrays) -> bool:
    return bool(len(arrays)) and all("/" in name for name in arrays)


def _to_pytorch(arrays: Arrays, arch: str | None) -> tuple[Arrays, bool]:
    """The arrays by PyTorch's names, and whether these are a network's that is known; as they are if it is not."""
    network = arch or _vgg_of(arrays)
    if network is None:
        print(
            "  names and layouts stay Keras's: the layers' names tell no network that minidl knows (--arch)"
        )
        return arrays, False
    plain = network.removesuffix("_bn")
    modules = vgg_modules(BLOCKS[plain], batch_norm=plain != network)
    found = from_keras(arrays, modules)
    shapes, dtypes = found.shapes, found.dtypes
    kept = Arrays(
        {
            name: Entry(shapes[name], dtypes[name], partial(found.__getitem__, name))
            for name in found
            if name not in arrays
        }
    )
    lacking = _lacking(kept, modules)
    if lacking:
        raise WeightsError(f"convert: the file lacks layers of {network}: {', '.join(lacking)}")
    top = any(name.startswith("classifier.") for name in kept)
    print(
        f"  names and layouts: Keras's -> PyTorch's, as {network} {'with' if top else 'without'} the top has them"
    )
    left = [name for name in arrays if name in found]
    if left:
        print(f"  left out, as {network} has no such layers: {', '.join(left)}")
    return kept, True


def _lacking(kept: Arrays, modules: list[Module]) -> list[str]:
    """Keras's names of the layers that were not found; the dense ones may be missing, but all together."""
    missing = [module for module in modules if f"{module.name}.weight" not in kept]
    top = [module for module in modules if module.kind == "dense"]
    return [] if missing == top else [module.keras for module in missing]


def _to_keras(arrays: Arrays) -> tuple[Arrays, bool]:
    """The arrays by Keras's names, and whether these are a VGG's."""
    vgg = any(module.keras == "block1_conv1" for module in modules_of(arrays.shapes))
    names = "VGG's" if vgg else "counted by class, as Keras does with layers without names"
    print(f"  names and layouts: PyTorch's -> Keras's; names {names}")
    return to_keras(arrays), vgg


def _vgg_of(arrays: Arrays) -> str | None:
    """The VGG whose layers the file has, by Keras's names for them."""
    counts: dict[int, int] = {}
    for name in arrays:
        if match := re.search(r"(?:^|/)block(\d)_conv\d/kernel$", name):
            counts[int(match[1])] = counts.get(int(match[1]), 0) + 1
    for network, blocks in BLOCKS.items():
        if counts == {block: len(filters) for block, filters in enumerate(blocks, 1)}:
            return network + ("_bn" if any("/block1_bn1/" in f"/{name}" for name in arrays) else "")
    return None
