"""Where a network is cut: below the first module that learns, is random, or that somebody watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minidl import nn
from minidl.tensor import Tensor
from minidl.training.splitting import CannotCache, obstacle, split


def convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU()
    )  # fmt: skip


def names(modules: nn.Sequential) -> list[str]:
    return [type(module).__name__ for module in modules]


def test_the_bottom_takes_the_layers_without_parameters_with_it() -> None:
    net = nn.Sequential(
        convolutions().freeze(), nn.Flatten(), nn.Dropout(0.0), nn.Dropout(0.5), nn.Linear(6, 2)
    )
    base, head = split(net)
    assert names(base) == ["Sequential", "Flatten", "Dropout"]
    assert list(head) == [net[3], net[4]]
    assert base[0] is net[0]


def test_the_cut_can_be_inside_of_a_part() -> None:
    inner = convolutions().freeze("0", "1")
    base, head = split(nn.Sequential(nn.Sequential(inner, nn.Flatten()), nn.Linear(6, 2)))
    assert list(base) == list(inner)[:4]
    assert names(head) == ["Conv2d", "ReLU", "Flatten", "Linear"]


class Halves(nn.Module):
    """What a network looks like that declares its halves."""

    def __init__(self) -> None:
        super().__init__()
        self.features = convolutions()
        self.classifier = nn.Linear(6, 2)

    @property
    def base(self) -> nn.Module:
        return self.features

    @property
    def head(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), self.classifier)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def test_a_network_may_declare_its_halves() -> None:
    net = Halves().freeze("features")
    base, head = split(net)
    assert names(base) == ["Sequential", "Flatten"]
    assert list(head) == [net.classifier]
    base, head = split(nn.Sequential(Halves().freeze("features.0", "features.1"), nn.ReLU(), nn.Linear(2, 2)))
    assert names(base) == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert names(head) == ["Conv2d", "ReLU", "Sequential", "ReLU", "Linear"]


class OwnForward(nn.Sequential):
    def forward(self, input: Any) -> Any:
        return super().forward(input) + 1


def with_hook(kind: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        net = nn.Sequential(nn.Linear(2, 2).freeze(), nn.Linear(2, 2))
        getattr(net[0], f"register_{kind}_hook")(lambda *_: None)
        return net

    return make


def watched_whole() -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 2).freeze(), nn.Linear(2, 2))
    net.register_forward_hook(lambda *_: None)
    return net


def frozen(*first: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*first, nn.Linear(2, 2))


CANNOT = {
    "nothing frozen": (frozen(nn.Linear(2, 2)), "the model has no frozen bottom: Linear '0' is not frozen"),
    "no parameters": (frozen(nn.Flatten(), nn.ReLU()), "the model has no frozen bottom: Linear '2' is not frozen"),
    "all frozen": (lambda: nn.Sequential(nn.Linear(2, 2)).freeze(), "all of the model is frozen"),
    "dropout": (frozen(nn.Dropout(0.1), nn.Linear(2, 2).freeze()), "no frozen bottom: Dropout '0' is random"),
    "dropout inside": (
        frozen(nn.Sequential(nn.Sequential(nn.Dropout(0.1)), nn.Linear(2, 2)).freeze()),
        "no frozen bottom: Dropout '0.0.0' is random",
    ),
    "moving statistics": (
        frozen(nn.BatchNorm1d(2).requires_grad_(False)),
        r"the statistics of BatchNorm1d '0' move: freeze\(\) stops them",
    ),
    "statistics of the batch": (
        frozen(nn.BatchNorm1d(2, track_running_stats=False).freeze()),
        "BatchNorm1d '0' normalises with each batch's own statistics",
    ),
    "forward pre-hook": (with_hook("forward_pre"), "no frozen bottom: Linear '0' has hooks"),
    "forward hook": (with_hook("forward"), "no frozen bottom: Linear '0' has hooks"),
    "backward hook": (with_hook("full_backward"), "no frozen bottom: Linear '0' has hooks"),
    "hook on the whole": (watched_whole, "no frozen bottom: the Sequential has hooks"),
    "own forward": (lambda: OwnForward(nn.Linear(2, 2).freeze(), nn.Linear(2, 2)), "Linear '1' is not frozen"),
    "no Sequential": (lambda: nn.Linear(2, 2), "the Linear is not frozen"),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT)
def test_what_cannot_be_cut_says_why(case: str) -> None:
    make, message = CANNOT[case]
    with pytest.raises(CannotCache, match=message):
        split(make())


def test_a_hook_that_was_removed_is_none() -> None:
    net = nn.Linear(2, 2).freeze()
    handle = net.register_forward_hook(lambda *_: None)
    assert obstacle(net) == "the Linear has hooks"
    handle.remove()
    assert obstacle(net) is None
