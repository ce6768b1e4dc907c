"""minidl.save and minidl.load: exact round trips, whole files or none, and errors that say what is wrong."""

from __future__ import annotations

import inspect
import io
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minidl import nn, optim
from minidl.device import device
from minidl.errors import ArgumentError, DTypeError, WeightsError
from minidl.models import MLP
from minidl.random import Generator
from minidl.serialization import KEY, MAGIC, load, rebuildable, save
from minidl.tensor import Tensor
from minidl.weights import safetensors

TENSOR_DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
ARRAY_DTYPES = [*TENSOR_DTYPES, "uint16", "uint32", "uint64"]


def assert_same(got: Any, expected: Any) -> None:
    """Equal values of equal types, all the way down; arrays bit for bit."""
    assert type(got) is type(expected)
    if isinstance(expected, Tensor):
        assert_same(got.array, expected.array)
    elif isinstance(expected, (np.ndarray, np.generic)):
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        assert got.tobytes() == expected.tobytes()
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_same(got[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(got)
    else:
        assert got == expected


def round_trip(obj: Any, folder: Path) -> Any:
    save(obj, folder / "x.safetensors")
    return load(folder / "x.safetensors")


# --- Values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(10**30),
        0.1,
        -0.0,
        5e-324,
        math.inf,
        -math.inf,
        math.nan,
        "",
        "naïve \ud800 \0 𝛁",
        [],
        (),
        {},
        [1, (2.5, [None, ("x",)])],
        {"a": 1, 2: {"2": "two"}, -1: False},
        {"lr": 1e-3, "betas": (0.9, 0.999), "nested": [{"x": math.nan}]},
    ],
    ids=repr,
)
def test_plain_values_come_back_as_they_were(value: Any, tmp_path: Path) -> None:
    assert_same(round_trip(value, tmp_path), value)


@pytest.mark.parametrize("dtype", ARRAY_DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)])
def test_arrays_keep_dtype_shape_and_bits(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = (np.random.default_rng(0).integers(0, 2**63, math.prod(shape)) % 251).reshape(shape).astype(dtype)
    expected = {"array": array, "scalar": array.dtype.type(1)}
    if dtype in TENSOR_DTYPES:
        expected["tensor"] = Tensor(array)
    assert_same(round_trip(expected, tmp_path), expected)


def test_nan_and_infinity_in_tensors(tmp_path: Path) -> None:
    expected = Tensor(np.array([np.nan, np.inf, -np.inf, -0.0], "float32"))
    assert_same(round_trip(expected, tmp_path), expected)


def test_memory_order_and_byte_order_do_not_matter(tmp_path: Path) -> None:
    base = np.arange(24.0).reshape(4, 6)
    for array in (base.T, base[::-2, ::3], np.broadcast_to(base[0], (3, 6)), base.astype(">f8")):
        got = round_trip(array, tmp_path)
        np.testing.assert_array_equal(got, array)
        assert got.flags.c_contiguous


def test_what_is_loaded_can_be_written_to(tmp_path: Path) -> None:
    got = round_trip({"t": Tensor(np.zeros(3)), "a": np.zeros(3)}, tmp_path)
    got["t"].array[0] = got["a"][0] = 1


def test_tensors_that_share_memory_become_separate(tmp_path: Path) -> None:
    base = np.zeros((2, 3), "float32")
    got = round_trip([Tensor(base), Tensor(base[0]), Tensor(base)], tmp_path)
    got[0].array[:] = 1
    assert not got[1].array.any()
    assert not got[2].array.any()


def test_a_tensor_is_saved_without_its_history(tmp_path: Path) -> None:
    x = Tensor(np.ones(2), requires_grad=True)
    assert not round_trip(x, tmp_path).requires_grad
    assert not round_trip(x * 2, tmp_path).requires_grad


def test_names_that_collide_stay_apart(tmp_path: Path) -> None:
    expected = {
        "a.b": Tensor(np.array([1.0])),
        "a": {"b": Tensor(np.array([2.0]))},
        1: Tensor(np.array([3.0])),
        "1": Tensor(np.array([4.0])),
        "__metadata__": Tensor(np.array([5.0])),
    }
    assert_same(round_trip(expected, tmp_path), expected)


def test_subclasses_come_back_as_the_types_themselves(tmp_path: Path) -> None:
    Point = namedtuple("Point", "x y")
    got = round_trip([OrderedDict(b=1, a=2), Point(1, 2), np.float64(0.5), np.bool_(True)], tmp_path)
    assert_same(got, [{"b": 1, "a": 2}, (1, 2), np.float64(0.5), np.bool_(True)])


def test_a_generators_state_round_trips(tmp_path: Path) -> None:
    generator = Generator().manual_seed(3)
    generator.numpy.random(5)
    state = round_trip(generator.get_state(), tmp_path)
    expected = generator.numpy.random(4)
    np.testing.assert_array_equal(Generator().set_state(state).numpy.random(4), expected)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"model": {"fn": print}}, "save: obj['model']['fn'] must be a tensor, .*, got builtin_function_or_method"),
        ([0, {3: (1, {1})}], "save: obj[1][3][1] must be .* got set"),
        (1j, "save: obj must be .* got complex"),
        ({"x": np.zeros(2, complex)}, "save: obj['x'] must be .* got an array of complex128"),
        ([np.array(["a"])], "save: obj[0] must be .* got an array of <U1"),
        (np.array([None]), "save: obj must be .* got an array of object"),
        ({"a": {(1, 2): 0}}, r"save: every key of obj['a'] must be a str or an int, got (1, 2)"),
        ({True: 0}, "save: every key of obj must be a str or an int, got True"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_saved_is_named_with_its_place(obj: Any, message: str, tmp_path: Path) -> None:
    pattern = message.replace("[", r"\[").replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(DTypeError, match=pattern):
        save(obj, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_format_takes_only_its_own_dtypes(tmp_path: Path) -> None:
    with pytest.raises(
        DTypeError, match=r"write: the array 'z' must be of one of float16, .*, got complex128"
    ):
        safetensors.write(tmp_path / "x.safetensors", {"z": np.zeros(2, complex)})


# --- Networks and optimizers ----------------------------------------------------------------------------------


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))


