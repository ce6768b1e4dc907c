"""Curves and bars as SVG, written by hand: for a page that needs no other program, and no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 26, 34
COLOURS = ("#1f6fb4", "#e07b16")


def curves(title: str, series: Mapping[str, Sequence[float]], first: int = 1) -> str:
    """Lines over the numbers of the epochs, ``first`` and on; what is not finite leaves a gap."""
    values = [v for line in series.values() for v in line if math.isfinite(v)]
    low, high, ticks = scale(min(values, default=0.0), max(values, default=1.0))
    count = max((len(line) for line in series.values()), default=1)

    def x(i: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (i / (count - 1) if count > 1 else 0.5)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" class="chart">',
        f'<text x="{LEFT}" y="16" font-weight="bold">{escape(title)}</text>',
    ]
    for tick in ticks:
        parts += [f'<path d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>']
        parts += [f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.4g}</text>']
    for i in whole_ticks(count):
        parts += [f'<text x="{x(i):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{first + i}</text>']
    for line, colour in zip(series.values(), COLOURS, strict=False):
        parts += [_line([(x(i), y(v)) if math.isfinite(v) else None for i, v in enumerate(line)], colour)]
    return "".join([*parts, _legend(list(series)), "</svg>"])


def _line(points: Sequence[tuple[float, float] | None], colour: str) -> str:
    """A line through ``points``, which ends at each None; a point by itself is a dot."""
    d, dots, pen = "", "", False
    for i, point in enumerate(points):
        if point is not None:
            d += f"{'L' if pen else 'M'}{point[0]:.1f} {point[1]:.1f}"
            if not pen and (i + 1 == len(points) or points[i + 1] is None):
                dots += f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="3" fill="{colour}"/>'
        pen = point is not None
    return f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def _legend(names: Sequence[str]) -> str:
    parts, x = [], float(WIDTH - RIGHT)
    if len(names) > 1:
        for name, colour in reversed(list(zip(names, COLOURS, strict=False))):
            parts.append(f'<text x="{x:.0f}" y="16" text-anchor="end" fill="{colour}">{escape(name)}</text>')
            x -= 7 * len(name) + 14
    return "".join(parts)


def scale(low: float, high: float) -> tuple[float, float, list[float]]:
    """An axis around ``low`` to ``high``, and round numbers on it.

    >>> scale(0.12, 0.87)
    (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    """
    if high <= low:
        spread = abs(low) or 1.0
        low, high = low - spread / 2, high + spread / 2
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next((k for k in (1, 2, 5) if (high - low) / (k * step) <= 5), 10)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [float(f"{i * step:.12g}") for i in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def whole_ticks(count: int) -> list[int]:
    """At most seven of the numbers below ``count``, evenly, from 0.

    >>> whole_ticks(4), whole_ticks(30)
    ([0, 1, 2, 3], [0, 5, 10, 15, 20, 25])
    """
    base = 10 ** max(0, len(str(count)) - 2)
    step = next(k * base for k in (1, 2, 5, 10, 20, 50, 100) if (count - 1) // (k * base) < 7)
    return list(range(0, count, step))


def bars(names: Sequence[str], counts: Sequence[float]) -> str:
    """A row for each name, with a bar as long as its count, as HTML."""
    largest = max([*counts, 1e-12])
    rows = [
        f'<tr><th>{escape(name)}</th><td class="bar"><div style="width:{100 * count / largest:.1f}%"></div></td>'
        f"<td>{count:,}</td></tr>"
        for name, count in zip(names, counts, strict=False)
    ]
    return f'<table class="bars">{"".join(rows)}</table>'
