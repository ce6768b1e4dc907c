"""Safetensors: minidl and the format's own library read each other's files; hostile headers are refused."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archives import READ_ALL, assert_same, in_child, safetensors_file, sample_arrays
from safetensors.numpy import load_file, save, save_file

from minidl import weights
from minidl.errors import WeightsError
from minidl.random import stream
from minidl.weights import safetensors
from minidl.weights.stored import DTYPES

TENSOR = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
GOOD = {"w": TENSOR}


def refused(path: Path, message: str) -> None:
    """By both readers: the mapped one, and that of minidl.load."""
    for read in (weights.read, safetensors.read, lambda p: safetensors.parse(p.read_bytes(), str(p))):
        start = time.process_time()
        with pytest.raises(WeightsError) as raised:
            read(path)
        assert time.process_time() - start < 5
        assert str(raised.value).startswith("load: ")
        assert str(path) in str(raised.value)
        assert message in str(raised.value), str(raised.value)
        assert len(str(raised.value)) < 1000


def test_what_the_library_wrote(tmp_path: Path) -> None:
    arrays = {name: np.array(array, order="C") for name, array in sample_arrays().items()}
    save_file(arrays, tmp_path / "net", {"format": "np"})
    read = weights.read(tmp_path / "net")
    assert read.metadata == {"format": "np"}
    assert_same(read.arrays, arrays)
    plain, metadata = safetensors.read(tmp_path / "net")
    assert metadata == {"format": "np"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(plain[name], array)
        assert plain[name].flags.writeable


def test_the_library_reads_what_minidl_writes_and_writes_alike(tmp_path: Path) -> None:
    arrays = sample_arrays()
    weights.write(tmp_path / "net.safetensors", arrays, metadata={"format": "pt"})
    loaded = load_file(tmp_path / "net.safetensors")
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
    plain = {name: np.array(array, order="C") for name, array in arrays.items()}
    written = (tmp_path / "net.safetensors").read_bytes()
    assert len(written) == len(save(plain, {"format": "pt"}))
    few = {"b": np.ones(2, np.float32), "a": np.zeros((2, 3), np.float32), "count": np.array(3)}
    weights.write(tmp_path / "few.safetensors", few)
    assert (tmp_path / "few.safetensors").read_bytes() == save(few)


def test_pytorchs_bfloat16_becomes_float32(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as torch_save

    values = torch.from_numpy(stream(0).standard_normal((5, 7)).astype(np.float32)).bfloat16()
    special = torch.tensor([float("inf"), -float("inf"), 0.0, -0.0, 1e-40]).bfloat16()
    torch_save({"w": values, "special": special, "full": values.float()}, tmp_path / "net")
    arrays = weights.read(tmp_path / "net").arrays
    assert_same(
        arrays,
        {"w": values.float().numpy(), "special": special.float().numpy(), "full": values.float().numpy()},
    )
    assert np.signbit(arrays["special"][3])
    with pytest.raises(WeightsError, match=r"load: tensor 'special' in .*net must be of one of .*, got BF16"):
        safetensors.read(tmp_path / "net")


@pytest.mark.parametrize("code", ["F8_E4M3", "F8_E5M2", "F4", "C64", "f32", "I128", ""])
def test_other_dtypes(code: str, tmp_path: Path) -> None:
    path = safetensors_file(
        tmp_path / "net", {"w": {"dtype": code, "shape": [2], "data_offsets": [0, 2]}}, bytes(2)
    )
    refused(path, f"must be of one of {', '.join(DTYPES)}, got {code}")


def test_bools_are_true_or_false(tmp_path: Path) -> None:
    path = safetensors_file(
        tmp_path / "net", {"w": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\0\1\2"
    )
    assert (weights.read(path).arrays["w"].view(np.uint8) == [0, 1, 1]).all()


def test_unaligned_arrays_are_views_too(tmp_path: Path) -> None:
    """The library pads its header; other writers need not."""
    text = json.dumps(GOOD).encode()
    text += b" " * ((1 - len(text)) % 8)
    path = safetensors_file(tmp_path / "net", text, np.arange(3, dtype=np.float32).tobytes())
    array = weights.read(path).arrays["w"]
    assert not array.flags.aligned
    np.testing.assert_array_equal(array, [0, 1, 2])
    np.testing.assert_array_equal(np.sqrt(array), np.sqrt(np.arange(3, dtype=np.float32)))


def entry(**changes: Any) -> dict[str, Any]:
    return {"w": TENSOR | changes}


HEADERS = {
    "terabytes": (entry(shape=[2**40]), "'w' has 12 bytes for an array of 4,398,046,511,104"),
    "terabytes of bytes": (entry(shape=[2**40], data_offsets=[0, 2**42]), "the arrays should have 4,398,046,511,104"),
    "more than 64 bits": (entry(shape=[2**62, 2**62], data_offsets=[0, 2**126]), "the shape of 'w' is"),
    "empty, but huge": (entry(shape=[0, 2**63], data_offsets=[0, 0]), "the shape of 'w' is"),
    "too many dimensions": (entry(shape=[1] * 40, data_offsets=[0, 4]), "the shape of 'w' has 40 dimensions"),
    "a negative dimension": (entry(shape=[-3]), "the shape of 'w' is [-3]"),
    "a dimension that is a float": (entry(shape=[3.0]), "the shape of 'w' is [3.0]"),
    "a dimension that is true": (entry(shape=[3, True]), "the shape of 'w' is [3, True]"),
    "a shape that is none": (entry(shape=3), "the entry of 'w' is"),
    "negative offsets": (entry(data_offsets=[-12, 0]), "the entry of 'w' is"),
    "offsets reversed": (entry(data_offsets=[12, 0]), "the entry of 'w' is"),
    "three offsets": (entry(data_offsets=[0, 12, 12]), "the entry of 'w' is"),
    "offsets that are text": (entry(data_offsets=["0", "12"]), "the entry of 'w' is"),
    "a dtype that is none": (entry(dtype=3), "the entry of 'w' is"),
    "another key": (entry(code="import os"), "the entry of 'w' is"),
    "no offsets": ({"w": {"dtype": "F32", "shape": [3]}}, "the entry of 'w' is"),
    "an entry that is a list": ({"w": [1, 2]}, "the entry of 'w' is [1, 2]"),
    "too few bytes": (entry(shape=[4], data_offsets=[0, 16]), "the arrays should have 16 bytes, and there are 12"),
    "too many bytes": (entry(shape=[2], data_offsets=[0, 8]), "the arrays should have 8 bytes, and there are 12"),
    "a gap": (entry(shape=[2], data_offsets=[4, 12]), "'w', at byte 4, leaves a gap before it"),
    "an overlap": ({"v": TENSOR, "w": TENSOR}, "at byte 0, overlaps another"),
    "metadata that are a list": ({"__metadata__": [1], **GOOD}, "its metadata are no dict of strings"),
    "metadata of numbers": ({"__metadata__": {"a": 1}, **GOOD}, "its metadata are no dict of strings"),
    "one name twice": (b'{"w": 1, "w": 2}', "its header has two entries of one name"),
    "a key twice": (b'{"w": {"dtype": "F32", "dtype": "I32", "shape": [3], "data_offsets": [0, 12]}}',
                    "two entries of one name"),
    "no JSON": (b"{'w': 1}", "the header is no JSON: Expecting property name"),
    "half a header": (b'{"w": {"dtype"', "the header is no JSON"),
    "no text": (b'{"\xff": 1}', "'utf-8' codec can't decode"),
    "brackets": (b'{"w":' + b"[" * 100_000, "maximum recursion depth exceeded"),
    "a long number": (b'{"w":' + b"9" * 5000 + b"}", "Exceeds the limit"),
}  # fmt: skip


@pytest.mark.parametrize("what", HEADERS)
def test_hostile_headers(what: str, tmp_path: Path) -> None:
    header, message = HEADERS[what]
    refused(safetensors_file(tmp_path / "net", header, bytes(12)), message)


def test_the_good_one_is_read(tmp_path: Path) -> None:
    arrays = weights.read(safetensors_file(tmp_path / "net", GOOD, bytes(12))).arrays
    np.testing.assert_array_equal(arrays["w"], np.zeros(3))
    empty = {"a": {"dtype": "F32", "shape": [0, 5], "data_offsets": [0, 0]}, **GOOD}
    assert weights.read(safetensors_file(tmp_path / "net", empty, bytes(12))).arrays.shapes["a"] == (0, 5)


def test_a_header_that_is_a_list(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"net is truncated or damaged: the header is no dict"):
        safetensors.read(safetensors_file(tmp_path / "net", b"[1]"))


def test_headers_of_the_wrong_length(tmp_path: Path) -> None:
    path = tmp_path / "net"
    path.write_bytes((1000).to_bytes(8, "little") + b'{"w": 1}')
    refused(path, "the header should have 1,000 bytes, and there are 8")
    path.write_bytes((3).to_bytes(8, "little") + b'{"w": 1}')
    refused(path, "the header is no JSON")
    path.write_bytes((50_000_000).to_bytes(8, "little") + b'{"w": 1}')
    refused(path, "the header should have 50,000,000 bytes")


BOMBS = {
    "lists": b'{"w":[' + b"[]," * 1_000_000 + b"[]]}",
    "dicts": b'{"w":[' + b"{}," * 1_000_000 + b"{}]}",
    "numbers": b'{"w":[' + b"1000," * 1_000_000 + b"1]}",
    "wide text": b'{"w":"' + "😀".encode() + b"a" * 20_000_000 + b'"}',
}


def test_headers_that_would_take_much_memory(tmp_path: Path) -> None:
    paths = [safetensors_file(tmp_path / what, text) for what, text in BOMBS.items()]
    for path in paths:
        with pytest.raises(WeightsError, match=r"a header of [\d,]+ bytes with more parts than a file needs"):
            weights.read(path)
    largest = safetensors_file(
        tmp_path / "largest", b'{"w":[' + b"{}," * 300_000 + b"{}]}"
    )  # just within the limit
    small = safetensors_file(tmp_path / "small", {})
    assert (
        in_child(READ_ALL, small, *paths, largest) < max(path.stat().st_size for path in paths) + 64 * 2**20
    )


def test_more_arrays_than_any_network_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors, "MOST_ENTRIES", 3)
    header = {str(i): {"dtype": "I8", "shape": [], "data_offsets": [i, i + 1]} for i in range(4)}
    refused(safetensors_file(tmp_path / "net", header, bytes(4)), "it has 4 arrays")


def test_truncated_at_every_length(tmp_path: Path) -> None:
    path = safetensors_file(tmp_path / "net", GOOD, bytes(12))
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=re.escape(str(path))):
            weights.read(path)
