"""exp and log1p inside compiled kernels, over their whole range, against long doubles."""

import numpy as np
import pytest

from minidl.kernels.compile import jit
from minidl.kernels.polynomials import exp_nonpositive, log1p_unit


@jit
def _exp(x, out):
    for i in range(x.size):
        out[i] = exp_nonpositive(x[i])


@jit
def _log1p(x, out):
    for i in range(x.size):
        out[i] = log1p_unit(x[i])


def _compiled(function, x):
    out = np.empty_like(x)
    function(x, out)
    return out


def _relative_error(got, exact):
    return float(np.max(np.abs(got - exact) / exact))


EPSILON = [(np.float32, 2.0**-23, -87), (np.float64, 2.0**-52, -708)]
needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 60, reason="long double is double here"
)


@needs_long_double
@pytest.mark.parametrize(("dtype", "epsilon", "lowest"), EPSILON)
def test_exp_is_within_two_units_of_the_last_place(dtype, epsilon, lowest):
    x = np.concatenate([np.linspace(lowest, 0, 100_001), -np.geomspace(1e-9, 1, 10_001)]).astype(dtype)
    assert _relative_error(_compiled(_exp, x), np.exp(x.astype(np.longdouble))) < 2 * epsilon
    assert _relative_error(exp_nonpositive(x), np.exp(x.astype(np.longdouble))) < 2 * epsilon


@needs_long_double
@pytest.mark.parametrize(("dtype", "epsilon", "_lowest"), EPSILON)
def test_log1p_is_within_two_units_of_the_last_place(dtype, epsilon, _lowest):
    z = np.concatenate([np.linspace(1e-3, 1, 100_001), np.geomspace(1e-30, 1, 10_001)]).astype(dtype)
    assert _relative_error(_compiled(_log1p, z), np.log1p(z.astype(np.longdouble))) < 2 * epsilon
    assert _relative_error(log1p_unit(z), np.log1p(z.astype(np.longdouble))) < 2 * epsilon


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends_of_the_ranges(dtype):
    x = np.array([0, -1e4, -np.inf, np.nan], dtype)
    assert _compiled(_exp, x).tolist() == [pytest.approx(1, abs=1e-7), 0, 0, 0]
    assert _compiled(_log1p, np.array([0], dtype))[0] == 0
