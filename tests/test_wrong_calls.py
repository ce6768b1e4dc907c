"""Wrong calls: where PyTorch raises, minidl raises too, at once, in its own words, and as an error of the same kind."""

from __future__ import annotations

import numpy as np
import pytest
from both import check_error

from minidl.random import stream

X = stream(0, 2, 3).standard_normal((2, 3))

# The call -> what its message must say: the operation, and what was wrong.
ARITHMETIC = """
x + 'a' -> add
x * None -> mul
x + x[:, :2] -> add: the operands' shapes
x.bool() - x -> sub
-x.bool() -> neg
x.long() // 0 -> floor_divide: other
x.long() % 0 -> remainder: other
x.long() ** -1 -> pow: exponent
x.bool() % (x > 0) -> remainder
x.bool() // (x > 0) -> floor_divide
x.bool() ** (x > 0) -> pow
T.pow(2, 3) -> pow: an operand
T.add(x, x, alpha='a') -> add: alpha
T.add(x.long(), 1, alpha=2.5) -> add: alpha
T.div(x, 2, rounding_mode='up') -> div: rounding_mode
x & 1 -> bitwise_and
~x -> bitwise_not: input
T.exp(3.0) -> exp: input
T.exp() -> input
T.exp(x, foo=1) -> foo
T.abs([1.0]) -> abs
T.maximum(x, 3) -> maximum: other
T.logical_and(x, 2) -> logical_and: other
x < 'a' -> lt
T.eq(3, x) -> eq: input
x.clamp() -> clamp: min or max
x.clamp(min='a') -> clamp
x.clamp(min=x[:, :2]) -> clamp
T.clamp(3.0, 0, 1) -> clamp: input
T.where(x, x, x) -> where: condition
T.where(x > 0, x, 'a') -> where
T.where(x > 0, x, x[:, :2]) -> where
T.isclose(x, x[:, :2]) -> isclose
T.isclose(x, x.float()) -> isclose: other
T.isclose(x, 2) -> isclose: other
x.long().clone().add_(1.5) -> add_: the result
x[0].clone().add_(x) -> add_: the result
x.long().clone().clamp_(x) -> clamp_: the result
x.clone().copy_(x[:, :2]) -> copy
x.clone().fill_('a') -> fill: value
x.clone().fill_(x) -> fill: value
x.long().clone().fill_(nan) -> fill: value
x.to(T.uint8).clone().fill_(300) -> fill: value
x.clone().fill_(None) -> fill: value
x.long().normal_() -> normal: input
x.clone().uniform_(1, 0) -> uniform: high
x.clone().normal_(0, -1) -> normal: std
"""

REDUCING = """
x.sum(5) -> sum: dim
x.sum((0, 0)) -> sum: dim
x.sum('a') -> sum: dim
x.sum(1.5) -> sum: dim
x.sum(0, keepdim=1) -> sum: keepdim
x.long().mean() -> mean: input
x.long().var() -> var: input
x.max(2) -> max: dim
x[:0].max() -> max: input
x[:0].argmax(0) -> argmax: input
x[:0].amax(0) -> amax: input
(x > 0).argmax() -> argmax: input
x.argmax((0, 1)) -> argmax: dim
x.prod((0, 1)) -> prod: dim
x.sum().prod(3) -> prod: dim
x.logsumexp(None) -> logsumexp: dim
T.sum(3) -> sum: input
x.sum(0, True, 3) -> argument
x.sum(foo=1) -> foo
x.var(0, correction=1, unbiased=True) -> var: correction
x.any('a') -> any: dim
x.softmax(2) -> softmax: dim
x.long().softmax(0) -> softmax: input
"""

