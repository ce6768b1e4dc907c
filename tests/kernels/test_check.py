"""check_kernel finds what is wrong with a kernel, and says where."""

import sys
from types import ModuleType

import numpy as np
import pytest

from minidl.errors import KernelError
from minidl.kernels import register
from minidl.kernels.check import cases_of, check_kernel
from minidl.kernels.registry import operation


@pytest.fixture
def register_variant(monkeypatch):
    """Registers avg_pool2d's reference under the name "mine", with some functions replaced."""
    op = operation("avg_pool2d")
    monkeypatch.setattr(op, "_module_names", dict(op._module_names))
    monkeypatch.setattr(op, "_loaded", dict(op._loaded))

    def registered(**functions):
        module = ModuleType("my_pooling")
        vars(module).update({k: v for k, v in vars(op.load("reference")).items() if not k.startswith("__")})
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, "my_pooling", module)
        register("avg_pool2d", "mine", module="my_pooling")
        return op.load("reference")

    return registered


def test_a_right_kernel_passes(register_variant):
    register_variant()
    assert check_kernel("avg_pool2d", "mine") > 0


def test_a_wrong_element_is_named(register_variant):
    def forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        y = reference.forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        if y.size > 5:
            y[0, 1, 1, 0] += 1e-3
        return y

    reference = register_variant(forward=forward)
    with pytest.raises(
        KernelError, match=r"'mine': forward\(.*element \(0, 1, 1, 0\) is .* the reference has"
    ):
        check_kernel("avg_pool2d", "mine")


def test_a_changed_argument_is_named(register_variant):
    def input_grad(g, *rest):
        gradient = reference.input_grad(g, *rest)
        if g.flags.writeable:
            g *= 2
        return gradient

    def named(
        g, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):  # the arguments' names are the contract
        return input_grad(
            g, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )

    reference = register_variant(input_grad=named)
    with pytest.raises(KernelError, match="changes its argument g"):
        check_kernel("avg_pool2d", "mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y[:, :, :-1], "gives shape"),
        (lambda y: y.astype(np.float64), "gives float64"),
        (np.ascontiguousarray, "not channels-last"),
        (lambda y: (y, y), "gives 2 arrays, the reference 1"),
    ],
)
def test_a_wrong_form_is_named(register_variant, change, message):
    def forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        return change(
            reference.forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        )

    reference = register_variant(forward=forward)
    with pytest.raises(KernelError, match=message):
        check_kernel("avg_pool2d", "mine")


def test_an_operation_without_cases_asks_for_some():
    with pytest.raises(KernelError, match="made_up has no cases of its own"):
        cases_of("made_up")


def test_a_kernel_that_supports_nothing_does_not_pass(register_variant):
    register_variant(supports=lambda dtype: False)
    with pytest.raises(KernelError, match="supports none of the cases"):
        check_kernel("avg_pool2d", "mine")
