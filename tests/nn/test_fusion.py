"""A layer and its ReLU as one kernel: the bits of the two, and not where somebody could tell."""

from __future__ import annotations

import copy

import pytest

import minidl
from minidl import nn
from minidl.nn import fusion


def _layers(kind):
    if kind == "linear":
        return nn.Linear(40, 33), minidl.randn(20, 40)
    return nn.Conv2d(5, 33, 3, padding=1), minidl.randn(2, 5, 9, 8)


def _step(net, x, inputs):
    x = x.clone().requires_grad_(inputs)
    y = net(x)
    (y * y).sum().backward()
    grads = [p.grad for p in net.parameters()] + [x.grad]
    return [y.detach().numpy().tobytes(), *[None if g is None else g.numpy().tobytes() for g in grads]]


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize(
    ("frozen", "inputs"),
    [
        ("", False),
        ("", True),
        ("weight", False),
        ("weight", True),
        ("bias", False),
        ("bias", True),
        ("both", True),
    ],
)
def test_has_the_bits_of_the_two(kind, frozen, inputs):
    layer, x = _layers(kind)
    layer.weight.requires_grad_(frozen not in ("weight", "both"))
    layer.bias.requires_grad_(frozen not in ("bias", "both"))
    together, apart = nn.Sequential(layer, nn.ReLU()), nn.Sequential(layer, nn.Identity(), nn.ReLU())
    apart = copy.deepcopy(apart)
    assert len(list(fusion.steps(list(together)))) == 1
    assert len(list(fusion.steps(list(apart)))) == 3
    assert _step(together, x, inputs) == _step(apart, x, inputs)


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_second_derivatives(kind):
    layer, x = _layers(kind)
    values = []
    for net in (nn.Sequential(layer, nn.ReLU()), nn.Sequential(layer, nn.Identity(), nn.ReLU())):
        leaf = x.clone().requires_grad_()
        (g,) = minidl.autograd.grad((net(leaf) ** 3).sum(), [leaf], create_graph=True)
        values.append(minidl.autograd.grad((g * g).sum(), [layer.weight])[0].numpy())
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_leaves_alone_what_can_be_observed():
    class Mine(nn.Linear):
        def forward(self, input):
            return super().forward(input) - 100

    def fused(*layers):
        return len(list(fusion.steps(layers))) < len(layers)

    assert fused(nn.Linear(2, 2), nn.ReLU())
    assert fused(nn.Tanh(), nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True), nn.Tanh())
    assert not fused(nn.Linear(2, 2), nn.Tanh())
    assert not fused(Mine(2, 2), nn.ReLU())
    for hooked in (0, 1):
        layers = [nn.Linear(2, 2), nn.ReLU()]
        layers[hooked].register_forward_hook(lambda *_: None)
        assert not fused(*layers)
    patched = nn.Linear(2, 2)
    patched.forward = lambda x: x
    assert not fused(patched, nn.ReLU())
    with minidl.detect_anomaly():
        assert not fused(nn.Linear(2, 2), nn.ReLU())
    assert (nn.Sequential(Mine(2, 2), nn.ReLU())(minidl.ones(1, 2)).detach().numpy() == 0).all()


def test_a_frozen_layer_does_not_keep_its_input():
    import weakref

    layer = nn.Linear(4, 4)
    layer.weight.requires_grad_(False)
    x = minidl.randn(3, 4) * 1
    kept = weakref.ref(x.array)
    y = nn.Sequential(layer, nn.ReLU())(x)
    assert y.requires_grad  # for the bias
    del x
    assert kept() is None
