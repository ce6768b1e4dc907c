"""Convolution from its definition, its bilinearity, and PyTorch's; each implementation in turn."""

import numpy as np
import pytest

import minidl
from minidl.errors import KernelError
from minidl.kernels import available, conv2d, use
from minidl.kernels.conv2d import winograd_fused
from minidl.kernels.registry import operation
from minidl.kernels.threads import get_num_threads, set_num_threads

NAMES = available("conv2d")
WINOGRAD = ("winograd2", "winograd4")
# x shape, w shape, stride, padding, dilation, groups
SHAPES = [
    ((2, 3, 9, 8), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 1, 11, 12), (5, 1, 5, 5), (2, 1), (2, 0), (1, 2), 1),
    ((2, 12, 7, 7), (6, 4, 2, 3), (3, 2), (1, 2), (2, 1), 3),
    ((2, 10, 6, 6), (7, 10, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 6, 7, 5), (12, 1, 3, 3), (1, 1), (1, 1), (1, 1), 6),
    ((2, 3, 6, 11), (35, 3, 3, 3), (1, 1), (0, 2), (1, 1), 1),
    ((1, 4, 5, 5), (3, 4, 3, 3), (1, 1), (4, 3), (1, 1), 1),
]


def _supports(name, x_shape, w_shape, *rest):
    kernel, functions = operation("conv2d").load(name), operation("conv2d").functions
    return all(kernel.supports(f, np.dtype("float64"), x_shape, w_shape, *rest) for f in functions)


# Every implementation with every shape that it takes.
PAIRS = [(name, shape) for name in NAMES for shape in SHAPES if _supports(name, *shape)]


def _arrays(x_shape, w_shape, *rest, seed=0):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
    y = conv2d.forward(x, w, *rest)
    return x, w, rng.standard_normal(y.shape), y


@pytest.mark.parametrize(("name", "shape"), [p for p in PAIRS if p[1] in (SHAPES[0], SHAPES[2])])
def test_equals_the_definition_in_loops(name, shape):
    (n, _, h, width), (f, cg, kh, kw), (sh, sw), (ph, pw), (dh, dw), groups = shape
    with use(conv2d=name):
        x, w, _, y = _arrays(*shape)
    _, _, oh, ow = y.shape
    expected = np.zeros_like(y)
    for out in np.ndindex(n, f, oh, ow):
        sample, filter_, i, j = out
        for channel, a, b in np.ndindex(cg, kh, kw):
            row, column = i * sh + a * dh - ph, j * sw + b * dw - pw
            if 0 <= row < h and 0 <= column < width:
                pixel = x[sample, filter_ // (f // groups) * cg + channel, row, column]
                expected[out] += pixel * w[filter_, channel, a, b]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_the_gradients_are_the_transposes_of_the_bilinear_map(name, shape):
    x_shape, w_shape, *rest = shape
    with use(conv2d=name):
        x, w, g, y = _arrays(*shape)
        direct = np.vdot(g, y)
        assert np.vdot(conv2d.input_grad(g, w, x_shape, *rest), x) == pytest.approx(direct, rel=1e-9)
        assert np.vdot(conv2d.weight_grad(x, g, w_shape, *rest), w) == pytest.approx(direct, rel=1e-9)
        # In other directions than those in which g was computed.
        v, u, *_ = _arrays(*shape, seed=1)
        moved = np.vdot(g, conv2d.forward(v, w, *rest))
        assert np.vdot(conv2d.input_grad(g, w, x_shape, *rest), v) == pytest.approx(moved, rel=1e-9)
        moved = np.vdot(g, conv2d.forward(x, u, *rest))
        assert np.vdot(conv2d.weight_grad(x, g, w_shape, *rest), u) == pytest.approx(moved, rel=1e-9)


@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_equals_pytorch(name, shape):
    torch = pytest.importorskip("torch")
    x_shape, w_shape, *rest = shape
    with use(conv2d=name):
        x, w, g, y = _arrays(*shape)
        dx = conv2d.input_grad(g, w, x_shape, *rest)
        dw = conv2d.weight_grad(x, g, w_shape, *rest)
    tx, tw = (torch.from_numpy(a).requires_grad_() for a in (x, w))
    ty = torch.conv2d(tx, tw, None, *rest)
    ty.backward(torch.from_numpy(g))
    for ours, theirs in ((y, ty.detach()), (dx, tx.grad), (dw, tw.grad)):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "shape"), PAIRS)
