"""A delivery that was heard, and what all of them add up to."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hookline.journey.model import EventRecord, Received, RowChange, Stored, Verdict
from hookline.journey.outcomes import Found


class Rows(StrEnum):
    """What is known of a delivery's rows."""

    NONE = "no event changes a row"
    VISIBLE = "visible"
    WAITING = "not in the tables yet"
    UNREAD = "the tables are not read"


@dataclass(slots=True)
class Heard:
    """One delivery. ``heard_at``: seconds of a steady clock. ``verdict`` is None until it is known.

    ``visible_seconds``: from the receipt to the commit that made the last of its rows visible.
    ``were_rows_skipped``: which rows changed was not looked up, since listening was behind.
    """

    received: Received
    raw: Stored
    heard_at: float
    found: Found = field(default_factory=Found)
    verdict: Verdict | None = None
    events: tuple[EventRecord, ...] = ()
    decided_at: float = 0.0
    state: Rows = Rows.NONE
    visible_seconds: float | None = None
    rows: tuple[RowChange, ...] = ()
    were_rows_skipped: bool = False

    @property
    def is_live(self) -> bool:
        """Whether a sender sent it now: its time of receipt measures how late the rows are."""
        return self.received.imported is None and self.received.replay_of is None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for ``--json``."""
        assert self.verdict is not None  # noqa: S101 - it is shown once it has one
        return {
            "received": asdict(self.received),
            "raw": asdict(self.raw),
            "verdict": asdict(self.verdict),
            "events": [asdict(event) for event in self.events],
            "tables": self.state.value,
            "visible_seconds": self.visible_seconds,
            "rows": None if self.were_rows_skipped else [asdict(row) for row in self.rows],
        }


@dataclass(slots=True)
class Totals:
    """Counts of what was shown. ``lost``: deliveries forgotten before they had a verdict."""

    verdicts: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    rows_skipped: int = 0
    visible: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    since: datetime | None = None

    @property
    def deliveries(self) -> int:
        """The deliveries that had a verdict."""
        return self.verdicts.total()

    def add(self, heard: Heard) -> None:
        """Count a delivery that has its verdict."""
        assert heard.verdict is not None  # noqa: S101 - it is counted once it has one
        self.verdicts[heard.verdict.kind.value] += 1
        self.rows_skipped += heard.were_rows_skipped
        if heard.visible_seconds is not None:
            self.visible += 1
            self.seconds += heard.visible_seconds
            self.longest = max(self.longest, heard.visible_seconds)
