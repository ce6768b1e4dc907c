"""Adam, SGD and RMSprop against torch.optim, over 20 steps and all combinations of their options."""

import itertools

import numpy as np
import pytest

from minidl.errors import DTypeError, ShapeError
from minidl.kernels import adam, available, rmsprop, sgd, use
from minidl.kernels.threads import get_num_threads, set_num_threads

STEPS = 20
SHAPE = (7, 5)


def _gradients(dtype, seed=1):
    return np.random.default_rng(seed).standard_normal((STEPS, *SHAPE)).astype(dtype)


def _torchs(make_optimizer, dtype):
    """The parameter after each of PyTorch's steps."""
    torch = pytest.importorskip("torch")
    p = torch.from_numpy(_parameter(dtype)).requires_grad_()
    optimizer = make_optimizer(torch.optim, [p])
    history = []
    for g in _gradients(dtype):
        p.grad = torch.from_numpy(g)
        optimizer.step()
        history.append(p.detach().numpy().copy())
    return history


def _parameter(dtype):
    return np.random.default_rng(0).standard_normal(SHAPE).astype(dtype)


def _compare(step, expected, dtype):
    p = _parameter(dtype)
    for number, (g, theirs) in enumerate(zip(_gradients(dtype), expected, strict=True), start=1):
        before = g.copy()
        step(p, g, number)
        np.testing.assert_array_equal(g, before)
        atol = 1e-12 if dtype == np.float64 else 2e-6
        np.testing.assert_allclose(p, theirs, rtol=0, atol=atol)


DTYPES = [np.float64, np.float32]


@pytest.mark.parametrize("name", available("adam"))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta1", [0.9, 0.3])
@pytest.mark.parametrize(
    ("amsgrad", "decay", "maximize", "decoupled"),
    list(itertools.product((False, True), (0, 0.1), (False, True), (False, True))),
)
def test_adam(name, dtype, beta1, amsgrad, decay, maximize, decoupled):
    options = {"lr": 0.01, "weight_decay": decay, "maximize": maximize}
    expected = _torchs(
        lambda optim, p: (optim.AdamW if decoupled else optim.Adam)(
            p, betas=(beta1, 0.99), eps=1e-7, amsgrad=amsgrad, foreach=False, **options
        ),
        dtype,
    )
    m, v = np.zeros((2, *SHAPE), dtype)
    vmax = np.zeros(SHAPE, dtype) if amsgrad else None

    def step(p, g, number):
        with use(adam=name):
            adam.step(
                p, g, m, v, vmax, number, beta1=beta1, beta2=0.99, eps=1e-7, decoupled=decoupled, **options
            )

    _compare(step, expected, dtype)


@pytest.mark.parametrize("name", available("sgd"))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("momentum", "dampening", "nesterov", "decay", "maximize"),
    [
        (momentum, dampening, nesterov, decay, maximize)
        for momentum, dampening, nesterov in (
            (0, 0, False),
            (0.9, 0, False),
            (0.9, 0.5, False),
            (0.9, 0, True),
        )
        for decay in (0, 0.1)
        for maximize in (False, True)
    ],
)
def test_sgd(name, dtype, momentum, dampening, nesterov, decay, maximize):
    options = {
        "lr": 0.05, "momentum": momentum, "dampening": dampening, "nesterov": nesterov, "weight_decay": decay,
        "maximize": maximize,
    }  # fmt: skip
    expected = _torchs(lambda optim, p: optim.SGD(p, foreach=False, **options), dtype)
    buffer = np.full(SHAPE, np.nan, dtype) if momentum else None  # its content is ignored at first

    def step(p, g, number):
        with use(sgd=name):
            sgd.step(p, g, buffer, number == 1, **options)

    _compare(step, expected, dtype)


@pytest.mark.parametrize("name", available("rmsprop"))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [0.9, 0.3])
@pytest.mark.parametrize(
    ("momentum", "centered", "decay", "maximize"),
    list(itertools.product((0, 0.9), (False, True), (0, 0.1), (False, True))),
)
def test_rmsprop(name, dtype, alpha, momentum, centered, decay, maximize):
    options = {
        "lr": 0.001, "alpha": alpha, "eps": 1e-2, "momentum": momentum, "weight_decay": decay,
        "maximize": maximize,
    }  # fmt: skip
    expected = _torchs(lambda optim, p: optim.RMSprop(p, centered=centered, foreach=False, **options), dtype)
    square = np.zeros(SHAPE, dtype)
    buffer = np.zeros(SHAPE, dtype) if momentum else None
    mean = np.zeros(SHAPE, dtype) if centered else None

    def step(p, g, number):
        with use(rmsprop=name):
            rmsprop.step(p, g, square, buffer, mean, **options)

    _compare(step, expected, dtype)


