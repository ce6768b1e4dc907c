"""nn.utils: clipping gradients; parameters as a vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl import nn
from minidl.errors import ArgumentError, DTypeError, GradError, ShapeError
from minidl.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters
from minidl.tensor import Tensor


def parameters(*gradients: object) -> list[nn.Parameter]:
    found = []
    for g in gradients:
        p = nn.Parameter(np.zeros(np.shape(g) if g is not None else 1))
        p.grad = None if g is None else Tensor(np.array(g, dtype=np.float64))
        found.append(p)
    return found


GRADIENTS = ([[3.0, -4.0], [0.0, 12.0]], None, [84.0], [[0.5]])


@pytest.mark.parametrize("max_norm", [1.0, 20, 1000.0])
@pytest.mark.parametrize("norm_type", [2.0, 1, 0.5, 3, math.inf, 0])
def test_clipping_by_norm_is_pytorchs(max_norm, norm_type):
    torch = pytest.importorskip("torch")
    ours = parameters(*GRADIENTS)
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in ours]
    for p, g in zip(theirs, GRADIENTS, strict=True):
        p.grad = None if g is None else torch.tensor(g, dtype=torch.float64)
    norm = clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert norm.item() == pytest.approx(expected.item(), rel=1e-12)
    for p, q in zip(ours, theirs, strict=True):
        if q.grad is None:
            assert p.grad is None
        else:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


def test_the_norm_is_that_of_all_gradients_together():
    first, second = parameters([3.0], [4.0])
    assert clip_grad_norm_((p for p in (first, second)), 1.0).item() == 5.0
    assert first.grad.item() == pytest.approx(0.6, rel=1e-6)
    assert second.grad.item() == pytest.approx(0.8, rel=1e-6)


def test_one_parameter_or_none():
    (p,) = parameters([10.0])
    assert clip_grad_norm_(p, 1.0).item() == 10.0
    assert clip_grad_norm_([], 1.0).item() == 0.0


def test_float32_gradients_do_not_overflow():
    p = nn.Parameter(np.zeros(2, np.float32))
    p.grad = Tensor(np.array([3e30, 4e30], np.float32))
    norm = clip_grad_norm_([p], 1.0)
    assert norm.dtype == np.float32
    assert norm.item() == pytest.approx(5e30)
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_gradients_that_are_not_finite(bad):
    (p,) = parameters([bad, 1.0])
    with pytest.raises(
        GradError, match=rf"^clip_grad_norm_: the norm of order 2.0 of the gradients is {bad}$"
    ):
        clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist()[1] == 1.0
    clip_grad_norm_([p], 1.0)  # as in PyTorch, everything becomes 0 or nan
    assert p.grad.tolist()[1] != 1.0


def test_norms_have_an_order_from_0():
    with pytest.raises(ArgumentError, match=r"^clip_grad_norm_: norm_type must be at least 0, got -1.0$"):
        clip_grad_norm_([], 1.0, -1)


def test_clipping_by_value():
    first, second, third = parameters([-3.0, 0.5, 2.0], None, [9.0])
    clip_grad_value_([first, second, third], 1)
    assert first.grad.tolist() == [-1.0, 0.5, 1.0]
    assert third.grad.tolist() == [1.0]


def test_parameters_as_a_vector_and_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).double()
    vector = parameters_to_vector(net.parameters())
    assert vector.tolist() == [x for p in net.parameters() for x in p.array.ravel()]
    vector.sum().backward()
    assert net[0].weight.grad.tolist() == [[1, 1]] * 3  # it is differentiable
    vector_to_parameters(Tensor(np.arange(13.0)), net.parameters())
    assert net[0].bias.tolist() == [6, 7, 8]
    assert net[1].bias.tolist() == [12]


def test_vectors_must_fit():
    with pytest.raises(ShapeError, match=r"^vector_to_parameters: vec must be of shape \(2,\), got \(3,\)$"):
        vector_to_parameters(Tensor(np.zeros(3)), nn.Linear(1, 1).parameters())
    with pytest.raises(DTypeError, match=r"^vector_to_parameters: vec must be a Tensor, got ndarray$"):
        vector_to_parameters(np.zeros(2), nn.Linear(1, 1).parameters())


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e30])
def test_the_norm_of_large_gradients_neither_overflows_nor_vanishes(scale: float) -> None:
    p = Tensor(np.zeros((300, 400), np.float32), requires_grad=True)
    p.grad = Tensor((np.random.default_rng(0).standard_normal((300, 400)) * scale).astype(np.float32))
    expected = np.linalg.norm(p.grad.array.astype(np.float64))
    assert clip_grad_norm_([p], scale).item() == pytest.approx(expected, rel=1e-6)
    assert np.linalg.norm(p.grad.array.astype(np.float64)) <= scale * 1.00001
