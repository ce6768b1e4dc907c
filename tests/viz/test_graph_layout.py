"""The layout of a graph: nothing overlaps, all lines lead down, and what is simple is drawn simply."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from minidl.viz.layout import GAP, layered


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    n = draw(st.integers(1, 14))
    pairs = list(itertools.combinations(range(n), 2))
    edges = draw(st.sets(st.sampled_from(pairs), max_size=24)) if pairs else set()
    sizes = draw(st.lists(st.tuples(st.floats(10, 200), st.floats(10, 60)), min_size=n, max_size=n))
    return sizes, sorted(edges)


@given(graphs())
def test_boxes_do_not_overlap_and_lines_lead_down(drawn: tuple[list, list]) -> None:
    sizes, edges = drawn
    placed = layered(sizes, edges)
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (w, h), (x, y) in zip(sizes, placed.centres, strict=True)
    ]
    for a, b in itertools.combinations(boxes, 2):
        apart = a[2] + GAP <= b[0] + 1e-6 or b[2] + GAP <= a[0] + 1e-6 or a[3] < b[1] or b[3] < a[1]
        assert apart
    for left, top, right, bottom in boxes:
        assert left >= -1e-6
        assert top >= -1e-6
        assert right <= placed.width + 1e-6
        assert bottom <= placed.height + 1e-6
    for (start, end), path in zip(edges, placed.paths, strict=True):
        assert (path[0], path[-1]) == (placed.centres[start], placed.centres[end])
        assert all(a[1] < b[1] for a, b in itertools.pairwise(path))


def test_a_chain_is_a_straight_line() -> None:
    placed = layered([(30, 20), (90, 20), (50, 20)], [(0, 1), (1, 2)])
    assert {x for x, _ in placed.centres} == {45.0}
    assert placed.width == 90


def test_a_line_over_several_ranks_passes_beside_the_boxes_between() -> None:
    placed = layered([(60, 20)] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    long = placed.paths[3]
    assert len(long) == 4
    for (x, y), (bx, by) in zip(long[1:3], placed.centres[1:3], strict=True):
        assert y == by
        assert abs(x - bx) >= 30 + GAP


def test_two_lines_that_need_not_cross_do_not() -> None:
    placed = layered([(40, 20)] * 6, [(0, 4), (1, 3), (2, 5), (3, 5), (4, 5)])
    x = [centre[0] for centre in placed.centres]
    assert (x[0] - x[1]) * (x[4] - x[3]) > 0


def test_inputs_stand_just_above_where_they_are_used() -> None:
    """2 is an input of the last node only."""
    placed = layered([(40, 20)] * 5, [(0, 1), (1, 3), (3, 4), (2, 4)])
    assert placed.centres[2][1] == placed.centres[3][1]


def test_nothing_is_placed_nowhere() -> None:
    placed = layered([], [])
    assert (placed.centres, placed.width, placed.height) == ([], 0.0, 0.0)
