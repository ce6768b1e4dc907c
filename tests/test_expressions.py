"""Operations against PyTorch, over many forms of call, dtypes, shapes, memory layouts and extreme values."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from both import check

from minidl.random import stream

inf, nan = math.inf, math.nan
EXTREME = np.array(
    [0.0, -0.0, 1.0, -1.0, inf, -inf, nan, 1e30, -1e30, 1e-30, -1e-30, 5e-324, 1e308, 0.5, 2.5, -2.5, 100.0, -1e4]
)
DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]
pytestmark = pytest.mark.filterwarnings("ignore:.*(degrees of freedom|deprecated)")  # PyTorch's


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(stream(seed, *shape, len(shape)).standard_normal(shape))


def sample(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Numbers from -4 to 4 (from 0 for unsigned ones), or bools."""
    if dtype == "bool":
        return np.asarray(stream(seed, *shape).random(shape) > 0.5)
    if dtype[0] == "f":
        return normal(*shape, seed=seed).astype(dtype)
    return np.asarray(stream(seed, *shape).integers(0 if dtype == "uint8" else -4, 5, shape)).astype(dtype)


def nonzero(a: np.ndarray) -> np.ndarray:
    return np.where(a == 0, np.ones_like(a), a)


UNARY = ["abs", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "neg", "square", "sign", "logical_not", "isnan",
         "isinf", "isfinite", "negative", "clone"]  # fmt: skip
UNDEFINED = {("abs", "bool"), ("neg", "bool"), ("negative", "bool"), ("relu", "bool")}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: str) -> None:
    if (name, dtype) in UNDEFINED:
        return
    for shape in ((), (0,), (1,), (3, 4), (2, 0, 3), (2, 1, 3, 1, 2)):
        x = sample(dtype, *shape)
        check(f"T.{name}(x), x.{name}()", x=np.abs(x) if name in ("log", "sqrt") else x)


@pytest.mark.parametrize("name", UNARY)
def test_unary_of_extreme_values_and_layouts(name: str) -> None:
    for dtype in ("float64", "float32"):
        with np.errstate(over="ignore"):
            check(f"T.{name}(x)", x=EXTREME.astype(dtype), second=False)
    x = np.abs(normal(4, 6)) if name in ("log", "sqrt") else normal(4, 6)
    check(f"T.{name}(x.T), T.{name}(x[::2, 1::2]), T.{name}(x.flip(0)), T.{name}(input=x)", x=x)


BINARY = ["add", "sub", "mul", "div", "pow", "floor_divide", "remainder", "fmod", "maximum", "minimum", "eq", "ne",
          "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]  # fmt: skip
NO_GRADIENT = {"floor_divide"}  # in PyTorch
OF_NUMBERS = {"sub", "floor_divide", "remainder", "fmod", "pow"}  # not of bools alone


@pytest.mark.parametrize(("a", "b"), list(itertools.product(DTYPES, DTYPES)))
def test_binary_dtypes(a: str, b: str) -> None:
    for name, shape in itertools.product(BINARY, ((4,), ())):
        if (name in OF_NUMBERS and a == b == "bool") or (name == "sub" and "bool" in (a, b)):
            continue
        x, y = sample(a, 3, 4), nonzero(sample(b, *shape, seed=3))
        if name == "pow":
            x, y = np.abs(x) if a != "bool" else x, np.abs(y) if b != "bool" else y
            if "bool" in (a, b):  # PyTorch cannot go backward there
                continue
        half = "float16" in (a, b) or name in NO_GRADIENT
        calls = f"T.{name}(x.detach(), y.detach())" if half else f"T.{name}(x, y)"
        check(calls, x=x, y=y, tol=1e-5 if "float32" in (a, b) else 1e-9, second=a == b)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "%", "==", "!=", "<", "<=", ">", ">="])
