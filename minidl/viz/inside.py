"""Inside a network: its first filters, its feature maps, and where it looks (Grad-CAM).

What the layers compute is read through hooks, so that any network serves as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.autograd import grad
from minidl.errors import ArgumentError, ShapeError, must
from minidl.grad_mode import enable_grad, no_grad
from minidl.nn.conv import Conv2d
from minidl.nn.freezing import near
from minidl.nn.linear import Linear
from minidl.nn.modes import evaluating
from minidl.nn.module import Module
from minidl.tensor import Tensor
from minidl.viz.figures import StrPath, as_array, as_pictures, finished, grid, new_figure, read_photo

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _layer(op: str, model: Module, name: str | None, kinds: tuple[type, ...], last: bool = False) -> Module:
    """The layer called ``name``; by default the first, or last, of these kinds."""
    modules = dict(model.named_modules())
    if name is not None:
        if name not in modules:
            raise ArgumentError(
                must(op, "layer", "the name of a module", repr(name) + near(name, list(modules)))
            )
        return modules[name]
    found = [module for module in modules.values() if isinstance(module, kinds)]
    if not found:
        expected = f"given for a network without {' or '.join(kind.__name__ for kind in kinds)}"
        raise ArgumentError(must(op, "layer", expected, "None"))
    return found[-1 if last else 0]


def _batch(op: str, image: Any) -> Tensor:
    """``image`` as a batch (1, C, H, W)."""
    tensor = image.detach() if isinstance(image, Tensor) else Tensor(as_array(image))
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 4 or len(tensor) != 1:
        raise ShapeError(must(op, "image", "(C, H, W) or (1, C, H, W)", tensor.shape))
    return tensor


def plot_filters(model: Module, layer: str | None = None, path: StrPath | None = None, n: int = 64) -> Figure:
    """The first ``n`` filters of a layer that reads pictures: grey is zero, each filter stretched by itself.

    Args:
        model: a network, or the layer itself.
        layer: the name of a Conv2d of one or three input channels, or of a Linear of as many features as a square has
            pixels; default: the first Conv2d or Linear.
        path: also save the figure there; the ending says in which format.

    Raises:
        ArgumentError: there is no such layer.
        ShapeError: its weights are no pictures.
        MissingDependencyError: matplotlib is missing.
    """
    found = _layer("plot_filters", model, layer, (Conv2d, Linear))
    weight = getattr(found, "weight", None)
    if not isinstance(weight, Tensor):
        expected = "a layer with a weight"
        raise ArgumentError(must("plot_filters", "layer", expected, type(found).__name__))
    weights = as_array(weight)
    if weights.ndim == 4 and weights.shape[1] not in (1, 3):
        expected = "a layer of one or three input channels"
        raise ShapeError(must("plot_filters", "layer", expected, f"weights of shape {weights.shape}"))
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    scaled = 0.5 + weights / np.where(largest > 0, 2 * largest, 1)
    return finished(grid(as_pictures("plot_filters", "the weights", scaled, n), size=0.8), path)


def plot_feature_maps(
    model: Module, image: Any, layer: str | None = None, path: StrPath | None = None, n: int = 64
) -> Figure:
    """What a layer makes of ``image``: its first ``n`` channels, each stretched by itself.

    Args:
        model: a network that takes (N, C, H, W).
        image: a Tensor or array (C, H, W) or (1, C, H, W), as the network takes it.
        layer: its name; default: the first Conv2d.
        path: also save the figure there; the ending says in which format.

    Raises:
        ArgumentError: there is no such layer, or it was not called.
        ShapeError: the image, or what the layer gives, is of another shape.
        MissingDependencyError: matplotlib is missing.
    """
    seen: list[Any] = []
    found = _layer("plot_feature_maps", model, layer, (Conv2d,))
    with evaluating(model), no_grad(), found.register_forward_hook(lambda *call: seen.append(call[2])):
        model(_batch("plot_feature_maps", image))
    maps = _seen("plot_feature_maps", seen).array[0]
    pictures = [(m - m.min()) / ((m.max() - m.min()) or 1) for m in maps[:n]]
    return finished(grid(pictures, size=0.8, cmap="viridis"), path)


def _seen(op: str, seen: list[Any]) -> Tensor:
    if not seen:
        raise ArgumentError(must(op, "layer", "one that is called", "one that is not"))
    shape = getattr(seen[-1], "shape", type(seen[-1]).__name__)
    if not isinstance(seen[-1], Tensor) or seen[-1].ndim != 4:
        raise ShapeError(must(op, "layer", "one that gives (N, C, H, W)", f"one that gives {shape}"))
    return seen[-1]


def grad_cam(model: Module, image: Any, layer: str | None = None, target: int | None = None) -> np.ndarray:
    """Where the network sees what it takes for a class: gradient-weighted class activation mapping.

    ``relu(sum_k a_k A_k)``, with ``A_k`` (H', W') the channels of the layer's result and ``a_k`` the mean over (H', W')
    of the derivative of the class's score with respect to ``A_k``; then divided by its maximum. The derivative is taken
    through the layers above, for which it does not matter whether they are frozen; nothing of the model changes.

    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV
    2017, equations 1 and 2.

    Args:
        model: a classifier: from (1, C, H, W) to the scores (1, classes), before softmax; or to one score, of yes.
        image: a Tensor or array (C, H, W) or (1, C, H, W), as the network takes it.
        layer: the name of a layer that gives (1, K, H', W'); default: the last Conv2d.
        target: the class; default: the one with the largest score. Of a single score, 0 explains no.

    Returns:
        An array (H', W') in [0, 1].

    Raises:
        ArgumentError: there is no such layer or class, or the layer is not called.
        ShapeError: the image, or what layer or model give, are of another shape.
    """
    seen: list[Any] = []

    def cut(_module: Module, _args: Any, result: Any) -> Any:
        """Let the graph begin here: only what lies above is recorded."""
        seen.append(result.detach().requires_grad_() if isinstance(result, Tensor) else result)
        return seen[-1].clone() if isinstance(result, Tensor) else result

    found = _layer("grad_cam", model, layer, (Conv2d,), last=True)
    with evaluating(model), enable_grad(), found.register_forward_hook(cut):
        score = _score(model(_batch("grad_cam", image)), target)
    maps = _seen("grad_cam", seen)
    (slopes,) = grad(score, maps, allow_unused=True) if score.requires_grad else (None,)
    if slopes is None:  # the score does not depend on the layer
        return np.zeros(maps.shape[2:])
    weights = slopes.array.mean(axis=(2, 3), dtype=np.float64)[0]  # (K,)
    heat = np.maximum(np.einsum("k,khw->hw", weights, maps.array[0]), 0)
    return heat / (heat.max() or 1)


def _score(scores: Any, target: int | None) -> Tensor:
    """What is to be explained, as a tensor of one element."""
    if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != 1:
        got = getattr(scores, "shape", type(scores).__name__)
        raise ShapeError(must("grad_cam", "what the model gives", "scores (1, classes)", got))
    classes = scores.shape[1]
    if target is None:
        target = int(scores.array[0].argmax()) if classes > 1 else int(scores.array[0, 0] > 0)
    if not 0 <= target < max(classes, 2):
        raise ArgumentError(must("grad_cam", "target", f"a class, below {max(classes, 2)}", target))
    if classes == 1:
        return scores.sum() if target else -scores.sum()
    return scores[0, target]


def plot_grad_cam(
    model: Module,
    photo: Any,
    layer: str | None = None,
    target: int | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    path: StrPath | None = None,
) -> Figure:
    """A photo, and beside it the same under the map of :func:`grad_cam`.

    Args:
        photo: a file, or one of Pillow's images; or a Tensor or array that the network takes as it is.
        preprocess: what makes a Tensor of the photo; default: ``model.preprocess``. The photo is shown as that cuts it,
            if it is a model's preprocess, or a Compose: as the last transform that gives a picture leaves it.
        path: also save the figure there; the ending says in which format.

    ``model``, ``layer`` and ``target`` are those of :func:`grad_cam`.

    Raises:
        ArgumentError: there is no such file, or nothing that makes a Tensor of it; and as :func:`grad_cam`.
        ShapeError: as :func:`grad_cam`.
        MissingDependencyError: matplotlib is missing.
    """
    picture, image = _prepare(model, photo, preprocess)
    heat = grad_cam(model, image, layer, target)
    height, width = picture.shape[:2]
    figure = new_figure(6.4, 0.2 + 3.2 * height / width)
    for axes, title in zip(figure.subplots(1, 2), ("", layer or "last convolution"), strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        axes.set_title(title, fontsize="small")
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(heat, cmap="jet", alpha=0.45, vmin=0, vmax=1, extent=extent, interpolation="bilinear")
    return finished(figure, path)


def _prepare(model: Module, photo: Any, preprocess: Any) -> tuple[np.ndarray, Any]:
    """The photo as it is to be shown, and as the network takes it."""
    if isinstance(photo, (Tensor, np.ndarray)):
        return as_pictures("plot_grad_cam", "photo", as_array(_batch("plot_grad_cam", photo)), 1)[0], photo
    from PIL import Image

    if not isinstance(photo, Image.Image):
        pixels = read_photo("plot_grad_cam", photo)
        photo = Image.fromarray(np.rint(255 * pixels).astype(np.uint8))
    preprocess = preprocess or getattr(model, "preprocess", None)
    if preprocess is None:
        expected = "given for a model without a preprocess of its own"
        raise ArgumentError(must("plot_grad_cam", "preprocess", expected, "None"))
    shown = image = photo
    for transform in getattr(preprocess, "transforms", [preprocess]):
        if isinstance(image, Image.Image) and hasattr(transform, "resized"):
            shown = transform.resized(image)  # what a model's preprocess leaves of it
        image = transform(image)
        shown = image if isinstance(image, Image.Image) else shown
    return np.asarray(shown.convert("RGB")) / np.float32(255), image
