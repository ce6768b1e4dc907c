"""What a kernel has made of a constant weight, kept for as long as the weight stays what it is.

A convolution transforms its filters, a product copies its matrix into panels: work that is the same at every call while
a layer is frozen, or while nothing is recorded. The layer owns a :class:`Kept` and passes it on; here it is decided
whether what it holds is still right. It never outlives a change of the weight, whichever way that came:

- an optimizer's step, ``load_state_dict``, an operation in place: the clock of the weight's Memory has moved;
- an assignment to ``.data``, or of another parameter: the array is another one;
- through an alias that ``.numpy()`` handed out, which nobody records: from then on the content is compared with a
  copy, at every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minidl.grad_mode import is_grad_enabled


class _Form(NamedTuple):
    """A prepared form, and all that it was made for."""

    array: np.ndarray
    written: int
    copy: np.ndarray | None  # of the content, if others may write to it unseen
    problem: Any
    value: Any

    def is_for(self, weight: Any, problem: Any) -> bool:
        memory = weight._memory
        if self.array is not weight.array or self.written != memory.written or self.problem != problem:
            return False
        return not memory.exposed or (self.copy is not None and np.array_equal(self.copy, weight.array))


class Kept:
    """One weight's prepared form. A copy of the layer, or a pickled one, begins with none.

    Several Python threads may use one layer at once: a form is replaced as a whole, when it is complete.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget, and free the memory."""
        self._form: _Form | None = None

    def __reduce__(self) -> Any:
        return Kept, ()

    def of(self, weight: Any, problem: Any, make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for this weight and problem, now or earlier; None for a weight in training."""
        if weight.requires_grad and is_grad_enabled():
            self.clear()
            return None
        form = self._form
        if form is None or not form.is_for(weight, problem):
            array, memory = weight.array, weight._memory
            written, copy = memory.written, np.copy(array) if memory.exposed else None
            form = self._form = _Form(array, written, copy, problem, make())
        return form.value
