"""Looks at the tables and, once a day, at the payloads: what is wrong, and in which scopes."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import psycopg

from hookline.console.errors import CommandError, error_message
from hookline.notify.conditions import pipeline, shops
from hookline.notify.conditions.condition import Condition, Scope
from hookline.notify.incidents import Reading
from hookline.notify.settings import NotifySettings
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from runtime.logs import without_passwords

ANSWER_S = 45.0
"""Seconds that the tables have for an answer; a server that is frozen gives none at all."""
QUERY_MS = 30_000


class ReadTables(Protocol):
    """Reads the tables once; ``with_shops``: the shops too, which reads whole tables."""

    def __call__(self, *, with_shops: bool) -> Reading:
        """Return what is wrong. Raises CommandError, psycopg.Error."""


class TablesReader:
    """Reads as ``hookline_reader``, each time in a session and a snapshot of its own."""

    def __init__(self, stack: StackAddress, settings: NotifySettings) -> None:
        self._stack, self._settings = stack, settings

    def __call__(self, *, with_shops: bool) -> Reading:
        """Return what is wrong. Raises CommandError, psycopg.Error."""
        settings = self._settings
        scopes: set[Scope] = {"tables", "pipeline"}
        with Reader(self._stack) as reader, reader.snapshot(QUERY_MS):
            fresh = reader.query(pipeline.FRESHNESS)
            found = pipeline.conditions(fresh, reader.query(pipeline.LETTERS), settings)
            [row] = fresh.as_dicts()
            if with_shops:
                arrived, failed = reader.query(shops.ARRIVED), reader.query(shops.FAILED)
                # Nobody is silent while the tables are: senders are not heard then.
                until = row["whole_until"] if row["held_by"] is None else None
                found += shops.conditions(arrived, failed, until, row["at"], settings)
                scopes |= {"failures"} if until is None else {"failures", "silence"}
        at = row["at"].astimezone(UTC)
        return Reading(at=at, scopes=frozenset(scopes), conditions=tuple(found))


class BoundedReader:
    """Reads in a thread of its own: a server that never answers does not hold up the messages.

    ``clock``: for conditions that the tables cannot date, since nobody reads them.
    """

    def __init__(
        self,
        read: ReadTables,
        settings: NotifySettings,
        clock: Callable[[], datetime],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._read, self._settings, self._clock = read, settings, clock
        self._answer_s = answer_s
        self._running: threading.Thread | None = None

    def __call__(self, *, with_shops: bool) -> Reading:
        """Return what is wrong; that the tables cannot be read is wrong too."""
        if self._running is not None and self._running.is_alive():
            return self._away("PostgreSQL does not answer")
        answers: list[Reading | Exception] = []
        self._running = threading.Thread(
            target=_into, args=(answers, self._read, with_shops), daemon=True, name="tables"
        )
        self._running.start()
        self._running.join(self._answer_s)
        if not answers:
            return self._away("PostgreSQL does not answer")
        [answer] = answers
        if isinstance(answer, Reading):
            return answer
        if not isinstance(answer, psycopg.Error | CommandError):
            raise answer
        message = error_message(answer) or str(answer)
        return self._away(without_passwords(message))

    def _away(self, reason: str) -> Reading:
        at = self._clock()
        condition: Condition = pipeline.unreachable(reason, at, self._settings)
        return Reading(at=at, scopes=frozenset({"tables"}), conditions=(condition,))


def _into(answers: list[Any], read: ReadTables, with_shops: bool) -> None:
    try:
        answers.append(read(with_shops=with_shops))
    except Exception as error:  # noqa: BLE001 - the caller, in another thread, raises it
        answers.append(error)
