"""A board as a list of panels, and the JSON that Grafana reads.

Panels flow from left to right on a grid of 24 columns; a title without a query begins a row.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests import ROOT

FOLDER = ROOT / "docs" / "boards"
PROMETHEUS, POSTGRES = "prometheus", "grafana-postgresql-datasource"
"""Types of data sources, as Grafana names them."""
COLUMNS = 24
SCHEMA_VERSION = 39
"""Of Grafana 11; later ones read it."""


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL or SQL. ``legend``: how PromQL's series are named, ``{{label}}``."""

    text: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``kind``: stat, timeseries, barchart, table, or row, which has no query.

    ``about``: what it shows and when to worry, behind the title. ``limits``: values from which a
    stat is yellow and red.
    """

    title: str
    queries: Sequence[Query] = ()
    about: str = ""
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    limits: tuple[float, float] | None = None
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice at the top of a board, filled by a query."""

    name: str
    title: str
    query: str
    is_multiple: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """A whole board. ``name`` is its file and, behind ``hookline-``, its id."""

    name: str
    title: str
    about: str
    source: str
    panels: Sequence[Panel]
    choices: Sequence[Choice] = field(default=())
    since: str = "now-1h"
    refresh: str = "15s"


def text(board: Board) -> str:
    """Return the file of a board."""
    return json.dumps(document(board), indent=1, ensure_ascii=False) + "\n"


def document(board: Board) -> dict[str, Any]:
    """Return a board as Grafana's model has it."""
    return {
        "uid": f"hookline-{board.name}",
        "title": board.title,
        "description": board.about,
        "tags": ["hookline"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": board.since, "to": "now"},
        "refresh": board.refresh,
        "templating": {
            "list": [_source_choice(board), *(_choice(board, c) for c in board.choices)]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": list(_placed(board)),
    }


def _source(board: Board) -> dict[str, str]:
    return {"type": board.source, "uid": "${source}"}


def _source_choice(board: Board) -> dict[str, Any]:
    return {
        "name": "source", "label": "Data source", "type": "datasource", "query": board.source,
        "current": {}, "hide": 0, "refresh": 1,
    }  # fmt: skip


def _choice(board: Board, choice: Choice) -> dict[str, Any]:
    return {
        "name": choice.name, "label": choice.title, "type": "query", "query": choice.query,
        "datasource": _source(board), "refresh": 2, "sort": 1, "multi": choice.is_multiple,
        "includeAll": choice.is_multiple, "hide": 0,
        "current": {"text": ["All"], "value": ["$__all"]} if choice.is_multiple else {},
    }  # fmt: skip


def _placed(board: Board) -> Iterator[dict[str, Any]]:
    x = y = height = 0
    for number, panel in enumerate(board.panels, start=1):
        is_row = panel.kind == "row"
        width = COLUMNS if is_row else panel.width
        if x + width > COLUMNS:
            x, y, height = 0, y + height, 0
        place = {"x": x, "y": y, "w": width, "h": 1 if is_row else panel.height}
        x, height = x + width, max(height, place["h"])
        yield _row(panel, number, place) if is_row else _panel(board, panel, number, place)


def _row(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number, "type": "row", "title": panel.title, "gridPos": place, "collapsed": False,
        "panels": [],
    }  # fmt: skip


def _panel(board: Board, panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _source(board),
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [
            _target(board, panel, query, "ABCDEFGH"[index])
            for index, query in enumerate(panel.queries)
        ],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limits is not None:
        low, high = panel.limits
        steps += [{"color": "yellow", "value": low}, {"color": "red", "value": high}]
    custom: dict[str, Any] = {}
    if panel.kind == "timeseries":
        custom = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
        if panel.is_stacked:
            custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    return {
        "unit": panel.unit,
        "min": 0 if panel.kind == "timeseries" and panel.unit != "short" else None,
        "custom": custom,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
    }


def _options(panel: Panel) -> dict[str, Any]:
    match panel.kind:
        case "stat":
            reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "none"}
        case "timeseries":
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case "table":
            return {"showHeader": True, "cellHeight": "sm"}
        case _:
            return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}


def _target(board: Board, panel: Panel, query: Query, name: str) -> dict[str, Any]:
    common = {"refId": name, "datasource": _source(board)}
    if board.source == PROMETHEUS:
        is_now = panel.kind in ("stat", "table")
        return common | {
            "expr": query.text, "legendFormat": query.legend, "instant": is_now,
            "range": not is_now,
        }  # fmt: skip
    return common | {
        "rawSql": query.text, "rawQuery": True, "editorMode": "code",
        "format": "time_series" if panel.kind == "timeseries" else "table",
    }  # fmt: skip
