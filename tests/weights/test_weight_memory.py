"""Loading a weight file takes the network's memory, and not much beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from archives import in_child

from minidl import weights
from minidl.weights import npz

# Reads into arrays that exist, as load_state_dict does; prints by how many files' sizes the peak grew.
PROGRAM = """
import sys
import numpy as np
from archives import peak_memory
from minidl import weights

list(weights.read(sys.argv[2]).arrays.values())  # imports what the reader needs
before = peak_memory()
shapes = weights.read(sys.argv[1]).arrays.shapes
own = {name: np.full(shape, 1, np.float32) for name, shape in shapes.items()}
stored = weights.read(sys.argv[1])
for name in own:
    np.copyto(own[name], stored.arrays[name])
print((peak_memory() - before) / (2 * own["a"].nbytes))
"""


def save(path: Path, format: str, arrays: dict[str, np.ndarray]) -> Path:
    if format == "compressed npz":
        with path.open("wb") as file:
            npz.write(file, arrays, compressed=True)
    elif format.startswith("torch"):
        torch = pytest.importorskip("torch")
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if format == "torch bfloat16":
            tensors = {name: tensor.bfloat16() for name, tensor in tensors.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=format != "torch legacy")
    else:
        weights.write(path, arrays, format)
    return path


FORMATS = ["safetensors", "npz", "compressed npz", "pytorch", "torch", "torch legacy", "torch bfloat16"]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted in KB on Linux only")
@pytest.mark.parametrize("format", FORMATS)
def test_loading_takes_less_than_two_and_a_quarter_files(format: str, tmp_path: Path) -> None:
    """The network's arrays are one, the pages of the mapped file another; 1.3 GB would be 2.35 of VGG16's 553 MB."""
    count = 2**22 if format == "compressed npz" else 2**23
    arrays = {name: np.zeros(count, np.float32) for name in ("a", "b")}
    if format == "compressed npz":  # of a kind that packs by half
        for array in arrays.values():
            array.view(np.uint16)[::2] = np.random.default_rng(0).integers(0, 2**16, count)
    path = save(tmp_path / "large", format, arrays)
    small = save(tmp_path / "small", format, {"a": np.ones(2, np.float32)})
    result = in_child(PROGRAM, path, small)
    assert 0.95 < result < 2.25
