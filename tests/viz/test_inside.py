"""Filters, feature maps, and Grad-CAM against PyTorch's derivatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl import nn
from minidl.errors import ArgumentError, ShapeError
from minidl.viz import grad_cam, plot_feature_maps, plot_filters, plot_grad_cam


def network(lib: Any = minidl) -> Any:
    return lib.nn.Sequential(
        lib.nn.Conv2d(3, 4, 3, padding=1), lib.nn.ReLU(), lib.nn.MaxPool2d(2), lib.nn.Conv2d(4, 6, 3), lib.nn.ReLU(),
        lib.nn.Flatten(), lib.nn.Dropout(), lib.nn.Linear(6 * 16, 5),
    )  # fmt: skip


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((3, 12, 12), "float32")


@pytest.mark.parametrize("layer", [None, "0", "4"])
@pytest.mark.parametrize("target", [None, 2])
def test_grad_cam_is_equations_1_and_2(layer: str | None, target: int | None, image: np.ndarray) -> None:
    torch = pytest.importorskip("torch", reason="gives the derivatives to compare with")
    model, theirs = network(), network(torch)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in model.state_dict().items()})
    kept = []
    theirs.eval().get_submodule(layer or "3").register_forward_hook(lambda *call: kept.append(call[2]))
    scores = theirs(torch.tensor(image)[None])
    kept[0].retain_grad()
    scores[0, scores.argmax() if target is None else target].backward()
    maps, weights = kept[0].detach(), kept[0].grad.mean((2, 3), keepdim=True)
    expected = torch.relu((weights * maps).sum(1))[0]
    expected = (expected / expected.max()).numpy()
    found = grad_cam(model, image, layer, target)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert found.shape == ((12, 12) if layer == "0" else (4, 4))


def test_grad_cam_leaves_the_model_alone(image: np.ndarray) -> None:
    model = network()
    model[3].freeze()
    expected = grad_cam(model, image)
    with minidl.no_grad():
        np.testing.assert_array_equal(grad_cam(model.freeze(), minidl.tensor(image)), expected)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert model[3]._hooks is None or not model[3]._hooks.forward


def test_grad_cam_of_a_single_score(image: np.ndarray) -> None:
    """Of class 0 it is what a low score comes from: the map of the negated network."""
    model = network()
    model[7] = nn.Linear(96, 1)
    no = grad_cam(model, image, target=0)
    yes = grad_cam(model, image, target=1)
    taken = model.eval()(minidl.tensor(image)[None]).item() > 0
    np.testing.assert_array_equal(grad_cam(model, image), yes if taken else no)
    model[7].weight.data = -model[7].weight.data
    np.testing.assert_allclose(grad_cam(model, image, target=1), no, atol=1e-6)


def test_grad_cam_finds_what_the_class_depends_on() -> None:
    """A network that looks for brightness, and a picture that is bright in one corner."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(64, 2))
    for name, value in {"0.weight": 1, "0.bias": 0, "2.weight": 1, "2.bias": 0}.items():
        nn.init.constant_(model.get_parameter(name), value)
    picture = np.zeros((1, 8, 8), "float32")
    picture[0, :2, 6:] = 1
    np.testing.assert_array_equal(grad_cam(model, picture), picture[0])


def test_a_score_that_does_not_depend_on_the_layer_gives_no_heat(image: np.ndarray) -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.score = nn.Conv2d(3, 2, 1), nn.Parameter(minidl.ones(1, 2))

        def forward(self, x: Any) -> Any:
            self.layer(x)
            return self.score * 1

    assert not grad_cam(Constant(), image).any()
    assert not grad_cam(Constant().freeze(), image).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m, x: grad_cam(m, x, "conv"), ArgumentError, "layer must be the name of a module, got 'conv'; near"),
        (lambda m, x: grad_cam(m, x, "7"), ShapeError, r"layer must be one that gives \(N, C, .*, got one .* \(1, 5\)"),
        (lambda m, x: grad_cam(m, x, target=5), ArgumentError, "target must be a class, below 5, got 5"),
        (lambda m, x: grad_cam(m, x[0]), ShapeError, r"image must be \(C, H, W\) or \(1, C, H, W\), got \(12, 12\)"),
        (lambda m, x: grad_cam(m[:5], x), ShapeError, r"what the model gives must be scores \(1, classes\)"),
        (lambda m, x: grad_cam(nn.Linear(2, 2), x), ArgumentError, "layer must be given for a network without Conv2d"),
        (lambda m, x: plot_filters(m, "1"), ArgumentError, "layer must be a layer with a weight, got ReLU"),
        (lambda m, x: plot_filters(m, "3"), ShapeError, "layer must be a layer of one or three input channels"),
        (lambda m, x: plot_filters(nn.ReLU()), ArgumentError, "given for a network without Conv2d or Linear"),
        (lambda m, x: plot_grad_cam(m, "no.jpg"), ArgumentError, "the picture must be a file that exists, got 'no"),
        (lambda m, x: plot_grad_cam(m, Image.new("RGB", (9, 9))), ArgumentError, "preprocess must be given for a"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], message: str, image: np.ndarray) -> None:
    with pytest.raises(error, match=message):
        call(network(), image)


