"""Corners of PyTorch's operations that are seldom met: rounding to integers, counting from the end, dtypes, bounds."""

from __future__ import annotations

import numpy as np
import pytest
from both import check, check_error, normal, torch

import minidl

# Whatever an expression says, both must give it, with its dtype; x is (2, 3) of float64.
SAME = """
x.long().clamp(min=T.tensor([0, 1, 2]))
x.long().clamp(max=T.tensor(1))
x.to(T.int8).clamp(None, T.tensor([1, 0, 1], dtype=T.int16))
T.arange(0.1, -7.9, -4.0, dtype=T.int8)
T.arange(-0.9, 2.1, 2.0, dtype=T.int8)
T.arange(-0.9, 2.1, 2.0, dtype=T.int64)
T.arange(0, 7, 2.5, dtype=T.int32)
T.arange(0, 7, 2.5, dtype=T.int64)
T.arange(5.5, 0.2, -1.9, dtype=T.int32)
T.arange(300, dtype=T.uint8)
T.linspace(4.3, 50, 10, dtype=T.int32)
T.linspace(4.3, -3, 10, dtype=T.int64)
T.linspace(-4.7, 3.9, 5, dtype=T.int8)
T.full_like(x, -9, dtype=T.uint8)
T.full((2,), 2.7, dtype=T.int64)
T.full((2,), inf, dtype=T.float16)
x.half().detach().masked_fill(x > 0, -inf)
T.addmm(x.long()[:, :2], x.long(), x.long().T, beta=1.5, alpha=2.7)
T.baddbmm(x.long()[None, :, :2], x.long()[None], x.long().T[None], beta=0.5, alpha=-1.5)
T.diff(x, 0, 1, x, x)
x.diff(n=0, prepend=x)
T.take_along_dim(x, T.tensor([[-1], [0]]), 1)
x.take_along_dim(T.tensor([[-2, 1, -1]]), dim=0)
T.unique(x, return_inverse=True, return_counts=True)[1]
T.unique(x, return_counts=True, dim=0)[1]
T.tensor([2, -1, -1, 1, 0]) ** T.tensor([-1, -1, -2, -7, -1])
T.pow(2, T.tensor([-1, 0, 3]))
T.tensor([3, -2], dtype=T.int8) ** T.tensor(-1)
T.randperm(4, device='cpu').sort().values
T.rand_like(x, generator=T.Generator()).shape
T.randn_like(x, generator=T.Generator()).dtype == T.float64
T.randint(0, 2, (0,), dtype=T.bool)
x.split(split_size=1)
T.split(x, split_size_or_sections=[1, 2], dim=1)
T.gather(x, 1, T.tensor([[0], [1]]), sparse_grad=False)
y = x.clone(); y.cumprod_(0); y
y = x.clone(); y[0, 1] = 0.0; y.cumprod_(0); y
F.elu_(x.clone(), 0.5), F.selu_(x.clone()), F.leaky_relu_(x.clone(), 0.1)
F.hardtanh_(x * 1, -0.3, 2.0), F.threshold_(x * 1, 0.0, -1.0), F.relu_(x * 1)
T.einsum('ij->i', x.to(T.int8)), T.einsum('ij->ji', x.to(T.int8)), T.einsum('ij->', x > 0)
x.bool().clamp(max=x < 0), T.clamp(x > 0, T.tensor([True, False, True]))
F.hardtanh(x.to(T.uint8), -0.5, 2.0)
F.pad(x.to(T.uint8), (1, 1), value=2.7), F.pad(x.long(), (1, 1), value=-2.7)
F.avg_pool2d(x[None], 2, stride=())
F.max_pool2d(x[None], (2, 3), stride=[])
F.max_pool2d(x.long()[None], 2, return_indices=True)
F.max_pool1d(x.to(T.uint8), 2, 1, return_indices=True)
F.avg_pool2d((x * 10).long()[None], 2, 1, 1)
F.avg_pool1d((x * 10).long(), 2)
F.avg_pool2d((x * 10).long()[None], 2, divisor_override=3)
"""


@pytest.mark.parametrize("expression", SAME.strip().splitlines())
def test_the_same(expression: str) -> None:
    check(expression, x=normal(2, 3) * 3, second=False)


