"""What a module prints."""

from __future__ import annotations

import numpy as np

from minidl import nn


def test_a_network():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)),
        nn.Flatten(),
        nn.Linear(8, 10),
    ).freeze("0.0", "0.1.weight")
    net[2].bias.requires_grad_(False)
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Sequential(\n"
        "    (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))  # 224 parameters, frozen\n"
        "    (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
        "  # 16 parameters: 8 trainable, 8 frozen\n"
        "    (2): ReLU(inplace=True)\n"
        "  )  # 240 parameters: 8 trainable, 232 frozen\n"
        "  (1): Flatten(start_dim=1, end_dim=-1)\n"
        "  (2): Linear(in_features=8, out_features=10, bias=True)"
        "  # 90 parameters: 80 trainable, 10 without gradient\n"
        ")  # 330 parameters: 88 trainable, 232 frozen, 10 without gradient"
    )


def test_without_parameters():
    assert repr(nn.Sequential(nn.ReLU())) == "Sequential(\n  (0): ReLU()\n)"
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.ReLU().freeze()) == "ReLU()"


def test_of_one_kind():
    assert (
        repr(nn.Linear(784, 32)) == "Linear(in_features=784, out_features=32, bias=True)  # 25,120 parameters"
    )
    assert repr(nn.Linear(1, 1).freeze()).endswith("  # 2 parameters, frozen")
    assert repr(nn.Linear(1, 1).requires_grad_(False)).endswith("  # 2 parameters, without gradient")


def test_frozen_statistics_without_parameters():
    assert repr(nn.BatchNorm1d(2, affine=False).freeze()).endswith("track_running_stats=True)  # frozen")


def test_shared_parameters_count_once():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    assert repr(net).splitlines()[-1] == ")  # 4 parameters"


def test_a_module_of_ones_own():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(np.zeros(3))
            self.act = nn.ReLU()

        def extra_repr(self):
            return "depth=1"

    assert repr(Net()) == "Net(\n  depth=1\n  (act): ReLU()\n)  # 3 parameters"
