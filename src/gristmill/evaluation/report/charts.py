"""Drawings of the report: inline SVG, drawn here, so that a page needs no library, no script and no network.

Colours and strokes are CSS classes of the page, for light and dark alike. Each drawing says in its label what it shows, for
those who cannot see it; the numbers also stand in a table or a sentence beside it.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

_WIDTH = 640
_ZERO_LABEL_WIDTH = 80


class Whisker(NamedTuple):
    """An estimate with its interval."""

    label: str
    value: float
    lower: float
    upper: float


def difference_chart(whiskers: Sequence[Whisker], margin: float, label: str) -> str:
    """Intervals of differences against zero and the margin; right of the margin is good enough."""
    span = [-margin, 0.0, *(end for one in whiskers for end in (one.lower, one.upper))]
    low, high = _padded(min(span), max(span))
    left, right, row = 172, _WIDTH - 16, 44
    height = 28 + row * len(whiskers) + 34
    base = height - 34

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    parts = [
        f'<rect class="forbidden" x="{left}" y="20" width="{_n(x(-margin) - left)}" height="{base - 20}"/>',
        _line(x(-margin), 20, x(-margin), base, "margin"),
        _text(x(-margin) - 6, 14, f"margin {-margin:g}" if margin else "margin 0", "end", "tick strong"),
    ]
    if margin:
        fits = x(0) + 4 + _ZERO_LABEL_WIDTH <= _WIDTH
        label_at, anchor = (x(0) + 4, "start") if fits else (_WIDTH - 2, "end")
        parts += [_line(x(0), 20, x(0), base, "zero"), _text(label_at, 14, "no difference", anchor, "tick")]
    for index, one in enumerate(whiskers):
        y = 28 + row * index + row / 2 - 4
        parts += [
            _text(left - 12, y + 4, one.label, "end", "name"),
            _line(x(one.lower), y, x(one.upper), y, "whisker"),
            _line(x(one.lower), y - 6, x(one.lower), y + 6, "whisker"),
            _line(x(one.upper), y - 6, x(one.upper), y + 6, "whisker"),
            f'<circle class="point" cx="{_n(x(one.value))}" cy="{_n(y)}" r="5"/>',
        ]
    parts += [_line(left, base, right, base, "axis")]
    for value in _ticks(low, high):
        parts += [
            _line(x(value), base, x(value), base + 4, "axis"),
            _text(x(value), base + 18, f"{value:+g}" if value else "0", "middle"),
        ]
    return _svg(height, label, parts)


def curves_chart(curves: Mapping[str, Sequence[tuple[float, float]]], marked: float | None, label: str) -> str:
    """Lines over epochs, by name; the marked epoch is the one whose weights were kept."""
    xs = [x for points in curves.values() for x, _ in points]
    ys = [y for points in curves.values() for _, y in points]
    width, height, left, top, base = 420, 230, 52, 14, 190
    low, high = _padded(min(ys), max(ys))
    first, last = min(xs), max(max(xs), min(xs) + 1)

    def x(value: float) -> float:
        return left + (width - 16 - left) * (value - first) / (last - first)

    def y(value: float) -> float:
        return base - (base - top) * (value - low) / (high - low)

    parts = []
    for value in _ticks(low, high):
        parts += [
            _line(left, y(value), width - 16, y(value), "grid"),
            _text(left - 8, y(value) + 4, f"{value:g}", "end"),
        ]
    if marked is not None:
        parts += [_line(x(marked), top, x(marked), base, "kept")]
    for index, points in enumerate(curves.values()):
        path = " ".join(f"{_n(x(px))},{_n(y(py))}" for px, py in points)
        parts += [f'<polyline class="curve curve-{index}" points="{path}"/>']
        if len(points) < 40:
            parts += [
                f'<circle class="dot dot-{index}" cx="{_n(x(px))}" cy="{_n(y(py))}" r="2.5"/>' for px, py in points
            ]
    parts += [_line(left, base, width - 16, base, "axis")]
    for value in sorted({first, *(round(tick) for tick in _ticks(first, last)), last}):
        if first <= value <= last and (value in (first, last) or 0.08 < (value - first) / (last - first) < 0.92):
            parts.append(_text(x(value), base + 18, f"{value:g}", "middle"))
    parts.append(_text((left + width - 16) / 2, base + 34, "epoch", "middle"))
    return _svg(height, label, parts, width)


def folds_chart(folds: Sequence[float], mean: float, baseline: float, label: str) -> str:
    """One point for each fold of a cross-validation, their mean, and what a constant answer would reach."""
    low, high = _padded(min(*folds, baseline), max(*folds, baseline))
    left, right, y, base = 16, _WIDTH - 16, 50, 78

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    parts = [
        _line(x(baseline), 22, x(baseline), base, "margin"),
        _text(x(baseline), 14, f"baseline {baseline:.3f}", "middle", "tick strong"),
        _line(x(mean), 22, x(mean), base, "kept"),
        _text(x(mean), 14, f"mean {mean:.3f}", "middle", "tick strong"),
        *(f'<circle class="point soft" cx="{_n(x(fold))}" cy="{y}" r="6"/>' for fold in folds),
        _line(left, base, right, base, "axis"),
    ]
    for value in _ticks(low, high):
        parts += [_line(x(value), base, x(value), base + 4, "axis"), _text(x(value), base + 18, f"{value:g}", "middle")]
    return _svg(base + 26, label, parts)


def density_chart(counts: Sequence[Sequence[float]], low: float, high: float, label: str) -> str:
    """Records counted in square cells, [true][answered], both axes from `low` to `high`; darker cells hold more."""
    side, left, top = 268, 88, 10
    n, most = len(counts), max(max(row) for row in counts) or 1
    cell = side / n

    def x(value: float) -> float:
        return left + side * (value - low) / (high - low)

    def y(value: float) -> float:
        return top + side - side * (value - low) / (high - low)

    parts = [
        f'<rect class="cell" x="{_n(left + i * cell)}" y="{_n(top + side - (j + 1) * cell)}" width="{_n(cell)}" '
        f'height="{_n(cell)}" opacity="{0.12 + 0.88 * (count / most) ** 0.5:.2f}"/>'
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if count
    ]
    parts += [
        _line(x(low), y(low), x(high), y(high), "kept"),
        _line(left, top + side, left + side, top + side, "axis"),
        _line(left, top, left, top + side, "axis"),
    ]
    for value in _ticks(low, high):
        parts += [
            _text(x(value), top + side + 18, _short(value), "middle"),
            _text(left - 8, y(value) + 4, _short(value), "end"),
        ]
    parts.append(_text(left + side / 2, top + side + 36, "truth", "middle"))
    return _svg(top + side + 42, label, parts, 420)


def histogram_chart(counts: Sequence[int], reach: float, label: str) -> str:
    """Bars of equal width from -reach to +reach, around zero."""
    width, left, top, base = 420, 16, 10, 270
    bar, most = (width - 2 * left) / len(counts), max(counts) or 1

    def x(value: float) -> float:
        return left + (width - 2 * left) * (value + reach) / (2 * reach)

    parts = [
        f'<rect class="cell" x="{_n(left + i * bar)}" y="{_n(base - (base - top) * count / most)}" '
        f'width="{_n(bar - 1)}" height="{_n((base - top) * count / most)}"/>'
        for i, count in enumerate(counts)
        if count
    ]
    parts += [_line(x(0), top, x(0), base, "kept"), _line(left, base, width - left, base, "axis")]
    parts += [_text(x(value), base + 18, _short(value), "middle") for value in _ticks(-reach, reach)]
    parts.append(_text(width / 2, base + 36, "answer minus truth", "middle"))
    return _svg(base + 42, label, parts, width)


def share_bar(shares: Sequence[tuple[str, int]], label: str) -> str:
    """One bar cut into parts; the first name of each pair is also its CSS class."""
    total = sum(count for _, count in shares) or 1
    parts, x = [], 0.0
    for name, count in shares:
        width = _WIDTH * count / total
        if count:
            parts.append(
                f'<rect class="part-{escape(name)}" x="{_n(x)}" y="0" width="{_n(max(width, 1.5))}" height="14"/>'
            )
        x += width
    return _svg(14, label, parts, css_class="bar")


def _svg(height: float, label: str, parts: Sequence[str], width: int = _WIDTH, css_class: str = "chart") -> str:
    stretch = ' preserveAspectRatio="none"' if css_class == "bar" else ""
    return (
        f'<svg class="{css_class}"{stretch} viewBox="0 0 {width} {_n(height)}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, css_class: str) -> str:
    return f'<line class="{css_class}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _text(x: float, y: float, text: str, anchor: str, css_class: str = "tick") -> str:
    return f'<text class="{css_class}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(value: float) -> str:
    """A tick in few characters: 250k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):g}{letter}"
    return f"{value:g}"


def _n(value: float) -> str:
    return f"{value:.1f}"


def _padded(low: float, high: float) -> tuple[float, float]:
    space = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return low - space, high + space


def _ticks(low: float, high: float) -> list[float]:
    """Up to six round numbers between two ends."""
    exponent = math.floor(math.log10(high - low)) - 1
    steps = (float(f"{factor}e{exponent + power}") for power in range(3) for factor in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= 6)
    return [round(index * step, 12) for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