SHAPING = """
x.reshape(4, 4) -> reshape: shape
x.reshape(-1, -1) -> reshape: shape
x.reshape(-2) -> reshape: shape
x.reshape(2.0, 3) -> reshape: shape
x.reshape() -> reshape: shape
x.view(5) -> view: shape
x.flatten(1, 0) -> flatten: start_dim
x.flatten(5) -> flatten: start_dim
x.squeeze(3) -> squeeze: dim
x.unsqueeze(4) -> unsqueeze: dim
x.unsqueeze() -> dim
x.permute(0) -> permute: dims
x.permute(0, 0) -> permute: dims
x.permute() -> permute: dims
x.transpose(0, 5) -> transpose: dim1
x.transpose(0, None) -> transpose: dim1
x.sum().transpose(0, 1) -> transpose: dim1
x[None].t() -> t: input
x.expand(2, 4) -> expand: size
x.expand(3) -> expand: size
x.broadcast_to((2, 2)) -> broadcast_to: size
x.repeat(2) -> repeat: repeats
x.repeat(-1, 1) -> repeat: repeats
x.flip(3) -> flip: dims
x.flip(0, 0) -> flip: dims
x.flip() -> flip: dims
x.roll((1, 2)) -> roll: dims
x.roll(1, 5) -> roll: dim
x.split(0) -> split
x.split([1, 2]) -> split
x.chunk(0) -> chunk: chunks
x.unbind(5) -> unbind: dim
x.select(0, 5) -> select: index
x.narrow(0, 0, 5) -> narrow
T.cat([]) -> cat: tensors
T.cat(x) -> cat: tensors
T.cat([x, 3]) -> cat: tensors
T.cat([x, x[:, :2]]) -> cat: every tensor
T.cat([x], 5) -> cat: dim
T.stack([x, x[:1]]) -> stack: every tensor
T.stack([]) -> stack: tensors
x.size(5) -> size: dim
x.sum().size(0) -> size: dim
x.item() -> item
len(x.sum()) -> len
bool(x) -> bool
x[5] -> getitem: index
x[0, 0, 0] -> getitem: index
x[1.0] -> getitem: index
x[::-1] -> step
x[T.tensor([9])] -> getitem: index
x[T.tensor([0.5])] -> getitem: index
x[T.tensor([True])] -> mask
x[[0, 1], [0, 1, 2]] -> getitem
y = x.clone(); y[0] = x; y -> setitem: value
y = x.clone(); y[0] = 'a'; y -> setitem: value
x[0] = 1; x -> setitem
x.gather(0, x.long() + 9) -> gather: index
x.gather(0, T.tensor([0])) -> gather: index
x.gather(0, x) -> gather: index
x.index_select(0, T.tensor([[0]])) -> index_select: index
x.index_select(0, T.tensor([5])) -> index_select: index
x.masked_fill(x, 1) -> masked_fill: mask
x.masked_fill(x > 0, x) -> masked_fill: value
x.masked_select(x) -> masked_select: mask
x.masked_fill((x > 0)[:, :2], 1) -> masked_fill
"""

CREATING = """
T.zeros() -> zeros: size
T.zeros(-1) -> zeros: size
T.zeros(2.5) -> zeros: size
T.zeros(2, dtype='x') -> zeros: dtype
T.zeros(2, dtype=T.int64, requires_grad=True) -> requires_grad
T.full((2,), 'a') -> full: fill_value
T.full((2,), inf, dtype=T.int64) -> full: value
T.full((2,), 300, dtype=T.uint8) -> full: value
T.full_like(x, 'a') -> full_like: fill_value
T.zeros_like(3) -> zeros_like: input
T.rand_like(3) -> rand_like: input
T.rand(2, dtype=T.int64) -> rand: dtype
T.arange() -> arange: end
T.arange('a') -> arange
T.arange(1, 5, 0) -> arange: step
T.arange(1, 5, -1) -> arange: step
T.arange(nan) -> arange
T.linspace('a', 1, 2) -> linspace: start
T.linspace(0, 1, -1) -> linspace: steps
T.linspace(0, 1) -> steps
T.eye(-1) -> eye
T.eye(2.5) -> eye
T.tensor('a') -> tensor: data
T.tensor([[1, 2], [3]]) -> tensor: data
T.tensor(None) -> tensor: data
T.tensor(300, dtype=T.int8) -> tensor: data
T.tensor([1], foo=1) -> foo
T.from_numpy([1.0]) -> from_numpy
T.randint(5) -> randint
T.randint(5, 3) -> randint
T.randint(5, 2, (2,)) -> randint: high
T.randint(1.5, (2,)) -> randint: high
T.randperm(-1) -> randperm: n
T.finfo(T.int64) -> finfo: d
T.iinfo(T.float32) -> iinfo: d
T.is_floating_point(3) -> input
"""

