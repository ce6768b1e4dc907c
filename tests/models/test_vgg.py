"""VGG: the layers, names, sizes and results of a PyTorch model that is built from the paper's table."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

import minidl
from minidl import models, nn
from minidl.errors import ArgumentError, ShapeError

# Parameters with the top, from the table of torchvision's documentation.
PARAMETERS = {
    "vgg11": 132_863_336, "vgg11_bn": 132_868_840, "vgg13": 133_047_848, "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544, "vgg16_bn": 138_365_992, "vgg19": 143_667_240, "vgg19_bn": 143_678_248,
}  # fmt: skip
# torchvision's notation for the same layers: filters, and M for max-pooling.
TABLE = {
    "vgg11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "vgg13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def make(name: str, *args, **options) -> models.VGG:
    """One of the models without the time that drawing its numbers takes."""
    with nn.init.skipped():
        return getattr(models, name)(*args, **options).requires_grad_(False)


def in_pytorch(torch, name: str):
    """The convolutional part in PyTorch."""
    layers, channels = [], 3
    for entry in TABLE[name.removesuffix("_bn")].split():
        if entry == "M":
            layers.append(torch.nn.MaxPool2d(2, 2))
            continue
        layers.append(torch.nn.Conv2d(channels, int(entry), 3, padding=1))
        if name.endswith("_bn"):
            layers.append(torch.nn.BatchNorm2d(int(entry)))
        layers.append(torch.nn.ReLU())
        channels = int(entry)
    return torch.nn.ModuleDict({"features": torch.nn.Sequential(*layers)})


@pytest.mark.parametrize("name", PARAMETERS)
def test_has_as_many_numbers_as_torchvisions(name):
    model = make(name)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_names_and_shapes_equal_pytorchs(name):
    torch = pytest.importorskip("torch")
    want = {key: tuple(value.shape) for key, value in in_pytorch(torch, name).state_dict().items()}
    got = {key: value.shape for key, value in make(name, include_top=False).state_dict().items()}
    assert list(got.items()) == list(want.items())


def test_the_top_has_torchvisions_names():
    shapes = {key: value.shape for key, value in make("vgg16", num_classes=5).state_dict().items()}
    assert next(iter(shapes)) == "features.0.weight"
    assert list(shapes.items())[-6:] == [
        ("classifier.0.weight", (4096, 25088)), ("classifier.0.bias", (4096,)),
        ("classifier.3.weight", (4096, 4096)), ("classifier.3.bias", (4096,)),
        ("classifier.6.weight", (5, 4096)), ("classifier.6.bias", (5,)),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["vgg11", "vgg16", "vgg13_bn", "vgg19"])
@pytest.mark.parametrize("size", [(32, 32), (70, 45)])
def test_features_equal_pytorchs(name, size):
    torch = pytest.importorskip("torch")
    theirs = in_pytorch(torch, name).eval()
    for key, value in theirs.state_dict().items():
        if key.endswith("weight") and value.ndim == 4:
            torch.nn.init.kaiming_normal_(value, nonlinearity="relu")
    ours = make(name, include_top=False).eval()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((2, 3, *size), np.float32)
    with torch.no_grad():
        want = theirs["features"](torch.tensor(x)).numpy()
    got = ours(minidl.tensor(x)).numpy()
    assert got.shape == want.shape == (2, 512, size[0] // 32, size[1] // 32)
    assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()


@pytest.mark.parametrize(("pooling", "reduce"), [("avg", np.mean), ("max", np.max)])
def test_pooling_reduces_each_channel_to_one_number(pooling, reduce):
    plain, pooled = make("vgg11", include_top=False), make("vgg11", include_top=False, pooling=pooling)
    plain.reset_parameters()
    pooled.load_state_dict(plain.state_dict())
    x = minidl.randn(2, 3, 96, 64)
    want = reduce(plain(x).numpy().astype(np.float64), axis=(2, 3))
    np.testing.assert_allclose(pooled(x).numpy(), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"num_classes": 3}, {"include_top": False}, {"include_top": False, "pooling": "max"}]
)
def test_the_head_of_the_base_is_the_model(options):
    model = models.vgg11(**options).eval().requires_grad_(False)
    x = minidl.randn(2, 3, 64, 64)
    assert (model(x) == model.head(model.base(x))).all()
    shares = {id(p) for part in (model.base, model.head) for p in part.parameters()}
    assert shares == {id(p) for p in model.parameters()}


@pytest.fixture(scope="module")
def model() -> models.VGG:
    return models.vgg11(num_classes=4).eval().requires_grad_(False)


class TestTop:
    def test_takes_images_of_any_size(self, model):
        for size in ((32, 32), (224, 224), (250, 330)):
            assert model(minidl.zeros(1, 3, *size)).shape == (1, 4)

    def test_averages_features_to_7_by_7(self, model):
        """The dense layers see PyTorch's adaptive average of the features."""
        torch = pytest.importorskip("torch")
        x = minidl.randn(1, 3, 300, 260)
        features = torch.tensor(model.features(x).numpy())
        averaged = torch.nn.functional.adaptive_avg_pool2d(features, (7, 7)).numpy()
        want = model.classifier(minidl.tensor(averaged.reshape(1, -1)))
        np.testing.assert_allclose(model(x).numpy(), want.numpy(), rtol=1e-4, atol=1e-5)

    def test_kerass_takes_224_only(self, model):
        fixed = make("vgg11", num_classes=4, adaptive_pool=False).eval()
        fixed.load_state_dict(model.state_dict())
        x = minidl.randn(1, 3, 224, 224)
        assert (fixed(x) == model(x)).all()
        with pytest.raises(
            ShapeError, match=r"vgg11: input must be 224x224 .*, got one that makes 8x7 of 7x7"
        ):
            fixed(minidl.zeros(1, 3, 256, 224))

    def test_drops_in_training_only(self, model):
        x = minidl.randn(1, 3, 32, 32)
        assert (model(x) == model(x)).all()
        model.train()
        assert not (model(x) == model(x)).all()
        model.eval()