# The call -> what minidl's error says; PyTorch raises too.
WRONG = """
(x // x.flip(0)).sum().backward() -> floor_divide
x.bool().clamp(max=True) -> clamp: input
T.arange(0, 1, 0.5, dtype=T.int64) -> arange: step
T.arange(2, dtype=T.bool) -> arange: dtype
T.linspace(0, 1, 2, dtype=T.bool) -> linspace: dtype
T.randint(257, (2,), dtype=T.uint8) -> randint: low and high
T.randint(-1, 2, (2,), dtype=T.uint8) -> randint: low and high
T.randint(3, (2,), dtype=T.bool) -> randint: low and high
T.randint(2**30, (2,), dtype=T.float16) -> randint: low and high
T.full((2,), -300, dtype=T.uint8) -> full: value
T.full(2, 3) -> full: size
T.full((2,), -9.5, dtype=T.uint8) -> full: value
T.full((2,), 1e30, dtype=T.float16) -> full: value
x.half().detach().masked_fill(x > 0, -1e9) -> masked_fill: value
T.isclose(x, x, rtol=-1.0) -> isclose: rtol
T.allclose(x, x, atol=-1e-8) -> isclose: atol
T.cumsum(x > 0, 1, dtype=T.bool) -> cumsum: dtype
T.cumprod(x, 1, dtype=T.bool) -> cumprod: dtype
T.quantile(x.half(), 0.5) -> quantile: input
T.searchsorted(x > 0, x > 0) -> searchsorted: sorted_sequence
T.fmod(2, x) -> fmod: input
T.div(x > 0, x > 0, rounding_mode='trunc') -> div: an operand
x.long() ** -1 -> pow: exponent
F.logsigmoid(x.long()) -> logsigmoid: input
F.hardtanh(x.to(T.uint8)) -> hardtanh: the lower bound
F.avg_pool2d(x.int()[None], 2) -> avg_pool2d: input
F.pad(x.to(T.uint8), (1, 1), value=-1) -> pad: value
T.linalg.vector_norm(x, dtype=T.float32) -> linalg.vector_norm: dtype
F.elu(x, alpha='a') -> elu: alpha
F.leaky_relu(x, None) -> leaky_relu: negative_slope
F.softplus(x, beta='a') -> softplus: beta
F.threshold(x, 'a', 0) -> threshold: threshold
F.hardtanh(x, None, 1.0) -> hardtanh: min_val
F.gelu(x, 'tanh') -> argument
F.layer_norm(x, 3) -> layer_norm: normalized_shape
F.rms_norm(x, 3) -> rms_norm: normalized_shape
F.dropout(x, training=0) -> dropout: training
F.nll_loss(x, T.tensor([0, 1]), x[0]) -> nll_loss: there is no gradient for weight
F.cross_entropy(x, T.tensor([0, 1]), x[0]) -> cross_entropy: there is no gradient for weight
F.cross_entropy(x, T.tensor([0, 1]), label_smoothing='a') -> cross_entropy: label_smoothing
F.huber_loss(x, x, delta='a') -> huber_loss: delta
F.smooth_l1_loss(x, x, beta='a') -> smooth_l1_loss: beta
F.gaussian_nll_loss(x, x, T.ones(2, 3, dtype=T.int64)) -> gaussian_nll_loss: var
F.cosine_similarity(x, x, eps='a') -> cosine_similarity: eps
F.normalize(x, p='a') -> normalize: p
F.interpolate(x[None], scale_factor='a') -> interpolate: scale_factor
F.scaled_dot_product_attention(x, x, x, scale='a') -> scaled_dot_product_attention: scale
F.max_pool2d(x.bool()[None], 2) -> max_pool2d: input
"""


@pytest.mark.parametrize(("call", "words"), [line.split(" -> ") for line in WRONG.strip().splitlines()])
def test_wrong(call: str, words: str) -> None:
    check_error(call, words, x=np.array(normal(2, 3)))


# Float16 is summed, squared and interpolated in float32: else values would overflow, and sums stand still.
HALF = """
x.var(0), x.std(1), T.var_mean(x * 100, 1)
(x + 100).std(0)
T.linalg.vector_norm(x, 1, dim=0), T.linalg.vector_norm(x, 6), T.norm(x * 100)
F.normalize(x * 100, dim=1), F.cosine_similarity(x * 100, x.flip(0), dim=1)
F.layer_norm(x * 100, (4,)), F.layer_norm(x.T, (3000,))
F.rms_norm(x * 200, (4,)), F.rms_norm(x * 0.001, (4,), x[0])
F.batch_norm(x * 100, None, None, training=True)
F.group_norm(x[:8], 1, x[0], x[1]), F.instance_norm(x.T[None] * 100)
m = T.zeros(4).half(); v = T.ones(4).half(); F.batch_norm(x, m, v, training=True); T.stack([m, v])
F.interpolate(x.T[None], 7, mode='linear')
x.sum(0), x.mean(1), x.T @ x, T.cumsum(x * 0.01, 0)
"""


@pytest.mark.parametrize("expression", HALF.strip().splitlines())
def test_half_precision(expression: str) -> None:
    check(expression, tol=4e-3, x=normal(3000, 4).astype(np.float16), second=False)


def test_ctc_loss_of_float32_is_computed_in_float64() -> None:
    """PyTorch's gradient is off by 3e-4 here, because float32 does not tell sums of 200 logarithms apart."""
    logits = normal(200, 2, 8) * 3
    labels, times, lengths = np.arange(60).reshape(2, 30) % 7 + 1, [200, 180], [30, 25]
    gradients = []
    for library, dtype in ((minidl, np.float32), (torch, np.float64)):
        x = library.tensor(logits.astype(dtype), requires_grad=True)
        f = library.nn.functional
        f.ctc_loss(f.log_softmax(x, 2), library.tensor(labels), times, lengths, reduction="sum").backward()
        gradients.append(x.grad.numpy())
    assert gradients[0].dtype == np.float32
    assert np.max(np.abs(gradients[0] - gradients[1])) < 2e-6
