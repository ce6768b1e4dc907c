"""Reductions, shapes, indexing, creation and networks against PyTorch, over the forms in which each can be called."""

from __future__ import annotations

import numpy as np
import pytest
from both import check, normal, sample

pytestmark = pytest.mark.filterwarnings("ignore:.*(degrees of freedom|deprecated)")  # PyTorch's

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


SHAPES = """
x.reshape(4, -1)
x.reshape((2, 12))
x.reshape(shape=(6, 4))
x.view(-1, 2)
x.view(size=(4, 6))
x.flatten()
T.flatten(x, 1)
x.flatten(start_dim=0, end_dim=-2)
x.unflatten(2, (2, -1))
x[:, :1].squeeze()
x[:1, :1].squeeze((0, 1))
x[:1].squeeze(axis=0)
x.unsqueeze(-1)
T.unsqueeze(x, dim=0)
x.permute(2, 0, 1)
T.permute(x, (0, 2, 1))
T.permute(x, dims=(-1, 0, 1))
x.transpose(0, -1)
x.transpose(dim0=0, dim1=1)
x.swapaxes(axis0=0, axis1=2)
x.swapdims(0, 1)
x[0].t()
x.T if x.ndim == 2 else x.mT
x.movedim(0, -1)
T.movedim(x, (0, 1), (1, 0))
T.moveaxis(x, source=0, destination=1)
x.expand(5, 2, 3, 4)
x[:, :1].expand(-1, 3, -1)
x.expand(size=(2, 3, 4))
x[:, :1].broadcast_to((2, 3, 4))
T.broadcast_to(x, size=(1, 2, 3, 4))
x.repeat(2, 1, 1)
x.repeat(repeats=(1, 2, 1))
x.tile(2)
T.tile(x, (2, 1))
x.tile(dims=(2,))
x.flip(0, 1)
T.flip(x, dims=[0, 2])
x.roll(1)
T.roll(x, (1, -1), dims=(0, 2))
x.select(1, -1)
x.narrow(-1, 1, 2)
x.split(2, dim=-1)
T.split(x, [1, 3], 2)
x.chunk(2, -1)
x.unbind(1)
T.cat([x, x[:1]])
T.cat((x, x), axis=1)
T.stack([x, x], -1)
T.stack(tensors=[x, x], dim=1)
T.concat([x, x.long()])
T.cat([x, T.empty(0)])
T.softmax(x, axis=0)
x.log_softmax(-1)
x[0, 0, 0].reshape(1, 1)
x[0, 0, 0].transpose(0, -1)
x.nonzero()
x[0, 0, 0].gather(0, T.tensor([0, 0]))
x[0, 0, 0].index_select(0, T.tensor([0]))
x.reshape(T.Size([24]))
x.size(), x.shape, x.size(-1), x.numel(), T.numel(x)
"""


@pytest.mark.parametrize("expression", SHAPES.strip().splitlines())
def test_shapes(expression: str) -> None:
    for x in (normal(2, 3, 4), normal(4, 3, 2).T):
        check(expression if "view" not in expression else expression.replace("x.", "x.contiguous().", 1), x=x)


INDICES = """
0
-1
None
...
0, 1
1:
::2
:, 1
..., 0
1, None, 2
[0, 1]
[0, -1], [1, 2]
[0, 1], :, [1, 2]
:, [0, 2]
T.tensor([[0, 1], [1, 0]])
T.tensor(1)
T.tensor([True, False])
x > 0
x > 100
True
False
T.tensor([0, 1]), None, T.tensor([1, 2])
[]
5:2
:, -1:
"""


@pytest.mark.parametrize("index", INDICES.strip().splitlines())
def test_indexing(index: str) -> None:
    check(f"x[{index}]", x=normal(2, 3, 4))
    check(f"x.transpose(0, 1)[{index}]", x=normal(3, 2, 4)) if "x >" not in index else None
    for value in ("0", "2.5", "T.tensor(7.0).double()", "y * 2"):
        check(f"z = x.clone(); z[{index}] = {value}; z", x=normal(2, 3, 4), y=normal())
    check(f"z = x.clone(); z[{index}] *= 2; z", x=normal(2, 3, 4))


