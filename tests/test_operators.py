"""Operators with what is no tensor: a class that has operators for tensors is asked, everything else is an error."""

from __future__ import annotations

import operator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from both import torch

import minidl
from minidl.errors import DTypeError

ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"]
COMPARISONS = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}
LIBRARIES = [minidl, torch]


def _class(name: str) -> type:
    """A class whose only operator is the reflected one of ``name``."""
    reflected = COMPARISONS.get(name, f"r{name.strip('_')}")
    return type("Own", (), {f"__{reflected}__": lambda self, other: ("own", other), "__hash__": None})


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
def test_a_class_with_an_operator_for_tensors_is_asked(name: str, library: Any) -> None:
    x, own = library.tensor([2, 3]), _class(name)()
    assert getattr(operator, name)(x, own) == ("own", x)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", [n.strip("_") for n in ARITHMETIC])
def test_in_place_too(name: str, library: Any) -> None:
    x = library.tensor([2, 3])
    assert getattr(operator, f"i{name}")(x, _class(name)()) == ("own", x)
    assert x.tolist() == [2, 3]


@pytest.mark.parametrize("name", [*ARITHMETIC, "lt", "le", "gt", "ge"])
def test_what_has_no_operator_for_tensors_is_an_error(name: str) -> None:
    x = minidl.tensor([2, 3])
    for other in (None, "a", [1, 2], object(), {"a": 1}, type("Plain", (), {})()):
        with pytest.raises(TypeError):
            getattr(operator, name)(torch.tensor([2, 3]), other)
        with pytest.raises(DTypeError, match=r"must be|take"):
            getattr(operator, name)(x, other)


@pytest.mark.parametrize("other", [Fraction(1, 2), Decimal("0.5")])
def test_numbers_that_do_not_know_tensors(other: Any) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        minidl.ones(2) + other


def test_an_error_that_is_not_about_the_other_operands_kind_is_not_given_away() -> None:
    with pytest.raises(DTypeError, match="sub: every operand must be of numbers, not bools"):
        minidl.ones(2) - (minidl.ones(2) > 0)
    with pytest.raises(DTypeError, match="matmul: other must be of input's dtype float32, got float64"):
        minidl.ones(2, 2) @ np.ones((2, 2))


def test_functions_and_methods_do_not_give_way() -> None:
    own = _class("add")()
    for call in (lambda: minidl.add(minidl.ones(2), own), lambda: minidl.ones(2).add(own)):
        with pytest.raises(DTypeError, match="add: every operand must be a Tensor or a number, got Own"):
            call()