@pytest.mark.parametrize("name", available("rmsprop"))
def test_rmsprop_with_eps_inside_is_kerass(name):
    # Keras: v = rho*v + (1-rho)*g*g; p = p - lr * g / sqrt(v + eps)
    p, g, v = np.array([2.0]), np.array([3.0]), np.array([0.5])
    with use(rmsprop=name):
        rmsprop.step(p, g, v, None, None, lr=0.1, alpha=0.9, eps=0.25, eps_inside=True)
    assert v[0] == pytest.approx(0.9 * 0.5 + 0.1 * 9, rel=1e-15)
    assert p[0] == pytest.approx(2 - 0.1 * 3 / np.sqrt(1.35 + 0.25), rel=1e-15)


@pytest.mark.parametrize("name", available("adam"))
def test_amsgrad_keeps_a_nan(name):
    p, g, m, v, vmax = np.zeros((5, 40))
    g[3] = np.nan
    with use(adam=name):
        adam.step(p, g, m, v, vmax, 1, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-8)
    assert np.flatnonzero(np.isnan(vmax)).tolist() == np.flatnonzero(np.isnan(p)).tolist() == [3]


def test_parameters_in_any_memory_are_changed_in_place():
    expected, strided = _parameter(np.float64), np.zeros((SHAPE[0], 2 * SHAPE[1]))[:, ::2]
    strided[...] = expected
    g = _gradients(np.float64)[0]
    for p in (expected, strided):
        m, v = np.zeros((2, *SHAPE))
        adam.step(p, g, m, v, None, 1, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-8)
        sgd.step(p, g, m, False, lr=0.1, momentum=0.9)
        rmsprop.step(p, g, v, None, None, lr=0.1, alpha=0.9, eps=1e-8)
    np.testing.assert_allclose(strided, expected, rtol=0, atol=1e-14)


def test_float16_parameters_keep_their_dtype():
    p, g, m, v = np.ones((4, 3), np.float16)
    adam.step(p, g, m, v, None, 1, lr=0.5, beta1=0.9, beta2=0.99, eps=1e-3)
    sgd.step(p, g, None, True, lr=0.5)
    assert p.dtype == np.float16
    assert (p < 1).all()


def test_arrays_that_do_not_fit_are_refused_before_anything_is_changed():
    p, m, v = np.ones((3, 4))
    with pytest.raises(ShapeError, match=r"adam: g must be of the parameter's shape \(4,\), got \(5,\)"):
        adam.step(p, np.ones(5), m, v, None, 1, lr=1, beta1=0.9, beta2=0.99, eps=1e-8)
    with pytest.raises(ShapeError, match=r"sgd: state_momentum must be .* \(4,\), got \(3,\)"):
        sgd.step(p, p, np.ones(3), False, lr=1, momentum=0.9)
    with pytest.raises(DTypeError, match=r"rmsprop: state_square must be .* float64, got float32"):
        rmsprop.step(p, p, np.ones(4, np.float32), None, None, lr=1, alpha=0.9, eps=1e-8)
    assert (p == 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_do_not_depend_on_threads_nor_on_the_size(dtype):
    """The same bits from one thread and from two, and from a piece of the parameter alone."""
    threads = get_num_threads()
    start = np.random.default_rng(0).standard_normal((7, 100_003)).astype(dtype)
    start[2:] = np.abs(start[2:])

    def stepped(arrays):
        p, g, m, v, vmax, buffer, mean = arrays = [a.copy() for a in arrays]
        adam.step(p, g, m, v, vmax, 3, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1)
        sgd.step(p, g, buffer, False, lr=0.1, momentum=0.9, nesterov=True)
        sgd.step(p, g, None, True, lr=0.1, weight_decay=0.1)
        rmsprop.step(p, g, v, m, mean, lr=0.1, alpha=0.9, eps=1e-8, momentum=0.9)
        return np.array(arrays)

    try:
        set_num_threads(1)
        expected = stepped(start)
        set_num_threads(2)
        np.testing.assert_array_equal(stepped(start), expected)
    finally:
        set_num_threads(threads)
    np.testing.assert_array_equal(stepped(start[:, 33_333:33_400]), expected[:, 33_333:33_400])
