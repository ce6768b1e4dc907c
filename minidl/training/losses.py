"""The loss that a Trainer is given, by name, as a module or as a function, and what it says about outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.nn import functional as F
from minidl.nn.freezing import near
from minidl.tensor import Tensor

# What an output means: logits, log-probabilities or probabilities (N, C) of classes; logits or probabilities of yes
# and no; numbers.
CLASSES, LOG_CLASSES, CLASS_PROBABILITIES, LOGITS, PROBABILITIES, NUMBERS = (
    "classes",
    "log classes",
    "class probabilities",
    "logits",
    "probabilities",
    "numbers",
)

_NAMED: dict[str, tuple[Callable[..., Tensor], str]] = {
    "cross_entropy": (F.cross_entropy, CLASSES),
    "nll_loss": (F.nll_loss, LOG_CLASSES),
    "categorical_crossentropy": (nn.CategoricalCrossEntropy(), CLASS_PROBABILITIES),
    "sparse_categorical_crossentropy": (nn.CategoricalCrossEntropy(), CLASS_PROBABILITIES),
    "binary_cross_entropy_with_logits": (F.binary_cross_entropy_with_logits, LOGITS),
    "bce_with_logits": (F.binary_cross_entropy_with_logits, LOGITS),
    "binary_cross_entropy": (F.binary_cross_entropy, PROBABILITIES),
    "bce": (F.binary_cross_entropy, PROBABILITIES),
    "mse_loss": (F.mse_loss, NUMBERS),
    "mse": (F.mse_loss, NUMBERS),
    "l1_loss": (F.l1_loss, NUMBERS),
    "mae": (F.l1_loss, NUMBERS),
    "huber_loss": (F.huber_loss, NUMBERS),
    "smooth_l1_loss": (F.smooth_l1_loss, NUMBERS),
}
_MODULES: dict[type[nn.Module], str] = {
    nn.CrossEntropyLoss: CLASSES,
    nn.NLLLoss: LOG_CLASSES,
    nn.CategoricalCrossEntropy: CLASS_PROBABILITIES,
    nn.BCEWithLogitsLoss: LOGITS,
    nn.BCELoss: PROBABILITIES,
}


class Loss:
    """A loss function, and how it reads outputs.

    Attributes:
        name: for messages.
        kind: what the output means, one of this module's constants; None for a function that does not say.
    """

    def __init__(self, loss: Any) -> None:
        self.kind: str | None
        if isinstance(loss, str):
            if loss not in _NAMED:
                expected = f"one of {', '.join(_NAMED)}, a loss module or a function"
                raise ArgumentError(must("Trainer", "loss", expected, repr(loss) + near(loss, _NAMED)))
            self.function, self.kind = _NAMED[loss]
            self.name = loss
        elif isinstance(loss, type):
            got = f"the class {loss.__name__}"
            raise DTypeError(must("Trainer", "loss", f"an object, {loss.__name__}(...)", got))
        elif callable(loss):
            self.function = loss
            self.kind = next((kind for cls, kind in _MODULES.items() if isinstance(loss, cls)), None)
            self.name = getattr(loss, "__name__", type(loss).__name__)
        else:
            expected = "a name, a loss module or a function of output and target"
            raise DTypeError(
                must("Trainer", "loss", expected, "None" if loss is None else type(loss).__name__)
            )
        self.named = isinstance(loss, str)

    def __call__(self, output: Any, target: Any) -> Tensor:
        """The mean loss of a batch.

        A loss that was given by name takes the targets of yes and no and of one number, (N,), for outputs (N, 1), and
        in any dtype.

        Raises:
            DTypeError: the loss is no tensor.
            ShapeError: the target does not have the output's shape, or the loss is more than one number.
        """
        if self.named and self.kind in (LOGITS, PROBABILITIES, NUMBERS):
            target = _like(self.name, output, target)
        loss = self.function(output, target)
        if not isinstance(loss, Tensor):
            got = "None" if loss is None else type(loss).__name__
            raise DTypeError(
                must("Trainer", f"what the loss {self.name} returns", "a tensor of one number", got)
            )
        if loss.numel() != 1:
            raise ShapeError(
                must("Trainer", f"what the loss {self.name} returns", "one number", f"shape {loss.shape}")
            )
        return loss


def _like(name: str, output: Any, target: Any) -> Any:
    """``target`` in the output's dtype, and its shape if they differ only in a last dimension of 1."""
    if not (isinstance(output, Tensor) and isinstance(target, Tensor)):
        return target
    if target.shape != output.shape:
        if (*target.shape, 1) != output.shape and target.shape != (*output.shape, 1):
            raise ShapeError(must(name, "target", f"of the output's shape {output.shape}", target.shape))
        target = target.reshape(output.shape)
    return target.to(output.dtype)