def test_memory_orders_of_the_results(name, shape):
    x_shape, w_shape, *rest = shape
    with use(conv2d=name):
        x, w, g, y = _arrays(*shape)
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous
        assert conv2d.input_grad(g, w, x_shape, *rest).transpose(0, 2, 3, 1).flags.c_contiguous
        assert conv2d.weight_grad(x, g, w_shape, *rest).flags.c_contiguous


EXACT = [name for name in NAMES if name not in ("reference", *WINOGRAD)]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("channels", [1, 16])
def test_a_sample_has_the_same_bits_in_every_batch(name, channels):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((70, channels, 14, 14), np.float32)
    w = rng.standard_normal((8, channels, 3, 3), np.float32)
    rest = ((1, 1), (1, 1), (1, 1), 1)
    with use(conv2d=name):
        if not conv2d.operation.load(name).supports("forward", x.dtype, x.shape, w.shape, *rest):
            pytest.skip("not this one's shape")
        whole = conv2d.forward(x, w, *rest)
        for first, last in ((0, 1), (3, 10), (69, 70)):
            part = conv2d.forward(x[first:last], w, *rest)
            np.testing.assert_array_equal(part, whole[first:last])


# Large enough for two threads; the last has more channels than a patch holds at once.
PARALLEL_SHAPES = [
    ((5, 24, 30, 31), (40, 24, 3, 3), (2, 1), (1, 1), (1, 1), 1),
    ((1, 64, 20, 20), (130, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((3, 32, 20, 20), (64, 8, 3, 3), (1, 1), (1, 1), (1, 1), 4),
    ((2, 64, 40, 40), (64, 1, 3, 3), (1, 1), (1, 1), (1, 1), 64),
    ((2, 2100, 5, 5), (20, 2100, 5, 5), (1, 1), (2, 2), (1, 1), 1),
]


def _three(shape, dtype=np.float32):
    x_shape, w_shape, *rest = shape
    x, w, g, _y = _arrays(*shape)
    x, w, g = (a.astype(dtype) for a in (x, w, g))
    return (
        conv2d.forward(x, w, *rest),
        conv2d.input_grad(g, w, x_shape, *rest),
        conv2d.weight_grad(x, g, w_shape, *rest),
    )


@pytest.mark.parametrize("name", [name for name in EXACT if name != "im2col"])
@pytest.mark.parametrize("shape", PARALLEL_SHAPES)
def test_the_bits_do_not_depend_on_the_threads(name, shape):
    x_shape, w_shape, *rest = shape
    if not conv2d.operation.load(name).supports("forward", np.dtype("float32"), x_shape, w_shape, *rest):
        pytest.skip("not this one's shape")
    with use(conv2d=name):
        several = _three(shape)
        before = minidl.get_num_threads()
        minidl.set_num_threads(1)
        try:
            one = _three(shape)
        finally:
            minidl.set_num_threads(before)
    with use(conv2d="im2col"):
        expected = _three(shape, np.float64)
    for a, b, c in zip(several, one, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=0, atol=1e-5 * np.abs(c).max())


@pytest.mark.parametrize("name", EXACT)
def test_float32_is_as_exact_as_a_matrix_product(name):
    rng = np.random.default_rng(0)
    x_shape, w_shape = (2, 64, 14, 14), (32, 64, 3, 3)
    rest = ((1, 1), (1, 1), (1, 1), 1)
    if not conv2d.operation.load(name).supports("forward", np.dtype("float32"), x_shape, w_shape, *rest):
        pytest.skip("not this one's shape")
    x, w = rng.standard_normal(x_shape, np.float32), rng.standard_normal(w_shape, np.float32)
    g = rng.standard_normal((2, 32, 14, 14), np.float32)

    def compute(dtype):
        a, b, c = (array.astype(dtype) for array in (x, w, g))
        return (
            conv2d.forward(a, b, *rest),
            conv2d.input_grad(c, b, x_shape, *rest),
            conv2d.weight_grad(a, c, w_shape, *rest),
        )

    with use(conv2d="reference"):
        exact = compute(np.float64)
    with use(conv2d=name):
        ours = compute(np.float32)
    # The same numbers of rows, of summands and of columns as matrices.
    for result, expected, (m, k, n) in zip(
        ours, exact, ((392, 576, 32), (392, 288, 64), (576, 392, 32)), strict=True
    ):
        a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        product = np.abs(a @ b - a.astype(np.float64) @ b.astype(np.float64)).max()
        assert np.abs(result - expected).max() <= 2 * product


def test_the_policy():
    rest = ((1, 1), (1, 1), (1, 1))

    def kernel(x_shape, w_shape, groups=1, dilation=(1, 1)):
        return conv2d.policy("forward", np.dtype("float32"), x_shape, w_shape, *rest[:2], dilation, groups)

    assert kernel((8, 64, 28, 28), (64, 1, 3, 3), 64) == "depthwise"
    assert kernel((8, 64, 28, 28), (448, 1, 3, 3), 64) == "direct"
    assert kernel((8, 1, 28, 28), (64, 1, 3, 3)) == "direct"
    assert kernel((1, 1, 100, 100), (1, 1, 90, 90)) == "implicit_gemm"
    assert kernel((1, 4, 310, 310), (4, 4, 3, 3), dilation=(150, 150)) == "implicit_gemm"
    assert kernel((2, 32, 64, 64), (32, 1, 3, 3), 32, dilation=(20, 20)) == "direct"
    # Winograd's from 16 channels, from 32 with many others, for weight gradients then from 64; 3x3 at stride 1 only.
    assert kernel((8, 64, 28, 28), (64, 64, 3, 3)) == "winograd4"
    assert kernel((8, 16, 28, 28), (64, 16, 3, 3)) == "winograd4"
    assert kernel((8, 16, 6, 6), (64, 16, 3, 3)) == "winograd2"
    assert kernel((8, 16, 2, 2), (64, 16, 3, 3)) == "direct"
    assert kernel((8, 8, 28, 28), (64, 8, 3, 3)) == "winograd4"
    assert kernel((8, 8, 7, 7), (64, 8, 3, 3)) == "direct"
    assert kernel((8, 16, 28, 28), (256, 16, 3, 3)) == "direct"
    assert kernel((8, 512, 4, 4), (512, 512, 3, 3)) == "winograd2"
    assert kernel((8, 512, 2, 2), (512, 512, 3, 3)) == "direct"
    assert kernel((8, 64, 28, 28), (64, 64, 5, 5)) == "direct"
    assert kernel((8, 64, 28, 28), (64, 32, 3, 3), 2) == "direct"
    # A few filters of many channels: dot products. Of gradients it is x's channels that count.
    assert kernel((8, 64, 28, 28), (2, 64, 3, 3)) == "dots"
    assert kernel((8, 64, 28, 28), (32, 64, 5, 5)) == "direct"
    few = ((8, 3, 28, 28), (64, 3, 7, 7), *rest, 1)
    assert conv2d.policy("forward", np.dtype("float32"), *few) == "direct"
    assert conv2d.policy("input_grad", np.dtype("float32"), *few) == "dots"
    assert conv2d.policy("weight_grad", np.dtype("float32"), *few) == "direct"
    narrow = ((8, 32, 28, 28), (128, 32, 3, 3), *rest, 1)
    assert conv2d.policy("input_grad", np.dtype("float32"), *narrow) == "winograd4"
    assert conv2d.policy("weight_grad", np.dtype("float32"), *narrow) == "direct"
    assert conv2d.policy("forward", np.dtype("int64"), *narrow) == "im2col"


def test_what_the_direct_kernels_leave_to_others():
    rest = ((1, 1), (0, 0), (1, 1))
    for name, shapes in (
        ("direct", ((1, 1, 500, 500), (1, 1, 400, 400))),
        ("depthwise", ((1, 2, 9, 9), (4, 2, 3, 3))),
    ):
        kernel = conv2d.operation.load(name)
        assert not kernel.supports("forward", np.dtype("float32"), *shapes, *rest, 1)
    # The forward patch of these fits into the buffer, that of the input gradient, with all filters of a channel, not.
    many = ((2, 2, 16, 16), (32, 1, 7, 7), *rest, 2)
    kernel = conv2d.operation.load("depthwise")
    assert kernel.supports("forward", np.dtype("float32"), *many)
    assert not kernel.supports("input_grad", np.dtype("float32"), *many)


@pytest.mark.parametrize(
    "problem",
    [
        ((1, 2, 310, 310), (3, 2, 3, 3), (1, 1), (0, 0), (150, 150), 1),
        ((1, 32, 50, 50), (32, 1, 3, 3), (1, 1), (20, 20), (20, 20), 32),
        ((1, 1, 12, 300), (1, 1, 2, 2), (1, 1), (0, 0), (11, 290), 1),
    ],
)
def test_filters_dilated_far(problem):
    x, w, g, y = _arrays(*problem)
    rest, reference = problem[2:], conv2d.operation.load("reference")
    np.testing.assert_allclose(y, reference.forward(x, w, *rest), atol=1e-12)
    dx, dw = conv2d.input_grad(g, w, x.shape, *rest), conv2d.weight_grad(x, g, w.shape, *rest)
    np.testing.assert_allclose(dx, reference.input_grad(g, w, x.shape, *rest), atol=1e-11)
    np.testing.assert_allclose(dw, reference.weight_grad(x, g, w.shape, *rest), atol=1e-10)


REST = ((1, 1), (1, 1), (1, 1), 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bias_and_relu_in_the_kernel_give_the_bits_of_the_steps_apart(name, dtype):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in ((2, 5, 9, 7), (19, 5, 3, 3)))
    if name == "depthwise":
        x, w = (np.ascontiguousarray(a[:, :1]) for a in (x, w))
    bias = rng.standard_normal(19).astype(dtype)
    with use(conv2d=name):
        y = conv2d.forward(x, w, *REST)
        y += bias.reshape(-1, 1, 1)
        np.testing.assert_array_equal(conv2d.forward(x, w, *REST, bias), y)
        np.testing.assert_array_equal(conv2d.forward(x, w, *REST, bias, True), np.maximum(y, 0))
        assert (y < 0).any()
        z = conv2d.forward(x, w, *REST)
        np.testing.assert_array_equal(conv2d.forward(x, w, *REST, None, True), np.maximum(z, 0))


@pytest.mark.parametrize("name", NAMES)
def test_nan_comes_through_the_fused_relu(name):
    x, w = np.zeros((1, 2, 6, 6), np.float32), np.ones((3, 2, 3, 3), np.float32)
    x[0, 1, 2, 2] = np.nan
    if name == "depthwise":
        x, w = (np.ascontiguousarray(a[:, 1:]) for a in (x, w))
    with use(conv2d=name):
        y = conv2d.forward(x, w, *REST, np.ones(3, np.float32), True)
    assert np.isnan(y[0, :, 1:4, 1:4]).all()


@pytest.mark.parametrize("name", [*WINOGRAD, "direct"])
def test_prepared_filters_give_the_same_bits(name):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 7, 9, 8), np.float32), rng.standard_normal((20, 7, 3, 3), np.float32)
    with use(conv2d=name):
        prepared = conv2d.prepare(w, x.shape, *REST)
        assert prepared.shape == w.shape
        np.testing.assert_array_equal(conv2d.forward(x, prepared, *REST), conv2d.forward(x, w, *REST))
    with use(conv2d="im2col"):  # another kernel takes the filters themselves
        assert conv2d.prepare(w, x.shape, *REST) is None
        np.testing.assert_array_equal(conv2d.forward(x, prepared, *REST), conv2d.forward(x, w, *REST))