def test_operators(sign: str) -> None:
    for s, t in [((3, 1), (1, 4)), ((0, 3), (1, 3)), ((), (2,)), ((2, 1, 3), (4, 1)), ((), ()), ((0,), (1,))]:
        x = np.abs(normal(*s)) + 0.1
        check(f"x {sign} y", x=x, y=normal(*t, seed=1))
    for dtype, number in itertools.product(DTYPES, (2, 2.5, True, 3)):
        if (dtype == "bool" and number is True) or (sign == "-" and (dtype == "bool" or number is True)):
            continue
        x = nonzero(sample(dtype, 3, 4))
        x = np.abs(x) if sign == "**" and dtype != "bool" else x
        check(f"x.detach() {sign} {number}", x=x)
        if (sign, number) != ("**", True):
            check(f"{number} {sign} x.detach()", x=x)
    if sign != "%":  # PyTorch's remainder is inexact for large quotients
        x, y = np.repeat(EXTREME, EXTREME.size), np.tile(EXTREME, EXTREME.size)
        check(f"x {sign} y", x=x, y=y, second=False)


@pytest.mark.parametrize(
    "expression",
    ["T.add(x, y, alpha=2)", "T.sub(x, 2, alpha=0.5)", "x.clone().add_(y, alpha=-1)", "T.add(x.long(), 2, alpha=3)",
     "T.div(x, y, rounding_mode='floor')", "T.div(x, y, rounding_mode='trunc')", "T.div(x.long(), 2, rounding_mode='trunc')",
     "x.long() / 0", "x / 0", "x ** -1", "x.long() ** 2", "0 ** x.abs().detach()", "T.pow(2.5, x.long())", "x ** y[0, 0]",
     "x.pow(exponent=2)", "1 - x", "2 / x", "+x", "~(x > 0)", "x.bool() + 1", "x.bool() * 2.5", "x.half() + y.float()",
     "x.long() + T.tensor(2.5)", "x.to(T.uint8) + (-1)", "x.to(T.int8) * 200", "300 - x.to(T.uint8)", "x == None",
     "x != 'a'", "x == [1, 2]", "x.square(), T.square(x > 0)", "T.maximum(x, y), T.minimum(x[0], y)",
     "T.maximum(x, x), T.minimum(x[0, 0], y[0, 0])", "T.clamp(x, -0.5, 0.5)", "x.clamp(min=y)", "x.clamp(y, y + 1)",
     "x.clip(max=0.1)", "x.clamp(0.5, -0.5)", "x.long().clamp(0, 1)", "x.long().clamp(min=0.5)", "(x > 0).clamp(max=0)",
     "x.clamp(min=y[0], max=y[1])", "T.where(x > 0, x, y)", "T.where(x > 0, x, 0)", "T.where(x > 0, 1, 0)", "T.where(x > 0)",
     "T.where(x[0, 0] > -9)", "x.where(x > 0, y)", "T.where(x[0] > 0, x.long(), 2.5)", "T.where(x > 0, x.log(), 0.0)",
     "x.isclose(y), x.allclose(x + 1e-9)", "T.isclose(x, y, rtol=10, atol=1, equal_nan=True)", "T.equal(x, y[0])"],
)  # fmt: skip
def test_forms_of_arithmetic(expression: str) -> None:
    check(expression, x=normal(2, 3), y=normal(2, 3, seed=4), second="**" not in expression)


def test_gradients_at_nan_and_at_ties() -> None:
    x, y = np.array([1.0, 2.0, nan, inf, 0.0]), np.array([1.0, 3.0, 1.0, inf, -0.0])
    check("T.maximum(x, y), T.minimum(x, y), x.relu(), x.abs(), x.sign(), x.clamp(y, y + 1)", x=x, y=y, second=False)


