"""Writes the tables of ``docs/platforms.md``: ``python -m tests.platforms_page``.

How a field is treated is tried, not declared: each field of each example is removed and changed,
and the adapter is called again. If an event changes (or there is none any more) the field is used;
if only the attributes change it is kept; else it is left out.
"""

import copy
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from processors.sources import ADAPTERS
from processors.sources.contract import Delivery
from schemas.envelopes import Reject
from tests.example_files import Example, examples, verdict

PAGE = Path(__file__).parents[1] / "docs" / "platforms.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
NOTHING = "-"
OF_THIS_RUN = {"event_id", "delivery_id", "received_at", "raw_partition", "raw_offset"}
"""Fields of meta that do not depend on the payload."""

FieldPath = tuple[str | int, ...]


class Fate(IntEnum):
    """How a field is treated, the strongest last."""

    LEFT_OUT = 0
    KEPT = 1
    USED = 2


def fates(example: Example) -> Iterator[tuple[str, Fate]]:
    """Yield every field of an example, in its order, and how it is treated."""
    delivery = example.delivery()
    document = json.loads(example.body)
    before = _events(_with_body(delivery, document))
    for path in _leaves(document):
        fate = Fate.LEFT_OUT
        for changed in _variants(document, path):
            if fate is Fate.USED:
                break
            fate = max(fate, _difference(before, _events(_with_body(delivery, changed))))
        yield _spelled(path), fate
    if delivery.raw.query:
        bare = structs.replace(delivery, raw=structs.replace(delivery.raw, query=""))
        yield "query.orderid", _difference(before, _events(_with_body(bare, document)))


def _with_body(delivery: Delivery, document: Any) -> Delivery:
    body = json.dumps(document).encode()
    return structs.replace(delivery, raw=structs.replace(delivery.raw, body=body), body=body)


def _difference(before: Any, after: Any) -> Fate:
    if after is None or before[0] != after[0]:
        return Fate.USED
    return Fate.KEPT if before[1] != after[1] else Fate.LEFT_OUT


def _events(delivery: Delivery) -> tuple[Any, Any] | None:
    """Return the events without their attributes, and the attributes; None if it is rejected."""
    result = verdict(delivery)
    if isinstance(result, Reject):
        return None
    events = msgspec.to_builtins(result[1], builtin_types=(Decimal,))
    attributes: list[Any] = []
    for event in events.values():
        for holder in (event, *(event.get("items") or ())):
            attributes += [holder.pop("attributes", None)]
    return events, attributes


def _leaves(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    if not pairs and path:
        yield path
    for key, inner in pairs:
        yield from _leaves(inner, (*path, key))


def _variants(document: Any, path: FieldPath) -> Iterator[Any]:
    """Yield the document without a field, then with other values of it."""
    *parents, last = path
    value = document
    for key in path:
        value = value[key]
    for other in (..., *_others(value)):
        changed = copy.deepcopy(document)
        holder = changed
        for key in parents:
            holder = holder[key]
        if other is ...:
            holder[last] = None
            if isinstance(holder, dict):
                del holder[last]
        else:
            holder[last] = other
        yield changed


def _others(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        return (value + 1,)
    if isinstance(value, str) and value:
        return (f"{value}9", "test")
    return ("2020-01-01T00:00:00Z", "1.00", "test", True)


def _spelled(path: FieldPath) -> str:
    return ".".join("[]" if isinstance(key, int) else key for key in path).replace(".[]", "[]")


def _grouped(fields: list[str]) -> str:
    """Group field paths by their object."""
    groups: dict[str, list[str]] = defaultdict(list)
    for field in fields:
        holder, _, name = field.rpartition(".")
        groups[holder].append(name)
    rows = [
        (f"`{holder}`: " if holder else "") + ", ".join(names) for holder, names in groups.items()
    ]
    return "<br>".join(rows) or NOTHING


def events_table(platform: str, choice: list[Example]) -> Iterator[str]:
    """Yield a row for each event of a platform."""
    yield "| event | becomes | rule | used | kept as attributes | left out |"
    yield "|---|---|---|---|---|---|"
    for name in sorted(ADAPTERS[platform].event_names):
        shown = [e for e in choice if (e.platform, e.told["event"]) == (platform, name)]
        fate_of: dict[str, Fate] = {}
        for example in shown:
            if example.path.suffix == ".json":
                for field, fate in fates(example):
                    fate_of[field] = max(fate, fate_of.get(field, fate))
        columns = [
            _grouped([field for field, fate in fate_of.items() if fate is wanted])
            for wanted in (Fate.USED, Fate.KEPT, Fate.LEFT_OUT)
        ]
        rules = sorted({e.told["rule"] for e in shown})
        yield f"| {' | '.join([name, _becomes(shown), ' or '.join(rules), *columns])} |"


def _becomes(shown: list[Example]) -> str:
    """List slots and topics, the primary one first, without the numbers of slots."""
    slots: dict[str, None] = {}
    for example in shown:
        for event in example.told["events"]:
            noun = re.sub(r"-\d+$", " (each)", event["slot"])
            change = event["record"]["meta"]["change"].lower()
            slots[f"{noun} → {event['topic']} ({change})"] = None
    return "<br>".join(slots)


def samples_table(choice: list[Example]) -> Iterator[str]:
    """Yield a row for each event of each published sample."""
    yield "| sample | key | topic | amounts | fields |"
    yield "|---|---|---|---|---|"
    for example in choice:
        for event in example.told["events"] if example.told["published"] else ():
            record = event["record"]
            amounts = [
                f"{name} {Decimal(value).normalize():f}"
                for name, value in record.items()
                if isinstance(value, str) and re.fullmatch(r"-?\d+\.\d{4}", value)
            ]
            key = record["meta"]["entity"].split("/", 2)[2]
            listed = ", ".join(amounts) or NOTHING
            yield f"| {example.name} | {key} | {event['topic']} | {listed} | {_count(record)} |"


def _count(value: Any) -> int:
    """Count the fields of a record that depend on its payload."""
    if isinstance(value, dict):
        return sum(_count(inner) for name, inner in value.items() if name not in OF_THIS_RUN)
    if isinstance(value, list):
        return sum(map(_count, value))
    return 1


def tables() -> str:
    """Return the text between the markers."""
    choice = examples()
    published = sum(example.told["published"] for example in choice)
    parts = ["", "## Events", ""]
    for platform in ADAPTERS:
        parts += [f"### {platform}", "", *events_table(platform, choice), ""]
    parts += [
        "## The published samples",
        f"{published} samples, sent over HTTP as their platform would, are read back from the",
        "topics by another client and compared field by field with the expectations in",
        "`tests/examples`.",
        "",
        *samples_table(choice),
        "",
    ]
    return "\n".join(parts)


def page() -> str:
    """Return the whole page with its tables up to date."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + tables() + END + rest.partition(END)[2]


def main() -> int:
    """Rewrite the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
