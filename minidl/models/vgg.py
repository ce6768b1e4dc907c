"""VGG: 3x3 convolutions stacked 8 to 16 deep, and a classifier of three dense layers.

Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.

Names of modules and parameters are torchvision's (``features.0.weight`` ... ``classifier.6.bias``), so that its files
fit as they are; Keras's names are translated when a file is read.
"""

from __future__ import annotations

import os
from typing import Any

from minidl import nn
from minidl.errors import ArgumentError, ShapeError, must, warn
from minidl.models.loading import LoadReport, load_weights
from minidl.models.preprocessing import RECIPES, Preprocess, doubt
from minidl.models.published import SETS, fetch
from minidl.ops.arguments import one_of
from minidl.serialization import rebuildable
from minidl.tensor import Tensor

# Filters of the convolutions in each of the five blocks, which a max-pooling ends: the paper's A, B, D and E.
BLOCKS = {
    "vgg11": ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg13": ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg16": ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}
NAMES = (*BLOCKS, *(f"{name}_bn" for name in BLOCKS))
CHANNELS, GRID = 512, 7  # of what the classifier reads: channels, and positions along height and width


@rebuildable
class VGG(nn.Module):
    """A VGG; :func:`vgg16` and its kin make them, and say what the arguments mean.

    ``model(x) == model.head(model.base(x))``: the base makes features of images, the head classes of features. What
    the base computes can be kept while only the head is trained.

    Attributes:
        weight_set: whose weights it has, "torchvision" or "keras", as far as preprocessing goes; None before any were
            loaded.
        preprocessing: the name of the preprocessing that was chosen, or None.
    """

    def __init__(
        self,
        name: str = "vgg16",
        include_top: bool = True,
        num_classes: int = 1000,
        pooling: str | None = None,
        dropout: float = 0.5,
        adaptive_pool: bool = True,
        preprocess: str | None = None,
        weight_set: str | None = None,
    ) -> None:
        super().__init__()
        one_of("VGG", "preprocess", preprocess, (None, *RECIPES))
        one_of("VGG", "weight_set", weight_set, (None, "torchvision", "keras"))
        one_of("VGG", "name", name, NAMES)
        one_of("VGG", "pooling", pooling, (None, "avg", "max"))
        if include_top and pooling is not None:
            raise ArgumentError(must("VGG", "pooling", "None where include_top is True", repr(pooling)))
        self.name, self.include_top, self.num_classes = name, include_top, num_classes
        self.pooling, self.dropout, self.adaptive_pool = pooling, dropout, adaptive_pool
        self.preprocessing, self.weight_set = preprocess, weight_set
        self._looked = False  # at the range of what it is fed with
        self.features = _features(name)
        self.avgpool = _pool(include_top, pooling, adaptive_pool)
        if include_top:
            self.classifier = _classifier(num_classes, dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw torchvision's initial values: He's for the convolutions (fan_out), N(0, 0.01²) for the dense layers.

        (Keras: Glorot's, uniform, for all.) Biases are 0; BatchNorm begins as the identity.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.01)
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @property
    def preprocess(self) -> Preprocess:
        """The transform that pictures need: the one that was chosen by name, or that of the weights' set."""
        return Preprocess(self.preprocessing or self.weight_set or "torchvision")

    def loaded_from(self, report: LoadReport) -> None:
        """Take over whose weights these are; :func:`load_weights` calls it."""
        self.weight_set, self._looked = report.preprocessing, False

    @property
    def base(self) -> nn.Sequential:
        """From images (N, 3, H, W) to what ``head`` reads, or to the model's result where there is no top."""
        return nn.Sequential(self.features, self.avgpool)

    @property
    def head(self) -> nn.Module:
        """From the base's features to the result: dense layers, or with ``include_top=False`` nothing."""
        return nn.Sequential(nn.Flatten(), self.classifier) if self.include_top else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 32:
            raise ShapeError(must(self.name, "input", "(N, 3, H, W) with H and W at least 32", x.shape))
        if not self._looked:
            self._look_at(x)
        x = self.features(x)
        if self.include_top and not self.adaptive_pool and x.shape[2:] != (GRID, GRID):
            height, width = x.shape[2:]
            expected = "224x224 where adaptive_pool is False"
            raise ShapeError(must(self.name, "input", expected, f"one that makes {height}x{width} of 7x7"))
        x = self.avgpool(x)
        return self.classifier(x.flatten(1)) if self.include_top else x

    def _look_at(self, x: Tensor) -> None:
        """Warn, once, if the pictures were prepared for other weights; those of one colour tell nothing."""
        if self.weight_set is None or self.preprocessing is not None or not x.numel():
            return
        low, high = float(x.array.min()), float(x.array.max())
        if low == high:
            return
        self._looked = True
        if words := doubt(self.weight_set, low, high):
            warn(
                f"{self.name}: {words}. model.preprocess is the right transform; to use another on purpose, choose it "
                "by name: preprocess='rescale'"
            )

    def config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("name", "include_top", "num_classes", "pooling", "dropout", "adaptive_pool", "weight_set")
        return {name: getattr(self, name) for name in names} | {"preprocess": self.preprocessing}


def _features(name: str) -> nn.Sequential:
    """The convolutions, each with its ReLU, and a 2x2 max-pooling behind each block."""
    plain, batch_norm = name.removesuffix("_bn"), name.endswith("_bn")
    layers: list[nn.Module] = []
    channels = 3
    for block in BLOCKS[plain]:
        for filters in block:
            layers.append(nn.Conv2d(channels, filters, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(filters))
            layers.append(nn.ReLU())
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _pool(include_top: bool, pooling: str | None, adaptive: bool) -> nn.Module:
    if include_top:
        return nn.AdaptiveAvgPool2d((GRID, GRID)) if adaptive else nn.Identity()
    if pooling is None:
        return nn.Identity()
    pool = nn.AdaptiveAvgPool2d(1) if pooling == "avg" else nn.AdaptiveMaxPool2d(1)
    return nn.Sequential(pool, nn.Flatten())  # (N, 512)


def _classifier(num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(CHANNELS * GRID * GRID, 4096), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(4096, num_classes),
    )  # fmt: skip


def _with_weights(weights: str | os.PathLike[str] | None, name: str, *args: Any, **options: Any) -> VGG:
    if weights is None:
        return VGG(name, *args, **options)
    with nn.init.skipped():  # all of it is loaded
        model = VGG(name, *args, **options)
    published = isinstance(weights, str) and weights in SETS
    if published and model.include_top and model.num_classes != 1000:
        expected = f"1000 with weights={weights!r}; for others, take include_top=False and layers of your own"
        raise ArgumentError(must(name, "num_classes", expected, model.num_classes))
    load_weights(model, fetch(name, model.include_top, str(weights)) if published else weights)
    return model


def vgg11(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """VGG11 (configuration A): 8 convolutions and 3 dense layers. Arguments: :func:`vgg16`."""
    return _with_weights(weights, "vgg11", include_top, num_classes, pooling, **options)


def vgg11_bn(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """:func:`vgg11` with a batch normalisation behind each convolution, as in torchvision (not in the paper)."""
    return _with_weights(weights, "vgg11_bn", include_top, num_classes, pooling, **options)


def vgg13(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """VGG13 (configuration B): 10 convolutions and 3 dense layers. Arguments: :func:`vgg16`."""
    return _with_weights(weights, "vgg13", include_top, num_classes, pooling, **options)


def vgg13_bn(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """:func:`vgg13` with a batch normalisation behind each convolution, as in torchvision (not in the paper)."""
    return _with_weights(weights, "vgg13_bn", include_top, num_classes, pooling, **options)


def vgg16(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """VGG16 (Simonyan & Zisserman's configuration D): 13 convolutions and 3 dense layers, 138 million numbers.

    Images are (N, 3, H, W), RGB. The result are logits (N, num_classes); without the top it is (N, 512, H/32, W/32),
    rounded down, or with ``pooling`` (N, 512). Keras's VGG16 ends with a softmax: ``model(x).softmax(1)``.

    Args:
        weights: a file of any format that :func:`load_weights` reads; or "imagenet", torchvision's weights, or
            "imagenet-keras", Keras's, which are downloaded into the cache (528 MB; Keras's without the top 58 MB). None
            draws random numbers.
        include_top: have the dense layers. H and W are then free too (32 at least), as in torchvision.
        num_classes: what the last dense layer tells apart; without the top it has no meaning.
        pooling: without the top, what to make of the last (h, w): None leaves it, "avg" and "max" reduce it to one
            number per channel, as in Keras.
        dropout: the share that is zeroed between the dense layers in training. (Keras has no dropout there.)
        adaptive_pool: average what is not 7x7 to it before the dense layers; False is Keras's VGG16, which takes
            224x224 alone. At 224x224 both are the same.
        preprocess: "torchvision", "keras" or "rescale": what ``model.preprocess`` shall be, in place of what the
            weights need. Chosen so, pictures of another range are fed without a warning.

    Raises:
        WeightsError: the file does not fit, or is damaged. DownloadError: "imagenet" cannot be had.
        ArgumentError: ``pooling`` is none of these, or given with the top; ``num_classes`` is not that of "imagenet".
        ShapeError: when called, ``x`` is not (N, 3, H, W), or too small.

    >>> import minidl
    >>> model = minidl.models.vgg16(include_top=False, pooling="avg")
    >>> model(minidl.zeros(2, 3, 64, 64)).shape
    (2, 512)
    """
    return _with_weights(weights, "vgg16", include_top, num_classes, pooling, **options)


def vgg16_bn(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """:func:`vgg16` with a batch normalisation behind each convolution, as in torchvision (not in the paper)."""
    return _with_weights(weights, "vgg16_bn", include_top, num_classes, pooling, **options)


def vgg19(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """VGG19 (configuration E): 16 convolutions and 3 dense layers. Arguments: :func:`vgg16`."""
    return _with_weights(weights, "vgg19", include_top, num_classes, pooling, **options)


def vgg19_bn(
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    num_classes: int = 1000,
    pooling: str | None = None,
    **options: Any,
) -> VGG:
    """:func:`vgg19` with a batch normalisation behind each convolution, as in torchvision (not in the paper)."""
    return _with_weights(weights, "vgg19_bn", include_top, num_classes, pooling, **options)
