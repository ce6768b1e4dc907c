"""Every registered implementation of every operation: a new one is tested here by being registered."""

import inspect
from types import ModuleType

import numpy as np
import pytest

from minidl.kernels import available, operations
from minidl.kernels.check import cases_of, check_kernel
from minidl.kernels.registry import operation

# Implementations that are for some shapes only.
PARTIAL = {"conv2d": ("depthwise", "winograd2", "winograd4"), "normalize": ("rows", "channels")}
ALL = [(op, name) for op in operations() for name in available(op)]


def _compiled_functions(module: ModuleType) -> list:
    return [f for f in vars(module).values() if hasattr(f, "signatures") and hasattr(f, "py_func")]


@pytest.mark.parametrize(("op", "name"), ALL)
def test_equals_the_reference_in_float64_on_every_shape_dtype_and_memory_order(op, name):
    kernel = operation(op).load(name)
    dtypes = (np.dtype("float32"), np.dtype("float64"))
    supported = sum(kernel.supports(*case.problem(dtype)) for case in cases_of(op) for dtype in dtypes)
    assert check_kernel(op, name) == 5 * supported
    if name not in PARTIAL.get(op, ()):
        assert supported >= len(cases_of(op))


@pytest.mark.parametrize(("op", "name"), ALL)
def test_has_the_signatures_of_the_reference(op, name):
    module, reference = operation(op).load(name), operation(op).load("reference")
    for function in ("supports", *operation(op).functions):
        ours, theirs = (inspect.signature(getattr(m, function)) for m in (module, reference))
        assert ours == theirs, function


@pytest.mark.parametrize(("op", "name"), ALL)
def test_is_compiled_once_per_dtype(op, name):
    check_kernel(op, name)  # arguments of every memory order, and read-only ones
    for function in _compiled_functions(operation(op).load(name)):
        assert len(function.signatures) <= 2, (function, function.signatures)


@pytest.mark.parametrize("op", operations())
def test_the_policy_names_a_kernel_that_supports_the_case(op):
    for case in cases_of(op):
        for dtype in (np.dtype("float32"), np.dtype("float64")):
            problem = case.problem(dtype)
            kernel = operation(op).load(operation(op).policy(*problem))
            assert kernel.supports(*problem)
