"""Data types: names, and promotion equal to PyTorch's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import dtypes
from minidl.errors import ArgumentError, DTypeError

torch = pytest.importorskip("torch")

NAMES = [d.name for d in dtypes.ALL]


def operand(library: Any, name: str, kind: str) -> Any:
    if kind == "number":
        return {"float": 1.5, "int": 2, "bool": True}[name]
    return library.ones((2,) if kind == "dims" else (), dtype=getattr(library, name))


OPERANDS = [(name, kind) for name in NAMES for kind in ("dims", "no dims")]
OPERANDS += [(name, "number") for name in ("float", "int", "bool")]
PAIRS = [
    (a, b) for a, b in itertools.product(OPERANDS, OPERANDS) if "number" not in (a[1], b[1]) or a[1] != b[1]
]


def name_of(torch_dtype: Any) -> str:
    return str(torch_dtype).removeprefix("torch.")


@pytest.mark.parametrize("first", OPERANDS, ids=str)
def test_result_type_is_pytorchs(first: tuple[str, str]) -> None:
    for second in OPERANDS:
        if (first[1], second[1]) == ("number", "number"):
            continue
        ours = minidl.result_type(operand(minidl, *first), operand(minidl, *second))
        theirs = torch.result_type(operand(torch, *first), operand(torch, *second))
        assert ours.name == name_of(theirs), second


def is_power_of_bool(first: tuple[str, str], second: tuple[str, str]) -> bool:
    """bools ** True: PyTorch takes it, but neither bools ** bools nor True ** bools. minidl takes none of them."""
    return first[0] == "bool" and second == ("bool", "number")


@pytest.mark.parametrize("operation", ["add", "mul", "maximum", "eq", "pow", "where", "div", "remainder"])
def test_operations_promote_as_pytorch(operation: str) -> None:
    def compute(library: Any, first: tuple[str, str], second: tuple[str, str]) -> str:
        a, b = operand(library, *first), operand(library, *second)
        before = (library.ones(2) > 0,) if operation == "where" else ()
        y = getattr(library, operation)(*before, a, b)
        return y.dtype.name if library is minidl else name_of(y.dtype)

    for first, second in PAIRS:
        if first[1] == "number" and operation not in ("where", "pow", "remainder"):
            continue
        if operation == "maximum" and second[1] == "number":
            continue
        if operation == "pow" and is_power_of_bool(first, second):
            continue
        found = []
        for library in (minidl, torch):
            try:
                found.append(compute(library, first, second))
            except (RuntimeError, TypeError):
                found.append("refused")
        assert found[0] == found[1], (first, second)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "//", "%", "**", "==", "<", "&", "|", "^"])
def test_operators_promote_and_refuse_as_pytorch(sign: str) -> None:
    for first, second in PAIRS:
        if sign == "**" and is_power_of_bool(first, second):
            continue
        found = []
        for library in (minidl, torch):
            values = {"a": operand(library, *first), "b": operand(library, *second)}
            try:
                y = eval(f"a {sign} b", values)
            except (RuntimeError, TypeError):
                found.append("refused")
            else:
                found.append((y.numpy().dtype.name, y.tolist()))
        assert found[0] == found[1], (first, second)


@pytest.mark.parametrize(
    "function", ["exp", "log", "sqrt", "tanh", "sigmoid", "abs", "neg", "sign", "relu", "square"]
)
@pytest.mark.parametrize("name", NAMES)
def test_functions_of_one_argument_give_pytorchs_dtype(function: str, name: str) -> None:
    found = []
    for library in (minidl, torch):
        try:
            y = getattr(library, function)(library.tensor([0, 1], dtype=getattr(library, name)))
        except (RuntimeError, TypeError):
            found.append("refused")
        else:
            found.append((y.numpy().dtype.name, y.tolist() if y.numpy().dtype.kind != "f" else None))
    assert found[0] == found[1]


def test_promote_types_and_can_cast() -> None:
    for a, b in itertools.product(NAMES, NAMES):
        ours = minidl.promote_types(getattr(dtypes, _own(a)), getattr(dtypes, _own(b)))
        assert ours.name == name_of(torch.promote_types(getattr(torch, a), getattr(torch, b)))
        assert dtypes.can_cast(np.dtype(a), np.dtype(b)) == torch.can_cast(
            getattr(torch, a), getattr(torch, b)
        )


def _own(name: str) -> str:
    return "bool_" if name == "bool" else name


def test_result_type_of_several_and_of_none() -> None:
    x, scalar = minidl.ones(2, dtype=minidl.int8), minidl.tensor(1.0, dtype=minidl.float64)
    assert dtypes.result_type(x, scalar, 3) == minidl.float64
    assert dtypes.result_type(2, 3.0) == minidl.float32
    with pytest.raises(
        ArgumentError, match="result_type: operands must be at least one array or number, got none"
    ):
        dtypes.result_type()


def test_dtypes_are_numpys_under_pytorchs_names() -> None:
    for name in NAMES:
        assert getattr(minidl, name) == np.dtype(name)
        assert np.zeros(1, getattr(minidl, name)).dtype.name == name
    pairs = [
        ("half", "float16"),
        ("float", "float32"),
        ("double", "float64"),
        ("short", "int16"),
        ("int", "int32"),
    ]
    for alias, name in [*pairs, ("long", "int64")]:
        assert getattr(minidl, alias) == np.dtype(name)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float64, "float64"), ("float64", "float64"), ("double", "float64"), ("float", "float32"),
        ("long", "int64"), (np.dtype(">f4"), "float32"), (float, "float64"), (int, "int64"), (bool, "bool"),
    ],
)  # fmt: skip
def test_as_dtype(given: Any, expected: str) -> None:
    assert minidl.zeros(1, dtype=given).dtype == np.dtype(expected)


@pytest.mark.parametrize("given", ["complex64", "str", np.uint32, np.complex128, object])
def test_a_dtype_that_minidl_does_not_compute_with(given: Any) -> None:
    with pytest.raises(DTypeError, match="zeros: dtype must be one of float16, float32"):
        minidl.zeros(1, dtype=given)


@pytest.mark.parametrize("given", ["floaty", 5, [1, 2], {}])
def test_what_is_no_dtype(given: Any) -> None:
    with pytest.raises(DTypeError, match="zeros: dtype must be a dtype, got "):
        minidl.zeros(1, dtype=given)


def test_the_default_dtype() -> None:
    assert minidl.get_default_dtype() == minidl.float32
    minidl.set_default_dtype(minidl.float64)
    try:
        made = [
            minidl.tensor(1.0),
            minidl.zeros(1),
            minidl.randn(1),
            minidl.tensor([1]) / 2,
            minidl.arange(0.5),
        ]
        assert {x.dtype for x in made} == {minidl.float64}
        assert repr(minidl.ones(1)) == "tensor([1.])"
        assert repr(minidl.ones(1, dtype=minidl.float32)) == "tensor([1.], dtype=float32)"
    finally:
        minidl.set_default_dtype(minidl.float32)
    with pytest.raises(DTypeError, match="set_default_dtype: d must be a floating dtype, got int64"):
        minidl.set_default_dtype(minidl.int64)


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo(name: str) -> None:
    ours, theirs = minidl.finfo(getattr(minidl, name)), torch.finfo(getattr(torch, name))
    for field in ("eps", "max", "min", "tiny", "smallest_normal", "bits", "dtype"):
        assert getattr(ours, field) == getattr(theirs, field)
    assert minidl.finfo().dtype == "float32"


@pytest.mark.parametrize("d", dtypes.ALL)
def test_a_dtype_is_always_the_same_object(d: np.dtype) -> None:
    for given in (d.name, d.type, d.newbyteorder("S"), np.dtype(d.name).newbyteorder("=")):
        assert dtypes.as_dtype("test", given) is d
