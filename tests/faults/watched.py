"""How long the tables got no new row, and how long a stage was not ready, during a storm."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import psycopg

from runtime.settings import Settings

EVERY = 0.5
"""Seconds between looks."""
_REST, _LONGEST = 20, 3.0
"""A look that counts many rows is followed by a pause this many times as long; seconds at most."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at a moment (seconds). ``rows``: the number of rows that were visible."""

    at: float
    rows: int


@dataclass(slots=True)
class Watched:
    """What a watch has seen. ``unready_at``: moments at which a stage was not ready."""

    looks: list[Look] = field(default_factory=list)
    unready_at: list[float] = field(default_factory=list)


def longest_silence(began: float, looks: Iterable[Look]) -> float:
    """Return the longest time in seconds without a new row, up to the last new row.

    ``began`` (seconds): from here on deliveries come. A database that was restored to an older
    state has fewer rows than before: that is no new row, and the next one is. A look that failed
    is absent: nobody can see a row in a database that gives no answer. What comes after the last
    new row is no silence: nothing is left to become visible.
    """
    looks = list(looks)
    rises = [new.at for old, new in pairwise(looks) if new.rows > old.rows]
    return max((later - earlier for earlier, later in pairwise([began, *rises])), default=0.0)


def ready_after(struck: float, unready_at: Iterable[float]) -> float:
    """Return the seconds from the end of the fault to the last moment a stage was not ready.

    A stage that is ready for a moment and then no more counts as not ready until it stays so.
    """
    return max((at - struck for at in unready_at if at >= struck), default=0.0)


@contextmanager
def watching(settings: Settings, is_ready: Callable[[], bool]) -> Iterator[Watched]:
    """Look at the tables and the stages every ``EVERY`` seconds, in threads of its own."""
    watched, over = Watched(), threading.Event()

    def watch_rows() -> None:
        pause = 0.0
        while not over.wait(pause):
            pause, began = EVERY, time.monotonic()
            with suppress(psycopg.Error):  # the database is away, or has no tables now
                rows = count_rows(settings)
                watched.looks.append(Look(rows=rows, at=time.monotonic()))
                pause = min(max(EVERY, _REST * (time.monotonic() - began)), _LONGEST)

    def watch_stages() -> None:
        while not over.wait(EVERY):
            if not is_ready():
                watched.unready_at.append(time.monotonic())

    threads = [threading.Thread(target=watch, daemon=True) for watch in (watch_rows, watch_stages)]
    for thread in threads:
        thread.start()
    try:
        yield watched
    finally:
        over.set()
        for thread in threads:
            thread.join()


def count_rows(settings: Settings) -> int:
    """Count orders and cart events: rows that are added and never deleted. Raises psycopg.Error.

    The connection lasts for this look only, since a database in use cannot be copied or renamed.
    """
    with psycopg.connect(settings.database_url, connect_timeout=2) as connection:
        connection.execute("SET statement_timeout = '2s'")
        row = connection.execute(
            f"SELECT (SELECT count(*) FROM {settings.sql_schema}.orders)"  # noqa: S608 - our name
            f" + (SELECT count(*) FROM {settings.sql_schema}.cart_activity)"
        ).fetchone()
    assert row is not None
    return int(row[0])