@pytest.mark.parametrize(
    "name",
    ["add_", "sub_", "mul_", "div_", "pow_", "remainder_", "fmod_", "subtract_", "multiply_", "divide_",
     "true_divide_", "eq_", "ne_", "lt_", "le_", "gt_", "ge_"],
)  # fmt: skip
def test_in_place_with_a_number(name: str) -> None:
    check(f"y = x.clone(); y.{name}(2); y" if name[:2] not in ("eq", "ne", "lt", "le", "gt", "ge") else
          f"y = x.detach().clone(); y.{name}(2); y", x=normal(3, 4))  # fmt: skip


@pytest.mark.parametrize(
    "call",
    ["abs_()", "neg_()", "negative_()", "exp_()", "square_()", "tanh_()", "sigmoid_()", "relu_()", "sign_()",
     "clip_(0, 1)", "clamp_(min=0.1)", "fill_(3)", "fill_(T.tensor(2))", "zero_()", "copy_(x[0])", "copy_(2)",
     "masked_fill_(x > 0, 1.5)"],
)  # fmt: skip
def test_in_place(call: str) -> None:
    check(f"y = x.clone(); y.{call}; y", x=normal(3, 4), second=False)
    check(f"y = x.clone(); y.{call}; y", x=normal(2, 0, 3), second=False) if call != "copy_(x[0])" else None


@pytest.mark.parametrize("call", ["bitwise_and_(6)", "bitwise_or_(1)", "bitwise_xor_(3)", "bitwise_not_()",
                                  "logical_and_(x > 0)", "logical_or_(x > 1)", "logical_xor_(x > 1)", "logical_not_()"])  # fmt: skip
def test_logic_in_place(call: str) -> None:
    check(f"y = x.clone(); y.{call}; y", x=sample("int64", 3, 4))
    check("x & y, x | y, x ^ y, ~x, x.bitwise_and(1)", x=sample("int64", 3), y=sample("uint8", 3))


REDUCTIONS = ["sum", "mean", "prod", "var", "std", "max", "min", "amax", "amin", "argmax", "argmin", "logsumexp",
              "all", "any"]  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (5,), (2, 1, 3, 2)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, shape: tuple[int, ...]) -> None:
    forms = ["0", "-1", "0, True", "dim=-1, keepdim=True", "axis=0", "axis=-1, keepdims=True"]
    several = ["(0, -1)", "(-1, 0), True"] if len(shape) > 1 else []
    forms += several * (name in ("sum", "mean", "var", "std", "amax", "amin", "logsumexp", "all", "any"))
    forms += [""] * (name != "logsumexp") + ["None"] * (name in ("sum", "mean", "argmax"))
    for form in forms:
        check(f"x.{name}({form}), T.{name}(x.flip(0){', ' * bool(form)}{form})", x=normal(*shape))
    check(f"x.T.{name}(0), x[::2].{name}(-1)", x=normal(6, 4))
    check(f"T.{name}(x, 1)", x=np.array([[1.0, 1, 0], [2, 2, 1]]), second=name not in ("std",))


@pytest.mark.parametrize("name", ["any", "all"])
def test_any_and_all_of_no_dimensions(name: str) -> None:
    check(f"x.{name}(dim=()), x.{name}(dim=(), keepdim=True)", x=normal(2, 3))
    check(f"x.{name}(), x.{name}(0)", x=sample("uint8", 3, 4))


