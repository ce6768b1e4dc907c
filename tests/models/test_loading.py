"""Weights from files into networks: what is reported, what is refused, where published weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import hub, models, nn, weights
from minidl.errors import ArgumentError, DownloadError, DTypeError, WeightsError
from minidl.models import load_weights
from minidl.models.published import HASHES, KERAS_FILES, published
from minidl.weights import stored


class Small(nn.Module):
    """A network with torchvision's names, small."""

    def __init__(self, classes: int | None = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        if classes is not None:
            self.classifier = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, classes))


def arrays_of(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy(force=True) for name, value in model.state_dict().items()}


def write(path: Path, arrays: dict[str, np.ndarray], **options: Any) -> Path:
    weights.write(path, arrays, **options)
    return path


@pytest.fixture(params=["npz", "safetensors"])
def ending(request) -> str:
    return request.param


def test_all_values_arrive(tmp_path, ending):
    source, model = Small(), Small()
    report = load_weights(model, write(tmp_path / f"net.{ending}", arrays_of(source)))
    for name, value in source.state_dict().items():
        assert (model.state_dict()[name] == value).all(), name
    assert report.loaded == tuple(model.state_dict())
    assert report.format == ending
    assert not report.missing
    assert not report.unexpected
    assert not report.misshapen
    assert str(report) == f"11 arrays loaded from {tmp_path / f'net.{ending}'} ({ending})"


def test_other_dtypes_become_the_networks(tmp_path):
    source, model = Small().double(), Small()
    load_weights(model, write(tmp_path / "net.npz", arrays_of(source)))
    got = model.features[0].weight.numpy(force=True)
    assert got.dtype == np.float32
    assert (got == source.features[0].weight.numpy(force=True).astype(np.float32)).all()


def test_a_network_without_the_top_leaves_that_out(tmp_path):
    model = Small(None)
    report = load_weights(model, write(tmp_path / "net.npz", arrays_of(Small())))
    assert report.unexpected == (
        "classifier.0.weight", "classifier.0.bias", "classifier.2.weight", "classifier.2.bias",
    )  # fmt: skip


def test_pytorchs_older_files_lack_batch_norms_counter(tmp_path):
    arrays = arrays_of(Small())
    del arrays["features.1.num_batches_tracked"]
    assert load_weights(Small(), write(tmp_path / "net.npz", arrays)).missing == (
        "features.1.num_batches_tracked",
    )


class TestWhatDoesNotFit:
    def broken(self, folder: Path) -> Path:
        arrays = arrays_of(Small())
        del arrays["features.0.bias"]
        arrays["features.1.bias"] = np.zeros(7, np.float32)
        arrays["extra"] = np.zeros(1, np.float32)
        return write(folder / "net.npz", arrays)

    def test_is_reported_together_and_nothing_is_loaded(self, tmp_path):
        model = Small()
        before = {name: value.copy() for name, value in arrays_of(model).items()}
        with pytest.raises(WeightsError) as raised:
            load_weights(model, self.broken(tmp_path))
        assert str(raised.value).splitlines() == [
            f"load_weights: {tmp_path / 'net.npz'} (npz) does not fit Small; nothing was loaded",
            "  missing: features.0.bias",
            "  unexpected: extra",
            "  misshapen: features.1.bias is [7], not [4]",
        ]
        assert all((before[name] == value).all() for name, value in arrays_of(model).items())

    def test_is_left_out_if_not_strict(self, tmp_path):
        model = Small()
        report = load_weights(model, self.broken(tmp_path), strict=False)
        assert report.missing == ("features.0.bias",)
        assert report.unexpected == ("extra",)
        assert report.misshapen == {"features.1.bias": ((4,), (7,))}
        assert len(report.loaded) == 9
        assert str(report).endswith(
            "(npz); missing: features.0.bias; unexpected: extra; misshapen: features.1.bias is [7], not [4]"
        )

    def test_a_head_of_another_number_of_classes_says_what_to_do(self, tmp_path):
        path, model = write(tmp_path / "net.npz", arrays_of(Small(1000))), Small(3)
        with pytest.raises(
            WeightsError, match=r"its last layer tells 1000 classes apart, the network's 3\. For other"
        ):
            load_weights(model, path)
        report = load_weights(model, path, strict=False)
        assert set(report.misshapen) == {"classifier.2.weight", "classifier.2.bias"}

    def test_a_file_without_a_top_says_so(self, tmp_path):
        path = write(tmp_path / "net.npz", arrays_of(Small(None)))
        with pytest.raises(
            WeightsError, match="the file has no dense layers: make the network without them too"
        ):
            load_weights(Small(), path)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            load_weights(Small(), tmp_path / "net.npz")

    def test_what_is_no_path(self):
        with pytest.raises(DTypeError, match="load: the weight file must be a path, got dict"):
            load_weights(Small(), arrays_of(Small()))


def test_a_prefix_of_all_names_is_left_out(tmp_path):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 2))
    torch.save(torch.nn.DataParallel(theirs).state_dict(), tmp_path / "net.pth")
    model = nn.Sequential(nn.Linear(3, 2))
    report = load_weights(model, tmp_path / "net.pth")
    assert report.loaded == ("0.weight", "0.bias")
    np.testing.assert_array_equal(model[0].weight.numpy(force=True), theirs[0].weight.detach().numpy())