def test_a_state_dict_keeps_values_and_what_was_frozen(tmp_path: Path) -> None:
    net = network().freeze("0", "1")
    save(net.state_dict(), tmp_path / "net.safetensors")
    other = network()
    other.load_state_dict(load(tmp_path / "net.safetensors"))
    assert_same(dict(other.state_dict()), dict(net.state_dict()))
    assert [p.is_frozen for p in other.parameters()] == [p.is_frozen for p in net.parameters()]
    assert other.get_submodule("1").is_frozen


def test_names_in_the_file_are_those_of_the_state_dict(tmp_path: Path) -> None:
    net = network()
    save(net, tmp_path / "net.safetensors")
    stored = load_file(tmp_path / "net.safetensors")
    assert set(stored) == set(net.state_dict())
    np.testing.assert_array_equal(stored["3.weight"], net.get_parameter("3.weight").detach().numpy())


def test_a_checkpoint_resumes_bit_for_bit(tmp_path: Path) -> None:
    def train(net: nn.Module, optimizer: optim.Optimizer, steps: range) -> None:
        for step in steps:
            x = Tensor(np.random.default_rng(step).standard_normal((8, 4), "float32"))
            optimizer.zero_grad()
            (net(x) ** 2).sum().backward()
            optimizer.step()

    def start() -> tuple[nn.Module, optim.Optimizer]:
        net = network()
        return net, optim.Adam(net.parameters(), lr=0.01, amsgrad=True)

    net, optimizer = start()
    train(net, optimizer, range(3))
    checkpoint = {"model": net, "optimizer": optimizer, "epoch": 3, "best": math.inf}
    save(checkpoint, tmp_path / "checkpoint.safetensors")
    train(net, optimizer, range(3, 6))

    resumed, resumed_optimizer = start()
    loaded = load(tmp_path / "checkpoint.safetensors")
    assert loaded["best"] == math.inf
    resumed.load_state_dict(loaded["model"])
    resumed_optimizer.load_state_dict(loaded["optimizer"])
    train(resumed, resumed_optimizer, range(loaded["epoch"], 6))
    assert_same(dict(resumed.state_dict()), dict(net.state_dict()))


