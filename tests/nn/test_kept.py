"""What a kernel has made of a constant weight is used while that is right, and never longer."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.kernels import conv2d, matmul, use
from minidl.ops.kept import Kept


def _layer(kind):
    if kind == "linear":
        return nn.Linear(40, 33), minidl.randn(20, 40)
    return nn.Conv2d(20, 33, 3, padding=1), minidl.randn(2, 20, 9, 8)


@pytest.fixture
def preparations(monkeypatch):
    """How often a weight has been prepared."""
    calls = []
    for module in (matmul, conv2d):
        prepare = module.prepare

        def counted(*args, prepare=prepare):
            calls.append(args)
            return prepare(*args)

        monkeypatch.setattr(module, "prepare", counted)
    return calls


def _fresh(layer, x):
    """What the layer computes with nothing kept."""
    with minidl.enable_grad():
        layer = copy.deepcopy(layer).requires_grad_(True)
        return layer(x).detach().numpy()


KINDS = pytest.mark.parametrize("kind", ["linear", "conv"])


@KINDS
@pytest.mark.parametrize("how", ["frozen", "no_grad"])
def test_is_prepared_once(kind, how, preparations):
    layer, x = _layer(kind)
    layer.requires_grad_(how != "frozen")
    with minidl.set_grad_enabled(how != "no_grad"):
        results = [layer(x).numpy() for _ in range(4)]
    assert len(preparations) == 1
    want = _fresh(layer, x)
    for got in results:
        assert got.tobytes() == want.tobytes()


@KINDS
def test_is_not_prepared_in_training(kind, preparations):
    layer, x = _layer(kind)
    layer(x)
    assert not preparations


def _by_optimizer(layer):
    with minidl.enable_grad():
        layer.requires_grad_(True)
        (layer.weight * 1).sum().backward()
        optim.SGD([layer.weight], lr=0.5).step()
        layer.requires_grad_(False)


def _by_alias_of_before(layer):
    layer.seen[...] += 1


CHANGES = {
    "optimizer": _by_optimizer,
    "load_state_dict": lambda layer: layer.load_state_dict(
        {name: value + 1 for name, value in layer.state_dict().items()}
    ),
    "parameter": lambda layer: setattr(layer, "weight", nn.Parameter(layer.weight.detach() + 1, False)),
    "data": lambda layer: setattr(layer.weight, "data", layer.weight.data + 1),
    "in place": lambda layer: layer.weight.add_(1),
    "item": lambda layer: layer.weight.__setitem__(0, 7.0),
    "view": lambda layer: layer.weight.detach()[0].add_(1),
    "init": lambda layer: nn.init.ones_(layer.weight),
    "alias": lambda layer: layer.weight.detach().numpy().__iadd__(1),
    "array": lambda layer: np.asarray(layer.weight).fill(2),
    "alias of before": _by_alias_of_before,
    "copy": lambda layer: layer.weight.copy_(layer.weight + 1),
}


@KINDS
@pytest.mark.parametrize("change", CHANGES)
def test_is_never_used_after_a_change(kind, change):
    layer, x = _layer(kind)
    layer.requires_grad_(False)
    if change == "alias of before":
        layer.seen = layer.weight.numpy()
    before = layer(x).numpy().tobytes()
    assert layer(x).numpy().tobytes() == before
    for _ in range(2):
        CHANGES[change](layer)
        after = layer(x).numpy()
        assert after.tobytes() == _fresh(layer, x).tobytes()
        if change not in ("init", "item", "array"):  # which change nothing the second time
            assert after.tobytes() != before
        before = after.tobytes()


@KINDS
def test_an_alias_is_watched_without_preparing_at_every_call(kind, preparations):
    layer, x = _layer(kind)
    layer.requires_grad_(False)
    alias = layer.weight.numpy()
    for _ in range(3):
        layer(x)
    assert len(preparations) == 1
    alias[0] = 3
    for _ in range(3):
        assert layer(x).numpy().tobytes() == _fresh(layer, x).tobytes()
    assert len(preparations) == 2


def test_an_array_that_became_a_tensor_is_an_alias():
    layer, x = _layer("linear")
    mine = np.ones((33, 40), np.float32)
    layer.weight = nn.Parameter(minidl.Tensor(mine), requires_grad=False)
    layer.bias = None
    layer(x)
    mine[...] = 2
    np.testing.assert_allclose(layer(x).numpy()[:, 0], 2 * x.numpy().sum(axis=1), rtol=1e-4, atol=1e-4)


def test_another_size_of_image_is_another_problem(preparations):
    layer, x = _layer("conv")
    layer.requires_grad_(False)
    for image in (x, x[:1], x[..., :5], x):
        assert layer(image).numpy().tobytes() == _fresh(layer, image).tobytes()
    assert len(preparations) == 3  # the number of images does not matter


@KINDS
def test_copies_and_pickles_begin_with_nothing(kind):
    layer, x = _layer(kind)
    layer.requires_grad_(False)
    y = layer(x).numpy().tobytes()
    empty = len(pickle.dumps(_layer(kind)[0]))
    assert len(pickle.dumps(layer)) == pytest.approx(empty, abs=200)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        other.weight.mul_(2)
        assert layer(x).numpy().tobytes() == y
        assert other(x).numpy().tobytes() != y


@pytest.mark.parametrize(("kind", "forced"), [("linear", {"matmul": "blas"}), ("conv", {"conv2d": "im2col"})])
def test_a_forced_kernel_gets_the_weight_itself(kind, forced, preparations):
    layer, x = _layer(kind)
    layer.requires_grad_(False)
    with use(**forced):
        y = layer(x).numpy()
    assert not preparations
    np.testing.assert_allclose(y, layer(x).numpy(), rtol=1e-3, atol=1e-4)


def test_what_could_not_be_prepared_is_not_held():
    weight, kept = minidl.ones(2, 2), Kept()
    assert kept.of(weight, "problem", lambda: "first") == "first"
    weight.add_(1)
    with pytest.raises(MemoryError):
        kept.of(weight, "problem", lambda: (_ for _ in ()).throw(MemoryError))
    assert kept.of(weight, "problem", lambda: "second") == "second"


def test_another_thread_never_gets_the_form_of_another_problem():
    weight, kept, seen = minidl.ones(2, 2), Kept(), []
    kept.of(weight, "small", lambda: "form for small")

    def meanwhile():
        """While one thread prepares for large images, another one asks for the same."""
        other = threading.Thread(
            target=lambda: seen.append(kept.of(weight, "large", lambda: "form for large"))
        )
        other.start()
        other.join()
        return "form for large"

    assert kept.of(weight, "large", meanwhile) == "form for large"
    assert seen == ["form for large"]


def test_a_frozen_layer_without_outputs():
    for rows in (1, 0, 600):
        assert nn.Linear(3, 0).requires_grad_(False)(minidl.ones(rows, 3)).shape == (rows, 0)
