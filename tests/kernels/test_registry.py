"""Selecting an implementation: by policy, by use(), and what happens where there is none."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from minidl import kernels
from minidl.errors import KernelError
from minidl.kernels.registry import Operation, operation

# The reference takes any dtype, the compiled kernel float32 and float64 only.
FLOAT32, FLOAT16 = np.dtype("float32"), np.dtype("float16")


def _selected(name="max_pool2d", *problem):
    return operation(name).select(*problem or (FLOAT32,)).__name__.rsplit(".", 1)[1]


@pytest.fixture
def restored(monkeypatch):
    """max_pool2d, whose registrations are undone after the test."""
    op = operation("max_pool2d")
    monkeypatch.setattr(op, "_module_names", dict(op._module_names))
    monkeypatch.setattr(op, "_loaded", dict(op._loaded))
    return op


def test_available_lists_the_names():
    names = ("reference", "im2col", "direct", "implicit_gemm", "dots", "depthwise", "winograd2", "winograd4")
    assert kernels.available("conv2d") == names
    assert {"conv2d", "max_pool2d", "adam"} <= set(kernels.operations())


def test_the_policy_decides_by_default():
    assert _selected() == "direct"
    assert operation("max_pool2d").select(FLOAT16).__name__.endswith("reference")


def test_use_forces_one_and_nests():
    with kernels.use(max_pool2d="reference"):
        assert _selected() == "reference"
        with kernels.use(max_pool2d="direct", conv2d="reference"):
            assert _selected() == "direct"
        with kernels.use(conv2d="reference"):
            assert _selected() == "reference"
        assert _selected() == "reference"
    assert _selected() == "direct"


def test_use_ends_when_the_block_raises():
    with pytest.raises(ZeroDivisionError), kernels.use(max_pool2d="reference"):
        raise ZeroDivisionError
    assert _selected() == "direct"


def test_use_holds_for_its_own_thread_only():
    seen = []
    with kernels.use(max_pool2d="reference"):
        thread = threading.Thread(target=lambda: seen.append(_selected()))
        thread.start()
        thread.join()
    assert seen == ["direct"]


def test_an_unknown_operation_is_an_error_that_lists_those_there_are():
    with (
        pytest.raises(KernelError, match=r"operation must be one of .*conv2d.*, got 'conv7d'"),
        kernels.use(conv7d="im2col"),
    ):
        pass
    with pytest.raises(KernelError, match="conv2d"):
        kernels.available("conv7d")
    with pytest.raises(KernelError, match="conv2d"):
        kernels.register("conv7d", "mine", module="my_kernels")


def test_an_unknown_name_is_an_error_that_lists_those_there_are():
    with (
        pytest.raises(
            KernelError,
            match=f"conv2d: kernel must be one of {', '.join(kernels.available('conv2d'))}, got 'winograd'",
        ),
        kernels.use(conv2d="winograd"),
    ):
        pass


def test_a_forced_kernel_that_does_not_support_the_call_is_an_error():
    x = np.zeros((1, 1, 4, 4), np.float16)
    with (
        kernels.use(max_pool2d="direct"),
        pytest.raises(
            KernelError,
            match=r"'direct' is forced by use\(\) but does not support .*float16.*reference, direct",
        ),
    ):
        kernels.max_pool2d.forward(x, (2, 2), (2, 2), (0, 0), (1, 1), False, True)


def test_a_registered_module_is_imported_on_first_use(restored, tmp_path, monkeypatch):
    (tmp_path / "my_pooling.py").write_text("from minidl.kernels.max_pool2d.reference import *\n")
    monkeypatch.syspath_prepend(tmp_path)
    kernels.register("max_pool2d", "mine", module="my_pooling")
    assert "my_pooling" not in sys.modules
    with kernels.use(max_pool2d="mine"):
        assert "my_pooling" in sys.modules
        assert operation("max_pool2d").select(FLOAT32).__name__ == "my_pooling"
    del sys.modules["my_pooling"]


def test_a_second_registration_replaces_the_first(restored):
    kernels.register("max_pool2d", "mine", module="minidl.kernels.max_pool2d.reference")
    assert restored.load("mine").__name__.endswith("reference")
    kernels.register("max_pool2d", "mine", module="minidl.kernels.max_pool2d.direct")
    assert restored.load("mine").__name__.endswith("direct")


def test_a_module_without_the_operations_functions_is_an_error(restored):
    kernels.register("max_pool2d", "mine", module="minidl.kernels.avg_pool2d.reference")
    with pytest.raises(KernelError, match=r"'mine' \(minidl.*avg_pool2d.reference\) has no function scatter"):
        restored.load("mine")


def test_an_operation_says_which_names_it_has():
    op = Operation.__new__(Operation)  # not registered
    op.name, op._module_names, op._loaded = "made_up", {"a": "x", "b": "y"}, {}
    with pytest.raises(KernelError, match="made_up: kernel must be one of a, b, got 'c'"):
        op.load("c")


def test_importing_the_kernels_imports_no_numba():
    code = "import sys, minidl.kernels; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
