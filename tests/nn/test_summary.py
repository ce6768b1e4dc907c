"""summary: shapes and parameters as the layers have them, multiply-adds as PyTorch counts them, nothing changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.cli import main
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.nn.summary import summary

VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


def vgg16(lib: Any, width: int = 1, classes: int = 1000, side: int = 7) -> Any:
    """Simonyan & Zisserman's network, of either library, each layer ``width`` times narrower."""
    layers, channels = [], 3
    for what in VGG16:
        if what == "M":
            layers.append(lib.nn.MaxPool2d(2))
        else:
            layers += [lib.nn.Conv2d(channels, what // width, 3, padding=1), lib.nn.ReLU()]
            channels = what // width
    features = channels * side * side
    for size in (4096 // width, 4096 // width, classes):
        layers += [lib.nn.Linear(features, size), lib.nn.ReLU(), lib.nn.Dropout()]
        features = size
    return lib.nn.Sequential(*layers[:31], lib.nn.Flatten(), *layers[31:-2])


def torch_multiply_adds(model: Any, *inputs: Any) -> int:
    torch = pytest.importorskip("torch", reason="counts the multiply-adds to compare with")
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    return counter.get_total_flops() // 2


@pytest.mark.slow
def test_vgg16_has_the_published_numbers() -> None:
    """138.4 M parameters (the paper, table 2); 15.47 G multiply-adds, as torchvision and others give."""
    result = summary(vgg16(minidl), (3, 224, 224))
    assert result.parameters == result.trainable == 138_357_544
    assert result.multiply_adds == 15_470_264_320
    assert result.rows[1].output == (1, 64, 224, 224)
    assert result.rows[-1].output == (1, 1000)
    assert result.rows[-1].trainable == 4096 * 1000 + 1000
    assert "multiply-adds 15,470,264,320 (15.47 G)" in str(result)
    assert "parameters 553.43 MB" in str(result)


def test_multiply_adds_are_those_that_pytorch_counts() -> None:
    torch = pytest.importorskip("torch", reason="counts the multiply-adds to compare with")
    result = summary(vgg16(minidl, 8, 10, 1), (2, 3, 32, 32))
    assert result.multiply_adds == torch_multiply_adds(vgg16(torch, 8, 10, 1), torch.zeros(2, 3, 32, 32))


def test_strides_groups_and_dilation_count_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="counts the multiply-adds to compare with")

    def make(lib: Any) -> Any:
        return lib.nn.Sequential(
            lib.nn.Conv2d(8, 16, (3, 5), stride=2, padding=1, groups=4),
            lib.nn.Conv2d(16, 16, 3, dilation=2, groups=16, bias=False),
            lib.nn.Conv2d(16, 4, 1),
        )

    result = summary(make(minidl), (3, 8, 31, 33))
    assert result.multiply_adds == torch_multiply_adds(make(torch), torch.zeros(3, 8, 31, 33))


class Functional(nn.Module):
    """Its products are in ``forward``, not in layers."""

    def __init__(self, lib: Any = minidl) -> None:
        super().__init__()
        self.lib = lib

    def forward(self, x: Any, w: Any) -> Any:
        lib = self.lib
        y = lib.nn.functional.conv_transpose2d(x, w, stride=2)  # (N, 6, 9, 9)
        y = lib.einsum("nchw,nkhw->nck", y, y)
        return lib.nn.functional.linear(y, lib.ones(5, 6)) @ lib.ones(5, 2)


def test_products_outside_layers_count() -> None:
    torch = pytest.importorskip("torch", reason="counts the multiply-adds to compare with")
    result = summary(Functional(), [(2, 4, 4, 4), (4, 6, 3, 3)])
    forward = Functional(torch).forward
    counted = torch_multiply_adds(
        type("M", (torch.nn.Module,), {"forward": lambda _, *xs: forward(*xs)})(),
        torch.zeros(2, 4, 4, 4),
        torch.zeros(4, 6, 3, 3),
    )
    assert result.multiply_adds == counted
    assert result.rows[0].output == (2, 6, 2)


def test_a_batch_may_be_given_or_left_out() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 5))
    assert summary(model, (3, 8, 8)).rows[-1].output == (1, 5)
    assert summary(model, (2, 3, 8, 8)).rows[-1].output == (2, 5)
    several = summary(model, (3, 8, 8), batch_size=7)
    assert several.input_sizes == [(7, 3, 8, 8)]
    assert several.rows[-1].output == (7, 5)
    assert several.multiply_adds == 7 * summary(model, (3, 8, 8)).multiply_adds


def test_trainable_and_frozen() -> None:
    model = nn.Sequential(nn.Linear(4, 8).freeze(), nn.BatchNorm1d(8), nn.Linear(8, 2))
    model[2].bias.requires_grad_(False)
    result = summary(model, (5, 4))
    assert [(row.trainable, row.frozen) for row in result.rows] == [(0, 0), (0, 40), (16, 0), (16, 2)]
    assert (result.trainable, result.frozen, result.parameters) == (32, 42, 74)
    assert result.parameter_bytes == 74 * 4
    assert result.buffer_bytes == sum(b.array.nbytes for b in model.buffers())
    assert "74: 32 trainable, 42 frozen" in str(result)


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.parts = nn.ModuleList([self.first, nn.ReLU()])
        self.tied = nn.Linear(6, 6, bias=False)
        self.tied.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        for part in self.parts:
            x = part(self.first(x))
        return self.tied(x)


