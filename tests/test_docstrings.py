"""Every public function says what it does, what it raises and where it comes from; most show an example."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

import minidl.ops

MODULES = [f"minidl.ops.{module.name}" for module in pkgutil.iter_modules(minidl.ops.__path__)]
MODULES += [
    f"minidl.{name}" for name in ("nn.functional", "creation", "drawing", "random", "linalg", "autograd")
]


def public() -> dict[str, Any]:
    """The functions and classes that the modules of operations offer, each once, by name."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for member in getattr(module, "__all__", ()):
            value = getattr(module, member)
            if callable(value) and value not in found.values():
                found[f"{name.removeprefix('minidl.')}.{member}"] = value
    return found


PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_there_is_a_docstring(name: str) -> None:
    documentation = inspect.getdoc(PUBLIC[name]) or ""
    first = documentation.splitlines()[0] if documentation else ""
    assert first.rstrip().endswith((".", ":")) or len(documentation.splitlines()) > 1, name
    assert len(first) > 5


def test_nine_in_ten_have_an_example() -> None:
    """Each of them is run as a doctest."""
    without = [name for name, value in PUBLIC.items() if ">>>" not in (inspect.getdoc(value) or "")]
    assert len(without) <= 0.1 * len(PUBLIC), without


RAISE_NOTHING_OF_THEIR_OWN = {"ops.queries.is_tensor"}


def test_operations_say_what_they_raise() -> None:
    operations = {name: value for name, value in PUBLIC.items() if name.startswith("ops.")}
    silent = {name for name, value in operations.items() if "Raises:" not in (inspect.getdoc(value) or "")}
    assert silent == RAISE_NOTHING_OF_THEIR_OWN


SOURCES = {
    "gelu": "Hendrycks & Gimpel, 2016", "selu": "Klambauer et al., 2017", "elu": "Clevert et al., 2016",
    "silu": "Elfwing et al., 2017", "mish": "Misra, 2019", "prelu": "He et al., 2015", "glu": "Dauphin et al., 2017",
    "leaky_relu": "Maas et al., 2013", "relu6": "Krizhevsky, 2010", "hardswish": "Howard et al.",
    "softplus": "Dugas et al., 2001", "softsign": "Bergstra et al., 2009",
    "layer_norm": "Ba et al., 2016", "group_norm": "Wu & He, 2018", "batch_norm": "Ioffe & Szegedy, 2015",
    "instance_norm": "Ulyanov et al., 2016", "rms_norm": "Zhang & Sennrich, 2019", "dropout": "Srivastava et al., 2014",
    "ctc_loss": "Graves et al., 2006", "scaled_dot_product_attention": "Vaswani et al.", "conv2d": "LeCun et al., 1989",
    "smooth_l1_loss": "Girshick, 2015", "huber_loss": "Huber, 1964", "pixel_shuffle": "Shi et al., 2016",
    "gaussian_nll_loss": "Nix & Weigend, 1994", "cross_entropy": "Szegedy et al., 2016",
    "triplet_margin_loss": "Schroff et al.", "conv_transpose2d": "Zeiler et al., 2010",
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_what_has_an_author_names_them(name: str) -> None:
    assert SOURCES[name] in " ".join((getattr(minidl.nn.functional, name).__doc__ or "").split())