def test_a_rebuildable_module_comes_back_as_a_module(tmp_path: Path) -> None:
    mlp = MLP([6, 5, 4], final_relu=True).freeze("layers.1")
    got = round_trip({"base": mlp}, tmp_path)["base"]
    assert type(got) is MLP
    assert got.config() == mlp.config()
    assert [p.is_frozen for p in got.parameters()] == [True, True, False, False]
    x = Tensor(np.random.default_rng(0).standard_normal((3, 6), "float32"))
    assert_same(got(x).detach(), mlp(x).detach())


def test_import_minidl_is_enough_to_load_an_encoder(tmp_path: Path) -> None:
    save(MLP([3, 2]), tmp_path / "encoder.safetensors")
    program = f"import minidl; print(type(minidl.load({str(tmp_path / 'encoder.safetensors')!r})).__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "MLP\n"


def test_a_subclass_that_is_not_rebuildable_is_saved_as_its_state_dict(tmp_path: Path) -> None:
    class Other(MLP):
        pass

    assert list(round_trip(Other([2, 1]), tmp_path)) == ["layers.1.weight", "layers.1.bias"]


# --- Files that others wrote, and damaged ones ----------------------------------------------------------------


def test_plain_safetensors_files_load_as_a_dict(tmp_path: Path) -> None:
    arrays = {"w": np.arange(6, dtype="float16").reshape(2, 3), "b": np.array(True)}
    save_file(arrays, tmp_path / "x.safetensors", {"format": "pt"})
    got = load(tmp_path / "x.safetensors")
    assert set(got) == {"w", "b"}
    for name, array in arrays.items():
        assert_same(got[name], Tensor(array))


def test_pytorchs_files_load_and_pytorch_loads_ours(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file as torch_load
    from safetensors.torch import save_file as torch_save

    theirs = torch.nn.Linear(3, 2)
    torch_save(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours = nn.Linear(3, 2)
    ours.load_state_dict(load(tmp_path / "theirs.safetensors"))
    np.testing.assert_array_equal(ours.weight.detach().numpy(), theirs.weight.detach().numpy())
    save(ours, tmp_path / "ours.safetensors")
    theirs.load_state_dict(torch_load(tmp_path / "ours.safetensors"))
    np.testing.assert_array_equal(theirs.bias.detach().numpy(), ours.bias.detach().numpy())


def raw_file(path: Path, header: dict[str, Any], data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_a_truncated_file_is_named_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save({"w": np.arange(5.0)}, path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(
            WeightsError, match=r"load: .*x\.safetensors (is truncated or damaged: |must be a safet)"
        ):
            load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be a safetensors file, got an empty file"),
        (
            b"PK\x03\x04\x00\x00\x08\x08" + bytes(100),
            "must be a safetensors file, got what PyTorch or Keras writes",
        ),
        (b"\x05" + bytes(7) + b"{{{{{", "is truncated or damaged: .*JSON"),
    ],
)
def test_other_files_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"load: .*other {message}"):
        load(path)


@pytest.mark.parametrize("dtype", ["BF16", "U32"])
def test_dtypes_that_minidl_does_not_have_are_named(dtype: str, tmp_path: Path) -> None:
    size = 2 if dtype == "BF16" else 4
    path = raw_file(
        tmp_path / "x", {"w": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}}, bytes(size)
    )
    with pytest.raises(
        WeightsError, match=f"(tensor 'w' in .*x must be of one of .*, got {dtype}|x cannot be.*uint32)"
    ):
        load(path)


def mlp(config: Any, state: Any) -> dict[str, Any]:
    return {"module": "minidl.models.autoencoder.MLP", "config": config, "state": state}


@pytest.mark.parametrize(
    "value",
    [
        {"tensor": "missing"},
        {"tensor": ["w"]},
        {"array": 3},
        {"float": "1e5"},
        {"tuple": 3},
        {"dict": [[1, 2, 3]]},
        {"dict": [[[], 2]]},
        {"dict": [], "metadata": {"odd": 1}},
        {"eval": "1 + 1"},
        {"module": "os.system", "config": {"dict": [["command", "true"]]}, "state": {"dict": []}},
        mlp({"dict": []}, {"dict": []}),
        mlp([], {"dict": []}),
        mlp({"dict": [["sizes", [2, 1]]]}, {"dict": []}),
        mlp({"dict": [["sizes", [2, "1"]]]}, {"dict": []}),
        mlp({"dict": [["sizes", [2, 1]]]}, 1),
    ],
    ids=str,
)
def test_a_hostile_value_is_an_error_that_names_the_file(value: Any, tmp_path: Path) -> None:
    structure = json.dumps({"version": 1, "value": value})
    path = raw_file(tmp_path / "x.safetensors", {"__metadata__": {KEY: structure}})
    with pytest.raises(WeightsError, match=r"load: .*x\.safetensors cannot be read: "):
        load(path)


