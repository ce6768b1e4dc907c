"""Weights from a file of any format into a network, by name, with a report of what did not fit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from minidl import weights
from minidl.errors import WeightsError
from minidl.models.keras_names import from_keras, modules_of
from minidl.nn import Module
from minidl.serialization import KEY
from minidl.weights import Arrays, Difference, Stored
from minidl.weights.formats import read_any_size
from minidl.weights.stored import Entry

Shape = tuple[int, ...]

TOP = "classifier."  # how the names of a classifier's dense layers begin, in torchvision's networks
SET = "preprocessing"  # where a file's metadata say which preprocessing its weights need


@dataclass(frozen=True)
class LoadReport:
    """What :func:`load_weights` found in a file.

    Attributes:
        file: its path. format: "safetensors", "npz", "pytorch", "keras-h5", "keras-weights-h5" or "keras".
        loaded: the names of the network that now have the file's values.
        missing: names of the network that the file lacks.
        unexpected: names in the file that the network lacks.
        misshapen: by name, the shape in the network and that in the file, where they differ.
        preprocessing: "torchvision" or "keras", which these weights need (``Preprocess``).
    """

    file: str
    format: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: dict[str, tuple[Shape, Shape]]
    preprocessing: str

    def __str__(self) -> str:
        rest = str(Difference(self.missing, self.unexpected, self.misshapen))
        return f"{len(self.loaded)} arrays loaded from {self.file} ({self.format}){rest and '; ' + rest}"


def load_weights(model: Module, file: str | os.PathLike[str], strict: bool = True) -> LoadReport:
    """Copy the weights in ``file`` into ``model``, by name; the format is recognised from the content.

    Files of safetensors, NumPy's ``.npz`` and PyTorch's ``.pth`` have the network's names; Keras's ``.h5``,
    ``.weights.h5`` and ``.keras`` have its layers' names, which are translated, and their arrays' layouts with them.

    Where all the network's names stand below one prefix, as DataParallel's ``module.`` or a checkpoint's ``net.``, the
    prefix is left out. A network without the dense layers of its top leaves those of the file out, also if ``strict``.
    A VGG remembers which preprocessing its weights need (``model.preprocess``).

    Args:
        model: any Module.
        file: the path.
        strict: every name must be found on both sides, with the same shape. If False, what fits is loaded.

    Raises:
        DTypeError: ``file`` is no path.
        FileNotFoundError: there is no such file.
        WeightsError: it is damaged, or no weight file, or does not fit; the message lists all that is missing,
            unexpected and misshapen, and nothing was loaded.

    >>> import os, tempfile
    >>> from minidl import nn
    >>> path = os.path.join(tempfile.mkdtemp(), "net.npz")
    >>> weights.write(path, {name: value.numpy(force=True) for name, value in nn.Linear(3, 2).state_dict().items()})
    >>> print(load_weights(nn.Linear(3, 2), path))
    2 arrays loaded from ...net.npz (npz)
    >>> load_weights(nn.Linear(4, 2), path)
    Traceback (most recent call last):
    minidl.errors.WeightsError: load_weights: ...net.npz (npz) does not fit Linear; nothing was loaded
      misshapen: weight is [2, 3], not [2, 4]
    """
    expect = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = read_any_size(file)  # for of these arrays only those of the network's shapes are asked for
    if stored.format.startswith("keras"):
        arrays = from_keras(stored.arrays, modules_of(expect))
    else:
        arrays = _without_prefix(stored.arrays, expect)
    difference = weights.compare(arrays.shapes, expect)
    if strict and (problems := _problems(difference, expect)):
        raise WeightsError(_complaint(stored, model, problems, difference))
    names = [name for name in expect if name in arrays and name not in difference.misshapen]
    model.load_state_dict({name: arrays[name] for name in names}, strict=False)
    report = LoadReport(
        stored.file, stored.format, tuple(names), difference.missing, difference.unexpected,
        difference.misshapen, _preprocessing(stored),
    )  # fmt: skip
    for part in model.modules():
        if names and hasattr(part, "loaded_from"):
            part.loaded_from(report)
    return report


def _without_prefix(arrays: Arrays, expect: Mapping[str, Shape]) -> Arrays:
    """The arrays with the network's names, if there is one prefix below which all of these are; else as they are."""
    if not expect or any(name in arrays for name in expect):
        return arrays
    needed = [name for name in expect if not name.endswith(".num_batches_tracked")]
    prefixes = [name.removesuffix(needed[0]) for name in arrays if name.endswith(f".{needed[0]}")]
    prefixes = [prefix for prefix in prefixes if all(prefix + name in arrays for name in needed)]
    if len(prefixes) != 1:
        return arrays
    shapes, dtypes = arrays.shapes, arrays.dtypes
    return Arrays(
        {
            name.removeprefix(prefixes[0]): Entry(
                shapes[name], dtypes[name], partial(arrays.__getitem__, name)
            )
            for name in arrays
        }
    )


def _problems(difference: Difference, expect: Mapping[str, Shape]) -> Difference:
    """The difference without what does no harm: a top that the network does not have, BatchNorm's counters."""
    topless = not any(name.startswith(TOP) for name in expect)
    return Difference(
        tuple(name for name in difference.missing if not name.endswith(".num_batches_tracked")),
        tuple(name for name in difference.unexpected if not (topless and name.startswith(TOP))),
        difference.misshapen,
    )


def _complaint(stored: Stored, model: Module, problems: Difference, difference: Difference) -> str:
    lines = [
        f"load_weights: {stored.file} ({stored.format}) does not fit {_called(model)}; nothing was loaded"
    ]
    lines += [f"  {part}" for part in str(problems).split("; ")]
    return "\n".join([*lines, *_hints(problems, difference)])


def _called(model: Module) -> str:
    return str(getattr(model, "name", "")) or type(model).__name__


def _hints(problems: Difference, difference: Difference) -> list[str]:
    """What to do about a top of another number of classes, or none."""
    misshapen = list(problems.misshapen)
    if misshapen and not problems.missing and not problems.unexpected:
        (wanted, *rest), (got, *its_rest) = problems.misshapen[misshapen[0]]
        last = misshapen[0].rpartition(".")[0]
        if rest == its_rest and {name.rpartition(".")[0] for name in misshapen} == {last}:
            return [
                f"  its last layer tells {got} classes apart, the network's {wanted}. For other classes, take the "
                "network without the top, include_top=False, and put layers of your own behind it; or load with "
                f"strict=False, which leaves {last} as it is, untrained"
            ]
    tops = [name for name in problems.missing if name.startswith(TOP)]
    if tops and len(tops) == len(problems.missing) and not difference.unexpected:
        return ["  the file has no dense layers: make the network without them too, include_top=False"]
    return []


def _preprocessing(stored: Stored) -> str:
    """Which preprocessing the weights need: what the file says, else what is usual where the format comes from."""
    usual = "keras" if stored.format.startswith("keras") else "torchvision"
    return said_preprocessing(stored.metadata) or usual


def said_preprocessing(metadata: Mapping[str, Any]) -> str | None:
    """Which preprocessing a file says that its weights need; also one that ``minidl.save`` made of a VGG."""
    said: Any = metadata.get(SET)
    if said in ("torchvision", "keras"):
        return said
    match = re.search(r'"weight_set"[:, ]+"(keras|torchvision)"', str(metadata.get(KEY, "")))
    return match[1] if match else None
