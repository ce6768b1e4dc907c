"""The memory that Keras's file of VGG16 takes, 553 MB, on its way into a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidl.models.keras_names import vgg_modules
from minidl.models.vgg import BLOCKS

h5py = pytest.importorskip("h5py", reason="writes the file")
pytest.importorskip("pyfive", reason="reads it")

if not sys.platform.startswith("linux"):
    pytest.skip("reads the peak of memory from /proc", allow_module_level=True)

PROGRAM = r"""
import re, sys
from pathlib import Path
from minidl import models
model = models.vgg16(weights=sys.argv[1])
assert float(model.classifier[6].bias[7]) == 7
assert float(model.classifier[0].weight[5, 3]) == 3 * 512  # channel 0, position 3
# ru_maxrss would also count the process that started this one.
print(int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def written(path: Path) -> Path:
    """The published file's layout: names of Keras 1, and all of the numbers."""
    inputs, modules = 3, vgg_modules(BLOCKS["vgg16"])
    filters = [n for block in BLOCKS["vgg16"] for n in block] + [4096, 4096, 1000]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [module.keras.encode() for module in modules]
        for module, outputs in zip(modules, filters, strict=True):
            group = file.create_group(name := module.keras)
            group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
            inputs *= 49 if name == "fc1" else 1
            shape = (3, 3, inputs, outputs) if module.kind == "conv" else (inputs, outputs)
            rows = np.arange(shape[0], dtype=np.float32).reshape(-1, *[1] * (len(shape) - 1))
            group[f"{name}_W_1:0"] = np.broadcast_to(rows, shape)
            group[f"{name}_b_1:0"] = np.arange(outputs, dtype=np.float32)
            inputs = outputs
    return path


@pytest.mark.slow
def test_vgg16_needs_less_than_a_file_and_a_network(tmp_path):
    """Less than 1.3 GB, of which the network's numbers are 553 MB."""
    path = written(tmp_path / "vgg16.h5")
    assert path.stat().st_size > 553e6
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True
    )
    assert 553 < int(done.stdout) < 1240  # MiB
