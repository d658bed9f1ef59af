"""When the rows of deliveries became visible, and which they are. Reads the tables only."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from hookline.journey.effects import Effects
from hookline.listen.heard import Heard, Rows
from hookline.tables.queries import Reader

PATIENCE_S = 10.0
"""A delivery is shown without rows that are not visible so long after its verdict."""
BUDGET_S = 0.5
"""Time of one step for looking up which rows changed. Deliveries beyond it are shown without."""
MAXIMUM = 10_000
"""Deliveries that wait for their rows; of more, the oldest are shown without."""

_STORED = "SELECT topic, partition, next_offset, updated_at FROM fences"

Stores = Mapping[tuple[str, int], tuple[int, datetime]]
"""By topic and partition: the next offset to store, and when a commit last moved it."""


class RowDesk:
    """Holds deliveries back until their rows are visible. ``clock``: seconds, steady."""

    def __init__(self, reader: Reader | None, clock: Callable[[], float]) -> None:
        self._reader, self._clock = reader, clock
        self._waiting: deque[Heard] = deque()

    @property
    def is_idle(self) -> bool:
        """Whether no delivery is held back."""
        return not self._waiting

    def add(self, heard: Heard) -> None:
        """Take a delivery that has its verdict."""
        self._waiting.append(heard)

    def step(self) -> list[Heard]:
        """Return the deliveries that are ready to be shown. Raises psycopg.Error."""
        if self.is_idle:
            return []
        begun = self._clock()
        reader = self._reader
        stores: Stores = {}
        if reader is not None and any(heard.events for heard in self._waiting):
            stores = {
                (topic, number): (following, at)
                for topic, number, following, at in reader.query(_STORED).rows
            }
        ready, held = list[Heard](), deque[Heard]()
        beyond = len(self._waiting) - MAXIMUM
        for heard in self._waiting:
            overdue = begun - heard.decided_at > PATIENCE_S or beyond > 0
            beyond -= 1
            if not heard.events:
                ready.append(heard)
            elif reader is None:
                heard.state = Rows.UNREAD
                ready.append(heard)
            elif (at := visible_at(heard, stores)) is not None:
                heard.state = Rows.VISIBLE
                if heard.is_live:
                    heard.visible_seconds = max((at - heard.received.at).total_seconds(), 0.0)
                ready.append(heard)
            elif overdue:
                heard.state = Rows.WAITING
                ready.append(heard)
            else:
                held.append(heard)
        self._waiting = held
        if reader is not None:
            self._look_up(reader, ready, begun)
        return ready

    def _look_up(self, reader: Reader, ready: list[Heard], begun: float) -> None:
        for heard in ready:
            if heard.state is not Rows.VISIBLE:
                continue
            if self._clock() - begun > BUDGET_S:
                heard.were_rows_skipped = True
                continue
            effects = Effects(reader)
            for event in heard.events:
                effects.add(event)
            heard.rows = tuple(effects.rows)


def visible_at(heard: Heard, stores: Stores) -> datetime | None:
    """Return when the last event of a delivery was stored; None while one of them is not.

    The time is that of the newest commit to its partition: a later one than its own, by the time
    between two steps at most.
    """
    newest: datetime | None = None
    for event in heard.events:
        stored = stores.get((event.record.topic, event.record.partition))
        if stored is None or stored[0] <= event.record.offset:
            return None
        newest = stored[1] if newest is None else max(newest, stored[1])
    return newest
