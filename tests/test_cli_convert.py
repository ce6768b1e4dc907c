"""``minidl convert``: every pair of formats, what it says, and how it refuses."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from minidl import weights
from minidl.cli import main
from minidl.models.keras_names import vgg_modules
from minidl.models.vgg import BLOCKS
from minidl.random import stream

pytest.importorskip("h5py", reason="Keras's formats")
pytest.importorskip("pyfive", reason="Keras's formats")

FORMATS = {"safetensors": ".safetensors", "npz": ".npz", "pytorch": ".pth", "keras-h5": ".h5",
           "keras-weights-h5": ".weights.h5"}  # fmt: skip


def state(top: bool = True, name: str = "vgg16") -> dict[str, np.ndarray]:
    """The names of a VGG's state_dict, of small arrays."""
    random, arrays, inputs = stream(2), {}, 3
    for i, module in enumerate(vgg_modules(BLOCKS[name], top=top)):
        outputs = 4 + i
        shape = (outputs, inputs, 3, 3) if module.kind == "conv" else (outputs, inputs)
        arrays[f"{module.name}.weight"] = random.standard_normal(shape).astype(np.float32)
        arrays[f"{module.name}.bias"] = random.standard_normal(outputs).astype(np.float32)
        inputs = 4 * outputs if module.keras == "block5_conv3" else outputs  # flattened: 2 x 2
    return arrays


def convert(capsys, *arguments: object, status: int = 0) -> list[str]:
    """The lines that it prints, or those of its error."""
    assert main(["convert", *map(str, arguments)]) == status
    out, err = capsys.readouterr()
    assert not (err if status == 0 else out.count("numbers, in"))
    return (out if status == 0 else err).splitlines()


@pytest.mark.parametrize(("source", "target"), list(itertools.product(FORMATS, FORMATS)))
def test_every_pair_of_formats(tmp_path, capsys, source, target):
    """And from there to safetensors, where all is as it was."""
    arrays = state()
    weights.write(tmp_path / "first.npz", arrays)
    paths = [tmp_path / f"a{FORMATS[source]}", tmp_path / f"b{FORMATS[target]}", tmp_path / "c.safetensors"]
    for path, new in itertools.pairwise([tmp_path / "first.npz", *paths]):
        convert(capsys, path, new)
    assert weights.read(paths[1]).format == target
    stored = weights.read(paths[2])
    assert set(stored.arrays) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(stored.arrays[name], array, err_msg=name)


def test_what_it_says(tmp_path, capsys):
    first, second, third = tmp_path / "a.npz", tmp_path / "b.h5", tmp_path / "c.safetensors"
    weights.write(first, state(top=False))
    numbers = sum(array.size for array in state(top=False).values())
    lines = convert(capsys, first, second)
    assert lines[0] == f"{first}: NumPy's .npz, 26 arrays of {numbers:,} numbers"
    assert lines[1] == "  names and layouts: PyTorch's -> Keras's; names VGG's"
    assert lines[2].startswith(f"{second}: Keras's legacy .h5, 26 arrays of {numbers:,} numbers, in ")
    lines = convert(capsys, second, third)
    assert lines[1] == "  names and layouts: Keras's -> PyTorch's, as vgg16 without the top has them"
    assert convert(capsys, third, first)[1] == "  names and layouts stay as they are"


@pytest.mark.parametrize("network", ["vgg11", "vgg13", "vgg19"])
def test_the_network_is_told_from_the_names(tmp_path, capsys, network):
    weights.write(tmp_path / "a.npz", state(name=network, top=False))
    convert(capsys, tmp_path / "a.npz", tmp_path / "b.weights.h5")
    assert (
        f"as {network} without the top" in convert(capsys, tmp_path / "b.weights.h5", tmp_path / "c.pth")[1]
    )


def test_the_preprocessing_goes_along(tmp_path, capsys):
    """Weights of Keras need Keras's preprocessing in any format, and those of PyTorch PyTorch's."""
    weights.write(tmp_path / "torch.npz", state(), metadata={"classes": "cat, dog", "numbers": 3})
    convert(capsys, tmp_path / "torch.npz", tmp_path / "a.h5")
    assert weights.read(tmp_path / "a.h5").metadata["preprocessing"] == "torchvision"
    assert weights.read(tmp_path / "a.h5").metadata["classes"] == "cat, dog"
    convert(capsys, tmp_path / "a.h5", tmp_path / "b.safetensors")
    assert weights.read(tmp_path / "b.safetensors").metadata == {
        "classes": "cat, dog",
        "preprocessing": "torchvision",
    }
    import h5py

    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file.attrs["preprocessing"]
    convert(capsys, tmp_path / "a.h5", tmp_path / "keras.safetensors")
    assert weights.read(tmp_path / "keras.safetensors").metadata["preprocessing"] == "keras"


@pytest.mark.parametrize("weight_set", ["keras", "torchvision"])
def test_networks_that_minidl_saved(tmp_path, capsys, weight_set):
    """Their structure tells the preprocessing, which the new file keeps; the structure itself does not fit there."""
    import minidl
    from minidl import models, nn

    with nn.init.skipped():
        model = models.vgg11(include_top=False, weight_set=weight_set)
    minidl.save(model, tmp_path / "a.safetensors")
    convert(capsys, tmp_path / "a.safetensors", tmp_path / "b.weights.h5")
    assert weights.read(tmp_path / "b.weights.h5").metadata == {"preprocessing": weight_set}
    again = models.vgg11(weights=tmp_path / "b.weights.h5", include_top=False)
    assert again.weight_set == weight_set
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name].numpy(), value.numpy())


