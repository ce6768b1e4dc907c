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


def test_pytorchs_lines_about_devices_run_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    for T in (minidl, torch):
        device = T.accelerator.current_accelerator() if T.accelerator.is_available() else T.device("cpu")
        assert T.accelerator.current_accelerator() is None
        with T.device("cpu"):
            x = T.ones(2)
        assert x.device.type == "cpu"
        assert (x.device.index, x.is_cuda, x.is_cpu) == (None, False, True)
        assert T.device(device) == T.device(type="cpu") == T.get_default_device() == x.device
        T.set_default_device("cpu")
        T.set_default_device(None)
        T.cuda.empty_cache()
        other = T.zeros(3, dtype=T.float64, device=device)
        moved = [
            x.to(device), x.to("cpu"), x.to(device=device), x.to("cpu:0"), x.to(device, non_blocking=True),
            x.to(device, T.float64), x.to(other), x.to(other, copy=True), x.to(dtype=T.int64, device="cpu"), x.cpu(),
        ]  # fmt: skip
        assert [str(y.dtype).removeprefix("torch.") for y in moved] == [
            "float32", "float32", "float32", "float32", "float32", "float64", "float64", "float64", "int64", "float32",
        ]  # fmt: skip
        assert moved[0] is x
        made = [
            T.tensor([1.0], device=device), T.as_tensor([1.0], device=device), T.zeros(1, device="cpu"),
            T.ones(1, device=x.device), T.empty(1, device=device), T.full((1,), 2.0, device=device),
            T.arange(3, device=device), T.linspace(0, 1, 3, device=device), T.eye(2, device=device),
            T.rand(2, device=device), T.randn(2, device=device), T.randint(3, (2,), device=device),
            T.randperm(3, device=device), T.zeros_like(x, device=device), T.rand_like(x, device=device),
            T.normal(0.0, 1.0, (2,), device=device), x.new_zeros(2, device=device),
        ]  # fmt: skip
        assert {str(y.device) for y in made} == {"cpu"}
        layer = T.nn.Linear(2, 1, device=device).to(device)
        assert next(layer.parameters()).device == device


def test_backends_that_are_not_there() -> None:
    torch = pytest.importorskip("torch")
    for T in (minidl, torch):
        device = "cuda" if T.cuda.is_available() else "mps" if T.backends.mps.is_available() else "cpu"
        assert T.ones(1, device=device).device.type == "cpu"
        assert T.backends.mps.is_built() is False
        before = T.backends.cudnn.benchmark, T.backends.cudnn.deterministic
        T.backends.cudnn.benchmark, T.backends.cudnn.deterministic = False, True
        assert T.backends.cudnn.deterministic
        T.backends.cudnn.benchmark, T.backends.cudnn.deterministic = before
        assert not T.backends.cudnn.is_available()
    import minidl.backends.cudnn as cudnn

    assert cudnn is minidl.backends.cudnn


@pytest.mark.parametrize("call", [lambda: minidl.ones(2).cuda(), lambda: minidl.nn.Linear(1, 1).cuda()])
def test_cuda_says_what_to_do(call) -> None:
    with pytest.raises(
        ArgumentError, match=r"cuda: minidl computes on the CPU; use .to\(device\), with 'cuda' only"
    ):
        call()


def test_the_default_device_is_the_cpu() -> None:
    with pytest.raises(ArgumentError, match="device: type must be 'cpu', got 'cuda'"):
        minidl.set_default_device("cuda")


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
