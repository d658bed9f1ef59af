"""Draws the chart of ``hookline what-if``."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hookline.analysis.what_if import WhatIfCounts

_SERIES = (
    ("ordered", "#2a9d8f", "came back and ordered"),
    ("returned", "#e9c46a", "came back"),
    ("stayed_away", "#c8553d", "stayed away"),
)


def save(path: Path, counts_by_setting: Mapping[str, WhatIfCounts]) -> None:
    """Write a PNG file: abandoned carts by setting, split by what their customers did next."""
    names = list(counts_by_setting)
    counts = {
        "ordered": [each.ordered for each in counts_by_setting.values()],
        "returned": [each.came_back - each.ordered for each in counts_by_setting.values()],
        "stayed_away": [each.stayed_away for each in counts_by_setting.values()],
    }
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bottom = [0] * len(names)
    for series, colour, label in _SERIES:
        axes.bar(names, counts[series], bottom=bottom, color=colour, label=label, width=0.6)
        bottom = [low + more for low, more in zip(bottom, counts[series], strict=True)]
    axes.set_xlabel("silence after which a cart is called abandoned")
    axes.set_ylabel("carts called abandoned")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150, format="png")
