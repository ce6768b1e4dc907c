"""Cases for losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minidl.kernels.cases.case import Case, dtype_only, exact, random


def _bce_with_logits_cases() -> Iterator[Case]:
    for shape in ((256, 33), (7,), (), (0, 3), (2, 5, 3, 4), (1024,), (1025,)):
        x, t = exact(4 * random(1, *shape)), exact(np.abs(np.sin(random(2, *shape))))
        for want_gradient in (False, True):
            yield Case("forward", (x, t, 0.25, want_gradient), dtype_only)


CASES: dict[str, Callable[[], Iterator[Case]]] = {"bce_with_logits": _bce_with_logits_cases}