@pytest.mark.parametrize(
    "structure",
    ["", "not JSON", "[1]", '{"version": 2, "value": null}', '{"version": 1}', "[" * 100_000 + "]" * 100_000],
    ids=lambda text: text[:40],
)
def test_a_hostile_structure_is_an_error_that_names_the_file(structure: str, tmp_path: Path) -> None:
    path = raw_file(tmp_path / "x.safetensors", {"__metadata__": {KEY: structure}})
    with pytest.raises(WeightsError, match=r"load: .*x\.safetensors cannot be read: "):
        load(path)


def test_an_unknown_class_says_what_to_do(tmp_path: Path) -> None:
    from minidl import rebuilding

    @rebuildable
    class Passing(nn.Linear):
        def config(self) -> dict[str, Any]:
            return {"in_features": 2, "out_features": 1}

    save(Passing(2, 1), tmp_path / "x")
    assert type(load(tmp_path / "x")) is Passing
    del rebuilding._rebuildable[f"{Passing.__module__}.{Passing.__qualname__}"]
    with pytest.raises(
        WeightsError, match=r"x cannot be read: its module '.*Passing' is of no class that .*rebuildable"
    ):
        load(tmp_path / "x")


# --- File objects ---------------------------------------------------------------------------------------------


def test_file_objects(tmp_path: Path) -> None:
    checkpoint = {
        "net": {"w": Tensor(np.arange(6.0).reshape(2, 3))},
        "shape": (2, None, "x"),
        "n": np.float32(1),
    }
    memory = io.BytesIO()
    save(checkpoint, memory)
    save(checkpoint, tmp_path / "by_path")
    assert memory.getvalue() == (tmp_path / "by_path").read_bytes()
    memory.seek(0)
    assert_same(load(memory), checkpoint)
    with open(tmp_path / "opened", "wb") as file:
        save(checkpoint, file)
    with open(tmp_path / "opened", "rb") as file:
        assert_same(load(file), checkpoint)
    assert_same(load(str(tmp_path / "opened")), checkpoint)