def test_initial_values_are_torchvisions():
    """He's for what goes back through a ReLU (fan_out), N(0, 0.01²) for dense layers, biases 0."""
    model = models.vgg11_bn(num_classes=10)
    w = model.features[8].weight.array  # 256 filters of 3x3
    assert w.shape[0] == 256
    assert w.std() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.02)
    assert abs(w.mean()) < 1e-3
    assert model.classifier[3].weight.array.std() == pytest.approx(0.01, rel=0.01)
    biases = [p for key, p in model.named_parameters() if key.endswith("bias")]
    assert not any(p.any() for p in biases)


def test_the_same_seed_makes_the_same_network():
    def first_filter() -> list:
        minidl.random.manual_seed(3)
        return models.vgg11(include_top=False).features[0].weight[0].tolist()

    assert first_filter() == first_filter()


def test_is_rebuilt_from_a_file():
    model = models.vgg13_bn(include_top=False, pooling="avg", preprocess="rescale")
    model.freeze("features").weight_set = "keras"
    file = io.BytesIO()
    minidl.save(model, file)
    loaded = minidl.load(io.BytesIO(file.getvalue()))
    assert loaded.config() == model.config()
    assert loaded.preprocess == models.Preprocess("rescale")
    assert repr(loaded) == repr(model)
    same = zip(model.state_dict().values(), loaded.state_dict().values(), strict=True)
    assert all((a == b).all() for a, b in same)


def test_its_description_has_what_its_top_is_made_of():
    model = make("vgg11", None, True, 2, dropout=0.2, adaptive_pool=False)
    with nn.init.skipped():
        again = models.VGG(**model.config()).requires_grad_(False)
    assert again.config() == model.config()
    assert repr(again) == repr(model)


class TestPreprocessing:
    """With weights that were trained, pictures of another range than theirs are noticed, once."""

    def net(self, weight_set: str | None, **options) -> models.VGG:
        net = make("vgg11", include_top=False, **options)
        net.reset_parameters()
        net.weight_set = weight_set
        return net

    def test_is_the_weights(self):
        assert self.net(None).preprocess == models.Preprocess("torchvision")
        assert self.net("keras").preprocess == models.Preprocess("keras")
        assert self.net("keras", preprocess="rescale").preprocess == models.Preprocess("rescale")

    def test_the_wrong_range_warns_once(self):
        net = self.net("keras")
        x = minidl.rand(1, 3, 32, 32)
        net(minidl.zeros(1, 3, 32, 32))  # tells nothing
        with pytest.warns(UserWarning, match="vgg11: these weights were trained on other .* divided by 255"):
            net(x)
        net(x)

    def test_the_right_range_does_not(self):
        net = self.net("torchvision")
        net(minidl.randn(1, 3, 32, 32).clamp(-2, 2.5))

    def test_what_was_chosen_by_name_does_not(self):
        self.net("keras", preprocess="rescale")(minidl.rand(1, 3, 32, 32))

    def test_random_weights_take_anything(self):
        self.net(None)(minidl.rand(1, 3, 32, 32) * 255)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: models.VGG("vgg12"), ArgumentError, "VGG: name must be 'vgg11' or .*, got 'vgg12'"),
        (lambda: models.vgg16(include_top=False, pooling="mean"), ArgumentError,
         "VGG: pooling must be None or 'avg' or 'max', got 'mean'"),
        (lambda: models.vgg11(include_top=False, preprocess="caffe"), ArgumentError,
         "VGG: preprocess must be None or 'torchvision' or 'keras' or 'rescale', got 'caffe'"),
        (lambda: models.vgg16(pooling="avg"), ArgumentError,
         "VGG: pooling must be None where include_top is True, got 'avg'"),
        (lambda: make("vgg11", include_top=False)(minidl.zeros(1, 1, 64, 64)), ShapeError,
         r"vgg11: input must be \(N, 3, H, W\) with H and W at least 32, got \(1, 1, 64, 64\)"),
        (lambda: make("vgg11", include_top=False)(minidl.zeros(1, 3, 31, 64)), ShapeError, "at least 32"),
    ],
)  # fmt: skip
def test_wrong_calls_are_answered_clearly(build, error, message):
    with pytest.raises(error, match=message):
        build()