def test_layers_without_names(tmp_path, capsys):
    """Counted classes need --arch; without, they stay as they are."""
    arrays = {f"conv2d_{i}/kernel" if i else "conv2d/kernel": np.full((3, 3, 2, 2), i) for i in range(13)}
    weights.write(tmp_path / "a.weights.h5", arrays)
    lines = convert(capsys, tmp_path / "a.weights.h5", tmp_path / "b.npz")
    assert (
        lines[1]
        == "  names and layouts stay Keras's: the layers' names tell no network that minidl knows (--arch)"
    )
    assert list(weights.read(tmp_path / "b.npz").arrays) == list(arrays)
    convert(capsys, tmp_path / "a.weights.h5", tmp_path / "c.npz", "--arch", "vgg16")
    found = weights.read(tmp_path / "c.npz").arrays
    assert [int(array.max()) for array in found.values()] == list(range(13))
    assert list(found)[-1] == "features.28.weight"


def test_other_networks_become_counted(tmp_path, capsys):
    weights.write(tmp_path / "a.npz", {"0.weight": np.ones((3, 2)), "2.weight": np.ones((1, 3))})
    lines = convert(capsys, tmp_path / "a.npz", tmp_path / "b.h5")
    assert lines[1].endswith("names counted by class, as Keras does with layers without names")
    assert weights.read(tmp_path / "b.h5").arrays.shapes == {"dense/kernel": (2, 3), "dense_1/kernel": (3, 1)}


def test_a_head_of_ones_own_is_left_out(tmp_path, capsys):
    weights.write(tmp_path / "a.npz", state(top=False))
    convert(capsys, tmp_path / "a.npz", tmp_path / "b.h5")
    arrays = {f"base/{name}": array for name, array in weights.read(tmp_path / "b.h5").arrays.items()}
    weights.write(tmp_path / "c.h5", arrays | {"dense/kernel": np.ones((8, 2)), "dense/bias": np.ones(2)})
    lines = convert(capsys, tmp_path / "c.h5", tmp_path / "d.safetensors")
    assert lines[2] == "  left out, as vgg16 has no such layers: dense/kernel, dense/bias"
    assert set(weights.read(tmp_path / "d.safetensors").arrays) == set(state(top=False))


def test_a_file_over_itself(tmp_path, capsys):
    path = tmp_path / "a.npz"
    weights.write(path, state())
    convert(capsys, path, path, "--to", "safetensors")
    assert weights.read(path).format == "safetensors"
    np.testing.assert_array_equal(weights.read(path).arrays["features.0.bias"], state()["features.0.bias"])


REFUSED = {
    "no such file": (["missing.h5", "out.npz"], r"/.*missing\.h5: No such file or directory"),
    "no weight file": (["text.h5", "out.npz"], "text.h5 must be a weight file, got a text"),
    "no format": (
        ["a.npz", "out.bin"],
        r"OUT must be a path that ends in \.safetensors, .*, or --to given, got '.*out\.bin'",
    ),
    "lacks layers": (
        ["part.h5", "out.npz", "--arch", "vgg11"],
        "the file lacks layers of vgg11: block1_conv1, block2_conv1",
    ),
    "no Keras names": (["odd.npz", "out.h5"], "the name 'scale' must be LAYER/VARIABLE in Keras's formats"),
    "no folder": (["a.npz", "nowhere/out.npz"], r"/.*out\.npz: No such file or directory"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(tmp_path, capsys, case):
    weights.write(tmp_path / "a.npz", state())
    weights.write(tmp_path / "odd.npz", {"scale": np.ones(3)})
    weights.write(tmp_path / "part.h5", {"block1_conv2/kernel": np.ones((3, 3, 2, 2))})
    (tmp_path / "text.h5").write_text("hello")
    (source, target, *options), message = REFUSED[case]
    lines = convert(capsys, tmp_path / source, tmp_path / target, *options, status=2)
    assert len(lines) == 1
    import re

    assert re.match(f"minidl: error: .*{message}", lines[0]), lines[0]
    assert not list(tmp_path.glob("out*"))


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["convert", "--help"])
    out = capsys.readouterr().out
    assert "minidl convert vgg16-397923af.pth vgg16.weights.h5" in out
    assert "--arch NAME" in out


def test_the_network_must_be_one_that_is_known(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(tmp_path / "a"), str(tmp_path / "b.npz"), "--arch", "resnet50"])
    assert "invalid choice: 'resnet50'" in capsys.readouterr().err


def test_paths_are_paths(tmp_path: Path, capsys) -> None:
    """``~`` and the like are the shell's."""
    weights.write(tmp_path / "a b.npz", state())
    convert(capsys, tmp_path / "a b.npz", tmp_path / "c d.pt")
    assert weights.read(tmp_path / "c d.pt").format == "pytorch"


def test_alphabetical_order_is_undone(tmp_path, capsys):
    """safetensors files are sorted: features.10 before features.2, and Keras goes by the order of the layers."""
    weights.write(tmp_path / "a.safetensors", state())
    assert list(weights.read(tmp_path / "a.safetensors").arrays) == sorted(state())
    convert(capsys, tmp_path / "a.safetensors", tmp_path / "b.h5")
    layers = list(dict.fromkeys(name.split("/")[0] for name in weights.read(tmp_path / "b.h5").arrays))
    assert layers == [module.keras for module in vgg_modules(BLOCKS["vgg16"])]
    weights.write(
        tmp_path / "c.safetensors", {f"conv2d_{i}/kernel": np.ones((1, 1, 1, i)) for i in range(1, 12)}
    )
    convert(capsys, tmp_path / "c.safetensors", tmp_path / "d.h5")
    assert [a.shape[3] for a in weights.read(tmp_path / "d.h5").arrays.values()] == list(range(1, 12))
