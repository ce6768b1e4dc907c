"""Layers: equal to PyTorch's with the same weights, in values and gradients, and clear about wrong calls."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minidl.random
from minidl import nn
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.tensor import Tensor


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


LAYERS = {
    "linear": ("Linear(5, 3)", (4, 5)),
    "linear without bias": ("Linear(5, 3, bias=False)", (4, 5)),
    "linear on a vector": ("Linear(5, 3)", (5,)),
    "linear on a stack": ("Linear(5, 3)", (2, 3, 5)),
    "linear on nothing": ("Linear(5, 3)", (0, 5)),
    "identity": ("Identity(3, x=2)", (2, 3)),
    "conv": ("Conv2d(2, 4, 3)", (2, 2, 6, 7)),
    "conv of one image": ("Conv2d(2, 4, (3, 2), bias=False)", (2, 6, 7)),
    "conv with all": ("Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2)", (2, 4, 8, 9)),
    "conv same": ("Conv2d(2, 2, (4, 3), padding='same')", (1, 2, 6, 6)),
    "conv valid": ("Conv2d(2, 2, 3, padding='valid')", (1, 2, 6, 6)),
    "max pool": ("MaxPool2d(2)", (2, 3, 6, 7)),
    "max pool with all": ("MaxPool2d((3, 2), 2, (1, 0), (1, 2), ceil_mode=True)", (2, 3, 8, 8)),
    "avg pool": ("AvgPool2d(2)", (2, 3, 6, 7)),
    "avg pool with all": ("AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)", (2, 3, 8, 8)),
    "avg pool by a divisor": ("AvgPool2d(2, divisor_override=3)", (1, 1, 4, 4)),
    "adaptive average pool": ("AdaptiveAvgPool2d((3, None))", (2, 3, 7, 5)),
    "adaptive average pool to one": ("AdaptiveAvgPool2d(1)", (2, 3, 7, 5)),
    "adaptive max pool": ("AdaptiveMaxPool2d((2, 3))", (2, 3, 7, 5)),
    "layer norm": ("LayerNorm((3, 4), eps=1e-2)", (2, 3, 4)),
    "layer norm of a size": ("LayerNorm(4)", (2, 3, 4)),
    "layer norm without bias": ("LayerNorm(4, bias=False)", (2, 3, 4)),
    "layer norm without parameters": ("LayerNorm([4], elementwise_affine=False)", (2, 3, 4)),
    "group norm": ("GroupNorm(2, 6, eps=1e-2)", (2, 6, 4)),
    "group norm without parameters": ("GroupNorm(3, 6, affine=False)", (2, 6, 4, 3)),
    "group norm without bias": ("GroupNorm(3, 6, bias=False)", (2, 6)),
    "no dropout of channels": ("Dropout2d(0.0)", (2, 3, 4, 4)),
    "batch norm 1d": ("BatchNorm1d(3)", (5, 3)),
    "batch norm of sequences": ("BatchNorm1d(3, eps=1e-2, momentum=0.3)", (5, 3, 4)),
    "batch norm 2d": ("BatchNorm2d(3)", (2, 3, 4, 5)),
    "batch norm that averages": ("BatchNorm2d(3, momentum=None)", (2, 3, 4, 5)),
    "batch norm without parameters": ("BatchNorm2d(3, affine=False)", (2, 3, 4, 5)),
    "batch norm without bias": ("BatchNorm1d(3, bias=False)", (5, 3)),
    "batch norm without statistics": ("BatchNorm1d(3, track_running_stats=False)", (5, 3)),
    "no dropout": ("Dropout(0.0)", (3, 3)),
    "flatten": ("Flatten()", (2, 3, 4)),
    "flatten from 0": ("Flatten(0, 1)", (2, 3, 4)),
    "unflatten": ("Unflatten(1, (2, -1))", (3, 6)),
    "relu": ("ReLU()", (3, 4)),
    "sigmoid": ("Sigmoid()", (3, 4)),
    "tanh": ("Tanh()", (3, 4)),
    "softmax": ("Softmax(-1)", (3, 4)),
    "log softmax": ("LogSoftmax(dim=0)", (3, 4)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("name", LAYERS)
def test_equals_pytorchs(name):
    torch = pytest.importorskip("torch")
    build, shape = LAYERS[name]
    ours, theirs = eval(build, vars(nn)), eval(build, vars(torch.nn)).double()
    ours.double().load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for step in range(3):
        if step == 2:
            ours.eval()
            theirs.eval()
        x = normal(*shape, seed=step)
        a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        assert y.shape == tuple(z.shape)
        weights = normal(*y.shape, seed=9)
        (y * Tensor(weights)).sum().backward()
        (z * torch.tensor(weights)).sum().backward()
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)
        for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)
        for (key, p), q in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", LAYERS)
def test_prints_what_pytorchs_prints(name):
    torch = pytest.importorskip("torch")
    build, _ = LAYERS[name]
    assert repr(eval(build, vars(nn))).partition("  #")[0] == repr(eval(build, vars(torch.nn)))


def test_max_pool_returns_indices():
    torch = pytest.importorskip("torch")
    x = normal(2, 3, 6, 6)
    y, indices = nn.MaxPool2d(2, return_indices=True)(Tensor(x))
    z, expected = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    assert y.tolist() == z.tolist()
    assert indices.tolist() == expected.tolist()


class TestInitialValues:
    """From the definition: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), of standard deviation bound/sqrt(3)."""

    @pytest.mark.parametrize(
        ("layer", "fan_in"),
        [(lambda: nn.Linear(64, 400), 64), (lambda: nn.Conv2d(8, 400, (3, 2), groups=2), 24)],
    )
    def test_weights_and_biases_are_uniform(self, layer, fan_in):
        layer, bound = layer(), 1 / math.sqrt(fan_in)
        for values in (layer.weight.array, layer.bias.array):
            assert 0.95 * bound < np.abs(values).max() <= bound
            assert values.std() == pytest.approx(bound / math.sqrt(3), rel=5 / math.sqrt(values.size))
            assert abs(values.mean()) < 5 * bound / math.sqrt(3 * values.size)

    def test_batch_norm_begins_as_the_identity(self):
        layer = nn.BatchNorm1d(2)
        assert {k: v.tolist() for k, v in layer.state_dict().items()} == {
            "weight": [1, 1], "bias": [0, 0], "running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 0,
        }  # fmt: skip

    def test_batch_norm_forgets(self):
        layer = nn.BatchNorm1d(2)
        layer(Tensor(normal(4, 2).astype(np.float32)))
        layer.weight.array[:] = 5
        layer.reset_running_stats()
        assert layer.num_batches_tracked.item() == 0
        assert layer.running_mean.tolist() == [0, 0]
        assert layer.weight.tolist() == [5, 5]
        layer.reset_parameters()
        assert layer.weight.tolist() == [1, 1]
        nn.BatchNorm1d(2, affine=False, track_running_stats=False).reset_parameters()

    def test_come_from_the_default_generator(self):
        def draw() -> list:
            minidl.random.manual_seed(3)
            return nn.Linear(2, 2).weight.tolist()

        assert draw() == draw() != nn.Linear(2, 2).weight.tolist()

    def test_the_dtype_can_be_chosen(self):
        assert nn.Linear(2, 2, dtype=np.float64, device="cpu").bias.dtype == np.float64
        assert nn.Conv2d(2, 2, 1, dtype="float64").weight.dtype == np.float64
        layer = nn.BatchNorm2d(2, dtype=np.float64)
        assert layer.running_var.dtype == layer.weight.dtype == np.float64

    def test_parameters_are_in_c_order(self):
        assert all(p.array.flags.c_contiguous for p in nn.Conv2d(3, 8, 3).parameters())

    def test_no_features_are_allowed(self):
        assert nn.Linear(0, 2).weight.shape == (2, 0)


class TestDropout:
    def test_drops_with_probability_p_and_scales_the_rest(self):
        y = nn.Dropout(0.25)(Tensor(np.ones((200, 100), np.float32))).numpy()
        assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
        assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)

    def test_does_nothing_in_evaluation(self):
        x = Tensor(np.ones(3))
        assert nn.Dropout().eval()(x) is x

    def test_in_place(self):
        x = Tensor(np.ones(3))
        assert nn.Dropout(1.0, inplace=True)(x) is x
        assert x.tolist() == [0, 0, 0]


def test_relu_in_place():
    x = Tensor(np.array([1.0, -1.0]))
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [1.0, 0.0]
    assert repr(nn.ReLU(True)) == "ReLU(inplace=True)"


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.Linear(2.0, 1), DTypeError, "Linear: in_features must be an int, got 2.0"),
        (lambda: nn.Linear(2, -1), ArgumentError, "Linear: out_features must be at least 0, got -1"),
        (lambda: nn.Linear(2, 1, device="cuda"), ArgumentError, "Linear: device must be 'cpu', got 'cuda'"),
        (lambda: nn.Conv2d(0, 1, 3), ArgumentError, "Conv2d: in_channels must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ArgumentError,
         "Conv2d: in_channels must be divisible by groups=2, got 3"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ArgumentError,
         "Conv2d: out_channels must be divisible by groups=2, got 3"),
        (lambda: nn.GroupNorm(4, 6), ArgumentError, "GroupNorm: num_channels must be divisible by num_groups=4, got 6"),
        (lambda: nn.Dropout2d(2.0), ArgumentError, "Dropout2d: p must be in [0, 1], got 2.0"),
        (lambda: nn.LayerNorm(-1), ArgumentError, "LayerNorm: normalized_shape must be at least 0, got -1"),
        (lambda: nn.Conv2d(4, 3, 0), ArgumentError, "Conv2d: kernel_size must be at least 1, got 0"),
        (lambda: nn.Conv2d(4, 3, 1, padding="sane"), ArgumentError,
         "Conv2d: padding must be 'same' or 'valid', got 'sane'"),
        (lambda: nn.Conv2d(4, 3, 1, stride=2, padding="same"), ArgumentError,
         "Conv2d: stride must be 1 for padding='same', got (2, 2)"),
        (lambda: nn.Conv2d(4, 3, 1, padding_mode="reflect"), ArgumentError,
         "Conv2d: padding_mode must be 'zeros', got 'reflect'"),
        (lambda: nn.Dropout(1.5), ArgumentError, "Dropout: p must be in [0, 1], got 1.5"),
        (lambda: nn.MSELoss(reduction="avg"), ArgumentError,
         "MSELoss: reduction must be 'mean' or 'sum' or 'none', got 'avg'"),
    ],
)  # fmt: skip
def test_building_a_layer_that_cannot_be(build, error, message):
    with pytest.raises(error) as raised:
        build()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("layer", "shape", "error", "message"),
    [
        (nn.Linear(784, 32), (8, 100), ShapeError,
         "linear: input must be (..., 784) to match weight (32, 784), got (8, 100)"),
        (nn.Conv2d(3, 64, 3), (1, 4, 8, 8), ShapeError,
         "conv2d: weight must be (out, 4, kH, kW) to match input channels 4, got (64, 3, 3, 3)"),
        (nn.BatchNorm1d(3), (2, 4), ShapeError, "BatchNorm1d: input must be (N, 3) or (N, 3, T), got (2, 4)"),
        (nn.BatchNorm1d(3), (3,), ShapeError, "BatchNorm1d: input must be (N, 3) or (N, 3, T), got (3,)"),
        (nn.BatchNorm2d(3), (2, 3), ShapeError, "BatchNorm2d: input must be (N, 3, H, W), got (2, 3)"),
        (nn.Softmax(2), (2, 3), DimensionError, "softmax: dim must be in [-2, 1] for 2 dimensions, got 2"),
    ],
)  # fmt: skip
def test_calling_a_layer_with_the_wrong_shape(layer, shape, error, message):
    with pytest.raises(error) as raised:
        layer(Tensor(np.zeros(shape, np.float32)))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (nn.Linear(2, 2), np.zeros((1, 2)),
         "linear: weight must be of input's dtype float64, got float32; convert input with .to(minidl.float32), "
         "or the layer with .to(minidl.float64)"),
        (nn.Conv2d(1, 2, 1), np.zeros((1, 1, 2, 2), np.uint8),
         "conv2d: weight must be of input's dtype uint8, got float32; convert input with .to(minidl.float32)"),
        (nn.Linear(2, 2, dtype=np.float64), np.zeros((1, 2), np.int64),
         "linear: weight must be of input's dtype int64, got float64; convert input with .to(minidl.float64)"),
    ],
)  # fmt: skip
def test_a_layer_of_another_dtype_says_what_to_convert(layer, x, message):
    with pytest.raises(DTypeError) as raised:
        layer(Tensor(x))
    assert str(raised.value) == message


LOSSES = {
    "mse": "MSELoss({reduction})",
    "l1": "L1Loss({reduction})",
    "cross entropy": "CrossEntropyLoss({reduction})",
    "cross entropy with all": "CrossEntropyLoss({weight}, ignore_index=1, {reduction}, label_smoothing=0.1)",
    "nll": "NLLLoss({reduction})",
    "nll with all": "NLLLoss({weight}, ignore_index=1, {reduction})",
    "bce": "BCELoss({weight}, {reduction})",
    "bce with logits": "BCEWithLogitsLoss({reduction})",
    "bce with logits with all": "BCEWithLogitsLoss({weight}, {reduction}, pos_weight={p})",
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_pytorchs(name, reduction):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).uniform(0.1, 0.9, (4, 3))
    targets = np.array([0, 2, 1, 2]) if name.startswith(("cross", "nll")) else values[::-1].copy()
    weights = np.array([1.0, 2.0, 3.0])
    found = []
    for ns, tensor in ((nn, Tensor), (torch.nn, torch.tensor)):
        text = LOSSES[name].format(
            reduction=f"reduction={reduction!r}", weight="weight=tensor(w)", p="tensor(w)"
        )
        criterion = eval(f"ns.{text}", {"ns": ns, "tensor": tensor, "w": weights})
        x = tensor(values, requires_grad=True)
        loss = criterion(x, tensor(targets))
        loss.sum().backward()
        found.append((loss.detach().numpy(), x.grad.numpy(), list(criterion.state_dict())))
    for ours, theirs in zip(*found, strict=True):
        if isinstance(ours, list):
            assert ours == theirs
        else:
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
