"""Ufuncs in the pool and formulas compiled as ufuncs: exact, and the same bits whatever the size, order and threads."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minidl
from minidl.kernels.elementwise import FORMULAS, formula, pooled
from minidl.kernels.elementwise.pool import spread
from minidl.kernels.threads import get_num_threads, set_num_threads

LARGE = (3, 32, 80, 50)  # more elements than any threshold, and no multiple of a block
SPECIAL = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38, 1.0, -1.0, 88.0, -88.0, -104.0]
)
DTYPES = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def _numbers(dtype, *shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape) * 3
    x.reshape(-1)[: SPECIAL.size] = SPECIAL
    return x.astype(dtype)


def _orders(x):
    """The same images in different memory."""
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    wide = np.repeat(x, 2, axis=-1)
    reversed_ = x[::-1].copy()[::-1]
    return {"C": x, "channels-last": channels_last, "strided": wide[..., ::2], "reversed": reversed_}


def _same(a, b):
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    assert a.tobytes() == b.tobytes()


# --- A ufunc of NumPy's ----------------------------------------------------------------------------------------

UNARY = [np.negative, np.abs, np.sqrt, np.square, np.exp, np.log, np.sin, np.tanh, np.reciprocal]
BINARY = [np.add, np.multiply, np.divide, np.maximum, np.greater, np.equal, np.power]


@pytest.mark.parametrize("ufunc", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pooled_ufunc_is_numpys(ufunc, dtype):
    for x in _orders(_numbers(dtype, *LARGE)).values():
        y, expected = pooled(ufunc, 1)(x), ufunc(x)
        _same(y, expected)
        assert y.strides == expected.strides


@pytest.mark.parametrize("ufunc", BINARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pooled_ufunc_of_two_is_numpys(ufunc, dtype):
    a, b = _numbers(dtype, *LARGE), _numbers(dtype, *LARGE, seed=1)
    partners = [
        b,
        b[:1],
        b[:, :1],
        b[..., :1],
        b[0, 0],
        b[:1, :, :1, :1],
        dtype(1.5),
        1.5,
        b[0, 0, 0, 0, ...],
    ]
    for x in _orders(a).values():
        for partner in [*partners, *_orders(b).values()]:
            for operands in ((x, partner), (partner, x)):
                y, expected = pooled(ufunc, 1)(*operands), ufunc(*operands)
                _same(y, expected)
                assert y.strides == expected.strides


@pytest.mark.parametrize("shape", [(), (0,), (0, 5), (1,), (1, 70000), (70000, 1), (8193,)])
def test_every_shape(shape):
    x = np.random.default_rng(0).random(shape, np.float32)
    _same(np.asarray(spread(np.add, (x, x))), np.asarray(x + x))
    _same(np.asarray(pooled(np.exp, 0)(x)), np.asarray(np.exp(x)))


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.uint8, np.dtype(">f4")])
def test_what_has_no_loop_in_the_pool_is_numpys(dtype):
    x = np.random.default_rng(0).integers(0, 90, 70000).astype(dtype)
    _same(pooled(np.add, 1)(x, x), x + x)
    _same(pooled(np.add, 1)(x.astype(np.float32), x), x.astype(np.float32) + x)


def test_memory_that_is_not_aligned():
    raw = np.zeros(4 * 70000 + 1, np.uint8)
    x = raw[1:].view(np.float32)
    x[...] = np.random.default_rng(0).random(70000)
    assert not x.flags.aligned
    _same(pooled(np.add, 1)(x, x), x + x)


# --- Formulas --------------------------------------------------------------------------------------------------


def _arguments(name, dtype, shape):
    """Numbers for each argument of a formula; for parameters that are numbers, numbers."""
    function, kinds = FORMULAS[name]
    names = function.__code__.co_varnames[: len(kinds)]
    known = {"low": -0.5, "high": 0.75, "slope": 0.5, "scale": 1.5, "beta": 2.0, "threshold": 3.0}
    found = []
    for i, (argument, kind) in enumerate(zip(names, kinds, strict=True)):
        x = _numbers(dtype, *shape, seed=i)
        found.append(known.get(argument, x > 0 if kind == "?" else x))
    return found


def _compiled(name):
    function, kinds = FORMULAS[name]
    return formula(name, function, kinds)  # as its operation has it, of the same machine code


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_a_formula_gives_the_same_bits_everywhere(name, dtype):
    """Alone, in a large array of any memory order, from one thread and from two."""
    threads = get_num_threads()
    call, arguments = _compiled(name), _arguments(name, dtype, LARGE)
    expected = call(*arguments)
    try:
        for n in (1, 2):
            set_num_threads(n)
            _same(call(*arguments), expected)
    finally:
        set_num_threads(threads)
    for order in ("channels-last", "strided", "reversed"):
        arranged = [_orders(a)[order] if isinstance(a, np.ndarray) else a for a in arguments]
        _same(call(*arranged), expected)
    for i in (0, 2):  # a sample alone, and an element
        _same(
            call(*[a[i : i + 1] if isinstance(a, np.ndarray) else a for a in arguments]), expected[i : i + 1]
        )
    element = [a[2, 31, 79, 49] if isinstance(a, np.ndarray) else a for a in arguments]
    _same(np.asarray(call(*element)), expected[2, 31, 79, 49])
    _same(call(*[a[:0] if isinstance(a, np.ndarray) else a for a in arguments]), expected[:0])


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_float32_is_near_float64(name):
    """The same numbers in float64 give nearly the same result."""
    call, arguments = _compiled(name), _arguments(name, np.float32, LARGE)
    for a in arguments:
        if isinstance(a, np.ndarray):
            a.reshape(-1)[: SPECIAL.size] = a.reshape(-1)[-SPECIAL.size :]
    y, exact = (
        call(*[a.astype(t) if getattr(a, "dtype", "") == "float32" else a for a in arguments]) for t in DTYPES
    )
    assert (np.isnan(y) == np.isnan(exact)).all()
    ordinary = np.abs(exact) < 1e30
    atol = 3e-5 if name == "gelu_tanh_vjp" else 1e-6  # its 1 - t² keeps few digits where t is near 1
    np.testing.assert_allclose(y[ordinary], exact[ordinary], rtol=1e-5, atol=atol)


def test_the_memory_order_of_the_input_stays():
    x = _orders(_numbers(np.float32, *LARGE))["channels-last"]
    assert _compiled("sigmoid")(x).strides == x.strides


def test_other_dtypes_are_computed_by_numpy():
    x = np.array([-1.0, 0.0, 2.0], np.float16)
    assert minidl.nn.functional.silu(minidl.tensor(x)).array.dtype == np.float16
    condition = np.array([True, False])
    _same(minidl.where(minidl.tensor(condition), minidl.tensor([1, 2]), 7).array, np.array([1, 7]))


# --- The functions of which formulas are made --------------------------------------------------------------------

POINTS = np.concatenate([np.linspace(-12, 12, 4001), np.geomspace(1e-7, 1, 500), -np.geomspace(1e-7, 1, 500)])
# name, formula, the definition in more digits, the largest error in units of the last place (float32, float64)
FUNCTIONS = [
    ("exp", lambda x: np.exp(x), np.exp, 1.0),
    ("expm1", lambda x: np.expm1(np.minimum(x, 0.0)), lambda x: np.expm1(np.minimum(x, 0)), 1.5),
    ("tanh", lambda x: np.tanh(x), np.tanh, 2.6),
    ("log1p", lambda x: np.log1p(np.exp(-np.abs(x))), lambda x: np.log1p(np.exp(-np.abs(x))), 3.0),
]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is double here")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "function", "definition", "units"), FUNCTIONS)
def test_functions_are_exact_to_the_last_places(name, function, definition, units, dtype):
    x = np.concatenate([POINTS, np.linspace(-87, 88, 3001)]).astype(dtype)
    y, exact = formula(f"test_{name}", function)(x), definition(x.astype(np.longdouble))
    error = np.abs(y - exact) / np.spacing(np.abs(exact.astype(dtype)))
    assert error.max() <= units


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("which", "units"), [("erf", 3.0), ("rounded_erf", 3.0)])
def test_the_error_function(which, units, dtype):
    functions = {"erf": lambda x: np.erf(x), "rounded_erf": lambda x: np.rounded_erf(x)}
    x = POINTS.astype(dtype)
    exact = np.array([math.erf(v) for v in x.astype(float)])
    y = formula(f"test_{which}", functions[which])(x)
    assert (np.abs(y - exact) <= units * np.spacing(np.abs(exact).astype(dtype))).all()
    special = formula(f"test_{which}", functions[which])(SPECIAL.astype(dtype))
    np.testing.assert_allclose(special, [math.erf(v) for v in SPECIAL.astype(dtype)], 1e-6, 2e-45)
    assert math.copysign(1.0, special[1]) == -1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_ends_of_exp(dtype):
    call = formula("test_exp", FUNCTIONS[0][1])
    x = np.array([np.inf, -np.inf, np.nan, 1e6, -1e6, 0.0, -0.0], dtype)
    np.testing.assert_array_equal(call(x), np.array([np.inf, 0, np.nan, np.inf, 0, 1, 1], dtype))
    tiny = np.linspace(-103, -88, 50).astype(dtype) if dtype == np.float32 else np.linspace(-744, -709, 50)
    np.testing.assert_allclose(
        call(tiny), np.exp(tiny.astype(np.longdouble)), rtol=0, atol=np.finfo(dtype).tiny * 1e-6
    )
