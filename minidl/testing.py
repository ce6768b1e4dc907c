"""Checks for people who add an operation or a kernel: ``gradcheck``, ``gradgradcheck``, ``check_kernel``.

A derivative is checked against what it must predict: how the function changes when an input moves a little. The
outputs are weighted with *random* cotangents; with weights of one, a backward that mixes its outputs up would pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.autograd import grad
from minidl.errors import DTypeError, MinidlError, must
from minidl.kernels.check import check_kernel
from minidl.random import stream
from minidl.tensor import Tensor

__all__ = ["GradcheckError", "check_kernel", "gradcheck", "gradgradcheck"]

Function = Callable[..., Any]


class GradcheckError(MinidlError, AssertionError):
    """A derivative is not what the function does."""


def gradcheck(
    func: Function,
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    check_float32: bool = True,
    max_elements: int = 200,
    seed: int = 0,
) -> bool:
    """Check the gradients of ``func`` at ``inputs`` against central differences, ``(f(x + h) - f(x - h)) / 2h``.

    Besides, that the inputs are not changed, that inputs with gaps in memory give the same gradients, and that float32
    inputs, which other kernels may serve, give them to float32's accuracy.

    Args:
        func: ``func(*inputs)`` returns a tensor or several; the same at each call.
        inputs: float64 tensors, of which those that require a gradient are checked, and anything else.
        eps: the step h.
        atol, rtol: a gradient ``a`` and a difference ``n`` agree if ``|a - n| <= atol + rtol * |n|``.
        raise_exception: raise, or return False.
        check_float32: repeat with float32 inputs and compare to 1e-4 of the largest gradient.
        max_elements: of an input with more elements, this many at random places are moved.
        seed: of the cotangents.

    Raises:
        GradcheckError: a gradient is off (the message names input and element), or ``func`` has a kink at the point.
        DTypeError: an input is not of float64.

    >>> import minidl
    >>> gradcheck(minidl.exp, minidl.randn(3, dtype=minidl.float64, requires_grad=True))
    True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    for i in checked:
        if inputs[i].dtype != np.float64:
            expected = "of float64, to tell errors from rounding"
            raise DTypeError(must("gradcheck", f"input {i}", expected, inputs[i].dtype))
    try:
        check = _Check(func, inputs, checked, seed)
        check.unchanged_inputs()
        for i in checked:
            check.against_differences(i, eps, atol, rtol, max_elements)
        check.against_strided(atol, rtol)
        if check_float32:
            check.against_float32()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func: Function, inputs: Tensor | Sequence[Any], **options: Any) -> bool:
    """Check the second derivatives of ``func``: :func:`gradcheck` of its gradient, for random cotangents.

    Both ways to a first gradient, with ``create_graph`` and without, must agree as well. ``options`` are gradcheck's.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    outputs = _outputs(func, inputs)
    random = stream(options.get("seed", 0), 1)
    cotangents = [
        Tensor(random.standard_normal(y.shape).astype(y.dtype), requires_grad=True) for y in outputs
    ]

    def gradients(*args: Any, create_graph: bool = True) -> tuple[Any, ...]:
        xs, vs = args[: len(inputs)], args[len(inputs) :]
        targets = [xs[i] for i in places]
        found = grad(_outputs(func, xs), targets, vs, create_graph=create_graph, materialize_grads=True)
        return tuple(g for g in found if g is not None and g.requires_grad) if create_graph else found

    recorded = grad(
        outputs, [inputs[i] for i in places], cotangents, create_graph=True, materialize_grads=True
    )
    plain = gradients(*inputs, *cotangents, create_graph=False)
    for i, a, b in zip(places, recorded, plain, strict=True):
        if a is None or not np.allclose(a.array, b.array, rtol=1e-9, atol=1e-11, equal_nan=True):
            message = f"gradgradcheck: the gradient of input {i} differs with and without create_graph"
            if options.get("raise_exception", True):
                raise GradcheckError(message)
            return False
    return gradcheck(gradients, (*inputs, *cotangents), **options)


def _outputs(func: Function, inputs: Sequence[Any]) -> list[Tensor]:
    """The floating outputs that depend on the inputs."""
    found = func(*inputs)
    found = list(found) if isinstance(found, (tuple, list)) else [found]
    return [y for y in found if isinstance(y, Tensor) and y.requires_grad]


class _Check:
    """A function, the point and the cotangents at which it is checked, and its gradients there."""

    def __init__(self, func: Function, inputs: tuple[Any, ...], checked: list[int], seed: int) -> None:
        self.func, self.inputs, self.checked, self.random = func, inputs, checked, stream(seed)
        self.before = [x.array.copy() if isinstance(x, Tensor) else None for x in inputs]
        outputs = _outputs(func, inputs)
        if not outputs:
            raise GradcheckError("gradcheck: no output requires a gradient")
        self.cotangents = [self.random.standard_normal(y.shape) for y in outputs]
        self.gradients = self.gradients_at(inputs)

    def gradients_at(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        outputs = _outputs(self.func, inputs)
        cotangents = [Tensor(v.astype(y.dtype)) for v, y in zip(self.cotangents, outputs, strict=True)]
        targets = [inputs[i] for i in self.checked]
        found = grad(outputs, targets, cotangents, materialize_grads=True)
        return [g.array for g in found if g is not None]

    def values(self) -> list[np.ndarray]:
        """The outputs now: copies, because they may be views of the inputs, which move."""
        return [y.array.copy() for y in _outputs(self.func, self.inputs)]

    def slope(self, below: list[np.ndarray], above: list[np.ndarray], distance: float) -> float:
        """How the outputs change over ``distance``, weighted with the cotangents."""
        changes = [
            b - a for a, b in zip(below, above, strict=True)
        ]  # first: what does not change adds no noise
        return (
            float(sum(np.sum(v * change) for v, change in zip(self.cotangents, changes, strict=True)))
            / distance
        )

    def unchanged_inputs(self) -> None:
        for i, (x, before) in enumerate(zip(self.inputs, self.before, strict=True)):
            if before is not None and not np.array_equal(
                x.array, before, equal_nan=x.array.dtype.kind == "f"
            ):
                raise GradcheckError(f"gradcheck: the function changed its input {i}")

    def against_differences(self, i: int, eps: float, atol: float, rtol: float, max_elements: int) -> None:
        array, gradient = self.inputs[i].array, self.gradients[self.checked.index(i)]
        places = list(np.ndindex(array.shape))
        if len(places) > max_elements:
            places = [places[k] for k in self.random.choice(len(places), max_elements, replace=False)]
        here = self.values()
        for place in places:
            above, below = self.moved(array, place, eps), self.moved(array, place, -eps)
            slope = self.slope(below, above, 2 * eps)
            left, right = self.slope(below, here, eps), self.slope(here, above, eps)
            if abs(right - left) > 1e-2 * max(1.0, abs(right), abs(left)):
                raise GradcheckError(
                    f"gradcheck: a kink at element {place} of input {i}, which is {array[place]:.6g}: the slope is "
                    f"{left:.6g} to the left and {right:.6g} to the right; choose another point"
                )
            if not abs(gradient[place] - slope) <= atol + rtol * abs(slope):
                raise GradcheckError(
                    f"gradcheck: the gradient of input {i} is off at element {place}: backward gives "
                    f"{gradient[place]:.9g}, the difference quotient {slope:.9g}"
                )

    def moved(self, array: np.ndarray, place: tuple[int, ...], by: float) -> list[np.ndarray]:
        """The outputs with one element of an input moved."""
        before = array[place]
        array[place] = before + by
        try:
            return self.values()
        finally:
            array[place] = before

    def against_strided(self, atol: float, rtol: float) -> None:
        """Inputs whose elements are neither adjacent nor in C order in memory give the same gradients."""
        self.compare("with non-contiguous inputs", self.with_inputs(_strided), atol, rtol)

    def against_float32(self) -> None:
        single = self.with_inputs(lambda array: array.astype(np.float32))
        largest = max([float(np.max(np.abs(g), initial=0.0)) for g in self.gradients], default=0.0)
        self.compare("in float32", single, 1e-4 * max(largest, 1e-3), 1e-3)

    def with_inputs(self, change: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
        changed = [
            Tensor(change(x.array), requires_grad=x.requires_grad)
            if isinstance(x, Tensor) and x.is_floating_point()
            else x
            for x in self.inputs
        ]
        return self.gradients_at(changed)

    def compare(self, how: str, gradients: list[np.ndarray], atol: float, rtol: float) -> None:
        for i, expected, found in zip(self.checked, self.gradients, gradients, strict=True):
            off = np.argwhere(~(np.abs(expected - found) <= atol + rtol * np.abs(expected)))
            if len(off):
                place = tuple(int(k) for k in off[0])
                raise GradcheckError(
                    f"gradcheck: {how} the gradient of input {i} is off at element {place}: "
                    f"{found[place]:.9g} instead of {expected[place]:.9g}"
                )


def _strided(array: np.ndarray) -> np.ndarray:
    """The same elements, every second one of a buffer in Fortran order."""
    if array.ndim == 0:
        return array.copy()
    buffer = np.zeros((*(2 * n for n in array.shape),), array.dtype, order="F")
    view = buffer[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view
