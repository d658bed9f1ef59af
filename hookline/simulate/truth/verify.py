"""Compares a live database with the truth of a run, and waits until it can be compared."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hookline.simulate.truth.comparison import TABLES, Comparison, Difference
from hookline.simulate.truth.expected import Expected, expected
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.received import Received
from hookline.simulate.world.facts import DAY, SECOND, CartState, Micros

PAGE = 10_000
"""Rows of a table that are read at once."""
LONGEST: Micros = 900 * SECOND
"""How long after its last receipt a cart is waited for; longer limits are beyond a run."""
LINGER: Micros = 2 * SECOND
"""How much later than the last receipt the watermark must be: appended, and found due."""
POLL = 0.5

Progress = Callable[[str, int, int], None]
"""Called with a table, the rows compared so far and the rows expected."""
Waiting = Callable[[float], None]
"""Called with the seconds that the watermark still lacks."""

_WATERMARK = "SELECT (extract(epoch FROM at) * 1000000)::bigint AS at FROM watermark"
_SHOPS = "shop LIKE %s"
_UNITS = """
    SELECT o.*, (SELECT sum(quantity) FROM order_items i WHERE i.order_key = o.order_key)::bigint
        AS units
    FROM orders o
"""
_FROM = {"orders": f"({_UNITS}) AS orders"}
_OF_PEOPLE = "EXISTS (SELECT FROM unnest(customer_keys) k WHERE split_part(k, '/', 2) LIKE %s)"


class Answer(Protocol):
    """The rows of a query."""

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return one mapping per row."""
        ...


class Reader(Protocol):
    """A connection that reads the tables."""

    def query(self, statement: str, parameters: Sequence[Any] | None = None, /) -> Answer:
        """Run a query."""
        ...


class NotQuietError(Exception):
    """The tables did not come to rest in time; the message is how far they are."""


@dataclass(slots=True)
class Verification:
    """What a comparison found. ``tables``: rows compared of each."""

    truth: Expected
    differences: list[Difference] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows compared in all."""
        return sum(self.tables.values())

    @property
    def undecided(self) -> Mapping[object, str]:
        """What the bounds of times leave open."""
        return self.truth.undecided.why

    @property
    def holds(self) -> bool:
        """Whether every row was compared and none differs."""
        return not self.differences and not self.undecided


def watermark(reader: Reader) -> Micros:
    """Return the watermark; 0 before there is one."""
    rows = reader.query(_WATERMARK).as_dicts()
    return int(rows[0]["at"] or 0) if rows else 0


def quiet_at(received: Sequence[Received]) -> Micros:
    """Return the watermark from which on nothing changes, as far as it can be waited for."""
    at = 0
    for each in received:
        shop, limit = each.fact.shop, 0
        if isinstance(each.fact, CartState):
            silence = shop.expire_after
            if gives(shop).carts == "timer":
                silence += shop.abandon_after
            limit = min(silence * SECOND, LONGEST)
        at = max(at, each.latest + limit)
    return at + LINGER


def wait_for_quiet(
    reader: Reader,
    received: Sequence[Received],
    *,
    patience: float = 60.0,
    waiting: Waiting = lambda _: None,
) -> Micros:
    """Wait until the watermark has passed all that changes rows, and return it.

    ``patience``: seconds without a move of the watermark. Raises NotQuietError, psycopg.Error.
    """
    until, before, moved = quiet_at(received), -1, time.monotonic()
    while (at := watermark(reader)) < until:
        if at > before:
            before, moved = at, time.monotonic()
        elif time.monotonic() - moved > patience:
            raise NotQuietError(
                f"the watermark has not moved for {patience:.0f} s and lacks"
                f" {(until - at) / SECOND:.0f} s: do the processors and sinks run?"
            )
        waiting((until - at) / SECOND)
        time.sleep(POLL)
    return at


def verify(
    reader: Reader,
    received: Sequence[Received],
    shops: str,
    *,
    progress: Progress = lambda *_: None,
) -> Verification:
    """Compare all tables with the truth. ``shops``: what the ids of the run's shops begin with.

    Call it once the tables are quiet. Raises psycopg.Error, CommandError.
    """
    while True:
        as_of = watermark(reader)
        found = _compare(reader, expected(received, as_of), shops, progress)
        # Customers' rows are of a day: one that has ended meanwhile is compared again.
        if watermark(reader) // DAY == as_of // DAY:
            return found


def _compare(reader: Reader, truth: Expected, shops: str, progress: Progress) -> Verification:
    found, comparison = Verification(truth), Comparison(truth)
    for table in TABLES:
        count = len(truth.tables.get(table, {}))
        rows = _counted(_rows(reader, table, shops), table, count, progress)
        before = comparison.compared
        found.differences += comparison.table(table, rows)
        found.tables[table] = comparison.compared - before
    return found


def _counted(
    rows: Iterator[Mapping[str, Any]], table: str, expected_rows: int, progress: Progress
) -> Iterator[Mapping[str, Any]]:
    done = 0
    for done, row in enumerate(rows, start=1):
        if done % 1000 == 0:
            progress(table, done, expected_rows)
        yield row
    progress(table, done, expected_rows)


def _rows(reader: Reader, table: str, shops: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of the run's shops, page by page in the order of the key."""
    keys = ", ".join(TABLES[table])
    mine = _OF_PEOPLE if table == "people" else _SHOPS
    pattern = shops.replace("\\", "\\\\").replace("_", r"\_").replace("%", r"\%") + "%"
    last: tuple[Any, ...] = ()
    while True:
        beyond = f"AND ({keys}) > ({', '.join(['%s'] * len(last))})" if last else ""
        page = reader.query(
            f"SELECT * FROM {_FROM.get(table, table)} WHERE {mine} {beyond}"  # noqa: S608
            f" ORDER BY {keys} LIMIT {PAGE}",
            (pattern, *last),
        ).as_dicts()
        yield from page
        if len(page) < PAGE:
            return
        last = tuple(page[-1][column] for column in TABLES[table])