CREATED = """
T.zeros(2, 3)
T.ones((2, 3))
T.zeros(size=(2, 0))
T.ones([2], dtype=T.int64)
T.zeros(2, dtype=float)
T.full((2,), 7)
T.full((2,), 1.5)
T.full((), True)
T.full((2,), T.tensor(3.0))
T.zeros_like(x.long())
T.ones_like(x, dtype=T.bool)
T.full_like(x, 2)
T.arange(5)
T.arange(5.0)
T.arange(1, 5, 2)
T.arange(0, 1, 0.1)
T.arange(start=1, end=5)
T.arange(end=3)
T.arange(1, 5, dtype=T.float32)
T.linspace(0, 1, 5)
T.linspace(1, 0, steps=3)
T.linspace(0, 10, 5, dtype=T.int64)
T.eye(3)
T.eye(2, 3, dtype=T.int64)
T.tensor(1)
T.tensor([1, 2.5])
T.tensor([[True, False]])
T.tensor([])
T.tensor(np.array([1, 2], np.int32))
T.tensor([1.7], dtype=T.int64)
T.tensor([T.tensor(1.0), 2])
T.tensor([T.tensor(1), 2.5])
T.tensor([-1], dtype=T.uint8)
T.as_tensor([1, 2], dtype=T.float32)
T.randint(10, (3,)).dtype == T.int64
T.randint(0, 10, size=(2, 3)).shape
T.randint(low=1, high=2, size=(2,))
T.rand(size=(2, 3)).shape
T.randn_like(x, device='cpu').shape
T.randperm(5).sort()[0]
T.pi, T.e, T.inf
T.finfo(T.float32).eps, T.iinfo(T.int32).max
T.is_tensor(x), T.is_tensor(3), T.is_floating_point(x)
T.tensor([1.0], dtype=float).dtype == T.float64
"""


@pytest.mark.parametrize("expression", CREATED.strip().splitlines())
def test_creation(expression: str) -> None:
    check(expression, x=normal(2, 3))


NETWORKS = """
F.linear(x, x[:2], y[:2])
F.softmax(x)
F.log_softmax(x.float(), dim=0).dtype == T.float32
F.relu_(x.clone())
nn.Softmax()(x)
F.layer_norm(x, (4,), y[:4], y[:4])
F.batch_norm(x, None, None, y[:4], y[:4], training=True)
F.mse_loss(x, x.detach() + 1)
F.l1_loss(x, -x, reduction='sum')
nn.MSELoss(reduction='none')(x, x * 2)
F.cross_entropy(x, T.tensor([0, 1, 3]))
F.cross_entropy(x, x.detach().softmax(1), label_smoothing=0.1)
nn.CrossEntropyLoss(ignore_index=1)(x, T.tensor([0, 1, 3]))
F.binary_cross_entropy(x.sigmoid(), x.detach().sigmoid())
F.binary_cross_entropy_with_logits(x, x.detach().sigmoid(), pos_weight=y[:4].detach())
F.conv2d(x.reshape(1, 1, 3, 4), x[:, :3].reshape(1, 1, 3, 3), padding='same')
F.max_pool2d(x.reshape(1, 3, 4), 2, ceil_mode=True)
F.avg_pool2d(x.reshape(1, 3, 4), 2, 1, 1, False, False)
F.dropout(x, 0.0), F.dropout(x, 1.0), F.dropout(x, 0.5, training=False)
T.autograd.grad(x.sum(), x, only_inputs=True)
p = x.detach().requires_grad_(); o = optim.Adam([p], lr=T.tensor(0.5)); p.sum().backward(); o.step(); p.detach()
(x * 2).sum().backward(); t = nn.utils.clip_grad_norm_(x, 1.0, foreach=False); (t, x.grad)
"""


@pytest.mark.filterwarnings("ignore:.*[Ii]mplicit dimension", "ignore:.*dim is left out")
@pytest.mark.parametrize("expression", NETWORKS.strip().splitlines())
def test_networks(expression: str) -> None:
    check(expression, x=normal(3, 4), y=np.abs(normal(5)))