@pytest.mark.parametrize("dtype", ARRAY_DTYPES)
def test_file_objects_keep_every_dtype(dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    memory = io.BytesIO()
    save([array, array[:0], array.sum().astype(dtype)], memory)
    memory.seek(0)
    got = load(memory)
    assert_same(got, [array, array[:0], array.sum().astype(dtype)])
    got[0][0] = 1  # writable


def test_safetensors_of_others_as_file_objects(tmp_path: Path) -> None:
    save_file({"w": np.arange(3.0)}, tmp_path / "x", {"format": "pt"})
    assert_same(load(io.BytesIO((tmp_path / "x").read_bytes())), {"w": Tensor(np.arange(3.0))})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"load: the BytesIO is empty, or at its end: seek\(0\) goes back"),
        (
            b"PK\x03\x04\x00\x00\x08\x08",
            "load: the BytesIO must be a safetensors file, got what PyTorch or Keras writes",
        ),
        (b"\x05" + bytes(7) + b"{{{{{", "load: the BytesIO is truncated or damaged: "),
        (MAGIC, "load: the BytesIO is truncated or damaged: "),
        (MAGIC + b'{"kind": 1}\n', "load: the BytesIO is truncated or damaged: KeyError"),
    ],
)
def test_damaged_file_objects_are_named(content: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        load(io.BytesIO(content), weights_only=False)


def test_a_damaged_file_is_named_by_its_path_also_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    save({"w": np.arange(5.0)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with open(path, "rb") as file, pytest.raises(WeightsError, match=r"load: .*cut is truncated or damaged"):
        load(file)
    path = raw_file(
        tmp_path / "odd", {"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, bytes(2)
    )
    with (
        open(path, "rb") as file,
        pytest.raises(WeightsError, match=r"tensor 'w' in .*odd must be of one of .*BF16"),
    ):
        load(file)


def test_files_are_for_bytes() -> None:
    with pytest.raises(
        DTypeError,
        match=r"save: f must be a path, or a file object for bytes .*'wb'\)\), got StringIO of text",
    ):
        save(1, io.StringIO())
    with pytest.raises(
        DTypeError,
        match=r"load: f must be a path, or a file object for bytes .*'rb'\)\), got StringIO of text",
    ):
        load(io.StringIO())
    with pytest.raises(DTypeError, match=r"save: f must be a path, .* got int"):
        save(1, 3)
    with pytest.raises(DTypeError, match=r"load: f must be a path, .* got dict"):
        load({})


# --- Where the tensors shall be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", [None, "cpu", "cpu:0", device("cpu"), {}, {"cuda:0": "cpu"}, {"cpu": "cpu"}, lambda _x, _place: None,
              lambda x, _place: x, lambda x, place: x.to(place)]
)  # fmt: skip
def test_map_location(place: Any, tmp_path: Path) -> None:
    save({"w": Tensor(np.ones(2)), "n": 1}, tmp_path / "x")
    assert_same(load(tmp_path / "x", place), {"w": Tensor(np.ones(2)), "n": 1})
    save_file({"w": np.ones(2)}, tmp_path / "y")
    assert_same(load(tmp_path / "y", map_location=place), {"w": Tensor(np.ones(2))})


def test_a_function_says_what_each_tensor_becomes(tmp_path: Path) -> None:
    save({"w": [Tensor(np.ones(2))], "b": Tensor(np.ones(1)), "array": np.ones(1)}, tmp_path / "x")
    seen = []

    def place(x: Tensor, where: str) -> Tensor:
        seen.append((x.shape, where))
        return x * 2

    got = load(tmp_path / "x", place)
    assert seen == [((2,), "cpu"), ((1,), "cpu")]
    assert (got["w"][0].tolist(), got["b"].tolist(), got["array"].tolist()) == ([2.0, 2.0], [2.0], [1.0])
    with pytest.raises(DTypeError, match="load: what map_location returns must be a Tensor or None, got int"):
        load(tmp_path / "x", lambda x, where: 5)


@pytest.mark.parametrize(
    ("place", "kind", "message"),
    [
        ("cuda", ArgumentError, "load: map_location must be 'cpu', got 'cuda'"),
        ({"cpu": "cuda:1"}, ArgumentError, "load: map_location must be 'cpu', got 'cuda:1'"),
        (
            3,
            DTypeError,
            "load: map_location must be None, a device, a dict of devices or a function, got int",
        ),
    ],
)
def test_there_is_only_the_cpu(place: Any, kind: type[Exception], message: str, tmp_path: Path) -> None:
    save(1, tmp_path / "x")
    with pytest.raises(kind, match=message):
        load(tmp_path / "x", map_location=place)


def test_mmap_is_for_paths(tmp_path: Path) -> None:
    save(1, tmp_path / "x")
    assert load(tmp_path / "x", mmap=True) == 1
    with pytest.raises(ArgumentError, match="load: f must be a path where mmap is True, got BytesIO"):
        load(io.BytesIO(), mmap=True)


def test_arguments_are_pytorchs_in_its_order() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = inspect.signature(load).parameters, inspect.signature(torch.load).parameters
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]
    assert list(inspect.signature(save).parameters) == list(inspect.signature(torch.save).parameters)[:4]


# --- Whole objects, pickled -----------------------------------------------------------------------------------


class Doubling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * 2


def test_a_module_is_pickled_only_when_asked_for(tmp_path: Path) -> None:
    net, path = Doubling(), tmp_path / "net"
    save(net, path)
    assert_same(dict(load(path)), dict(net.state_dict()))  # nothing was pickled
    memory = io.BytesIO()
    save(net, memory, pickle_module=pickle)
    save(net, path, pickle_module=pickle)
    assert memory.getvalue() == path.read_bytes()
    message = (
        r"load: (.*net|the BytesIO) holds a pickled .*\.Doubling, .*weights_only=False. A state_dict needs no"
    )
    x = Tensor(np.ones((1, 2), np.float32))
    for file in (path, memory):
        for options in ({}, {"weights_only": True}, {"weights_only": None}):
            memory.seek(0)
            with pytest.raises(WeightsError, match=message):
                load(file, **options)
        for options in ({"weights_only": False}, {"pickle_module": pickle}):
            memory.seek(0)
            got = load(file, **options)
            assert type(got) is Doubling
            assert_same(got(x).detach(), net(x).detach())


def test_anything_can_be_pickled(tmp_path: Path) -> None:
    value = {"set": {1, 2}, "tensor": Tensor(np.ones(2)), "function": math.sqrt}
    save(value, tmp_path / "x", pickle, 2)
    got = load(tmp_path / "x", weights_only=False, encoding="ASCII")
    assert (got["set"], got["tensor"].tolist(), got["function"]) == ({1, 2}, [1.0, 1.0], math.sqrt)


def test_weights_only_leaves_pickle_alone(tmp_path: Path) -> None:
    save(1, tmp_path / "x")
    with pytest.raises(
        ArgumentError, match="load: pickle_module must be left out where weights_only is True, got"
    ):
        load(tmp_path / "x", pickle_module=pickle, weights_only=True)
    assert load(tmp_path / "x", weights_only=False) == 1


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["MINIDL_TRAP"],)


