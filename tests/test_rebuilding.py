"""Networks that come back from a file as networks: layers and containers of minidl.nn, without the user's code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import DTypeError, WeightsError
from minidl.models import MLP
from minidl.rebuilding import describe
from minidl.serialization import KEY, load, rebuildable, save
from minidl.tensor import Tensor
from minidl.weights import safetensors


def again(module: nn.Module, folder: Path) -> Any:
    save(module, folder / "net.safetensors")
    return load(folder / "net.safetensors")


def assert_same_network(got: Any, expected: nn.Module) -> None:
    assert repr(got) == repr(expected)
    assert list(got.state_dict()) == list(expected.state_dict())
    for name, tensor in expected.state_dict().items():
        assert got.state_dict()[name].array.tobytes() == tensor.array.tobytes(), name
        assert got.state_dict()[name].dtype == tensor.dtype, name


LAYERS = [
    nn.Linear(3, 2), nn.Linear(3, 2, bias=False, dtype="float64"), nn.Identity(1, a=2),
    nn.Conv2d(4, 6, (3, 1), stride=2, padding=1, dilation=2, groups=2), nn.Conv2d(1, 2, 3, padding="same", bias=False),
    nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(2, count_include_pad=False),
    nn.BatchNorm1d(3), nn.BatchNorm2d(3, 1e-3, None, affine=False), nn.BatchNorm2d(3, track_running_stats=False),
    nn.AdaptiveAvgPool2d((3, None)), nn.AdaptiveMaxPool2d(2), nn.LayerNorm((2, 3), bias=False), nn.LayerNorm(4),
    nn.GroupNorm(2, 4, affine=False), nn.GroupNorm(2, 4, eps=1e-3), nn.Dropout2d(0.2),
    nn.Dropout(0.3), nn.Flatten(2), nn.Unflatten(1, (2, 3)), nn.ReLU(inplace=True), nn.Sigmoid(), nn.Tanh(),
    nn.Softmax(1), nn.LogSoftmax(dim=-1), nn.MSELoss(), nn.L1Loss(reduction="sum"), nn.BCELoss(),
    nn.CategoricalCrossEntropy(0.1, "sum", 1e-6),
    nn.CrossEntropyLoss(minidl.tensor([1.0, 2.0]), label_smoothing=0.1), nn.NLLLoss(ignore_index=3),
    nn.BCEWithLogitsLoss(pos_weight=minidl.tensor([3.0])), nn.ModuleList([nn.Linear(1, 1)]),
    nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()}), nn.Sequential(),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: repr(layer).replace("\n", " "))
def test_a_layer_comes_back_with_its_arguments_and_values(layer: nn.Module, tmp_path: Path) -> None:
    got = again(layer, tmp_path)
    assert type(got) is type(layer)
    assert_same_network(got, layer)
    for name in (
        "reduction",
        "label_smoothing",
        "ignore_index",
        "momentum",
        "count_include_pad",
        "kernel_size",
    ):
        assert getattr(got, name, None) == getattr(layer, name, None)


def test_every_layer_of_nn_is_among_those_tried() -> None:
    classes = {value for name in nn.__all__ if isinstance(value := getattr(nn, name), type)}
    modules = {cls for cls in classes if issubclass(cls, nn.Module)} - {nn.Module}
    assert modules - {type(layer) for layer in LAYERS} == {nn.ParameterList, nn.ParameterDict}


def nested() -> nn.Sequential:
    base = nn.Sequential(
        OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), relu=nn.ReLU())
    ).freeze()
    return nn.Sequential(base, nn.Flatten(), MLP([32, 5], final_relu=True), nn.Dropout(0.2), nn.Linear(5, 3))


def test_a_nested_network_computes_the_same(tmp_path: Path) -> None:
    net = nested().eval()
    got = again(net, tmp_path)
    assert_same_network(got, net)
    assert not any(part.training for part in got.modules())
    assert [p.is_frozen for p in got.parameters()] == [p.is_frozen for p in net.parameters()]
    x = minidl.rand(4, 1, 6, 6)
    assert got(x).detach().array.tobytes() == net(x).detach().array.tobytes()


def test_another_program_needs_none_of_this_ones_code(tmp_path: Path) -> None:
    net = nested().eval()
    save(net, tmp_path / "net")
    program = (
        f"import minidl; print(minidl.load({str(tmp_path / 'net')!r})(minidl.ones(1, 1, 6, 6)).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == net(minidl.ones(1, 1, 6, 6)).tolist()


def test_names_in_the_file_are_those_of_the_state_dict(tmp_path: Path) -> None:
    save(nested(), tmp_path / "net")
    assert set(safetensors.read(tmp_path / "net")[0]) == set(nested().state_dict())


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    save(nested(), tmp_path / "net")
    before = minidl.get_rng_state()
    load(tmp_path / "net")
    assert minidl.equal(minidl.get_rng_state(), before)


def test_a_loaded_network_can_be_given_to_load_state_dict(tmp_path: Path) -> None:
    net, other = nested(), nested()
    save({"net": net}, tmp_path / "x")
    other.load_state_dict(load(tmp_path / "x")["net"])
    assert_same_network(other, net)
    with pytest.raises(DTypeError, match="load_state_dict: state_dict must be a dict, got int"):
        other.load_state_dict(3)  # type: ignore[arg-type]


class Own(nn.Linear):
    pass


def changed() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 3))
    net[0].weight = nn.Parameter(net[0].weight[:2].detach())  # pruned
    return net


def with_own_forward() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.forward = lambda x: x  # type: ignore[method-assign]
    return nn.Sequential(layer)


def with_an_argument_gone() -> nn.Module:
    layer = nn.Flatten()
    del layer.end_dim
    return layer


def with_nonsense() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.in_features = -1
    return layer


def sharing() -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    return net


def with_a_part_on_a_layer() -> nn.Module:
    layer = nn.Linear(3, 3)
    layer.extra = nn.Linear(1, 1)  # type: ignore[assignment]
    return layer


@pytest.mark.parametrize(
    "make",
    [
        lambda: Own(2, 2),
        lambda: nn.Sequential(nn.ReLU(), Own(2, 2)),
        lambda: nn.ParameterList([minidl.ones(2)]),
        changed, with_own_forward, with_an_argument_gone, with_nonsense, sharing, with_a_part_on_a_layer,
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_made_again_is_saved_as_its_state_dict(make: Any, tmp_path: Path) -> None:
    module = make()
    assert describe(module) is None
    got = again(module, tmp_path)
    assert isinstance(got, dict)
    assert list(got) == list(module.state_dict())


def test_a_layer_that_occurs_twice_without_parameters_is_no_obstacle(tmp_path: Path) -> None:
    relu = nn.ReLU()
    net = nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu)
    assert_same_network(again(net, tmp_path), net)


@rebuildable
class Scaled(nn.Module):
    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def config(self) -> dict[str, Any]:
        return {"factor": self.factor}


def test_a_users_rebuildable_class_in_a_sequential(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(2, 2), Scaled(minidl.tensor([2.0, 3.0])))
    x = minidl.rand(3, 2)
    assert again(net, tmp_path)(x).tolist() == net(x).tolist()


def layer(name: str, **config: Any) -> dict[str, Any]:
    return {"layer": f"minidl.nn.{name}", "config": {"dict": [list(item) for item in config.items()]}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (layer("Linear", in_features=10**9, out_features=2), "Linear of in_features 1000000000, which is more"),
        (layer("BatchNorm2d", num_features=10**10), "BatchNorm2d of num_features 10000000000, which is more"),
        (layer("Linear", in_features="x", out_features=2), "in_features|not supported"),
        (layer("Linear", bias=True), "missing 2 required"),
        (layer("Module"), "is of no class"),
        (layer("functional"), "is of no class"),
        (layer("Sequential", modules=[1]), "holds list, not modules by name"),
        (layer("Sequential"), "'modules'"),
        (layer("Sequential", modules={"dict": [["0", 3]]}), "must be a Module, got int"),
        ({"layer": "minidl.nn.ReLU", "config": 3}, "described by a value of int, not by arg"),
        ({**layer("ReLU"), "training": 3, "module": "minidl.nn.ReLU", "state": {"dict": []}}, "mode must be a bool"),
    ],
)  # fmt: skip
def test_a_hostile_description_is_an_error_that_names_the_file(
    value: Any, message: str, tmp_path: Path
) -> None:
    structure = json.dumps({"version": 1, "value": value})
    safetensors.write(tmp_path / "x", {"w": np.zeros(3)}, {KEY: structure})
    with pytest.raises(WeightsError, match=f"load: .*x cannot be read: .*({message})"):
        load(tmp_path / "x")
