"""The geometry of charts, which are SVG. Coordinates are in the units of the viewBox."""

from collections.abc import Sequence
from dataclasses import dataclass

STEP, GAP = 8, 1
"""Width of a column with its gaps, and the gap on each side."""
HEIGHT = 100
SHADES = 9
"""Shades of a heat map: 0 is the palest."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One rectangle of a column. ``series``: which of the values it shows."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Stacked columns. ``top``: the value at the upper edge."""

    width: int
    height: int
    top: int
    columns: tuple[tuple[Segment, ...], ...]


def stacked(values: Sequence[Sequence[float]]) -> Columns:
    """Stack each column's values upwards from the lower edge; nothing below 0 is drawn."""
    totals = [sum(max(0.0, value) for value in column) for column in values]
    top = nice_top(max(totals, default=0))
    columns = []
    for number, column in enumerate(values):
        y, segments = float(HEIGHT), []
        for series, value in enumerate(column):
            height = HEIGHT * max(0.0, value) / top
            if height:
                y -= height
                x = number * STEP + GAP
                segments.append(Segment(x, round(y, 3), STEP - 2 * GAP, round(height, 3), series))
        columns.append(tuple(segments))
    return Columns(max(1, len(values)) * STEP, HEIGHT, top, tuple(columns))


def nice_top(value: float) -> int:
    """Return the least 1, 2, 3, 4, 5, 6 or 8 with zeros that is not below ``value``; 1 for 0."""
    size = 1
    while True:
        for each in (1, 2, 3, 4, 5, 6, 8):
            if size * each >= value:
                return size * each
        size *= 10


def bar(value: float | None, most: float | None) -> float:
    """Return the length of a bar in percent of the longest; a value above 0 is always seen."""
    if not value or not most or value < 0:
        return 0.0
    return round(max(0.5, min(100.0, 100 * float(value) / float(most))), 2)


def shade(value: float | None, most: float | None) -> int:
    """Return the shade of a cell, 0 to ``SHADES`` - 1, by its share of the largest."""
    if not value or not most or value < 0:
        return 0
    return min(SHADES - 1, int(SHADES * float(value) / float(most)))