def test_a_refused_pickle_is_not_executed(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MINIDL_TRAP", str(tmp_path / "sprung"))
    save(Trap(), tmp_path / "x", pickle_module=pickle)
    with pytest.raises(WeightsError, match=r"holds a pickled .*Trap"):
        load(tmp_path / "x")
    assert not (tmp_path / "sprung").exists()
    load(tmp_path / "x", weights_only=False)
    assert (tmp_path / "sprung").exists()


def test_a_pickle_that_cannot_be_loaded_names_its_file(tmp_path: Path) -> None:
    save(Doubling(), tmp_path / "x", pickle_module=pickle)
    content = (tmp_path / "x").read_bytes()
    for damaged in (content[:-30], content.replace(b"Doubling\x94", b"Tripling\x94")):
        (tmp_path / "x").write_bytes(damaged)
        with pytest.raises(
            WeightsError, match=r"load: the .*Doubling pickled in .*x cannot be loaded: (EOFError|Unp|Attr)"
        ):
            load(tmp_path / "x", weights_only=False)


def test_who_wants_a_whole_module_of_a_state_is_told(tmp_path: Path) -> None:
    save({"net": Doubling()}, tmp_path / "x")
    with pytest.raises(
        WeightsError, match=r"x cannot be read: it holds the state_dict of a .*Doubling, not the module. Make"
    ):
        load(tmp_path / "x", weights_only=False)
    save({"net": Doubling().state_dict()}, tmp_path / "x")
    assert list(load(tmp_path / "x", weights_only=False)["net"]) == ["inner.weight", "inner.bias"]


def test_a_failed_pickle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save("old", path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save(lambda: 0, path, pickle_module=pickle)
    assert load(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


# --- Whole files or none --------------------------------------------------------------------------------------


def test_a_file_has_the_usual_permissions(tmp_path: Path) -> None:
    save(1, tmp_path / "saved")
    (tmp_path / "written").write_text("")
    assert (tmp_path / "saved").stat().st_mode == (tmp_path / "written").stat().st_mode


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.x\.safetensors'"):
        save(1, tmp_path / "nowhere" / "x.safetensors")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "x.safetensors"
    save("old", path)

    def fail(descriptor: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        save("new", path)
    assert load(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this system does not let root mount a small file system")
    try:
        path = disk / "x.safetensors"
        save(np.arange(100), path)
        with pytest.raises(OSError, match="No space left"):
            save(np.arange(100_000), path)
        np.testing.assert_array_equal(load(path), np.arange(100))
        assert list(disk.iterdir()) == [path]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


WRITER = """
import sys, numpy as np
from minidl.serialization import save
for i in range(1_000_000):
    save({"i": i, "x": np.full(1_000_000, i)}, sys.argv[1])
    print(i, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_write_leaves_the_previous_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for delay in (0.0, 0.003, 0.01, 0.03):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()  # one file is whole
            time.sleep(delay)
            child.send_signal(signal.SIGKILL)
        got = load(path)
        np.testing.assert_array_equal(got["x"], np.full(1_000_000, got["i"]))


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04" + bytes(60), b"\x89HDF\r\n\x1a\n" + bytes(60)], ids=["zip", "HDF5"]
)
def test_weights_of_other_programs_are_told_from_damage(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vgg16.pth"
    path.write_bytes(start)
    with pytest.raises(
        WeightsError, match=r"vgg16\.pth must be a safetensors file, got what PyTorch or Keras writes"
    ):
        load(path)
