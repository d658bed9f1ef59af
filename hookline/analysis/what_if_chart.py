"""Draws the chart of ``hookline what-if``."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hookline.analysis.what_if import WhatIfCounts


def save(path: Path, counts_by_setting: Mapping[str, WhatIfCounts]) -> None:
    """Write a PNG file: abandoned carts by setting, split by what their customers did next."""
    names, counts = list(counts_by_setting), counts_by_setting.values()
    series = (
        ("#2a9d8f", "came back and ordered", [each.ordered for each in counts]),
        ("#e9c46a", "came back", [each.came_back - each.ordered for each in counts]),
        ("#c8553d", "stayed away", [each.stayed_away for each in counts]),
    )
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bottom = [0] * len(names)
    for colour, label, values in series:
        axes.bar(names, values, bottom=bottom, color=colour, label=label, width=0.6)
        bottom = [low + more for low, more in zip(bottom, values, strict=True)]
    axes.set_xlabel("silence after which a cart is called abandoned")
    axes.set_ylabel("carts called abandoned")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150, format="png")
