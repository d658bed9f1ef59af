"""What is held of a person as one page of HTML: readable without any other file, and no script."""

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hookline.console.output import display_text, from_unix_ms
from runtime.escaping import terminal_text

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer"><title>What is held of one person</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.5rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:.6rem 0 1.2rem;width:100%}
th,td{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0;border-bottom:1px solid #eee}
th{font-weight:600;width:14rem;color:#555}
td,pre{overflow-wrap:anywhere;white-space:pre-wrap;margin:0}summary{cursor:pointer}
</style></head><body>
"""
TITLES = {
    "customer_contacts": "Contact data",
    "customers": "Customer",
    "orders": "Orders",
    "order_items": "Lines of orders",
    "refunds": "Refunds",
    "payments": "Payments",
    "subscriptions": "Subscriptions",
    "shipments": "Shipments",
    "consents": "Consents",
    "carts": "Carts",
    "abandoned_carts": "Abandoned carts",
    "cart_generations": "Lives of carts",
    "customer_lifetime_value": "Value, and predictions",
    "reported_totals": "Totals as the platform counts them",
}
"""Table -> its title, in the order of the page; others follow under their names."""


def page(document: Mapping[str, Any], made_at: datetime) -> str:
    """Return the page. Every text is escaped."""
    parts = [_HEAD, "<h1>What is held of one person</h1>"]
    parts.append(f"<p>As of {made_at:%Y-%m-%d %H:%M} UTC. Times are UTC.</p>")
    parts += _section("Known as", [document["person"]])
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = document["tables"]
    for name in sorted(rows, key=_order):
        parts += _section(TITLES.get(name, f"Table {name}"), rows[name])
    for topic, records in document["topics"].items():
        parts += _section(f"Records of {topic}", map(_with_times, records))
    if elsewhere := document["named_in_data_of_others"]:
        parts += _section("Named in data of others, which is not shown", elsewhere)
    return "\n".join([*parts, "</body></html>\n"])


def _order(table: str) -> tuple[int, str]:
    return (list(TITLES).index(table) if table in TITLES else len(TITLES), table)


def _with_times(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "appended": from_unix_ms(record["appended"])}


def _section(title: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"<h2>{_text(title)}</h2>", *map(_table, rows)]


def _table(row: Mapping[str, Any]) -> str:
    lines = (
        f"<tr><th>{_text(name)}</th><td>{_text(display_text(value))}</td></tr>"
        for name, value in row.items()
        if value not in (None, "", [], {})
    )
    return f"<table>{''.join(lines)}</table>"


def _text(value: str) -> str:
    return html.escape(terminal_text(value), quote=True)
