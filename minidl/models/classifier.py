"""A classifier of pictures as one thing to save: base, head, the names of the classes, the preprocessing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from minidl import nn
from minidl.data import default_collate, load_picture
from minidl.errors import ArgumentError, DTypeError, must
from minidl.grad_mode import no_grad
from minidl.models.imagenet import Prediction, decode_predictions
from minidl.models.loading import load_weights
from minidl.models.preprocessing import Preprocess
from minidl.models.published import SETS, fetch
from minidl.models.vgg import CHANNELS, GRID, VGG
from minidl.ops.arguments import as_int
from minidl.serialization import rebuildable
from minidl.tensor import Tensor

LIMITS = (1_000_000, 1_000_000)  # of classes and of hidden units: what a file claims takes memory


@rebuildable
class ImageClassifier(nn.Module):
    """A VGG without its top, and dense layers that tell your classes apart.

    ``minidl.save(classifier, file)`` keeps all that is needed to use it: classes, preprocessing, configuration and
    weights. ``minidl.load(file).classify(["photo.jpg"])`` then needs nothing else.

    Called with pictures (N, 3, H, W), it returns logits (N, classes). ``base`` begins frozen, as it serves for
    transfer; ``classifier.base.unfreeze("features.24", ...)`` trains parts of it too.

    Args:
        classes: their names, in the order of the outputs.
        base: the name of a VGG: "vgg16", "vgg11_bn" ...
        hidden: units of the dense layer between the base and the output; 0 leaves it out.
        dropout: the share that is zeroed before the output, in training.
        pooling: "avg" or "max" reduces the base's (512, h, w) to one number per channel; None flattens 7x7, for
            pictures of 224x224.
        preprocess: "torchvision", "keras" or "rescale", in place of what the base's weights need.
        size: height and width of the pictures.
        weight_set: whose weights the base has; loading some sets it.

    >>> import minidl
    >>> model = ImageClassifier(["cats", "dogs"], "vgg11", hidden=16)
    >>> model(minidl.zeros(1, 3, 64, 64)).shape
    (1, 2)
    """

    def __init__(
        self,
        classes: Sequence[str],
        base: str = "vgg16",
        hidden: int = 256,
        dropout: float = 0.5,
        pooling: str | None = "avg",
        preprocess: str | None = None,
        size: int = 224,
        weight_set: str | None = None,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
            raise DTypeError(must(op, "classes", "a list of names", repr(classes)))
        if not 1 <= len(classes) <= LIMITS[0] or len(set(classes)) != len(classes):
            raise ArgumentError(must(op, "classes", "different names, one at least", list(classes)[:10]))
        if not 0 <= as_int(op, "hidden", hidden) <= LIMITS[1]:
            raise ArgumentError(must(op, "hidden", f"from 0 to {LIMITS[1]:,}", hidden))
        self.classes, self.hidden, self.dropout, self.size = list(classes), hidden, dropout, size
        self.base = VGG(
            base, include_top=False, pooling=pooling, preprocess=preprocess, weight_set=weight_set
        ).freeze()
        features = CHANNELS * (GRID * GRID if pooling is None else 1)
        layers: list[nn.Module] = [nn.Flatten()]
        if hidden:
            layers += [nn.Linear(features, hidden), nn.ReLU()]
        layers += [nn.Dropout(dropout), nn.Linear(hidden or features, len(classes))]
        self.head = nn.init.like_keras(nn.Sequential(*layers))

    @property
    def preprocess(self) -> Preprocess:
        """From a picture to what the base takes."""
        return Preprocess(self.base.preprocess.name, self.size)

    def load_base(self, weights: str | os.PathLike[str]) -> None:
        """Load the base's weights from a file of any format, or "imagenet", "imagenet-keras".

        Raises:
            WeightsError, FileNotFoundError, DownloadError: as :func:`load_weights` and :func:`vgg16`.
        """
        if isinstance(weights, str) and weights in SETS:
            weights = fetch(self.base.name, False, weights)
        load_weights(self.base, weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.base(x))

    @no_grad()
    def classify(self, pictures: Iterable[Any], top: int = 5) -> list[list[Prediction]]:
        """The likeliest classes of pictures: paths, ``PIL.Image``, or arrays (H, W, 3) of bytes.

        Raises:
            DataError, FileNotFoundError: a file is no picture.
        """
        modes = [(part, part.training) for part in self.modules()]
        self.eval()
        try:
            found = []
            for picture in pictures:
                if isinstance(picture, (str, os.PathLike)):
                    picture = load_picture(picture)
                x = default_collate([self.preprocess(picture)])
                found += decode_predictions(self(x), min(top, len(self.classes)), self.classes)
        finally:
            for part, training in modes:
                part.training = training
        return found

    def config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        base = self.base
        return {
            "classes": self.classes, "base": base.name, "hidden": self.hidden, "dropout": self.dropout,
            "pooling": base.pooling, "preprocess": base.preprocessing, "size": self.size,
            "weight_set": base.weight_set,
        }  # fmt: skip