@pytest.mark.parametrize("name", WINOGRAD)
def test_winograd_takes_filters_of_3x3_at_stride_1(name):
    x, w = np.ones((1, 2, 8, 8)), np.ones((2, 2, 3, 3))
    for other in (
        (x, np.ones((2, 2, 5, 5)), *REST),
        (x, w, (2, 1), (1, 1), (1, 1), 1),
        (x, w, (1, 1), (1, 1), (1, 2), 1),
        (x, np.ones((2, 1, 3, 3)), (1, 1), (1, 1), (1, 1), 2),
    ):
        with use(conv2d=name), pytest.raises(KernelError, match=f"kernel '{name}' is forced .* not support"):
            conv2d.forward(*other)


def _winograd_results(name, shape, padding=(1, 1), dtype=np.float32):
    n, c, h, w, f = shape
    rng = np.random.default_rng(0)
    x, k = rng.standard_normal((n, c, h, w)).astype(dtype), rng.standard_normal((f, c, 3, 3)).astype(dtype)
    rest = ((1, 1), padding, (1, 1), 1)
    with use(conv2d=name):
        y = conv2d.forward(x, k, *rest)
        g = rng.standard_normal(y.shape).astype(dtype)
        return y, conv2d.input_grad(g, k, x.shape, *rest), conv2d.weight_grad(x, g, k.shape, *rest)