SHAPES = [
    "x.reshape(4, -1)", "x.reshape((2, 12))", "x.reshape(shape=(6, 4))", "x.view(-1, 2)", "x.view(size=(4, 6))",
    "x.flatten()", "T.flatten(x, 1)", "x.flatten(start_dim=0, end_dim=-2)", "x.unflatten(2, (2, -1))", "x[:, :1].squeeze()",
    "x[:1, :1].squeeze((0, 1))", "x[:1].squeeze(axis=0)", "x.unsqueeze(-1)", "T.unsqueeze(x, dim=0)", "x.permute(2, 0, 1)",
    "T.permute(x, (0, 2, 1))", "T.permute(x, dims=(-1, 0, 1))", "x.transpose(0, -1)", "x.transpose(dim0=0, dim1=1)",
    "x.swapaxes(axis0=0, axis1=2)", "x.swapdims(0, 1)", "x[0].t()", "x.T if x.ndim == 2 else x.mT", "x.movedim(0, -1)",
    "T.movedim(x, (0, 1), (1, 0))", "T.moveaxis(x, source=0, destination=1)", "x.expand(5, 2, 3, 4)", "x[:, :1].expand(-1, 3, -1)",
    "x.expand(size=(2, 3, 4))", "x[:, :1].broadcast_to((2, 3, 4))", "T.broadcast_to(x, size=(1, 2, 3, 4))", "x.repeat(2, 1, 1)",
    "x.repeat(repeats=(1, 2, 1))", "x.tile(2)", "T.tile(x, (2, 1))", "x.tile(dims=(2,))", "x.flip(0, 1)", "T.flip(x, dims=[0, 2])",
    "x.roll(1)", "T.roll(x, (1, -1), dims=(0, 2))", "x.select(1, -1)", "x.narrow(-1, 1, 2)", "x.split(2, dim=-1)",
    "T.split(x, [1, 3], 2)", "x.chunk(2, -1)", "x.unbind(1)", "T.cat([x, x[:1]])", "T.cat((x, x), axis=1)", "T.stack([x, x], -1)",
    "T.stack(tensors=[x, x], dim=1)", "T.concat([x, x.long()])", "T.cat([x, T.empty(0)])", "T.softmax(x, axis=0)", "x.log_softmax(-1)",
    "x[0, 0, 0].reshape(1, 1)", "x[0, 0, 0].transpose(0, -1)", "x.nonzero()", "x[0, 0, 0].gather(0, T.tensor([0, 0]))",
    "x[0, 0, 0].index_select(0, T.tensor([0]))", "x.reshape(T.Size([24]))", "x.size(), x.shape, x.size(-1), x.numel(), T.numel(x)",
]  # fmt: skip


@pytest.mark.parametrize("expression", SHAPES)
def test_shapes(expression: str) -> None:
    for x in (normal(2, 3, 4), normal(4, 3, 2).T):
        check(expression if "view" not in expression else expression.replace("x.", "x.contiguous().", 1), x=x)


INDICES = ["0", "-1", "None", "...", "0, 1", "1:", "::2", ":, 1", "..., 0", "1, None, 2", "[0, 1]", "[0, -1], [1, 2]",
           "[0, 1], :, [1, 2]", ":, [0, 2]", "T.tensor([[0, 1], [1, 0]])", "T.tensor(1)", "T.tensor([True, False])",
           "x > 0", "x > 100", "True", "False", "T.tensor([0, 1]), None, T.tensor([1, 2])", "[]", "5:2", ":, -1:"]  # fmt: skip


@pytest.mark.parametrize("index", INDICES)
def test_indexing(index: str) -> None:
    check(f"x[{index}]", x=normal(2, 3, 4))
    check(f"x.transpose(0, 1)[{index}]", x=normal(3, 2, 4)) if "x >" not in index else None
    for value in ("0", "2.5", "T.tensor(7.0).double()", "y * 2"):
        check(f"z = x.clone(); z[{index}] = {value}; z", x=normal(2, 3, 4), y=normal())
    check(f"z = x.clone(); z[{index}] *= 2; z", x=normal(2, 3, 4))


