"""gradcheck and gradgradcheck of every operation that has a derivative. None is forgotten: names are compared."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest

import minidl
import minidl.ops
from minidl.random import stream
from minidl.testing import gradcheck, gradgradcheck

# In the expressions ``T`` is minidl and ``F`` its nn.functional. All of the tensors are (3, 4), require a gradient and
# are away from kinks and ties: x and y of both signs, p and q above 0.3, u in (-0.9, 0.9).
SMOOTH = {
    # arithmetic
    "add": "T.add(x, y, alpha=2)", "sub": "x - y[0]", "mul": "x * y", "div": "x / p", "neg": "-x", "positive": "+x",
    "remainder": "T.remainder(x, p)", "fmod": "T.fmod(x, p)", "pow": "p ** x", "square": "T.square(x)",
    "sqrt": "T.sqrt(p)", "rsqrt": "T.rsqrt(p)", "reciprocal": "T.reciprocal(p)",
    "lerp": "T.lerp(x, y, u)", "addcmul": "T.addcmul(x, y, u, value=2)", "addcdiv": "T.addcdiv(x, y, p, value=2)",
    # exponentials, logarithms, angles
    "exp": "T.exp(x)", "exp2": "T.exp2(x)", "expm1": "T.expm1(x)", "log": "T.log(p)", "log2": "T.log2(p)",
    "log10": "T.log10(p)", "log1p": "T.log1p(p)", "logaddexp": "T.logaddexp(x, y)", "erf": "T.erf(x)",
    "sin": "T.sin(x)", "cos": "T.cos(x)", "tan": "T.tan(u)", "asin": "T.asin(u)", "acos": "T.acos(u)",
    "atan": "T.atan(x)", "atan2": "T.atan2(x, p)", "sinh": "T.sinh(x)", "cosh": "T.cosh(x)", "tanh": "T.tanh(x)",
    "asinh": "T.asinh(x)", "acosh": "T.acosh(p + 1)", "atanh": "T.atanh(u)", "sigmoid": "T.sigmoid(x)",
    # smooth but for kinks, and choices
    "abs": "T.abs(x) * x", "relu": "T.relu(x) * x", "frac": "T.frac(x) * x", "nan_to_num": "T.nan_to_num(x) * x",
    "maximum": "T.maximum(x, y) * x", "minimum": "T.minimum(x, y) * x", "clamp": "T.clamp(x, -1, y + 2) * x",
    "clamp_min": "T.clamp_min(x, -0.1) * x", "clamp_max": "T.clamp_max(x, y) * x",
    "where": "T.where(x > 0, x * y, y * y)", "masked_fill": "x.masked_fill(x > 0, 2.0) * y",
    "masked_select": "T.masked_select(x * x, x > 0)",
    # activations
    "softmax": "T.softmax(x, 1)", "log_softmax": "T.log_softmax(x, 0)", "softmin": "F.softmin(x, 1)",
    "logsigmoid": "F.logsigmoid(x)", "relu6": "F.relu6(x) * x", "hardtanh": "F.hardtanh(x) * x",
    "hardsigmoid": "F.hardsigmoid(x) * x", "hardswish": "F.hardswish(x)", "threshold": "F.threshold(x, 0.1, 2.0) * x",
    "leaky_relu": "F.leaky_relu(x) * x", "prelu": "F.prelu(x, y[0])", "elu": "F.elu(x, 0.7)", "selu": "F.selu(x)",
    "gelu": "F.gelu(x), F.gelu(x, approximate='tanh')", "silu": "F.silu(x)", "mish": "F.mish(x)",
    "softplus": "F.softplus(x, 2.0)", "softsign": "F.softsign(x)", "glu": "F.glu(x)",
    "relu_": "F.relu_(x * y) * x", "hardtanh_": "F.hardtanh_(x * 1) * x",
    "threshold_": "F.threshold_(x * 1, 0.1, 2.0)",
    "leaky_relu_": "F.leaky_relu_(x * x)", "elu_": "F.elu_(x * y)", "selu_": "F.selu_(x * y)",
    # reductions
    "sum": "T.sum(x * x, 1)", "mean": "T.mean(x * x, 0)", "prod": "T.prod(x, 1)", "var": "T.var(x, 1)",
    "std": "T.std(x, 0)", "var_mean": "T.var_mean(x, 1)", "std_mean": "T.std_mean(x)",
    "logsumexp": "T.logsumexp(x, 1)",
    "max": "T.max(x * x, 1)", "min": "T.min(x * x)", "amax": "T.amax(x * x, 1)", "amin": "T.amin(x * x, (0, 1))",
    "norm": "T.norm(x, 3, dim=1)", "cumsum": "T.cumsum(x * x, 1)", "cumprod": "T.cumprod(x, 0)",
    "cummax": "T.cummax(x * x, 1)", "cummin": "T.cummin(x * x, 0)", "diff": "T.diff(x * x, 2)",
    "vector_norm": "T.linalg.vector_norm(x, 2.5)", "matrix_norm": "T.linalg.matrix_norm(x, 'nuc')",
    "sort": "T.sort(x * x, 1)", "topk": "T.topk(x * x, 2)", "kthvalue": "T.kthvalue(x * x, 2)",
    "median": "T.median(x * x), T.median(x * x, 1)", "quantile": "T.quantile(x * x, 0.3, 1)",
    # shapes and places: the square makes them more than linear
    "clone": "T.clone(x) ** 2", "reshape": "T.reshape(x, (2, 6)) ** 2", "ravel": "T.ravel(x) ** 2",
    "flatten": "T.flatten(x) ** 2", "unflatten": "T.unflatten(x, 1, (2, 2)) ** 2", "squeeze": "T.squeeze(x[:1]) ** 2",
    "unsqueeze": "T.unsqueeze(x, 1) ** 2", "permute": "T.permute(x, (1, 0)) ** 2",
    "transpose": "T.transpose(x, 0, 1) ** 2", "t": "T.t(x) ** 2", "movedim": "T.movedim(x, 0, 1) ** 2",
    "swapaxes": "T.swapaxes(x, 0, 1) ** 2", "broadcast_to": "T.broadcast_to(x[0], (2, 4)) ** 2",
    "select": "T.select(x, 1, 2) ** 2",
    "narrow": "T.narrow(x, 1, 1, 2) ** 2", "tile": "T.tile(x, (2, 2)) ** 2", "flip": "T.flip(x, (1,)) ** 2",
    "roll": "T.roll(x, 3) ** 2", "cat": "T.cat([x, y], 1) ** 2", "stack": "T.stack([x, y], 1) ** 2",
    "split": "T.split(x * x, 2, 1)", "chunk": "T.chunk(x * x, 2)", "unbind": "T.unbind(x * x)",
    "hstack": "T.hstack([x, y]) ** 2", "vstack": "T.vstack([x, y]) ** 2", "dstack": "T.dstack([x, y]) ** 2",
    "column_stack": "T.column_stack([x, y]) ** 2", "meshgrid": "[g * g for g in T.meshgrid(x[0], y[0])]",
    "gather": "T.gather(x * x, 1, i)", "take_along_dim": "T.take_along_dim(x * x, i, 1)",
    "index_select": "T.index_select(x * x, 1, i[0])", "scatter": "T.scatter(x, 1, j, y) * x",
    "scatter_add": "T.scatter_add(x, 1, i, y) ** 2", "index_add": "T.index_add(x, 1, i[0], y[:, :2], alpha=3) ** 2",
    "repeat_interleave": "T.repeat_interleave(x, 2, 1) ** 2", "pad": "F.pad(x, (1, 2), mode='reflect') ** 2",
    "tril": "T.tril(x) ** 2", "triu": "T.triu(x) ** 2", "diagonal": "T.diagonal(x) ** 2", "diag": "T.diag(x[0]) ** 2",
    "unfold": "F.unfold(x[None, None], 2) ** 2", "fold": "F.fold((x * x)[None, :2, :2].reshape(1, 4, 1), 2, 2)",
    "pixel_shuffle": "F.pixel_shuffle(x.reshape(4, 1, 3), 2) ** 2",
    "pixel_unshuffle": "F.pixel_unshuffle(x.reshape(1, 2, 6), 2) ** 2", "embedding": "F.embedding(i % 3, x) ** 2",
    "interpolate": "F.interpolate(x[None], 7, mode='linear') ** 2",
    # products
    "matmul": "T.matmul(x, y.T)", "mm": "T.mm(x, y.T)", "bmm": "T.bmm(x[None], y.T[None])", "mv": "T.mv(x, y[0])",
    "dot": "T.dot(x[0], y[0])", "outer": "T.outer(x[0], y[1])", "linear": "F.linear(x, y, u[:, 0])",
    "addmm": "T.addmm(u[:, :3], x, y.T, beta=2, alpha=3)", "baddbmm": "T.baddbmm(u[None, :, :3], x[None], y.T[None])",
    "cross": "T.cross(x, y)", "trace": "T.trace(x * x)", "einsum": "T.einsum('ij,kj,ij->ik', x, y, u)",
    "tensordot": "T.tensordot(x, y, ([1], [1]))",
    "conv1d": "F.conv1d(x[None], y.reshape(2, 3, 2), u[0, :2])", "conv2d": "F.conv2d(x[None], y.reshape(3, 1, 2, 2))",
    "conv_transpose1d": "F.conv_transpose1d(x[None], y.reshape(3, 2, 2), u[0, :2], stride=2)",
    "conv_transpose2d": "F.conv_transpose2d(x[None], y.reshape(1, 3, 2, 2))",
    "scaled_dot_product_attention": "F.scaled_dot_product_attention(x, y, u, is_causal=True)",
    # pooling and normalisation
    "max_pool1d": "F.max_pool1d(x * x, 2)", "max_pool2d": "F.max_pool2d((x * x)[None], 2)",
    "avg_pool1d": "F.avg_pool1d(x * x, 2)", "avg_pool2d": "F.avg_pool2d((x * x)[None], 2, padding=1)",
    "adaptive_avg_pool1d": "F.adaptive_avg_pool1d(x * x, 3)",
    "adaptive_avg_pool2d": "F.adaptive_avg_pool2d((x * x)[None], 2)",
    "adaptive_max_pool2d": "F.adaptive_max_pool2d((x * x)[None], 2)",
    "batch_norm": "F.batch_norm(x, None, None, y[0], u[0], training=True)",
    "layer_norm": "F.layer_norm(x, (4,), y[0], u[0])",
    "group_norm": "F.group_norm(x, 2, y[0], u[0])",
    "instance_norm": "F.instance_norm(x[None], None, None, y[:, 0], u[:, 0])",
    "rms_norm": "F.rms_norm(x, (4,), y[0])", "normalize": "F.normalize(x)",
    "dropout": "F.dropout(x * x, 0.0)", "dropout2d": "F.dropout2d((x * x)[None, None], 0.0)",
    # losses
    "mse_loss": "F.mse_loss(x, y)", "l1_loss": "F.l1_loss(x, y, reduction='none') * x",
    "nll_loss": "F.nll_loss(x * x, c)",
    "cross_entropy": "F.cross_entropy(x, c, label_smoothing=0.1), F.cross_entropy(x, u.softmax(1))",
    "binary_cross_entropy": "F.binary_cross_entropy(p / 4, q / 4)",
    "binary_cross_entropy_with_logits":
        "F.binary_cross_entropy_with_logits(x, q / 4, pos_weight=w)",
    "smooth_l1_loss": "F.smooth_l1_loss(x, y, beta=0.7) * x.sum()",
    "huber_loss": "F.huber_loss(x, y, delta=0.7) * x.sum()",
    "kl_div": "F.kl_div(x, p, reduction='sum')", "gaussian_nll_loss": "F.gaussian_nll_loss(x, y, p)",
    "poisson_nll_loss": "F.poisson_nll_loss(x, p)",
    "ctc_loss": "F.ctc_loss(x[:, None].log_softmax(2), l, (3,), (1,))",
    "cosine_similarity": "F.cosine_similarity(x, y)", "pairwise_distance": "F.pairwise_distance(x, y)",
    "triplet_margin_loss": "F.triplet_margin_loss(x, y, u)",
    "cosine_embedding_loss": "F.cosine_embedding_loss(x, y, (c > 0) * 2 - 1, margin=-1.0)",
    "margin_ranking_loss": "F.margin_ranking_loss(x * x, y, x.detach().sign(), margin=0.5)",
}  # fmt: skip

# Comparisons, places and counts; steps, whose derivative is 0; what is drawn at random.
WITHOUT_DERIVATIVE = """
eq ne lt le gt ge logical_and logical_or logical_xor logical_not isnan isinf isfinite bitwise_and bitwise_or bitwise_xor
bitwise_not all any isclose allclose equal is_tensor is_floating_point is_complex is_signed numel argmax argmin argsort
searchsorted nonzero unique bincount one_hot floor_divide sign floor ceil trunc round bernoulli multinomial
"""


def names() -> set[str]:
    """The operations' public names; of several for one operation, the function's own."""
    modules = [
        importlib.import_module(f"minidl.ops.{m.name}") for m in pkgutil.iter_modules(minidl.ops.__path__)
    ]
    modules += [minidl.nn.functional, minidl.linalg]
    found = [getattr(module, name) for module in modules for name in getattr(module, "__all__", ())]
    return {f.__name__ for f in found} - {"linalg_norm", "linalg_cross"}  # choices among the others


def test_every_operation_is_listed() -> None:
    assert names() ^ {*SMOOTH, *WITHOUT_DERIVATIVE.split()} == set()


def point() -> dict[str, Any]:
    """Numbers whose distances from each other and from kinks are much more than gradcheck's step."""
    random = stream(11)
    values: dict[str, Any] = {
        name: random.permutation(np.linspace(-1.7, 1.93, 12) + shift).reshape(3, 4)
        for name, shift in (("x", 0.0), ("y", 0.041))
    }
    values |= {name: np.abs(random.permutation(values["x"].ravel()).reshape(3, 4)) + 0.3 for name in "pq"}
    values["u"] = random.permutation(np.linspace(-0.87, 0.83, 12)).reshape(3, 4)
    return values


CONSTANTS = {
    "T": minidl,
    "F": minidl.nn.functional,
    "i": minidl.tensor([[0, 3], [2, 1], [1, 1]]),
    "j": minidl.tensor([[3, 0, 1, 2], [0, 1, 2, 3], [2, 3, 0, 1]]),  # each place once
    "c": minidl.tensor([1, 0, 3]),
    "w": minidl.tensor([1.0, 2.0, 3.0, 4.0], dtype=minidl.float64),
    "l": minidl.tensor([[2]]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_first_and_second_derivative(name: str) -> None:
    code = compile(SMOOTH[name], name, "eval")
    used = [v for v in "xypqu" if v in code.co_names]
    tensors = [minidl.tensor(point()[v], requires_grad=True) for v in used]

    def function(*given: Any) -> Any:
        return eval(code, CONSTANTS | dict(zip(used, given, strict=True)))

    assert gradcheck(function, tensors)
    assert gradgradcheck(function, tensors)
