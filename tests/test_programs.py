"""Whole programs, as a PyTorch user writes them, run by both libraries: the numbers at the end are the same.

A program is a function of ``torch``, as what is imported under that name: nothing else in it changes.
"""

from __future__ import annotations

import collections
import copy
import io
import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minidl
from minidl.random import stream

theirs = pytest.importorskip("torch")


Sample = collections.namedtuple("Sample", "x y weight name")


def utils_data(torch: Any) -> Any:
    return minidl.data if torch is minidl else torch.utils.data


def draw(torch: Any, *shape: int, seed: int = 0) -> Any:
    """The same normal numbers for both libraries."""
    return torch.from_numpy(stream(seed, *shape).standard_normal(shape))


def begin(torch: Any, model: Any) -> Any:
    """The model in float64, with parameters that are the same for both libraries."""
    model = model.double()
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(draw(torch, *parameter.shape, seed=i + 1) * 0.4)
    return model


def classifier(torch: Any) -> list[Any]:
    """A training loop with batches, momentum, evaluation and accuracy."""
    from_data, nn, F = utils_data(torch), torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3, padding=1)
            self.norm = nn.BatchNorm2d(3)
            self.fc = nn.Linear(3 * 3 * 3, 4)

        def forward(self, x: Any) -> Any:
            x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
            x = x.view(x.size(0), -1)
            return F.log_softmax(self.fc(x), dim=1)

    x, y = draw(torch, 20, 1, 6, 6), torch.arange(20) % 4
    loader = from_data.DataLoader(from_data.TensorDataset(x, y), batch_size=8, shuffle=False)
    model = begin(torch, Net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    losses = []
    for _epoch in range(3):
        model.train()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = F.nll_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    model.eval()
    correct = 0
    with torch.no_grad():
        for inputs, targets in loader:
            prediction = model(inputs).argmax(dim=1, keepdim=True)
            correct += prediction.eq(targets.view_as(prediction)).sum().item()
    return [*losses, correct, *model.state_dict().values()]


def regression_by_hand(torch: Any) -> list[Any]:
    """Gradient descent without an optimizer: the update in place, within no_grad, and gradients set to zero."""
    x, noise = draw(torch, 30, 2), draw(torch, 30, 1, seed=9)
    y = x @ torch.tensor([[2.0], [-1.0]], dtype=torch.float64) + 0.5 + 0.1 * noise
    w = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    for _ in range(20):
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            b -= 0.1 * b.grad
            w.grad.zero_()
            b.grad = None
    return [w, b, loss]


def gradient_penalty(torch: Any) -> list[Any]:
    """A critic whose gradient is kept near 1 (Gulrajani et al., 2017): a derivative of a derivative."""
    nn = torch.nn
    critic = begin(torch, nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)))
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.9))
    real, fake, mix = draw(torch, 6, 3), draw(torch, 6, 3, seed=5), draw(torch, 6, 1, seed=6).sigmoid()
    for _ in range(5):
        between = (mix * real + (1 - mix) * fake).requires_grad_(True)
        scores = critic(between)
        gradients = torch.autograd.grad(
            outputs=scores,
            inputs=between,
            grad_outputs=torch.ones_like(scores),
            create_graph=True,
            retain_graph=True,
            only_inputs=True,
        )[0]
        penalty = ((gradients.square().sum(1).sqrt() - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [loss, penalty, *critic.parameters()]


def recurrent_cell(torch: Any) -> list[Any]:
    """A recurrent network by hand: unbind in time, stack the states, clip the gradients."""
    nn = torch.nn

    class Cell(nn.Module):
        def __init__(self, inputs: int, hidden: int) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(inputs, hidden))
            self.u = nn.Parameter(torch.zeros(hidden, hidden))
            self.register_buffer("start", torch.zeros(hidden))

        def forward(self, x: Any) -> Any:
            h, states = self.start.expand(x.shape[1], -1), []
            for step in x.unbind(0):
                h = torch.tanh(step @ self.w + h @ self.u)
                states.append(h)
            return torch.stack(states), h

    cell = begin(torch, Cell(3, 4))
    optimizer = torch.optim.RMSprop(cell.parameters(), lr=1e-2)
    x, target = draw(torch, 7, 2, 3), draw(torch, 2, 4, seed=3)
    for _ in range(4):
        optimizer.zero_grad()
        states, last = cell(x)
        loss = nn.functional.mse_loss(last, target) + 0.01 * states.abs().mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(cell.parameters(), max_norm=0.1)
        optimizer.step()
    return [loss, norm, *cell.parameters()]


def attention(torch: Any) -> list[Any]:
    """Causal self-attention with heads, by matmul, masked_fill and softmax."""
    x = draw(torch, 2, 5, 8).requires_grad_()
    w = (draw(torch, 8, 24, seed=1) * 0.3).requires_grad_()
    q, k, v = (x @ w).chunk(3, dim=-1)
    q, k, v = (a.view(2, 5, 2, 4).transpose(1, 2) for a in (q, k, v))
    scores = q @ k.transpose(-2, -1) / 4**0.5
    position = torch.arange(5)
    scores = scores.masked_fill(position[None, :] > position[:, None], float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    y = (weights @ v).transpose(1, 2).contiguous().view(2, 5, 8)
    y.pow(2).sum().backward()
    return [y, weights.sum(-1), x.grad, w.grad]


def tied_and_frozen(torch: Any) -> list[Any]:
    """Weights that two layers share; layers that are frozen; an exponential moving average of the others."""
    nn = torch.nn

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(6, 6)
            self.middle = nn.Linear(6, 6)
            self.decoder = nn.Linear(6, 6)
            self.decoder.weight = self.encoder.weight

        def forward(self, x: Any) -> Any:
            return self.decoder(torch.relu(self.middle(torch.relu(self.encoder(x)))))

    model = begin(torch, Tied())
    for parameter in model.middle.parameters():
        parameter.requires_grad = False
    average = copy.deepcopy(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW([{"params": trained[:1]}, {"params": trained[1:], "lr": 1e-2}], lr=1e-3)
    x = draw(torch, 4, 6)
    for _ in range(5):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.L1Loss()(model(x), x)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for mean, new in zip(average.parameters(), model.parameters(), strict=True):
                mean.mul_(0.9).add_(new, alpha=0.1)
    same = model.decoder.weight is model.encoder.weight
    return [loss, same, len(trained), model.middle.weight.grad, *model.parameters(), *average.parameters()]


def resumed(torch: Any) -> list[Any]:
    """A checkpoint in the middle, saved and loaded: the run goes on as if nothing had happened."""
    nn = torch.nn

    def new() -> Any:
        # BatchNorm takes a bias before it away: its gradient would be rounding noise, which Adam scales up to steps.
        first = nn.Linear(3, 4, bias=False)
        return nn.Sequential(first, nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).double()

    def train(model: Any, optimizer: Any, steps: int) -> Any:
        for _ in range(steps):
            loss = nn.CrossEntropyLoss()(model(draw(torch, 5, 3)), torch.tensor([0, 1, 1, 0, 1]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss

    model = begin(torch, new())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05, amsgrad=True)
    train(model, optimizer, 3)
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "checkpoint")
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, file)
        again, checkpoint = new(), torch.load(file)
    again.load_state_dict(checkpoint["model"])
    resumed = torch.optim.Adam(again.parameters(), lr=0.05, amsgrad=True)
    resumed.load_state_dict(checkpoint["optimizer"])
    loss = train(again, resumed, 3)
    assert torch.equal(loss, train(model, optimizer, 3))
    return [checkpoint["epoch"], loss, *again.state_dict().values()]


def old_example(torch: Any) -> list[Any]:
    """Of PyTorch's early years: a device by its name, size_average, shapes changed in place, a checkpoint in memory."""
    torch.manual_seed(1)
    torch.cuda.manual_seed(1)
    torch.backends.cudnn.benchmark = False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    F = torch.nn.functional

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = torch.nn.Linear(3, 4)
            self.out = torch.nn.Linear(4, 2)

        def forward(self, x: Any, h: Any) -> Any:
            h = torch.tanh(self.hidden(x) + h)
            return F.log_softmax(self.out(h), dim=1), h

    model = begin(torch, Net()).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = draw(torch, 6, 3).to(device), torch.arange(6) % 2
    h = x.new_zeros(6, 4)
    sums = []
    for _ in range(4):
        optimizer.zero_grad()
        output, h = model(x, h)
        loss = F.nll_loss(output, y, size_average=False)
        loss.backward()
        optimizer.step()
        h = h.detach_()
        sums.append(loss.item())
    memory = io.BytesIO()
    torch.save(
        {"net": model.state_dict(), "rng": torch.get_rng_state(), "sums": sums, "shape": (6, 4)}, memory
    )
    memory.seek(0)
    checkpoint = torch.load(memory, map_location=lambda storage, location: storage)
    torch.set_rng_state(checkpoint["rng"])
    column = (output * 1).t_().unsqueeze_(-1)
    total = (column.squeeze_() * column.new_full((2, 6), 0.5)).sum()
    return [*sums, *checkpoint["sums"], checkpoint["shape"], *checkpoint["net"].values(), column, total, h]


def stream_of_samples(torch: Any) -> list[Any]:
    """A dataset without an index, samples that are named tuples, and weights for single losses."""
    data, F = utils_data(torch), torch.nn.functional

    class Stream(data.IterableDataset):
        def __iter__(self) -> Any:
            for i in range(7):
                yield Sample(torch.tensor([float(i), 1.0]), 2 * i, 1.0 / (1 + i), f"sample {i}")

    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    losses, names = [], []
    for batch in data.DataLoader(Stream() + Stream(), batch_size=3):
        prediction = batch.x.double() @ w
        loss = F.mse_loss(prediction, batch.y.double(), weight=batch.weight)
        loss = loss + F.l1_loss(prediction, batch.y.double(), reduction="sum", weight=batch.weight)
        (g,) = torch.autograd.grad(loss, w)
        with torch.no_grad():
            w.sub_(0.01 * g)
        losses.append(loss.item())
        names += batch.name
    return [*losses, *names, w]


def hooks(torch: Any) -> list[Any]:
    """Looking at activations and gradients on their way."""
    nn, seen = torch.nn, []
    model = begin(torch, nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
    handle = model[1].register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    model[2].register_full_backward_hook(lambda module, given, received: seen.append(given[0]))
    x = draw(torch, 2, 3).requires_grad_()
    x.register_hook(lambda g: g * 2)
    hidden = model[0](x)
    hidden.retain_grad()
    model[1:](hidden).sum().backward()
    handle.remove()
    model(x)
    return [*seen, hidden.grad, x.grad, len(seen)]


def masks_and_assignment(torch: Any) -> list[Any]:
    """Selecting by masks and indices, and writing through them, with gradients."""
    x = draw(torch, 4, 5).requires_grad_()
    y = x.clone()
    y[y < 0] = 0.0
    y[:, 1] = x[:, 0] * 2
    y[torch.tensor([0, 2]), 3] += 1
    rows = y[y.sum(1) > 1]
    best = x.gather(1, x.argmax(1, keepdim=True)).squeeze(1)
    largest, where = x.max(dim=0)
    loss = rows.pow(2).sum() + best.exp().sum() + torch.where(x > 0, x, -0.1 * x).mean() + largest.sum()
    loss.backward()
    return [y, rows, where, loss, x.grad]


def custom_dataset(torch: Any) -> list[Any]:
    """A Dataset of one's own, a collate function, and a validation split."""
    data = utils_data(torch)

    class Squares(data.Dataset):
        def __init__(self, n: int) -> None:
            self.n = n

        def __len__(self) -> int:
            return self.n

        def __getitem__(self, index: int) -> Any:
            x = torch.tensor(float(index))
            return {"x": x, "y": x**2, "name": str(index)}

    def collate(samples: list[Any]) -> Any:
        return torch.stack([s["x"] for s in samples]), torch.tensor([len(s["name"]) for s in samples])

    batches = list(data.DataLoader(Squares(11), batch_size=4))
    own = list(data.DataLoader(Squares(11), batch_size=4, drop_last=True, collate_fn=collate))
    train, held = data.random_split(Squares(10), [8, 2], generator=torch.Generator().manual_seed(0))
    return (
        [b[k] for b in batches for k in ("x", "y", "name")]
        + [t for b in own for t in b]
        + [len(train), len(held)]
    )


def autoencoder(torch: Any) -> list[Any]:
    """Dense layers, binary cross-entropy from logits, a closure, and per-sample losses."""
    nn, F = torch.nn, torch.nn.functional
    encoder, decoder = nn.Linear(8, 3), nn.Linear(3, 8)
    model = begin(torch, nn.Sequential(encoder, nn.Sigmoid(), decoder))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, nesterov=True, momentum=0.9)
    x = (draw(torch, 6, 8) > 0).double()

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(x), x)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(6)]
    model.eval()
    with torch.no_grad():
        each = F.binary_cross_entropy(torch.sigmoid(model(x)), x, reduction="none").mean(dim=1)
    return [*losses, each, *encoder.parameters()]


PROGRAMS = [
    classifier, regression_by_hand, gradient_penalty, recurrent_cell, attention, tied_and_frozen, resumed, hooks,
    masks_and_assignment, custom_dataset, autoencoder, old_example, stream_of_samples,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*size_average")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_a_program_gives_the_same_numbers(program: Callable[[Any], list[Any]]) -> None:
    for got, want in zip(program(minidl), program(theirs), strict=True):
        if isinstance(want, theirs.Tensor):
            got, want = got.detach().numpy(), want.detach().numpy()
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
        elif isinstance(want, float):
            assert got == pytest.approx(want, rel=1e-9)
        else:
            assert got == want


def test_dropout_repeats_with_its_seed() -> None:
    model = minidl.nn.Sequential(minidl.nn.Linear(50, 50), minidl.nn.Dropout(0.5))
    x = minidl.ones(4, 50)
    minidl.manual_seed(3)
    first = model(x)
    minidl.manual_seed(3)
    assert minidl.equal(first, model(x))
    assert not minidl.equal(first, model(x))
    assert minidl.equal(model.eval()(x), model(x))
