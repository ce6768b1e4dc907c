"""VGGs built in PyTorch from torchvision's list of layers: equal results from its files, and its from minidl's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import models, nn
from minidl.cli import main
from minidl.random import stream

torch = pytest.importorskip("torch", reason="writes the files, and computes what is right")

VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


class TorchVGG16(torch.nn.Module):
    """torchvision's vgg16 and vgg16_bn, by its source's table of layers."""

    def __init__(self, batch_norm: bool, top: bool) -> None:
        super().__init__()
        layers, channels = [], 3
        for entry in VGG16:
            if entry == "M":
                layers.append(torch.nn.MaxPool2d(2, 2))
                continue
            layers.append(torch.nn.Conv2d(channels, entry, 3, padding=1))
            layers += [torch.nn.BatchNorm2d(entry)] if batch_norm else []
            layers.append(torch.nn.ReLU(inplace=True))
            channels = entry
        self.features = torch.nn.Sequential(*layers)
        self.avgpool = torch.nn.AdaptiveAvgPool2d((7, 7))
        if top:
            self.classifier = torch.nn.Sequential(
                torch.nn.Linear(512 * 7 * 7, 4096), torch.nn.ReLU(True), torch.nn.Dropout(),
                torch.nn.Linear(4096, 4096), torch.nn.ReLU(True), torch.nn.Dropout(), torch.nn.Linear(4096, 1000),
            )  # fmt: skip
        self.top = top

    def forward(self, x):
        x = self.features(x)
        return self.classifier(torch.flatten(self.avgpool(x), 1)) if self.top else x


def make(batch_norm: bool = False, top: bool = False) -> TorchVGG16:
    torch.manual_seed(3)
    model = TorchVGG16(batch_norm, top)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


def assert_equal_results(ours, theirs, size: int = 64) -> None:
    x = stream(4).standard_normal((2, 3, size, size)).astype(np.float32)
    with torch.no_grad(), minidl.no_grad():
        want, got = theirs(torch.from_numpy(x)).numpy(), ours.eval()(minidl.tensor(x)).numpy()
    assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_files_that_pytorch_wrote(tmp_path, batch_norm, zipped):
    theirs = make(batch_norm)
    path = tmp_path / "vgg.pth"
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=zipped)
    build = models.vgg16_bn if batch_norm else models.vgg16
    assert_equal_results(build(weights=path, include_top=False), theirs)


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".npz"])
def test_pytorch_loads_what_convert_wrote(tmp_path, capsys, ending):
    """From a file of Keras's layouts, which minidl wrote from PyTorch's: there and back through every layout."""
    pytest.importorskip("pyfive", reason="reads Keras's files")
    theirs = make()
    first, middle, last = (tmp_path / name for name in ("a.pt", "b.weights.h5", f"c{ending}"))
    torch.save(theirs.state_dict(), first)
    assert main(["convert", str(first), str(middle)]) == 0
    assert main(["convert", str(middle), str(last)]) == 0
    again = TorchVGG16(False, False).eval()
    again.load_state_dict(loaded(last))
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert_equal_results(models.vgg16(weights=middle, include_top=False), theirs)


def loaded(path: Path) -> dict:
    """As a PyTorch user would."""
    if path.suffix == ".npz":
        return {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, weights_only=True)


@pytest.mark.slow
def test_all_of_vgg16(tmp_path):
    theirs = make(top=True)
    torch.save(theirs.state_dict(), tmp_path / "vgg16.pth")
    with nn.init.skipped():
        ours = models.vgg16()
    models.load_weights(ours, tmp_path / "vgg16.pth")
    assert_equal_results(ours, theirs, 224)