def test_of_two_prefixes_none_is_taken(tmp_path):
    arrays = {f"{prefix}.{name}": x for name, x in arrays_of(Small()).items() for prefix in ("net", "ema")}
    with pytest.raises(WeightsError, match=r"unexpected: net\.features\.0\.weight, ema\.features\.0\.weight"):
        load_weights(Small(), write(tmp_path / "net.npz", arrays))


def test_what_unpacks_to_much_is_taken_by_a_network_of_that_size(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "SLACK", 0)
    np.savez_compressed(tmp_path / "net.npz", weight=np.zeros((100, 100)), bias=np.zeros(100))
    with pytest.raises(WeightsError, match="that unpacks to 80,800"):
        weights.read(tmp_path / "net.npz")
    assert load_weights(nn.Linear(100, 100), tmp_path / "net.npz").loaded == ("weight", "bias")
    with pytest.raises(WeightsError, match=r"misshapen: weight is \[100, 100\], not \[3, 2\]"):
        load_weights(nn.Linear(2, 3), tmp_path / "net.npz")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("w") / "vgg.npz", arrays_of(models.vgg11(include_top=False)))


class TestVGG:
    def test_takes_a_file(self, file):
        model = models.vgg11(file, include_top=False, pooling="avg")
        assert (
            model.features[3].weight == minidl.tensor(weights.read(file).arrays["features.3.weight"])
        ).all()
        assert model.weight_set == "torchvision"

    def test_a_file_can_say_which_preprocessing_it_needs(self, file, tmp_path):
        arrays = {"0.features.0.bias": weights.read(file).arrays["features.0.bias"]}
        path = write(tmp_path / "w.safetensors", arrays, metadata={"preprocessing": "keras"})
        model = models.vgg11(include_top=False)
        assert load_weights(nn.Sequential(model), path, strict=False).preprocessing == "keras"
        assert model.preprocess == models.Preprocess("keras")

    def test_a_saved_network_keeps_its_preprocessing(self, tmp_path):
        source = models.vgg11(include_top=False)
        source.weight_set = "keras"
        minidl.save(source, tmp_path / "net.safetensors")
        assert models.vgg11(tmp_path / "net.safetensors", include_top=False).weight_set == "keras"

    def test_what_was_not_loaded_says_nothing_of_preprocessing(self, tmp_path):
        model = models.vgg11(include_top=False)
        load_weights(model, write(tmp_path / "w.npz", {"x": np.zeros(1)}), strict=False)
        assert model.weight_set is None

    @pytest.mark.parametrize("which", ["imagenet", "imagenet-keras"])
    def test_other_classes_than_imagenets_are_refused_before_the_download(self, monkeypatch, which):
        monkeypatch.setattr(hub, "download", lambda *_, **__: pytest.fail("downloaded"))
        expected = (
            f"vgg16: num_classes must be 1000 with weights='{which}'; for others, take include_top=False"
        )
        with pytest.raises(ArgumentError, match=expected):
            models.vgg16(which, num_classes=10)

    def test_another_network_is_refused(self, file):
        with pytest.raises(
            WeightsError, match=r"does not fit vgg13; nothing was loaded\n  missing: features.2.weight"
        ):
            models.vgg13(file, include_top=False)

    def test_imagenet_is_downloaded_with_its_hash(self, file, monkeypatch, tmp_path):
        calls = []

        def download(urls, path, **hashes):
            calls.append((urls, path, hashes))
            return file

        monkeypatch.setenv("MINIDL_HOME", str(tmp_path))
        monkeypatch.setattr(hub, "download", download)
        models.vgg11("imagenet", include_top=False)
        ((urls, path, hashes),) = calls
        assert urls[0] == "https://download.pytorch.org/models/vgg11-8a719046.pth"
        assert len(urls) > 1
        assert path == tmp_path / "weights" / "vgg11-8a719046.pth"
        assert hashes == {"md5": None, "sha256": "8a719046"}

    def test_without_a_network_it_says_what_to_do(self, monkeypatch, tmp_path):
        def download(urls, path, **hashes):
            raise DownloadError("download: no source delivered vgg16")

        monkeypatch.setenv("MINIDL_HOME", str(tmp_path))
        monkeypatch.setattr(hub, "download", download)
        with pytest.raises(DownloadError) as raised:
            models.vgg16("imagenet-keras", include_top=False)
        first, *_, last = str(raised.value).splitlines()
        assert first == "vgg16: the weights 'imagenet-keras' cannot be downloaded."
        assert "get https://storage.googleapis.com/" in last
        assert last.endswith(f"or put it into {tmp_path / 'weights'}")


def test_torchvisions_files_are_named_by_their_hash():
    for name in HASHES:
        file = published(name, True)
        assert file.name == f"{name}-{file.sha256}.pth"
        assert all(url.endswith(f"/{file.name}") for url in file.urls)


@pytest.mark.parametrize(("name", "top"), KERAS_FILES)
def test_kerass_files_have_the_addresses_and_hashes_that_keras_has(monkeypatch, name, top):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras", reason="compares with Keras's own addresses")
    import importlib

    theirs = importlib.import_module(f"keras.src.applications.{name}")
    file = published(name, top, "imagenet-keras")
    assert file.urls == (theirs.WEIGHTS_PATH if top else theirs.WEIGHTS_PATH_NO_TOP,)
    assert f'file_hash="{file.md5}"' in Path(theirs.__file__).read_text(encoding="utf-8")


def test_keras_has_not_published_all():
    with pytest.raises(
        ArgumentError, match="vgg11: weights must be 'imagenet': Keras has published vgg16 and vgg19"
    ):
        published("vgg11", False, "imagenet-keras")
