"""Every schedule against PyTorch's, step by step: rates and momenta, alone, composed, and going on from a state."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, WeightsError

S = minidl.optim.lr_scheduler


def constant_then_exponential(s: Any, o: Any) -> Any:
    return s.SequentialLR(o, [s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)], milestones=[4])


def linear_then_cosine(s: Any, o: Any) -> Any:
    parts = [s.LinearLR(o, 0.25, total_iters=4), s.CosineAnnealingLR(o, 8), s.StepLR(o, 2)]
    return s.SequentialLR(o, parts, milestones=[5, 13])


SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "step": lambda s, o: s.StepLR(o, 3, gamma=0.5),
    "milestones": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], gamma=0.3),
    "constant": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=4),
    "linear": lambda s, o: s.LinearLR(o, 0.3, 0.9, total_iters=6),
    "linear to 0": lambda s, o: s.LinearLR(o, 1.0, 0.0, total_iters=6),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "polynomial": lambda s, o: s.PolynomialLR(o, total_iters=7, power=1.5),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 5, eta_min=0.01),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, eta_min=0.01),
    "longer restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=20),
    "one cycle, linear": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.1], epochs=5, steps_per_epoch=5, anneal_strategy="linear", pct_start=0.25, div_factor=10
    ),
    "one cycle, three phases": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=20, three_phase=True),
    "one cycle of the rate": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=20, cycle_momentum=False),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.1, step_size_up=4),
    "cyclic, halved": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.1, 3, 5, mode="triangular2"),
    "cyclic, shrinking": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "cyclic, own scale": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, 3, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations", cycle_momentum=False
    ),
    "lambda": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 1 - 0.1 / e),
    "constant, then exponential": constant_then_exponential,
    "linear, cosine, step": linear_then_cosine,
    "chained": lambda s, o: s.ChainedScheduler(
        [s.LinearLR(o, 0.5, total_iters=4), s.ExponentialLR(o, 0.9), s.StepLR(o, 4)]
    ),
    "chained cosine": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.5, 3), s.CosineAnnealingLR(o, 6)], o
    ),
}


def optimizer(library: Any, name: str = "SGD") -> Any:
    groups = [
        {"params": [library.zeros(2, requires_grad=True)]},
        {"params": [library.zeros(2, requires_grad=True)], "lr": 0.4},
    ]
    options = {"momentum": 0.5} if name == "SGD" else {}
    return getattr(library.optim, name)(groups, lr=0.2, **options)


def state_of(optimizer: Any) -> list[float]:
    """The rates and momenta of all groups."""
    momenta = [g["betas"][0] if "betas" in g else g["momentum"] for g in optimizer.param_groups]
    return [float(g["lr"]) for g in optimizer.param_groups] + momenta


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_step_is_pytorchs(schedule: str, name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is what the schedules are compared with")
    ours, theirs = optimizer(minidl, name), optimizer(torch, name)
    own = SCHEDULES[schedule](S, ours)
    other = SCHEDULES[schedule](torch.optim.lr_scheduler, theirs)
    for _ in range(19):
        assert state_of(ours) == pytest.approx(state_of(theirs), rel=1e-12, abs=1e-17)
        assert own.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-12, abs=1e-17)
        ours.step()
        theirs.step()
        own.step()
        other.step()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_state_goes_on_bit_for_bit(schedule: str) -> None:
    """Through a file, in a scheduler of the same arguments."""
    whole = optimizer(minidl)
    scheduler = SCHEDULES[schedule](S, whole)
    file = io.BytesIO()
    expected = []
    for step in range(15):
        if step == 7:
            minidl.save({"optimizer": whole.state_dict(), "scheduler": scheduler.state_dict()}, file)
        scheduler.step()
        expected.append(state_of(whole))
    resumed = optimizer(minidl)
    scheduler = SCHEDULES[schedule](S, resumed)
    state = minidl.load(io.BytesIO(file.getvalue()))
    resumed.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    found = []
    for _ in range(7, 15):
        scheduler.step()
        found.append(state_of(resumed))
    assert found == expected[7:]


@pytest.mark.parametrize("options", [
    {}, {"mode": "max"}, {"threshold_mode": "abs", "threshold": 0.05}, {"mode": "max", "threshold_mode": "abs"},
    {"cooldown": 2, "patience": 1}, {"min_lr": [0.05, 0.1], "factor": 0.3}, {"patience": 0, "eps": 0.01},
])  # fmt: skip
def test_a_plateau_is_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is what the schedules are compared with")
    options = {"patience": 2, **options}
    ours, theirs = optimizer(minidl), optimizer(torch)
    own = S.ReduceLROnPlateau(ours, **options)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    values = [1.0, 0.9, 0.95, 0.9, 0.9, 0.9, 0.89, 1.2, 1.3, math.nan, 1.1, 1.0, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6]
    for value in values:
        own.step(minidl.tensor(value, dtype=minidl.float64))
        other.step(value)
        assert state_of(ours) == pytest.approx(state_of(theirs), rel=1e-12)
        assert own.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-12)
    assert own.get_last_lr() != [0.2, 0.4]
    resumed = S.ReduceLROnPlateau(ours, **options)
    resumed.load_state_dict(own.state_dict())
    assert resumed.state_dict() == own.state_dict()


def test_restarts_at_fractions_of_epochs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is what the schedules are compared with")
    for mult in (1, 2):
        ours, theirs = optimizer(minidl), optimizer(torch)
        own = S.CosineAnnealingWarmRestarts(ours, 3, mult)
        other = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 3, mult)
        for epoch in (0.25, 1.5, 2.75, 3.5, 8.9, 9.25, 20.5):
            own.step(epoch)
            other.step(epoch)
            assert state_of(ours) == pytest.approx(state_of(theirs), rel=1e-12)
            assert own.last_epoch == other.last_epoch


def test_going_on_from_the_optimizers_state_alone() -> None:
    whole = optimizer(minidl)
    scheduler = S.ExponentialLR(whole, 0.5)
    scheduler.step()
    again = S.ExponentialLR(whole, 0.5, last_epoch=scheduler.last_epoch)
    again.step()
    assert again.base_lrs == [0.2, 0.4]
    assert again.get_last_lr() == pytest.approx([0.05, 0.1])


def test_a_rate_that_is_a_tensor() -> None:
    o = minidl.optim.SGD([minidl.zeros(2, requires_grad=True)], lr=minidl.tensor(0.5))
    scheduler = S.ExponentialLR(o, 0.5)
    scheduler.step()
    assert scheduler.get_last_lr() == [0.25]


SGD = optimizer(minidl)
CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: S.StepLR(0.1, 2), DTypeError, "StepLR: optimizer must be an Optimizer, got float"),
    (lambda: S.StepLR(SGD, 0), ArgumentError, "StepLR: step_size must be an int of at least 1, got 0"),
    (
        lambda: S.StepLR(optimizer(minidl), 2, last_epoch=3),
        WeightsError,
        r"StepLR: param_groups\[0\] must be one that",
    ),
    (lambda: S.ConstantLR(SGD, 2), ArgumentError, r"ConstantLR: factor must be in \(0, 1\], got 2"),
    (lambda: S.LinearLR(SGD, 0), ArgumentError, r"LinearLR: start_factor must be in \(0, 1\], got 0"),
    (
        lambda: S.LinearLR(SGD, end_factor=2),
        ArgumentError,
        r"LinearLR: end_factor must be in \[0, 1\], got 2",
    ),
    (lambda: S.CosineAnnealingLR(SGD, 0), ArgumentError, "T_max must be an int of at least 1, got 0"),
    (
        lambda: S.CosineAnnealingWarmRestarts(SGD, 1.5),
        ArgumentError,
        "T_0 must be an int of at least 1, got 1.5",
    ),
    (
        lambda: S.CosineAnnealingWarmRestarts(SGD, 2).step(-1),
        ArgumentError,
        "epoch must be not negative, got -1",
    ),
    (
        lambda: S.OneCycleLR(SGD, 0.1),
        ArgumentError,
        "total_steps must be given, or epochs and steps_per_epoch, got None",
    ),
    (
        lambda: S.OneCycleLR(SGD, 0.1, epochs=0, steps_per_epoch=3),
        ArgumentError,
        "epochs must be an int of at least 1",
    ),
    (lambda: S.OneCycleLR(SGD, 0.1, 5, pct_start=2), ArgumentError, r"pct_start must be in \[0, 1\], got 2"),
    (
        lambda: S.OneCycleLR(SGD, 0.1, 5, anneal_strategy="sin"),
        ArgumentError,
        "anneal_strategy must be 'cos' or 'linear'",
    ),
    (
        lambda: S.OneCycleLR(SGD, [0.1], 5),
        ArgumentError,
        "max_lr must be a value for each of the 2 groups, got 1",
    ),
    (lambda: S.CyclicLR(SGD, 0.1, 0.2, mode="up"), ArgumentError, "CyclicLR: mode must be 'triangular' or"),
    (
        lambda: S.CyclicLR(minidl.optim.Optimizer([minidl.zeros(1)], {"lr": 0.1}), 0.1, 0.2),
        ArgumentError,
        "cycle_momentum must be False for an optimizer without momentum and betas, got True",
    ),
    (
        lambda: S.LambdaLR(SGD, 0.9),
        DTypeError,
        "LambdaLR: lr_lambda must be a function of the epoch, got float",
    ),
    (
        lambda: S.LambdaLR(SGD, [math.sqrt]),
        ArgumentError,
        "lr_lambda must be a value for each of the 2 groups, got 1",
    ),
    (lambda: S.ReduceLROnPlateau(SGD, factor=1), ArgumentError, "factor must be below 1, got 1"),
    (lambda: S.ReduceLROnPlateau(SGD, "low"), ArgumentError, "mode must be 'min' or 'max', got"),
    (
        lambda: S.SequentialLR(SGD, [], []),
        ArgumentError,
        "SequentialLR: schedulers must be at least one schedule",
    ),
    (
        lambda: S.SequentialLR(SGD, [S.StepLR(SGD, 1)], [1]),
        ArgumentError,
        "milestones must be 0, one less than schedules",
    ),
    (
        lambda: S.ChainedScheduler([S.StepLR(SGD, 1), S.StepLR(optimizer(minidl), 1)]),
        ArgumentError,
        r"schedulers\[1\] must be of the same optimizer, got another one's",
    ),
    (
        lambda: S.ChainedScheduler([]),
        ArgumentError,
        "ChainedScheduler: schedulers must be at least one schedule",
    ),
    (
        lambda: S.ChainedScheduler([S.ReduceLROnPlateau(SGD)]),
        ArgumentError,
        r"schedulers\[0\] must be a schedule that needs no metrics at its steps, got ReduceLROnPlateau",
    ),
    (lambda: S.LRScheduler(SGD), NotImplementedError, r"LRScheduler must define get_lr\(\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=[case[2][:40] for case in CASES])
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_one_cycle_ends() -> None:
    scheduler = S.OneCycleLR(optimizer(minidl), 0.1, total_steps=2)
    scheduler.step()
    scheduler.step()
    with pytest.raises(ArgumentError, match="called at most total_steps, 2, times, got the 3th call"):
        scheduler.step()