def test_a_layer_that_is_not_called(image: np.ndarray) -> None:
    model = network()
    model[5].idle = nn.Conv2d(3, 3, 1)
    with pytest.raises(ArgumentError, match="layer must be one that is called, got one that is not"):
        plot_feature_maps(model, image, "5.idle")


# ---- drawing


@pytest.fixture
def _matplotlib() -> None:
    pytest.importorskip("matplotlib", reason="draws")


def drawn(figure: Any) -> list[np.ndarray]:
    return [np.asarray(axes.images[-1].get_array()) for axes in figure.axes if axes.images]


@pytest.mark.usefixtures("_matplotlib")
def test_filters_are_the_weights_about_grey(tmp_path: Path) -> None:
    model = network()
    w = model[0].weight.detach().numpy()
    pictures = drawn(plot_filters(model, path=tmp_path / "filters.png", n=3))
    assert len(pictures) == 3
    for picture, weight in zip(pictures, w, strict=False):
        np.testing.assert_allclose(
            (picture - 0.5) * 2 * np.abs(weight).max(), weight.transpose(1, 2, 0), atol=1e-6
        )
    assert (tmp_path / "filters.png").exists()
    assert drawn(plot_filters(nn.Linear(49, 4)))[0].shape == (7, 7)


@pytest.mark.usefixtures("_matplotlib")
def test_feature_maps_are_what_the_layer_gives(image: np.ndarray) -> None:
    model = network()
    with minidl.no_grad():
        maps = model.eval()[:4](minidl.tensor(image)[None]).numpy()[0]
    for picture, expected in zip(drawn(plot_feature_maps(model, image, "3")), maps, strict=True):
        low, high = expected.min(), expected.max()
        np.testing.assert_allclose(picture, (expected - low) / (high - low), atol=1e-6)
    assert len(drawn(plot_feature_maps(model, image))) == 4
    assert len(drawn(plot_feature_maps(model, image, n=2))) == 2


class Transforms:
    """Cuts 12 by 12 pixels out, then makes a tensor."""

    def __init__(self) -> None:
        self.transforms = [lambda photo: photo.crop((2, 3, 14, 15)), self.to_tensor]

    @staticmethod
    def to_tensor(photo: Any) -> Any:
        return minidl.tensor(np.asarray(photo, "float32").transpose(2, 0, 1) / 255)


@pytest.mark.usefixtures("_matplotlib")
def test_grad_cam_over_a_photo(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 20, 3), "uint8")
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    model = network()
    model.preprocess = Transforms()
    figure = plot_grad_cam(model, tmp_path / "photo.png", "0", 1, path=tmp_path / "cam.png")
    photo, heat = (axes.images for axes in figure.axes)
    cut = pixels[3:15, 2:14] / np.float32(255)
    np.testing.assert_array_equal(np.asarray(photo[0].get_array()), cut)
    np.testing.assert_array_equal(np.asarray(heat[0].get_array()), cut)
    np.testing.assert_array_equal(
        np.asarray(heat[1].get_array()), grad_cam(model, cut.transpose(2, 0, 1), "0", 1)
    )
    assert (tmp_path / "cam.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("_matplotlib")
def test_the_map_lies_over_what_a_models_preprocess_leaves_of_the_photo() -> None:
    """torchvision's cuts out the middle of 224 by 224 pixels, of 256 for the shorter side: here halved, 12 of 13."""
    from minidl.models.preprocessing import Preprocess

    pixels = np.zeros((26, 13, 3), "uint8")
    pixels[7:19] = np.arange(12, dtype="uint8")[:, None, None] + 100
    model = network()
    model.preprocess = Preprocess("torchvision", size=12)
    shown = np.asarray(plot_grad_cam(model, Image.fromarray(pixels)).axes[1].images[0].get_array())
    np.testing.assert_array_equal(np.rint(255 * shown), pixels[7:19, :12])


@pytest.mark.usefixtures("_matplotlib")
def test_grad_cam_over_what_the_network_takes(image: np.ndarray) -> None:
    figure = plot_grad_cam(network(), image - 0.5)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert (shown.min(), shown.max()) == (0, 1)
    extent = figure.axes[1].images[1].get_extent()
    assert tuple(extent) == (-0.5, 11.5, 11.5, -0.5)
