"""Where to draw the nodes of a directed graph without cycles: in ranks, few lines crossing, lines short and straight.

The method is Sugiyama's (Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical system
structures", 1981): ranks by longest paths; a line over several ranks passes a small invisible node in each; within a
rank the nodes are ordered by the barycentres of their neighbours. Their places are then those with the least sum of
squared distances from their neighbours' that keep the order (isotonic regression: Barlow et al., 1972).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Edge = tuple[int, int]
GAP, RANK_GAP = 18.0, 34.0  # between neighbours in a rank, and between ranks
BEND = 10.0  # the width of an invisible node


@dataclass
class Placed:
    """The middles of the nodes, the points that each edge passes from middle to middle, and the size of the whole."""

    centres: list[tuple[float, float]]
    paths: list[list[tuple[float, float]]]
    width: float
    height: float


def layered(sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Placed:
    """Place boxes of ``sizes`` (width, height) from above down; each edge must lead to a box of a higher number."""
    ranks = _ranks(len(sizes), edges)
    widths = [width for width, _ in sizes]
    chains: list[list[int]] = []  # an edge's nodes, the invisible ones included
    for start, end in edges:
        chain = [start]
        for rank in range(ranks[start] + 1, ranks[end]):
            chain.append(len(widths))
            widths.append(BEND)
            ranks.append(rank)
        chains.append([*chain, end])
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for chain in chains:
        for a, b in pairwise(chain):
            below[a].append(b)
            above[b].append(a)
    rows = _order(ranks, above, below)
    x = _places(rows, widths, above, below)
    y, heights = _heights(rows, sizes)
    left = min((x[i] - widths[i] / 2 for i in range(len(widths))), default=0.0)
    x = [value - left for value in x]
    width = max((x[i] + widths[i] / 2 for i in range(len(widths))), default=0.0)
    centres = [(x[i], y[ranks[i]]) for i in range(len(widths))]
    return Placed(centres[: len(sizes)], [[centres[i] for i in chain] for chain in chains], width, heights)


def _ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """The longest path to each node; what depends on nothing further up comes just above the first that needs it."""
    ranks = [0] * count
    inputs: list[list[int]] = [[] for _ in range(count)]
    uses: list[list[int]] = [[] for _ in range(count)]
    for start, end in sorted(edges):
        ranks[end] = max(ranks[end], ranks[start] + 1)
        inputs[end].append(start)
        uses[start].append(end)
    free = [True] * count  # nothing holds it up: no input, or a single one, which is free
    for node in range(count):
        free[node] = len(inputs[node]) < 2 and all(free[i] for i in inputs[node])
    for node in reversed(range(count)):
        if free[node] and uses[node]:
            ranks[node] = min(ranks[end] for end in uses[node]) - 1
    lowest = min(ranks, default=0)
    return [rank - lowest for rank in ranks]


def _order(ranks: list[int], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """The nodes of each rank from left to right: of some sweeps down and up the one with the fewest crossings."""
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for node, rank in enumerate(ranks):
        rows[rank].append(node)
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(12):
        neighbours = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            place = {node: i for r in rows for i, node in enumerate(r)}
            keys = {node: _mean([place[n] for n in neighbours[node]], place[node]) for node in row}
            row.sort(key=keys.__getitem__)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(rows: list[list[int]], below: list[list[int]]) -> int:
    count = 0
    for row, following in pairwise(rows):
        place = {node: i for i, node in enumerate(following)}
        lines = [(i, place[b]) for i, node in enumerate(row) for b in below[node]]
        count += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for k, a in enumerate(lines) for b in lines[k + 1 :])
    return count


def _places(
    rows: list[list[int]], widths: list[float], above: list[list[int]], below: list[list[int]]
) -> list[float]:
    """x of each node: drawn to the mean of its neighbours, those with many neighbours of their own before others."""
    x = [0.0] * len(widths)
    weights = [float(bool(a)) * 9 + 1 for a in above]  # inputs give way to what is computed
    for row in rows:
        _put(x, row, [0.0] * len(row), widths, weights)
    for sweep in range(24):
        for row in rows if sweep % 2 else reversed(rows):
            wanted = [_weighted([*above[node], *below[node]], x, weights, otherwise=x[node]) for node in row]
            _put(x, row, wanted, widths, weights)
    return x


def _weighted(nodes: list[int], x: list[float], weights: list[float], otherwise: float) -> float:
    total = sum(weights[n] for n in nodes)
    return sum(weights[n] * x[n] for n in nodes) / total if nodes else otherwise


def _put(
    x: list[float], row: list[int], wanted: list[float], widths: list[float], weights: list[float]
) -> None:
    """Set the x of ``row`` as near as may be to ``wanted``, with the gap between neighbours."""
    offsets, position = [], 0.0
    for i, node in enumerate(row):
        if i:
            position += (widths[row[i - 1]] + widths[node]) / 2 + GAP
        offsets.append(position)
    blocks: list[list[float]] = []  # [mean, weight, members]: nodes that touch
    for node, want, offset in zip(row, wanted, offsets, strict=True):
        blocks.append([want - offset, weights[node], 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, weight, members = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * weight) / (before[1] + weight)
            before[1] += weight
            before[2] += members
    means = [mean for mean, _, members in blocks for _ in range(int(members))]
    for node, mean, offset in zip(row, means, offsets, strict=True):
        x[node] = mean + offset


def _heights(rows: list[list[int]], sizes: Sequence[tuple[float, float]]) -> tuple[list[float], float]:
    """The y of each rank's middle, and the height of all."""
    y, top = [], 0.0
    for row in rows:
        height = max((sizes[node][1] for node in row if node < len(sizes)), default=0.0)
        y.append(top + height / 2)
        top += height + RANK_GAP
    return y, max(top - RANK_GAP, 0.0)
