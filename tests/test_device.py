"""Programs that choose a device run as they are, on the CPU."""

from __future__ import annotations

import pytest

import minidl
from minidl.errors import ArgumentError


def test_the_usual_lines() -> None:
    device = minidl.device("cuda" if minidl.cuda.is_available() else "cpu")
    assert not minidl.accelerator.is_available()
    assert minidl.cuda.device_count() == 0
    x = minidl.ones(2, device=device).to(device).cpu()
    assert x.device == device == minidl.device("cpu:0")
    assert x.device.type == str(device) == "cpu"
    assert {device: 1}[minidl.device()] == 1
    assert device != "elsewhere"
    assert minidl.nn.Linear(2, 1).to(device)(x).shape == (1,)


@pytest.mark.parametrize("call", [lambda: minidl.device("cuda"), lambda: minidl.device("cpu", 1)])
def test_there_is_no_other(call) -> None:
    with pytest.raises(ArgumentError, match=r"device: type must be 'cpu', got '(cuda|cpu:1)'"):
        call()


def test_the_data_module_has_pytorchs_name_too() -> None:
    from minidl.utils.data import DataLoader

    assert DataLoader is minidl.data.DataLoader
    assert minidl.utils.data is minidl.data


def test_inference_mode() -> None:
    w = minidl.ones(2, requires_grad=True)
    with minidl.inference_mode():
        assert not (w * 2).requires_grad
