"""Hostile PyTorch files: each is refused, by an error that names it, and nothing in it runs."""

from __future__ import annotations

import os
import pickle
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from archives import (
    FLOATS,
    LEGACY_MAGIC,
    READ_ALL,
    in_child,
    number,
    numbers,
    packed,
    storage,
    tensor,
    text,
    torch_legacy,
    torch_zip,
    zip_file,
)

from minidl import weights
from minidl.errors import WeightsError
from minidl.weights import pytorch
from minidl.weights.pytorch import NAMES


def doubled(levels: int) -> bytes:
    """A tuple of twice the tuple before it, and so on: a few bytes that print, or hash, without end."""
    steps = (b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(levels))
    return b"()q\x00" + b"".join(steps) + b"t"  # a tuple of all of them


def lists_of_lists(levels: int) -> bytes:
    """A list of forty times the list before it, and so on."""
    steps = (b"]q" + bytes([i + 1]) + b"(" + 40 * (b"h" + bytes([i])) + b"e" for i in range(levels))
    return b"(](" + b"N" * 50 + b"eq\x00" + b"".join(steps) + b"l"  # a list of all of them


START, W = b"\x80\x02}", text("w")
GOOD = START + W + tensor() + b"s."


class Evil:
    """Pickles itself as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path) -> Iterator[None]:
    """What the hostile pickles below would leave behind."""
    yield
    assert not (tmp_path / "ran").exists()


def refused(path: Path, message: str) -> None:
    start = time.process_time()
    with pytest.raises(WeightsError) as raised:
        [array.sum() for array in weights.read(path).arrays.values()]
    assert time.process_time() - start < 5
    assert str(raised.value).startswith(f"load: {path} ")
    assert message in str(raised.value), str(raised.value)
    assert len(str(raised.value)) < 1200


def calls(folder: Path) -> dict[str, bytes]:
    """Pickles that would make a file named "ran", by what they name first."""
    ran = str(folder / "ran")
    code = f"open({ran!r}, 'w')"
    return {
        "posix.system": pickle.dumps(Evil(os.system, f"touch {ran}"), 2),
        "builtins.eval": pickle.dumps(Evil(eval, code), 4),
        "__builtin__.eval": pickle.dumps(Evil(eval, code), 2),
        "builtins.exec": pickle.dumps(Evil(exec, code), 4),
        "io.open": pickle.dumps(Evil(open, ran, "w"), 4),
        "builtins.getattr": b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.",
        "torch.hub.load": b"\x80\x02ctorch.hub\nload\n)R.",
        "torch.load": b"\x80\x02ctorch\nload\n)R.",
        "torch._utils._rebuild_tensor_v2.__globals__":
            b"\x80\x04\x8c\x0ctorch._utils\x8c\x1e_rebuild_tensor_v2.__globals__\x93.",
        "collections.OrderedDict.__class__": b"\x80\x04\x8c\x0bcollections\x8c\x15OrderedDict.__class__\x93.",
        "collections.namedtuple": b"\x80\x02ccollections\nnamedtuple\n.",
        "torch.jit.unsupported_tensor_ops.execWrapper": b"\x80\x02ctorch.jit.unsupported_tensor_ops\nexecWrapper\n.",
        "numpy.core.multiarray._reconstruct": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n.",
        "importlib.import_module": b"\x80\x02cimportlib\nimport_module\n.",
        ".": b"\x80\x02c\n\n.",
    }  # fmt: skip


def test_names_that_are_not_in_the_list(tmp_path: Path) -> None:
    for name, content in calls(tmp_path).items():
        message = f"it names {name!r}, and a pickle could run what it names (nothing was run)"
        refused(torch_zip(tmp_path / "net.pth", content), message)
        refused(torch_legacy(tmp_path / "net.pth", content), message)
        inside = START + W + tensor() + b"s" + text("x") + content[2:-1] + b"s."  # a good tensor before it
        refused(torch_zip(tmp_path / "net.pth", inside), message)


@pytest.mark.parametrize("place", range(5))
def test_in_each_pickle_of_the_legacy_format(place: int, tmp_path: Path) -> None:
    evil = pickle.dumps(Evil(os.system, f"touch {tmp_path / 'ran'}"), 2)
    parts = [
        *[part + b"." for part in LEGACY_MAGIC.split(b".")[:2]],
        b"\x80\x02}.",
        GOOD.replace(b"tQ", b"NtQ"),
        b"](" + text("0") + b"e.",
    ]
    (tmp_path / "net").write_bytes(b"".join([*parts[:place], evil, *parts[place + 1 :]]))
    refused(tmp_path / "net", "posix.system" if place else "must be a weight file, got a Python pickle")


INSTRUCTIONS = {
    "NEWOBJ": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    "NEWOBJ_EX": b"\x80\x04ccollections\nOrderedDict\n)}\x92.",
    "INST": b"\x80\x02(icollections\nOrderedDict\n.",
    "OBJ": b"\x80\x02(ccollections\nOrderedDict\no.",
    "EXT1": b"\x80\x02\x82\x01.",
    "PERSID": b"\x80\x02Pstorage\n.",
    "BINUNICODE8": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "BINBYTES8": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "BYTEARRAY8": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "LONG4": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "DUP": b"\x80\x02]2.",
    "0xff": b"\x80\x02\xff.",
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions_that_no_state_dict_needs(name: str, tmp_path: Path) -> None:
    refused(
        torch_zip(tmp_path / "net", INSTRUCTIONS[name]), f"its pickle uses the instruction {name}, which no"
    )


def variant(**changes: bytes) -> bytes:
    return START + W + tensor(**changes) + b"s."  # type: ignore[arg-type]


FORGED = {
    # Calls and states where none belong.
    "a storage type called": (START + W + FLOATS + b")Rs.", "its pickle calls torch.FloatStorage, which is"),
    "a call without a tuple": (START + b"ccollections\nOrderedDict\n]R.", "nothing to call"),
    "a call of a string": (START + text("os.system") + b")R.", "a Global is needed, and there is str"),
    "a state for a list": (b"\x80\x02]}b.", "its pickle gives a state to a list"),
    "a state for a name": (b"\x80\x02ccollections\nOrderedDict\n}b.", "gives a state to a Global"),
    # Storages and tensors that do not fit the file.
    "terabytes": (variant(made=storage(count=2**50), shape=numbers(2**50), strides=numbers(1)), "has 24 bytes for"),
    "more than 64 bits": (variant(made=storage(count=2**70)), "has 24 bytes for"),
    "a shape of terabytes": (variant(shape=numbers(2**40)), "the strides of 'w' are"),
    "a view of terabytes": (variant(shape=numbers(2**42), strides=numbers(0)), "unpacks to 17,592,186,044,416"),
    "a view beyond 64 bits": (variant(shape=numbers(2**40, 2**40), strides=numbers(0, 0)), "the shape of 'w' is"),
    "past the storage": (variant(shape=numbers(2, 4)), "needs 7 elements of a storage of 6"),
    "an offset past it": (variant(offset=number(1)), "needs 7 elements of a storage of 6"),
    "a negative offset": (variant(offset=number(-1)), "the strides of 'w'"),
    "a huge offset": (variant(offset=number(2**63), shape=numbers(1, 1)), "of a storage of 6"),
    "negative sizes": (variant(shape=numbers(-2, -3)), "the shape of 'w' is (-2, -3)"),
    "negative strides": (variant(strides=numbers(-3, 1)), "the shape of 'w' is (-3, 1)"),
    "too many dimensions": (variant(shape=numbers(*[1] * 40), strides=numbers(*[1] * 40)), "has 40 dimensions"),
    "a shape of strings": (variant(shape=b"(" + text("a") + b"t"), "the shape of 'w' is ('a',)"),
    "an offset that is a list": (variant(offset=b"]"), "the strides of 'w'"),
    "a storage that is none": (variant(made=text("x")), "a tensor of something else than a storage"),
    "an unknown record": (variant(made=storage(key="1")), "its entry 'net/data/1' is missing"),
    "a record outside": (variant(made=storage(key="../../etc/passwd")), "'net/data/../../etc/passwd' is missing"),
    "the pickle as a storage": (variant(made=storage(key="../data.pkl", count=1)), "'net/data/../data.pkl' is missing"),
    "a negative count": (variant(made=storage(count=-1)), "one of its storages is ('storage', torch.FloatStorage, '0'"),
    "a storage of a dtype": (variant(made=storage(kind=b"ctorch\nfloat32\n")), "one of its storages is"),
    "an identity that is none": (START + b"NQ.", "one of its storages is None"),
    "a conjugated tensor": (START + W + tensor()[:-2] + b"}" + text("conj") + b"\x88stRs.", "conjugated"),
    # Structures.
    "a key twice": (START + W + tensor() + b"s" + W + tensor() + b"s.", "it has two entries named 'w'"),
    "a name twice": (START + text("a.b") + tensor() + b"s" + text("a") + b"}" + text("b") + tensor() + b"ss.",
                     "it has two entries named 'a.b'"),
    "a tuple as a key": (START + b")Ns.", "it has a dict with keys of type tuple"),
    "a list that holds itself": (START + b"]q\x00h\x00as.".replace(b"]", W + b"]"), "stand in each other without end"),
    "nothing on the stack": (b"\x80\x02.", "its pickle goes wrong at byte 3"),
    "two values": (b"\x80\x02NN.", "its pickle goes wrong"),
    "no mark": (b"\x80\x02Nt.", "its pickle goes wrong"),
    "a mark as a value": (b"\x80\x02](a.", "its pickle goes wrong"),
    "a mark remembered": (b"\x80\x02(q\x00.", "its pickle goes wrong"),
    "nothing remembered": (b"\x80\x02h\x05.", "its pickle goes wrong at byte 4: KeyError(5)"),
    "a key without a value": (b"\x80\x02}(Nu.", "a key without a value"),
    "protocol 77": (b"\x80\x4d}.", "its pickle is of protocol 77"),
    "no end": (b"\x80\x02}", "its pickle has no end"),
    "a string without end": (b"\x80\x02X\xff\xff\xff\xffabc.", "its pickle has no end"),
    "a frame of terabytes": (b"\x80\x04\x95" + struct.pack("<Q", 2**44) + b"}.", "its pickle has no end"),
    "a name without end": (b"\x80\x02c" + b"a" * 2000 + b"\nb\n.", "has a name without an end"),
    "a number without end": (b"\x80\x02L" + b"9" * 2000 + b"L\n.", "has a name without an end"),
    "no text": (b"\x80\x02X\x01\0\0\0\xff.", "its pickle goes wrong"),
    "a name that is a number": (b"\x80\x04K\x01K\x01\x93.", "a name that is no string"),
    "an OrderedDict with a key twice": (b"\x80\x02ccollections\nOrderedDict\n](](" + W + b"Ne](" + W + b"Nee\x85R.",
                                        "a key that is no string, or stands twice"),
    "a tensor of no dtype": (START + W + tensor().replace(b"_v2", b"_v3")[:-2] + b"NtRs.", "a tensor of no dtype"),
    "bytes as a key": (b"\x80\x03}C\x01wNs.", "it has a dict with keys of type bytes"),
    "a parameter of nothing": (START + W + b"ctorch.nn.parameter\nParameter\nN\x85Rs.", "a Parameter without a tensor"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_forged_pickles(what: str, tmp_path: Path) -> None:
    pickled, message = FORGED[what]
    refused(torch_zip(tmp_path / "net.pth", pickled), message)


def test_the_good_one_is_read(tmp_path: Path) -> None:
    """So that the files above are refused for what is wrong with them."""
    for path in (torch_zip(tmp_path / "a", GOOD), torch_legacy(tmp_path / "b", GOOD.replace(b"tQ", b"NtQ"))):
        np.testing.assert_array_equal(weights.read(path).arrays["w"], np.zeros((2, 3)))


BOMBS = {
    "lists of lists": (START + W + lists_of_lists(9) + b"s.", "its dicts and lists stand in each other without end"),
    "tuples of tuples": (START + W + doubled(60) + b"s.", "its dicts and lists stand in each other without end"),
    "tuples of tuples as a shape": (START + W + tensor(shape=doubled(60)) + b"s.", "the shape of 'w' is ((), ((), ())"),
    "tuples of tuples as an identity": (START + doubled(60) + b"Q.", "one of its storages is ((), ((), ())"),
    "tuples of tuples as a key": (START + doubled(60) + b"Ns.", "it has a dict with keys of type tuple"),
    "lists": (b"\x80\x02" + b"]" * 5_000_000, "its pickle has more than 400,000 instructions"),
    "dicts": (b"\x80\x02" + b"}" * 5_000_000, "its pickle has more than 400,000 instructions"),
    "marks": (b"\x80\x02" + b"(" * 5_000_000, "its pickle has more than 400,000 instructions"),
    "nested tuples": (b"\x80\x02)" + b"\x85" * 300_000 + b".", "stand in each other without end"),
    "remembered": (b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i) for i in range(900_000)) + b".",
                   "its pickle has more than 400,000 instructions"),
    "a long text": (b"\x80\x02X" + struct.pack("<I", 9 * 2**20) + bytes(9 * 2**20) + b".", ""),
    "wide text": (b"\x80\x02" + (b"X" + struct.pack("<I", 10_000) + b"\xf0\x9f\x98\x80" + b"a" * 9_996) * 800 + b".",
                  ""),
}  # fmt: skip


def legacy_without_storages(path: Path, pickled: bytes) -> Path:
    return torch_legacy(path, pickled, keys=b"].", data=b"")


@pytest.mark.parametrize("make", [torch_zip, legacy_without_storages], ids=["zip", "legacy"])
def test_bombs(make: Callable[..., Path], tmp_path: Path) -> None:
    """Little that would become much: in time, depth or memory."""
    paths = []
    for what, (content, message) in BOMBS.items():
        paths.append(make(tmp_path / what, content))
        refused(paths[-1], message if make is torch_zip else "")
    small = make(tmp_path / "small", b"")
    assert in_child(READ_ALL, small, *paths) < max(path.stat().st_size for path in paths) + 64 * 2**20


def test_storages_that_unpack_to_much(tmp_path: Path) -> None:
    zeros = bytes(80 * 2**20)
    pickled = START + W + tensor(count=20 * 2**20) + b"s."
    records = [packed("net/data.pkl", pickled), packed("net/data/0", zeros, method=8)]
    refused(zip_file(tmp_path / "net", *records), "whose storages unpack to 83,886,080")


def test_more_tensors_than_any_network_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytorch, "MOST_ENTRIES", 3)
    pickled = START + b"".join(text(str(i)) + tensor() + b"s" for i in range(4)) + b"."
    refused(torch_zip(tmp_path / "net", pickled), "it has more than 3 tensors")


def test_other_archives(tmp_path: Path) -> None:
    two = [packed("a/data.pkl", GOOD), packed("b/data.pkl", GOOD)]
    refused(zip_file(tmp_path / "net", *two), "it has 2 entries named data.pkl")
    refused(torch_zip(tmp_path / "net", GOOD, byteorder=b"middle"), "its byte order is b'middle'")
    refused(torch_zip(tmp_path / "net", GOOD, {"0": bytes(20)}), "'net/data/0' has 20 bytes for 6 elements")
    refused(torch_zip(tmp_path / "net", GOOD, {}), "its entry 'net/data/0' is missing")


def test_other_legacy_files(tmp_path: Path) -> None:
    path, good = tmp_path / "net", GOOD.replace(b"tQ", b"NtQ")
    torch_legacy(path, good)
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    refused(path, f"its 1 storages end at byte {len(content):,} of {len(content) + 1:,}")
    refused(torch_legacy(path, good, keys=b"]."), "its 0 storages end at byte")
    refused(torch_legacy(path, good, keys=b"N."), "its list of storages names others")
    refused(torch_legacy(path, good, keys=b"](" + text("1") + b"e."), "its list of storages names others")
    twice = b"](" + text("0") + text("0") + b"e."
    data = struct.pack("<Q", 6) + bytes(24)
    refused(torch_legacy(path, good, keys=twice, data=2 * data), "its storage '0' is said to have 6 elements")
    for count in (5, 7, 2**63, 2**64 - 1):
        forged = struct.pack("<Q", count) + bytes(24)
        refused(torch_legacy(path, good, data=forged), f"its storage '0' is said to have {count:,} elements")
    path.write_bytes(content.replace(b"M\xe9\x03.", b"M\xe8\x03."))
    refused(path, "it is of version 1000; minidl knows 1001")


def test_the_list_of_names_is_exact() -> None:
    """All that a pickle may name, and how many of those names are called."""
    called = {name for name, value in NAMES.items() if value.call}
    assert called == {
        "collections.OrderedDict", "torch.Size", "torch.nn.parameter.Parameter", "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
    }  # fmt: skip
    kinds = {name for name in NAMES if name.startswith("torch.") and name.endswith("Storage")}
    dtypes = set(NAMES) - called - kinds
    assert all(name.removeprefix("torch.").isidentifier() for name in dtypes)