@pytest.mark.parametrize("name", WINOGRAD)
@pytest.mark.parametrize("shape", [(8, 64, 30, 29, 48), (3, 150, 15, 9, 20)])
def test_winograd_gives_the_same_bits_on_one_thread_and_on_two(name, shape):
    threads = get_num_threads()
    if threads < 2:
        pytest.skip("one core")
    several = _winograd_results(name, shape)
    set_num_threads(1)
    try:
        one = _winograd_results(name, shape)
    finally:
        set_num_threads(threads)
    for a, b in zip(several, one, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", WINOGRAD)
@pytest.mark.parametrize(("c", "f"), [(48, 40), (130, 40)])
def test_winograd_gives_a_sample_the_same_bits_in_every_batch(name, c, f):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((70, c, 14, 14), np.float32), rng.standard_normal((f, c, 3, 3), np.float32)
    with use(conv2d=name):
        y = conv2d.forward(x, w, *REST)
        dx = conv2d.input_grad(y, w, x.shape, *REST)
        for part in (slice(0, 1), slice(3, 10), slice(69, 70)):
            np.testing.assert_array_equal(conv2d.forward(x[part], w, *REST), y[part])
            np.testing.assert_array_equal(conv2d.input_grad(y[part], w, x[part].shape, *REST), dx[part])


@pytest.mark.parametrize("name", WINOGRAD)
@pytest.mark.parametrize(
    "shape", [(3, 16, 9, 14, 32), (1, 70, 6, 7, 5), (9, 3, 5, 20, 50), (2, 64, 14, 14, 64)]
)
def test_winograd_in_one_task_gives_the_bits_of_its_steps_one_by_one(name, shape, monkeypatch):
    together = _winograd_results(name, shape)
    calls = []
    for function in ("convolve", "weight_gradient"):
        monkeypatch.setattr(winograd_fused, function, lambda *args: calls.append(args) or False)
    apart = _winograd_results(name, shape)
    assert len(calls) == 3
    np.testing.assert_array_equal(together[0], apart[0])
    np.testing.assert_array_equal(together[1], apart[1])
    # The weights' gradient is summed in other blocks of tiles.
    np.testing.assert_allclose(together[2], apart[2], rtol=0, atol=2e-6 * np.abs(apart[2]).max())


def test_the_policy_knows_where_winograd_is_one_task():
    for c in range(8, 150, 4):
        for f in range(8, 150, 4):
            if (
                conv2d.winograd_for("forward", (1, c, 6, 6), (f, c, 3, 3), (1, 1)) == "winograd2"
                and min(c, f) < 128
            ):
                for itemsize in (4, 8):
                    assert winograd_fused.matrices(36, c, f, itemsize, winograd_fused.ROWS)


# As the docstrings state them: forward, input gradient, weight gradient.
WINOGRAD_BOUNDS = {"winograd2": (1e-6, 1e-6, 1e-6), "winograd4": (2.5e-6, 2.5e-6, 2.5e-6)}


@pytest.mark.parametrize("name", WINOGRAD)
@pytest.mark.parametrize("shape", [(2, 64, 56, 56, 64), (2, 512, 14, 14, 512), (16, 16, 32, 32, 16)])
def test_winograd_keeps_the_error_that_it_states(name, shape):
    results = _winograd_results(name, shape)
    exact = _winograd_results("im2col", shape, dtype=np.float64)
    for got, want, bound in zip(results, exact, WINOGRAD_BOUNDS[name], strict=True):
        assert np.abs(got - want).max() <= bound * np.abs(want).max()