NETWORKS = """
x @ x -> matmul: other
x @ 2 -> matmul
T.mm(x, x[0]) -> mm: mat2
T.bmm(x, x) -> bmm
T.mv(x, x) -> mv: vec
T.dot(x, x) -> dot
x @ x.float().T -> matmul: other
T.tensor(1.0).double() @ x -> matmul: input
F.linear(x, x[:, :2]) -> linear: input
F.linear(x, x.float()) -> linear: weight
F.linear(x, x, x) -> linear: bias
F.conv2d(x[None, None], x) -> conv2d: weight
F.conv2d(x[None, None], x[None, None], stride=0) -> conv2d: stride
F.conv2d(x[None, None], x[None, None], padding='all') -> conv2d: padding
F.conv2d(x[None, None], x[None, None], groups=2) -> conv2d: groups
F.conv2d(x, x[None, None]) -> conv2d: input
F.max_pool2d(x[None], 9) -> max_pool2d: kernel_size
F.max_pool2d(x[None], 2, padding=2) -> max_pool2d: padding
F.avg_pool2d(x[None], 0) -> avg_pool2d: kernel_size
F.avg_pool2d(x[None], 2, divisor_override=0) -> avg_pool2d: divisor_override
F.batch_norm(x, None, None) -> batch_norm: running_mean
F.batch_norm(x[:1], None, None, training=True) -> batch_norm: input
F.batch_norm(x, None, None, training=True, eps=0) -> batch_norm: eps
F.batch_norm(x, None, None, x[0, :2], training=True) -> batch_norm: weight
F.layer_norm(x, (4,)) -> layer_norm: input
F.dropout(x, 1.5) -> dropout: p
F.dropout(x, None) -> dropout: p
F.mse_loss(x, 2) -> mse_loss: target
F.mse_loss(x, x, reduction='no') -> mse_loss: reduction
F.mse_loss(x) -> target
F.cross_entropy(x, T.tensor([0, 5])) -> cross_entropy: target
F.cross_entropy(x, T.tensor([0])) -> cross_entropy: target
F.cross_entropy(x, T.tensor([0, 1]).int()) -> cross_entropy: target
F.cross_entropy(x, T.tensor([0, 1]), x[0, :2].detach()) -> cross_entropy: weight
F.cross_entropy(x, T.tensor([0, 1]), label_smoothing=2) -> label_smoothing
F.binary_cross_entropy(x * 0 + 3, x * 0) -> binary_cross_entropy: input
F.binary_cross_entropy(x.sigmoid(), x[0]) -> binary_cross_entropy: target
F.binary_cross_entropy_with_logits(x, x[0]) -> binary_cross_entropy_with_logits: target
nn.Linear('a', 2) -> Linear: in_features
nn.Linear(3) -> out_features
nn.Linear(-1, 2) -> Linear: in_features
nn.Linear(4, 2).double()(x) -> linear: input
nn.Linear(3, 2)(x) -> linear: weight
nn.Conv2d(3, 4, 3, groups=2) -> Conv2d: in_channels
nn.BatchNorm1d(3).double()(x[0]) -> BatchNorm1d: input
nn.BatchNorm2d(3)(x) -> BatchNorm2d: input
nn.Dropout(2) -> Dropout: p
nn.Unflatten(1, 3) -> Unflatten
nn.MSELoss(reduction='no')(x, x) -> reduction
nn.Sequential(3) -> Sequential
nn.Parameter(x.long()) -> requires_grad_
nn.init.constant_(x.detach(), 'a') -> constant_: val
nn.init.uniform_(x.detach(), 'a') -> uniform_: a
nn.init.xavier_uniform_(x[0].detach()) -> xavier_uniform_
nn.Linear(2, 2).load_state_dict({}) -> missing
"""

TRAINING = """
optim.SGD([], lr=0.1) -> SGD: params
optim.SGD(x, lr=0.1) -> SGD: params
optim.SGD([3], lr=0.1) -> SGD: params[0]
optim.SGD([x * 2], lr=0.1) -> SGD: params[0]
optim.SGD([x], lr=-1) -> SGD: lr
optim.SGD([x], lr='a') -> SGD: lr
optim.SGD([x], nesterov=True) -> SGD
optim.Adam([x], betas=(0.9, 1.0)) -> Adam: betas[1]
optim.Adam([x], eps=-1) -> Adam: eps
optim.RMSprop([x], alpha=-1) -> RMSprop: alpha
optim.SGD([x], foo=1) -> foo
optim.SGD([x]).step(3) -> SGD.step: closure
x.sum().backward(); nn.utils.clip_grad_norm_([3], 1.0); x -> clip_grad_norm_
T.autograd.grad(x * 2, x) -> grad: gradient
T.autograd.grad(3, x) -> grad: outputs
T.autograd.grad(x.sum(), 3) -> grad: inputs
T.autograd.grad(x.detach().sum(), x) -> grad
(x * 2).backward() -> backward: gradient
x.detach().sum().backward() -> backward
s = (x * x).sum(); s.backward(); s.backward(); x -> retain_graph=True
x.add_(1) -> add_: a leaf
x.numpy() -> numpy
x.long().requires_grad_() -> requires_grad_
z = x.exp(); z += 1; z.sum().backward(); x -> exp
T.set_default_dtype(T.int64) -> set_default_dtype
data.DataLoader([1], batch_size=0) -> batch_size
data.DataLoader([1], shuffle=True, sampler=[0]) -> DataLoader: shuffle
data.DataLoader([1], num_workers=-1) -> num_workers
list(data.DataLoader([None])) -> default_collate: batch
data.default_collate([]) -> default_collate: batch
data.TensorDataset(3) -> TensorDataset
data.random_split([1, 2], [1, 2]) -> random_split: lengths
list(data.DataLoader([x.detach()[0], x.detach()], 2)) -> stack
data.RandomSampler([1], num_samples=0) -> num_samples
"""

CALLS = [
    line.split(" -> ")
    for table in (ARITHMETIC, REDUCING, SHAPING, CREATING, NETWORKS, TRAINING)
    for line in table.strip().splitlines()
]


@pytest.mark.parametrize(("call", "words"), CALLS)
def test_a_wrong_call_is_an_error(call: str, words: str) -> None:
    check_error(call, words, x=np.array(X))
