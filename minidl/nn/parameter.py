"""Parameter: a tensor that a Module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.dtypes import as_dtype, get_default_dtype
from minidl.errors import ArgumentError, DTypeError, GradError, must
from minidl.ops.arguments import as_int, check_device
from minidl.tensor import Tensor

_grad: property = vars(Tensor)["grad"]


class Parameter(Tensor):
    """A tensor that a :class:`~minidl.nn.Module` lists among its ``parameters()`` when it is assigned to it.

    Its memory is always in C order. The memory of ``data`` is shared where it already is; otherwise it is copied.

    Args:
        data: a Tensor or a NumPy array; an empty tensor if left out.
        requires_grad: whether it collects a gradient.

    Raises:
        DTypeError: ``data`` is neither, or does not hold floats although a gradient is asked for.
    """

    _before: bool | None = None  # while frozen: whether it required a gradient before

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        if data is None:
            data = np.empty(0, get_default_dtype())
        if not isinstance(data, (Tensor, np.ndarray)):
            raise DTypeError(must("Parameter", "data", "a Tensor or a NumPy array", type(data).__name__))
        array = data.array if isinstance(data, Tensor) else data
        super().__init__(data if array.flags.c_contiguous else np.array(array, order="C"), requires_grad)

    @property
    def is_frozen(self) -> bool:
        """Whether it was frozen (:meth:`Module.freeze`); a parameter that only requires no gradient is not."""
        return self._before is not None

    def freeze(self) -> None:
        """Neither collect a gradient nor be updated, until :meth:`unfreeze`. An old gradient is dropped."""
        if not self.is_frozen:
            before, self.grad = self.requires_grad, None
            self.requires_grad_(False)
            self._before = before

    def unfreeze(self) -> None:
        """Undo :meth:`freeze`: require a gradient if it did before."""
        if self._before is not None:
            before, self._before = self._before, None
            self.requires_grad_(before)

    def requires_grad_(self, requires_grad: bool = True) -> Parameter:
        """See :meth:`Tensor.requires_grad_`.

        Raises:
            GradError: it is frozen, and so cannot collect a gradient.
        """
        if requires_grad and self.is_frozen:
            raise GradError("requires_grad_: the parameter is frozen; unfreeze it first")
        super().requires_grad_(requires_grad)
        return self

    def _set_grad(self, value: Tensor | None) -> None:
        if value is not None and self.is_frozen:
            raise GradError("grad: the parameter is frozen; unfreeze it first")
        _grad.fset(self, value)  # type: ignore[misc]

    grad = property(_grad.fget, _set_grad, doc=_grad.__doc__)

    def __reduce__(self) -> Any:
        return (*super().__reduce__(), {"_before": self._before})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copy = super().__deepcopy__(memo)
        copy.__dict__["_before"] = self._before
        return copy


def new_parameter(layer: str, *shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter for ``layer`` to initialise: uninitialised memory, of the default dtype unless given."""
    check_device(layer, device)
    return Parameter(np.empty(shape, get_default_dtype() if dtype is None else as_dtype(layer, dtype)))


def check_size(layer: str, argument: str, value: Any, minimum: int = 0) -> int:
    """A number of features, channels or the like."""
    value = as_int(layer, argument, value)
    if value < minimum:
        raise ArgumentError(must(layer, argument, f"at least {minimum}", value))
    return value
