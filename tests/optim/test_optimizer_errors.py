"""Parameters, options and saved state that an optimizer refuses, and what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stepping import parameter, steps

from minidl.errors import ArgumentError, DTypeError, ShapeError, WeightsError
from minidl.optim import SGD, Adam, AdamW, RMSprop
from minidl.tensor import Tensor


def changed(**changes: Any) -> dict[str, Any]:
    """The state of Adam over parameters of shapes (2,) and (3,) after a step, with changes."""
    optimizer = Adam([parameter(2), parameter(3)])
    steps(optimizer, 0, 1)
    return {**optimizer.state_dict(), **changes}


@pytest.mark.parametrize(
    ("saved", "error", "message"),
    [
        (
            {"state": {}},
            WeightsError,
            'load_state_dict: state_dict must be a dict of "state" and "param_groups", got',
        ),
        (
            SGD([parameter(1)]).state_dict(),
            WeightsError,
            r"Adam.load_state_dict: param_groups must be groups of \[2\] parameters, got \[1\]",
        ),
        (changed(param_groups=[]), WeightsError, r"must be groups of \[2\] parameters, got \[\]"),
        (
            RMSprop([parameter(2), parameter(3)]).state_dict(),
            WeightsError,
            r"Adam.load_state_dict: param_groups\[0\] lacks amsgrad, betas, decoupled_weight_decay",
        ),
        (
            changed(state={2: {}}),
            WeightsError,
            "Adam.load_state_dict: every index in state must be one in param_groups, got 2",
        ),
        (
            changed(state={1: {"step": 1, "exp_avg": Tensor(np.ones((1, 3)))}}),
            ShapeError,
            r"load_state_dict: exp_avg of parameter 1 must be of the parameter's shape \(3,\), got \(1, 3\)",
        ),
        (
            changed(param_groups=[{**changed()["param_groups"][0], "lr": -1.0}]),
            ArgumentError,
            r"Adam: lr must be in \[0, inf\), got -1.0",
        ),
    ],
)
def test_state_that_does_not_fit_is_refused_whole(saved: Any, error: type[Exception], message: str) -> None:
    optimizer = Adam([parameter(2), parameter(3)])
    before = optimizer.state_dict()
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(saved)
    assert optimizer.state_dict() == before


def computed() -> Tensor:
    return parameter(2) * parameter(2)


P = parameter(2)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            P,
            DTypeError,
            r"SGD: params must be an iterable of tensors, of \(name, tensor\) pairs or of dicts, got Tensor",
        ),
        (3, DTypeError, "SGD: params must be an iterable of tensors.*, got int"),
        ({P}, DTypeError, "SGD: params must be in an order that repeats, as in a list, got set"),
        (
            [{"params": {P}}],
            DTypeError,
            "SGD: params must be in an order that repeats, as in a list, got set",
        ),
        ([], ArgumentError, "SGD: params must be at least one parameter, got none"),
        ([P, "weight"], DTypeError, r"SGD: params\[1\] must be a Tensor, got str"),
        ([P.array], DTypeError, r"SGD: params\[0\] must be a Tensor, got ndarray"),
        ([computed()], ArgumentError, r"SGD: params\[0\] must be a leaf, got a tensor that was computed"),
        (
            [P, P],
            ArgumentError,
            r"SGD: params\[1\] must be in one group and once, got a parameter seen before",
        ),
        (
            [{"params": [P]}, {"params": [P]}],
            ArgumentError,
            r"SGD: params\[0\] must be in one group and once",
        ),
        (
            [{"params": [P]}, [P]],
            DTypeError,
            'SGD: a parameter group must be a dict with the key "params", got',
        ),
        (
            [{"lr": 0.1}],
            DTypeError,
            "SGD: a parameter group must be a dict with the key \"params\", got {'lr': 0.1}",
        ),
        (
            [("w", P), parameter(2)],
            ArgumentError,
            "SGD: params must be all with names or all without, got some of each",
        ),
        (
            [{"params": [("w", P)]}, {"params": [parameter(1)]}],
            ArgumentError,
            "all with names or all without",
        ),
        ([{"params": P, "lr": -1}], ArgumentError, r"SGD: lr must be in \[0, inf\), got -1"),
    ],
)
def test_wrong_parameters(params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SGD(params)


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (SGD, {"lr": -0.1}, ArgumentError, r"SGD: lr must be in \[0, inf\), got -0.1"),
        (SGD, {"lr": float("nan")}, ArgumentError, r"SGD: lr must be in \[0, inf\), got nan"),
        (SGD, {"lr": "fast"}, DTypeError, "SGD: lr must be a number, got str"),
        (SGD, {"momentum": -1}, ArgumentError, r"SGD: momentum must be in \[0, inf\), got -1"),
        (SGD, {"dampening": None}, DTypeError, "SGD: dampening must be a number, got NoneType"),
        (SGD, {"weight_decay": -1}, ArgumentError, r"SGD: weight_decay must be in \[0, inf\), got -1"),
        (
            SGD,
            {"nesterov": True},
            ArgumentError,
            "SGD: nesterov must be used with momentum and without dampening, got momentum 0 and dampening 0",
        ),
        (
            SGD,
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            ArgumentError,
            "SGD: nesterov must be used with momentum and without dampening, got momentum 0.9 and dampening 0.1",
        ),
        (Adam, {"lr": -1}, ArgumentError, r"Adam: lr must be in \[0, inf\), got -1"),
        (Adam, {"eps": -1}, ArgumentError, r"Adam: eps must be in \[0, inf\), got -1"),
        (Adam, {"weight_decay": -1}, ArgumentError, r"Adam: weight_decay must be in \[0, inf\), got -1"),
        (Adam, {"betas": (1.0, 0.9)}, ArgumentError, r"Adam: betas\[0\] must be in \[0, 1\), got 1.0"),
        (AdamW, {"betas": (0.9, -0.1)}, ArgumentError, r"AdamW: betas\[1\] must be in \[0, 1\), got -0.1"),
        (Adam, {"betas": 0.9}, DTypeError, "Adam: betas must be two numbers, got 0.9"),
        (RMSprop, {"lr": -1}, ArgumentError, r"RMSprop: lr must be in \[0, inf\), got -1"),
        (RMSprop, {"alpha": -1}, ArgumentError, r"RMSprop: alpha must be in \[0, inf\), got -1"),
        (RMSprop, {"eps": -1}, ArgumentError, r"RMSprop: eps must be in \[0, inf\), got -1"),
        (
            RMSprop,
            {"weight_decay": -1},
            ArgumentError,
            r"RMSprop: weight_decay must be in \[0, inf\), got -1",
        ),
        (RMSprop, {"momentum": -1}, ArgumentError, r"RMSprop: momentum must be in \[0, inf\), got -1"),
    ],
)
def test_options_out_of_range(
    make: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make([parameter(2)], **options)
