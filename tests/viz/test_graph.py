"""The computation graph as a picture: what is in it, the norms of the gradients, and what is refused."""

from __future__ import annotations

import gc
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, GradError
from minidl.nn import functional as F
from minidl.viz import Graph, graph

SVG = "{http://www.w3.org/2000/svg}"


def texts(g: Graph) -> list[str]:
    return [text.text or "" for text in ET.fromstring(g.svg()).iter(f"{SVG}text")]


def test_what_is_in_it() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2).freeze())
    x, t = minidl.randn(5, 4), minidl.tensor([0, 1, 0, 1, 1])
    g = minidl.graph(F.cross_entropy(model(x), t), model)
    assert repr(g) == "Graph(4 operations, 2 parameters)"
    lines = {box.title: box.lines() for box in g.boxes}
    assert lines["0.weight"] == ["0.weight", "(3, 4)"]
    assert lines["2.weight"] == ["2.weight", "(2, 3)"]  # frozen: a constant, known by its array
    assert lines["tanh"] == ["tanh", "(5, 3)"]
    assert lines["cross_entropy"] == ["cross_entropy", "scalar"]
    assert ["constant", "(5,) int64"] in [box.lines() for box in g.boxes]
    by_number = {i: box.title for i, box in enumerate(g.boxes)}
    named = {(by_number[a], by_number[b]) for a, b in g.edges}
    assert {("0.weight", "linear"), ("linear", "tanh"), ("linear", "cross_entropy")} <= named
    assert set(lines) <= set(texts(g))


def test_norms_of_gradients_appear_with_the_backward() -> None:
    torch = pytest.importorskip("torch", reason="gives the gradients to compare with")
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))

    def compute(lib: Any) -> Any:
        x, w = (lib.tensor(array, requires_grad=True) for array in (a, b))
        y = x @ w
        z = y.exp()
        return x, w, y, z, (z * z).sum()

    *_, loss = ours = compute(minidl)
    g = graph(loss, {"x": ours[0], "w": ours[1]})
    assert not any("‖g‖" in text for text in texts(g))
    loss.backward()
    theirs = compute(torch)
    for tensor in theirs:
        tensor.retain_grad()
    theirs[-1].backward()
    expected = dict(
        zip(["x", "w", "matmul", "exp", "sum"], [float(t.grad.norm()) for t in theirs], strict=True)
    )
    found = {box.title: box.norm for box in g.boxes}
    for name, norm in expected.items():
        assert found[name] == pytest.approx(norm, rel=1e-12)
        assert f"‖g‖ {norm:.2e}" in texts(g)


def test_only_the_first_backward_is_noted_and_no_hook_stays() -> None:
    w = minidl.ones(3, requires_grad=True)
    g = graph((2 * w).sum(), {"w": w})
    (3 * w).sum().backward()  # another graph's, but the first to come by w
    assert {box.title: box.norm for box in g.boxes}["w"] == pytest.approx(3 * math.sqrt(3))
    assert not w.node.hooks
    h = graph((2 * w).sum())
    assert w.node.hooks
    del h
    gc.collect()
    assert not w.node.hooks


def test_a_graph_does_not_keep_the_computation_alive() -> None:
    import weakref

    w = minidl.ones(3, requires_grad=True)
    loss = (w * w).sum()
    g = graph(loss)
    node = weakref.ref(loss.node)
    del loss
    gc.collect()
    assert node() is None
    assert "mul" in texts(g)


def test_several_outputs_are_one_box() -> None:
    x = minidl.ones(6, requires_grad=True)
    first, _, last = x.split(2)
    loss = (first * 2 + last).sum()
    g = graph(loss)
    loss.backward()
    (box,) = [box for box in g.boxes if box.title == "split"]
    assert box.lines()[1] == "3 outputs"
    assert box.norm == pytest.approx(math.sqrt(2 * 4 + 2))


def test_what_is_used_twice_is_one_box() -> None:
    x, c = minidl.ones(3, requires_grad=True), minidl.full((3,), 2.0)
    g = graph(x * c + x * c)
    assert [box.title for box in g.boxes].count("leaf") == 1
    assert [box.title for box in g.boxes].count("constant") == 1


def test_a_nan_is_marked() -> None:
    x = minidl.zeros(2, requires_grad=True)
    loss = (x / x).sum()
    g = graph(loss)
    loss.backward()
    assert "#ff6b6b" in g.svg()
    assert "‖g‖ nan" in texts(g)


def test_names_are_escaped() -> None:
    w = minidl.ones(2, requires_grad=True)
    g = graph(w.sum(), {'<script>"&': w})
    assert '<script>"&' in texts(g)
    assert "<script>" not in g.svg()


def test_it_draws_itself_in_a_notebook_and_into_a_file(tmp_path: Path) -> None:
    w = minidl.ones(2, requires_grad=True)
    g = graph(w.sum())
    assert g._repr_svg_() == g.svg()
    g.save(tmp_path / "graph.svg")
    assert ET.parse(tmp_path / "graph.svg").getroot().tag == f"{SVG}svg"
    with pytest.raises(
        ArgumentError, match=r"Graph\.save: path must be a file that ends in \.svg, got 'g\.png'"
    ):
        g.save("g.png")


def test_graphs_too_large_to_look_at_are_refused() -> None:
    x = minidl.ones(2, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    with pytest.raises(
        ArgumentError, match=r"graph: the graph must be of at most 400 boxes .* \(max_boxes allows"
    ):
        graph(y)
    assert len(graph(x + 1, max_boxes=2).boxes) == 2
    with pytest.raises(ArgumentError, match="of at most 1 boxes"):
        graph(x + 1, max_boxes=1)


def test_what_has_no_graph_is_refused() -> None:
    with pytest.raises(
        GradError, match="graph: loss must be a tensor that requires a gradient, got a constant"
    ):
        graph(minidl.ones(2))
    with pytest.raises(DTypeError, match="graph: loss must be a Tensor, got float"):
        graph(1.0)  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="graph: model must be a Module or a dict of tensors, got list"):
        graph(minidl.ones(2, requires_grad=True), [])  # type: ignore[arg-type]
    loss = (minidl.ones(2, requires_grad=True) ** 2).sum()
    loss.backward()
    with pytest.raises(GradError, match="the graph of sum has been freed by an earlier backward"):
        graph(loss)


def test_nodes_of_a_graph() -> None:
    from minidl.autograd import graph_nodes, watch_gradient

    x = minidl.ones(2, requires_grad=True)
    loss = (x * 3).sum()
    assert [node.name for node in graph_nodes(loss)] == ["leaf", "mul", "sum"]
    assert len(graph_nodes(loss, limit=1)) == 2
    with pytest.raises(GradError, match="graph_nodes: tensor must be one that requires a gradient"):
        graph_nodes(minidl.ones(2))
    seen: list[Any] = []
    with watch_gradient(graph_nodes(loss)[1], seen.append):
        loss.backward(retain_graph=True)
    loss.backward()
    assert [list(g) for g in seen] == [[1.0, 1.0]]
