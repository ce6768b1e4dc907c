"""PyTorch's files: what torch.save wrote is read as torch.load reads it, and torch.load reads what minidl writes."""

from __future__ import annotations

import struct
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archives import (
    assert_same,
    number,
    numbers,
    packed,
    sample_arrays,
    storage,
    tensor,
    text,
    torch_legacy,
    torch_zip,
    zip_file,
)

from minidl import weights
from minidl.errors import ArgumentError, DTypeError, WeightsError
from minidl.random import stream

FORMATS = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


def saved(obj: Any, path: Path, legacy: bool, **options: Any) -> Path:
    torch = pytest.importorskip("torch")
    torch.save(obj, path, _use_new_zipfile_serialization=not legacy, **options)
    return path


def as_arrays(tensors: dict[str, Any]) -> dict[str, np.ndarray]:
    """PyTorch's tensors as NumPy has them: bfloat16, which it has not, as float32."""
    torch = pytest.importorskip("torch")
    plain = {name: t.detach() for name, t in tensors.items()}
    return {name: (t.float() if t.dtype == torch.bfloat16 else t).numpy() for name, t in plain.items()}


@pytest.fixture
def network() -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 5, bias=False)
    )


@FORMATS
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_state_dicts(network: Any, legacy: bool, protocol: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = saved(network.state_dict(), tmp_path / "net.bin", legacy, pickle_protocol=protocol)
    read = weights.read(path)
    assert read.format == "pytorch"
    assert weights.recognise(path) == ("pytorch-legacy" if legacy else "pytorch")
    assert_same(read.arrays, as_arrays(network.state_dict()))
    if protocol == 2:
        assert list(read.arrays) == list(torch.load(path, weights_only=True))


@FORMATS
def test_every_dtype_view_and_shared_storage(legacy: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    base = torch.from_numpy(stream(0).standard_normal((4, 3, 5)).astype(np.float32))
    dtypes = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
    tensors = {name: (50 * base).to(getattr(torch, name)) for name in dtypes}
    tensors |= {
        "permuted": base.permute(2, 0, 1),
        "row": base[1, 1:],
        "steps": base[::2, :, ::2],
        "tied": base,
    }
    tensors |= {
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "repeated": torch.ones(1).expand(3, 4),
    }
    tensors |= {"parameter": torch.nn.Parameter(base), "wide": base.bfloat16().permute(1, 0, 2)}
    tensors |= {
        "mask": (base > 0).permute(1, 2, 0),
        "channels_last": base[None].contiguous(memory_format=torch.channels_last),
    }
    path = saved(tensors, tmp_path / "net", legacy)
    read = weights.read(path)
    assert_same(read.arrays, as_arrays(torch.load(path, weights_only=True)))
    assert np.shares_memory(read.arrays["row"], read.arrays["tied"])
    assert not read.arrays["row"].flags.writeable


def test_unsigned_dtypes(tmp_path: Path) -> None:
    """They came after the storages of a type."""
    torch = pytest.importorskip("torch")
    tensors = {
        name: torch.arange(12).reshape(3, 4).to(getattr(torch, name)).T
        for name in ("uint16", "uint32", "uint64")
    }
    path = saved(tensors, tmp_path / "net", legacy=False)
    assert_same(weights.read(path).arrays, as_arrays(tensors))


@FORMATS
@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_checkpoints(network: Any, legacy: bool, wrapper: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.Adam(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    checkpoint = {
        "epoch": 3,
        "best": 0.5,
        "arch": "small",
        wrapper: network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    read = weights.read(saved(checkpoint, tmp_path / "net", legacy))
    assert_same(read.arrays, as_arrays(network.state_dict()))
    assert read.metadata == {"epoch": 3, "best": 0.5, "arch": "small"}
    nested = weights.read(saved({"model": {"state_dict": network.state_dict()}}, tmp_path / "net", legacy))
    assert set(nested.arrays) == set(network.state_dict())


def test_other_structures_are_joined_by_dots(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    one, two = torch.ones(2), torch.zeros(3)
    read = weights.read(
        saved({"encoder": {"w": one}, "layers": [one, (two,)], 3: two}, tmp_path / "net", False)
    )
    assert read.arrays.shapes == {"encoder.w": (2,), "layers.0": (2,), "layers.1.0": (3,), "3": (3,)}
    assert len(weights.read(saved({}, tmp_path / "net", False)).arrays) == 0
    for obj, kind in (
        (one, "a single tensor"),
        ({"a": 1}, "a dict without tensors"),
        (3, "a int without tensors"),
    ):
        with pytest.raises(WeightsError, match=rf"net cannot be read: it holds {kind}, not a state_dict"):
            weights.read(saved(obj, tmp_path / "net", False))


@FORMATS
def test_whole_modules_are_refused_with_advice(network: Any, legacy: bool, tmp_path: Path) -> None:
    path = saved(network, tmp_path / "net.pth", legacy)
    with pytest.raises(
        WeightsError, match=r"net\.pth cannot be read: it names 'torch\.nn\.modules\.container\."
    ) as e:
        weights.read(path)
    assert "holds a whole module" in str(e.value)
    assert "torch.save(torch.load(file, weights_only=False).state_dict(), other_file)" in str(e.value)


def test_programs_are_refused_with_advice(network: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network).save(path)
    with pytest.raises(WeightsError, match=r"net\.pt cannot be read: it is a TorchScript program"):
        weights.read(path)


@FORMATS
@pytest.mark.parametrize("name", ["complex64", "complex128", "float8_e4m3fn"])
def test_dtypes_that_numpy_has_not(name: str, tmp_path: Path, legacy: bool) -> None:
    torch = pytest.importorskip("torch")
    tensors = {key: torch.ones(2).to(getattr(torch, name)) for key in "wv"}
    with pytest.raises(
        WeightsError, match=r"net cannot be read: its tensor 'w' is of .*minidl knows bfloat16, float16"
    ):
        weights.read(saved(tensors, tmp_path / "net", legacy))


def test_files_of_big_endian_machines(tmp_path: Path) -> None:
    values = np.arange(6, dtype=">f4").reshape(2, 3)
    path = torch_zip(
        tmp_path / "net",
        b"\x80\x02}" + text("w") + tensor() + b"s.",
        {"0": values.tobytes()},
        byteorder=b"big",
    )
    assert_same(weights.read(path).arrays, {"w": values.astype(np.float32)})
    torch = pytest.importorskip("torch")
    zip_records = {"version": b"3\n", "byteorder": b"big"}
    torch_zip(path, b"\x80\x02}" + text("w") + tensor() + b"s.", {"0": values.tobytes()}, **zip_records)
    np.testing.assert_array_equal(torch.load(path, weights_only=True)["w"].numpy(), values)


def test_files_of_the_first_versions(tmp_path: Path) -> None:
    """What PyTorch 0.x on Python 2 wrote: strings of bytes, an OrderedDict of lists, Variables with a state."""
    made = b"ctorch._utils\n_rebuild_tensor\n(" + storage(legacy=True).replace(
        text("storage"), b"U\x07storage"
    )
    made += number(0) + numbers(2, 3) + numbers(3, 1) + b"tR"
    parameter = b"ctorch.nn.parameter\nParameter\n" + made + b"\x85R(\x88\x89ccollections\nOrderedDict\n)Rtb"
    pickled = b"\x80\x02ccollections\nOrderedDict\n](](U\x08conv.w_0" + parameter + b"ee\x85R."
    data = struct.pack("<Q", 6) + np.arange(6, dtype=np.float32).tobytes()
    read = weights.read(torch_legacy(tmp_path / "net", pickled, data=data))
    assert_same(read.arrays, {"conv.w_0": np.arange(6, dtype=np.float32).reshape(2, 3)})


def test_views_of_storages_in_the_legacy_format(tmp_path: Path) -> None:
    view = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(6)
    view += b"(" + text("1") + number(2) + number(4) + b"ttQ"
    data = struct.pack("<Q", 6) + np.arange(6, dtype=np.float32).tobytes()
    pickled = b"\x80\x02}" + text("w") + tensor(view, shape=numbers(4), strides=numbers(1)) + b"s."
    path = torch_legacy(tmp_path / "net", pickled, data=data)
    assert_same(weights.read(path).arrays, {"w": np.arange(2, 6, dtype=np.float32)})
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(torch.load(path, weights_only=True)["w"], [2, 3, 4, 5])
    outside = pickled.replace(number(4) + b"ttQ", number(5) + b"ttQ")
    with pytest.raises(WeightsError, match=r"net is truncated or damaged: one of its storages is"):
        weights.read(torch_legacy(path, outside, data=data))


def test_compressed_archives(tmp_path: Path) -> None:
    """torch.load reads archives that another program packed again."""
    values = np.arange(6, dtype=np.float32)
    pickled = b"\x80\x02}" + text("w") + tensor() + b"s."
    records = [packed("net/data.pkl", pickled, method=8), packed("net/data/0", values.tobytes(), method=8)]
    path = zip_file(tmp_path / "net", *records)
    assert_same(weights.read(path).arrays, {"w": values.reshape(2, 3)})


def test_without_sums(network: Any, tmp_path: Path) -> None:
    """PyTorch can be told to write zeros for them."""
    torch = pytest.importorskip("torch")
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(network.state_dict(), tmp_path / "net", legacy=False)
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same(weights.read(path).arrays, as_arrays(network.state_dict()))


def test_pytorch_reads_what_minidl_writes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    arrays, path = sample_arrays(), tmp_path / "net.pth"
    weights.write(path, arrays, metadata={"classes": ["cat", "dog"]})
    for mmap in (False, True):
        loaded = torch.load(path, weights_only=True, mmap=mmap)
        assert type(loaded) is OrderedDict
        assert list(loaded) == list(arrays)
        for name, array in arrays.items():
            assert loaded[name].numpy().dtype == array.dtype
            assert loaded[name].is_contiguous()
            np.testing.assert_array_equal(loaded[name].numpy(), array)


def test_minidl_reads_what_minidl_writes(tmp_path: Path) -> None:
    arrays, path = sample_arrays(), tmp_path / "net.pt"
    weights.write(path, arrays, metadata={"classes": ["cat", "dog"]})
    read = weights.read(path)
    assert_same(read.arrays, arrays)
    assert read.metadata == {"classes": ["cat", "dog"]}
    assert all(array.flags.aligned for array in read.arrays.values())
    weights.write(path, {})
    assert len(weights.read(path).arrays) == 0
    with pytest.raises(DTypeError, match=r"write: the array 'z' must be of one of float16"):
        weights.write(path, {"z": np.zeros(2, complex)})
    with pytest.raises(
        ArgumentError, match=r"write: metadata must be at most 65,535 bytes as JSON, got 70,0"
    ):
        weights.write(path, {}, metadata={"text": "x" * 70_000})
    with pytest.raises(ArgumentError, match=r"write: metadata must be what JSON can hold, got .*set"):
        weights.write(path, {}, metadata={"set": {1}})


def test_a_changed_byte_of_a_tensor_is_noticed(network: Any, tmp_path: Path) -> None:
    path = saved(network.state_dict(), tmp_path / "net.pth", legacy=False)
    content = bytearray(path.read_bytes())
    content[content.index(network[0].weight.detach().numpy().tobytes()) + 5] ^= 1
    path.write_bytes(content)
    arrays = weights.read(path).arrays
    assert arrays["0.bias"].shape == (8,)
    with pytest.raises(
        WeightsError, match=r"net\.pth is truncated .*: the bytes of its entry 'net/data/0' have changed"
    ):
        arrays["0.weight"]


@FORMATS
def test_truncated_at_every_length(legacy: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = saved({"w": torch.ones(3)}, tmp_path / "net.pth", legacy)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(
            WeightsError, match=r"load: .*net\.pth (is truncated|cannot be read|must be a weight file)"
        ):
            weights.read(path)
