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
from typing import Any

import numpy as np

from minidl.grad_mode import is_grad_enabled


class Kept:
    """One weight's prepared form. A copy of the layer, or a pickled one, begins with none."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget, and free the memory."""
        self._array: Any = None
        self._copy: Any = None
        self._written, self._problem, self._value = -1, None, None

    def __reduce__(self) -> Any:
        return Kept, ()

    def of(self, weight: Any, problem: Any, make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for this weight and problem, now or earlier; None for a weight in training."""
        if weight.requires_grad and is_grad_enabled():
            self.clear()
            return None
        if not self._holds(weight, problem):
            memory = weight._memory
            self._copy = np.copy(weight.array) if memory.exposed else None
            self._array, self._written, self._problem = weight.array, memory.written, problem
            self._value = make()
        return self._value

    def _holds(self, weight: Any, problem: Any) -> bool:
        memory = weight._memory
        if self._array is not weight.array or self._written != memory.written or self._problem != problem:
            return False
        return not memory.exposed or (self._copy is not None and np.array_equal(self._copy, weight.array))
