"""Transforms that turn, move, scale and shear a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.data.transforms import functional as F
from minidl.data.transforms.base import Transform, draw_from
from minidl.data.transforms.checks import as_angles, as_range, check_picture, is_pair
from minidl.data.transforms.geometry import check_moving
from minidl.errors import ArgumentError, must


class RandomRotation(Transform):
    """A picture turned by a random angle.

    Args:
        degrees: the range of the angle, counter-clockwise; one number stands for (-degrees, degrees).
        interpolation: "nearest", "bilinear" or "bicubic".
        expand: let the result be as large as it must to show all of the picture.
        center: (x, y) about which it is turned; default: its middle.
        fill: the colour of what was outside: a number, or one for each channel.
    """

    _shown = ("degrees", "interpolation", "expand", "center", "fill")

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        self.degrees = as_angles("RandomRotation", "degrees", degrees)
        self.interpolation = check_moving("RandomRotation", interpolation)
        self.expand = expand
        self.center = _check_center("RandomRotation", center)
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        check_picture("RandomRotation", img)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle, drawn."""
        return draw_from(degrees)


class RandomAffine(Transform):
    """A picture turned, moved, scaled and sheared at random, about its middle.

    Args:
        degrees: the range of the angle, clockwise; one number stands for (-degrees, degrees).
        translate: the most by which it is moved, as shares (of the width, of the height); None does not move it.
        scale: the range of the factor of its size; None leaves it.
        shear: the range of the angle of shear along x: one number stands for (-shear, shear); four numbers are that
            along x and that along y; None does not shear.
        interpolation: "nearest", "bilinear" or "bicubic".
        fill: the colour of what was outside: a number, or one for each channel.
        center: (x, y) about which it is turned, scaled and sheared; default: its middle.
    """

    _shown = ("degrees", "translate", "scale", "shear", "interpolation", "fill", "center")

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = "nearest",
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        name = "RandomAffine"
        self.degrees = as_angles(name, "degrees", degrees)
        if translate is not None and not (is_pair(translate) and all(0 <= share <= 1 for share in translate)):
            raise ArgumentError(must(name, "translate", "None, or two numbers in [0, 1]", repr(translate)))
        self.translate = None if translate is None else tuple(translate)
        self.scale = None if scale is None else as_range(name, "scale", scale)
        if self.scale is not None and self.scale[0] <= 0:
            raise ArgumentError(must(name, "scale", "positive", repr(scale)))
        self.shear = None if shear is None else _as_shear(name, shear)
        self.interpolation = check_moving(name, interpolation)
        self.fill = fill
        self.center = _check_center(name, center)

    def __call__(self, img: Any) -> Any:
        check_picture("RandomAffine", img)
        moves = self.get_params(self.degrees, self.translate, self.scale, self.shear, img.size)
        return F.affine(img, *moves, interpolation=self.interpolation, fill=self.fill, center=self.center)

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, (right, down) in pixels, scale, and shear along x and y, drawn; ``img_size`` is (width, height)."""
        angle = draw_from(degrees)
        most = [0.0, 0.0] if translate is None else [s * n for s, n in zip(translate, img_size, strict=True)]
        right, down = (round(draw_from((-m, m))) for m in most)
        scale = 1.0 if scale_ranges is None else draw_from(scale_ranges)
        x_from, x_to, y_from, y_to = (0.0, 0.0, 0.0, 0.0) if shears is None else (*shears, 0.0, 0.0)[:4]
        return angle, (right, down), scale, (draw_from((x_from, x_to)), draw_from((y_from, y_to)))


def _as_shear(op: str, shear: Any) -> tuple[float, ...]:
    if isinstance(shear, Sequence) and len(shear) == 4:
        return *as_range(op, "shear", shear[:2]), *as_range(op, "shear", shear[2:])
    return as_angles(op, "shear", shear)


def _check_center(op: str, center: Any) -> tuple[float, float] | None:
    if center is None:
        return None
    if not is_pair(center):
        raise ArgumentError(must(op, "center", "None, or (x, y)", repr(center)))
    return center[0], center[1]
