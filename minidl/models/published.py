"""Where the weights trained on ImageNet are published, and how they come into the cache.

torchvision's files (BSD-3-Clause) are named by the first digits of their SHA-256; Keras's (Apache-2.0; weights of the
paper's authors, CC BY 4.0) have published MD5 sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minidl.cache import home
from minidl.errors import ArgumentError, DownloadError, must

TORCHVISION = (
    "https://download.pytorch.org/models/",
    "https://s3.amazonaws.com/pytorch/models/",
)
KERAS = ("https://storage.googleapis.com/tensorflow/keras-applications/",)
HASHES = {  # of torchvision's files
    "vgg11": "8a719046", "vgg11_bn": "6002323d", "vgg13": "19584684", "vgg13_bn": "abd245e5",
    "vgg16": "397923af", "vgg16_bn": "6c64b313", "vgg19": "dcbb9e9d", "vgg19_bn": "c79401a0",
}  # fmt: skip
KERAS_FILES = {  # name and whether with the top: end of the file's name, MD5
    ("vgg16", True): ("", "64373286793e3c8b2b4e3219cbf3544b"),
    ("vgg16", False): ("_notop", "6d6bbae143d832006294945121d1f1fc"),
    ("vgg19", True): ("", "cbe5617147190e668d6c5d5026f83318"),
    ("vgg19", False): ("_notop", "253f8cb515780f3b799900260a226db6"),
}
SETS = ("imagenet", "imagenet-keras")


@dataclass(frozen=True)
class Published:
    """A file: its addresses, its name and its hash."""

    urls: tuple[str, ...]
    name: str
    md5: str | None = None
    sha256: str | None = None


def published(name: str, include_top: bool, which: str = "imagenet") -> Published:
    """The published file for a VGG: torchvision's ("imagenet") or Keras's ("imagenet-keras").

    Raises:
        ArgumentError: Keras has published none for this network.
    """
    if which == "imagenet":
        file = f"{name}-{HASHES[name]}.pth"
        return Published(tuple(source + file for source in TORCHVISION), file, sha256=HASHES[name])
    if (name, include_top) not in KERAS_FILES:
        expected = "'imagenet': Keras has published vgg16 and vgg19 only"
        raise ArgumentError(must(name, "weights", expected, repr(which)))
    end, md5 = KERAS_FILES[name, include_top]
    file = f"{name}_weights_tf_dim_ordering_tf_kernels{end}.h5"
    return Published(tuple(f"{source}{name}/{file}" for source in KERAS), file, md5=md5)


def fetch(name: str, include_top: bool, which: str = "imagenet") -> Path:
    """The published file's path in the cache, where it is downloaded unless it is there.

    Raises:
        DownloadError: no source delivered; the message says what to do without a network.
    """
    from minidl import hub  # takes half as long to import as all of minidl

    file = published(name, include_top, which)
    path = home() / "weights" / file.name
    try:
        return hub.download(file.urls, path, md5=file.md5, sha256=file.sha256)
    except DownloadError as error:
        raise DownloadError(
            f"{name}: the weights {which!r} cannot be downloaded.\n{error}\n"
            f"Without a network: get {file.urls[0]} on another machine, and give its path, weights='{file.name}'; "
            f"or put it into {path.parent}"
        ) from error
