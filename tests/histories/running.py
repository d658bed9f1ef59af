"""Histories through the pure rules: in their own order, and in any other."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from schemas.events import TOPIC_OF, Event, Micros
from sinks.carts.signals import signals_between
from tests.histories.history import History, Passed, Row, Tables, shown
from tests.histories.reference import Reference

T = TypeVar("T")

ONLY_SQL = (
    "carts_to_contact", "coverage", "daily_cart_rates", "unattributed_orders",
    "cohort_value", "discount_codes", "order_intervals", "order_sequence", "people",
    "product_sales", "refunds_by_day", "refunds_by_order_month", "shop_days",
)  # fmt: skip
"""Views: there is no pure form of them."""
SIZES = (1, 7, 1000)
"""Batches of one, of seven, and of all."""
_SIGNAL = ("kind", "cart_key", "generation", "abandoned_at", "occurred_at", "order_key",
    "recovered_value", "cart_value")  # fmt: skip


def shuffled(events: Sequence[T], seed: int, again: float = 0.5) -> list[T]:
    """The events in a random order, a share of them repeated (``again``), some more than once."""
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    repeated = [*events, *chance.choices(events, k=int(len(events) * again) + 1)]
    chance.shuffle(repeated)
    return repeated


def by_topic(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    """Batches of at most ``size``, each of one topic, as far as the order of events allows.

    With a size beyond all events each topic is one batch: topics do not wait for each other.
    """
    waiting: dict[str, list[Event]] = {}
    for event in events:
        batch = waiting.setdefault(TOPIC_OF[type(event)], [])
        batch.append(event)
        if len(batch) == size:
            yield batch
            del waiting[TOPIC_OF[type(event)]]
    yield from waiting.values()


def scripted(history: History) -> Tables:
    """The rows after the script, step by step, and the signals emitted on the way."""
    known, emitted, at = Reference(), [], 0
    was = known.generations(at)
    for step in history.script:
        if isinstance(step, Passed):
            at = step.at
        else:
            known.put([step])
        rows = known.generations(at)
        emitted += signals_between(was, rows)
        was = rows
    found: list[Row] = [
        {
            **{name: getattr(each.row, name) for name in _SIGNAL if hasattr(each.row, name)},
            **{name: getattr(each, name) for name in _SIGNAL if hasattr(each, name)},
        }
        for each in emitted
    ]
    return {**known.tables(at), "signals": found}


def folded(events: Iterable[Event], size: int, watermark: Micros) -> Tables:
    """The rows after these events in batches."""
    known = Reference()
    for batch in by_topic(events, size):
        known.put(batch)
    return known.tables(watermark)


def differing(history: History, found: Tables, has: Callable[[str], bool]) -> list[str]:
    """Where the rows are not those that the file expects, in words; of the tables that ``has``."""
    wrong = []
    for table, expected in history.expected.items():
        if not has(table):
            continue
        rows = shown(table, found[table])
        named = [
            {name: row.get(name, "no such column") for name in cells}
            for row, cells in zip(rows, expected, strict=False)
        ]
        if len(rows) != len(expected):
            wrong.append(f"{table}: {len(rows)} rows instead of {len(expected)}: {rows}")
        elif named != list(expected):
            wrong.append(f"{table}: {named} instead of {list(expected)}")
    return wrong