CREATED: list[Any] = [
    "T.zeros(2, 3)", "T.ones((2, 3))", "T.zeros(size=(2, 0))", "T.ones([2], dtype=T.int64)", "T.zeros(2, dtype=float)",
    "T.full((2,), 7)", "T.full((2,), 1.5)", "T.full((), True)", "T.full((2,), T.tensor(3.0))", "T.zeros_like(x.long())",
    "T.ones_like(x, dtype=T.bool)", "T.full_like(x, 2)", "T.arange(5)", "T.arange(5.0)", "T.arange(1, 5, 2)", "T.arange(0, 1, 0.1)",
    "T.arange(start=1, end=5)", "T.arange(end=3)", "T.arange(1, 5, dtype=T.float32)", "T.linspace(0, 1, 5)", "T.linspace(1, 0, steps=3)",
    "T.linspace(0, 10, 5, dtype=T.int64)", "T.eye(3)", "T.eye(2, 3, dtype=T.int64)", "T.tensor(1)", "T.tensor([1, 2.5])",
    "T.tensor([[True, False]])", "T.tensor([])", "T.tensor(np.array([1, 2], np.int32))", "T.tensor([1.7], dtype=T.int64)",
    "T.tensor([T.tensor(1.0), 2])", "T.tensor([T.tensor(1), 2.5])", "T.tensor([-1], dtype=T.uint8)", "T.as_tensor([1, 2], dtype=T.float32)",
    "T.randint(10, (3,)).dtype == T.int64", "T.randint(0, 10, size=(2, 3)).shape", "T.randint(low=1, high=2, size=(2,))",
    "T.rand(size=(2, 3)).shape", "T.randn_like(x, device='cpu').shape", "T.randperm(5).sort()[0]", "T.pi, T.e, T.inf",
    "T.finfo(T.float32).eps, T.iinfo(T.int32).max", "T.is_tensor(x), T.is_tensor(3), T.is_floating_point(x)",
    "T.tensor([1.0], dtype=float).dtype == T.float64",
]  # fmt: skip


@pytest.mark.parametrize("expression", CREATED)
def test_creation(expression: str) -> None:
    check(expression, x=normal(2, 3))


NETWORKS = [
    "F.linear(x, x[:2], y[:2])", "F.softmax(x)", "F.log_softmax(x.float(), dim=0).dtype == T.float32", "F.relu_(x.clone())", "nn.Softmax()(x)",
    "F.layer_norm(x, (4,), y[:4], y[:4])", "F.batch_norm(x, None, None, y[:4], y[:4], training=True)", "F.mse_loss(x, x.detach() + 1)",
    "F.l1_loss(x, -x, reduction='sum')", "nn.MSELoss(reduction='none')(x, x * 2)", "F.cross_entropy(x, T.tensor([0, 1, 3]))",
    "F.cross_entropy(x, x.detach().softmax(1), label_smoothing=0.1)", "nn.CrossEntropyLoss(ignore_index=1)(x, T.tensor([0, 1, 3]))",
    "F.binary_cross_entropy(x.sigmoid(), x.detach().sigmoid())", "F.binary_cross_entropy_with_logits(x, x.detach().sigmoid(), pos_weight=y[:4].detach())",
    "F.conv2d(x.reshape(1, 1, 3, 4), x[:, :3].reshape(1, 1, 3, 3), padding='same')", "F.max_pool2d(x.reshape(1, 3, 4), 2, ceil_mode=True)",
    "F.avg_pool2d(x.reshape(1, 3, 4), 2, 1, 1, False, False)", "F.dropout(x, 0.0), F.dropout(x, 1.0), F.dropout(x, 0.5, training=False)",
    "T.autograd.grad(x.sum(), x, only_inputs=True)",
    "p = x.detach().requires_grad_(); o = optim.Adam([p], lr=T.tensor(0.5).double()); (p ** 2).sum().backward(); o.step(); p.detach()",
    "(x * 2).sum().backward(); t = nn.utils.clip_grad_norm_(x, 1.0, foreach=False); (t, x.grad)",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*[Ii]mplicit dimension", "ignore:.*dim is left out")
@pytest.mark.parametrize("expression", NETWORKS)
def test_networks(expression: str) -> None:
    check(expression, x=normal(3, 4), y=np.abs(normal(5)))