def test_what_is_shared_counts_once_and_is_named() -> None:
    result = summary(Shared(), (1, 6))
    rows = {row.name: row for row in result.rows}
    assert result.parameters == 6 * 6 + 6
    assert rows["parts.0"].shared == rows["tied"].shared == "first"
    assert (rows["parts.0"].trainable, rows["tied"].trainable) == (0, 0)
    assert rows["first"].calls + rows["parts.0"].calls == 3
    assert result.multiply_adds == 4 * 36
    assert "0: Linear (shared with first)" in str(result)


def test_a_layer_that_stands_twice_in_a_row_has_a_call_at_each_place() -> None:
    layer = nn.Linear(3, 3)
    rows = summary(nn.Sequential(layer, nn.ReLU(), layer), (1, 3)).rows
    assert [row.calls for row in rows] == [1, 1, 1, 1]
    assert [row.multiply_adds for row in rows] == [0, 9, 0, 9]


def test_several_inputs_of_several_dtypes() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(minidl.ones(10, 4))
            self.head = nn.Linear(4, 2)

        def forward(self, words: Any, x: Any) -> Any:
            return self.head(F.embedding(words, self.table)), {"doubled": 2 * x}

    result = summary(Two(), [(7,), (3,)], batch_size=2, dtypes=[minidl.int64, minidl.float32])
    assert result.rows[0].output == [(2, 7, 2), (2, 3)]
    assert "(2, 7) int64, (2, 3) float32" in str(result)
    with pytest.raises(ArgumentError, match="summary: dtypes must be as many as there are inputs, 2, got 1"):
        summary(Two(), [(7,), (3,)], dtypes=[minidl.int64])


def test_activations_are_the_results_that_are_no_views() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Flatten(0), nn.Unflatten(0, (2, 8)))
    result = summary(model, (2, 4))
    assert result.activation_bytes == 2 * (2 * 8 * 4)
    assert summary(model.double(), (2, 4)).activation_bytes == 4 * (2 * 8 * 4)


def test_the_model_is_left_as_it_was() -> None:
    seen: list[Any] = []
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    model[2].eval()
    handle = model[0].register_forward_hook(lambda *args: seen.append(args))
    before = {name: value.array.copy() for name, value in model.state_dict().items()}
    hooks = [vars(m).get("_hooks", "none") for m in model.modules()]
    with pytest.raises(ShapeError):
        summary(model, (3, 5))
    summary(model, (3, 4))
    assert [m.training for m in model.modules()] == [True, True, True, False, True]
    assert [vars(m).get("_hooks", "none") for m in model.modules()] == hooks
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.array, before[name])
    assert seen == []
    model(minidl.ones(3, 4))
    assert len(seen) == 1
    handle.remove()
    with pytest.raises(minidl.errors.AnomalyError), minidl.detect_anomaly():  # NaN are looked for again
        minidl.log(minidl.tensor([-1.0]))


@pytest.mark.parametrize("size", [(), (3, -1), "3,4", (3.0, 2), [(3,), 4], (True, 2)])
def test_what_is_no_size_is_refused(size: Any) -> None:
    with pytest.raises(ArgumentError, match="summary: input_size must be a shape, or a list of shapes, got "):
        summary(nn.Linear(3, 2), size)


def test_other_wrong_arguments() -> None:
    with pytest.raises(DTypeError, match="summary: model must be a Module, got dict"):
        summary({}, (1, 2))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="batch_size must be a whole number, not negative, got -1"):
        summary(nn.Linear(3, 2), (3,), batch_size=-1)
    with pytest.raises(
        ShapeError, match=r"linear: input must be .*, got \(5, 4\)"
    ):  # as it stood, not with a batch before it
        summary(nn.Linear(3, 2), (5, 4))


# ---- the command


def test_the_command_reads_a_file(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from minidl.models import MLP

    file = tmp_path / "mlp.safetensors"
    minidl.save(MLP([784, 16]), file)
    assert main(["summary", str(file), "--input-size", "1", "28", "28", "--batch-size", "4"]) == 0
    out = capsys.readouterr().out
    assert "(4, 16)" in out
    assert "12,560: 12,560 trainable" in out
    assert f"multiply-adds {4 * 784 * 16:,}" in out


def test_the_command_builds_a_model_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def small(weights: Any = None) -> nn.Linear:
        return nn.Linear(3, 2)

    monkeypatch.setattr(minidl.models, "small", small, raising=False)
    monkeypatch.setattr(minidl.models, "__all__", ["small"])
    assert main(["summary", "small", "--input-size", "3"]) == 0
    assert "multiply-adds 6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet9000", "summary: the model must be a file or one of"),
        ("none.safetensors", "No such file"),
        ("values.safetensors", "holds must be a network of a class that .* knows, got dict"),
    ],
)
def test_the_command_refuses_in_one_line(
    name: str, message: str, tmp_path: Any, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    minidl.save({"weight": minidl.ones(2)}, "values.safetensors")
    assert main(["summary", name, "--input-size", "3"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    import re

    assert re.search(message, err)
