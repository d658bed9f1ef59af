"""The answers to a search: typed results that a command or a page shows. Times are in UTC."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hookline.explain.story import Story


class VerdictKind(StrEnum):
    """What became of a delivery. ``PENDING``: no processor has come to it yet."""

    CANONICAL = "canonical"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead letter"
    PENDING = "not processed yet"
    MISSING = "no outcome found"


class RowState(StrEnum):
    """What the tables hold of an event."""

    DECIDES = "in the tables"
    REPLACED = "replaced by other events in every field"
    WAITING = "not in the tables yet"
    HIDDEN = "contact data, which is not read here"
    ABSENT = "in no table"


class MissingReason(StrEnum):
    """Why there is no answer."""

    NOT_THERE = "not-there"
    BEYOND_RETENTION = "beyond-retention"
    TO_COME = "to-come"
    UNKNOWN_PERSON = "unknown-person"


@dataclass(frozen=True, slots=True)
class Received:
    """The delivery as it was received. ``at`` is by the ingress's clock; ``size`` in bytes.

    ``imported``: the mark of an import. ``replay_of``: the dead letter that this replays.
    """

    delivery: str
    shop: str
    event: str
    entity: str
    at: datetime
    size: int | None = None
    imported: str | None = None
    replay_of: str | None = None
    original: str | None = None
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A record in Kafka; ``at`` is the broker's append time."""

    topic: str
    partition: int
    offset: int
    at: datetime

    @property
    def position(self) -> str:
        """``partition:offset``."""
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Repeats:
    """What a duplicate repeats. ``delivery`` is None where its raw record is gone."""

    raw: str
    at: datetime
    rule: str
    delivery: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: its record, why, and what an operator decided about it.

    ``slot``: the one event of an otherwise canonical delivery; None for a whole delivery.
    ``replayed_as``: the raw position of its replay.
    """

    record: Stored
    reason: str
    path: str
    detail: str
    stage: str
    slot: str | None = None
    mark: str | None = None
    mark_reason: str | None = None
    marked_at: datetime | None = None
    replayed_as: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A delivery's verdict; ``at`` is when its first outcome was appended."""

    kind: VerdictKind
    at: datetime | None = None
    adapter: int | None = None
    repeats: Repeats | None = None
    letters: tuple[Letter, ...] = ()
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A canonical event of the delivery. ``noun``: its topic without a prefix (``orders``)."""

    record: Stored
    noun: str
    slot: str
    event_id: str
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that an event has a part in.

    ``decides``: the fields that come from this event now. ``rules``: sentences, as ``hookline why``
    shows them. ``changes``: fields before and after, of a cart's generations.
    """

    table: str
    key: str
    state: RowState
    event_id: str
    at: datetime | None = None
    decides: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class SentSignal:
    """A cart signal; ``sent_at`` is None while it waits in the outbox."""

    kind: str
    cart_key: str
    generation: int
    signal_id: str
    abandoned_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """One station of the way. ``wait``: seconds since the station before; negative: clocks."""

    stage: str
    at: datetime | None
    wait: float | None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Journey:
    """The way of one delivery. ``raw`` is None where retention has taken the raw record.

    ``next``: commands to go on with. ``body``: the masked body, where it was asked for.
    """

    received: Received
    raw: Stored | None
    verdict: Verdict
    events: tuple[EventRecord, ...] = ()
    rows: tuple[RowChange, ...] = ()
    signals: tuple[SentSignal, ...] = ()
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    body: Any = None

    @property
    def signals_in_order(self) -> tuple[SentSignal, ...]:
        """The signals by the time of their sending; those that wait come last."""
        return tuple(sorted(self.signals, key=_when_sent))

    @property
    def steps(self) -> tuple[Step, ...]:
        """All stations that have a time, in order, each with the wait before it."""
        stations: list[tuple[str, datetime | None, str]] = [("received", self.received.at, "")]
        if self.raw is not None:
            stations.append(("raw", self.raw.at, f"{self.raw.topic} {self.raw.position}"))
        stations.append((self.verdict.kind.value, self.verdict.at, ""))
        stations += [
            ("event", each.record.at, f"{each.record.topic} {each.record.position}")
            for each in self.events
        ]
        stations += [
            (f"signal {each.kind}", each.sent_at, each.cart_key) for each in self.signals_in_order
        ]
        steps, before = list[Step](), None
        for stage, at, where in stations:
            wait = (at - before).total_seconds() if at and before else None
            steps.append(Step(stage, at, wait, where))
            before = at or before
        return tuple(steps)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for ``--json``."""
        return {"found": "delivery", **asdict(self), "steps": [asdict(s) for s in self.steps]}


def _when_sent(signal: SentSignal) -> tuple[bool, datetime]:
    return signal.sent_at is None, signal.sent_at or signal.abandoned_at


@dataclass(frozen=True, slots=True)
class Listed:
    """One delivery of a list."""

    received: Received
    raw: Stored
    verdict: Verdict
    events: tuple[EventRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of an entity or a person, newest first.

    ``subjects``: the keys they are of. ``back_to``: the raw topic was read back to this time; None
    where that is all that it holds of them.
    """

    subjects: tuple[str, ...]
    deliveries: tuple[Listed, ...]
    back_to: datetime | None
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    stories: tuple[Story, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for ``--json``."""
        return {"found": "deliveries", **asdict(self)}


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no answer; ``explanation`` is a sentence or two, ``next`` commands to go on with."""

    reason: MissingReason
    explanation: str
    next: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for ``--json``."""
        return {"found": None, **asdict(self)}


Answer = Journey | Deliveries | Missing


def wait_text(seconds: float | None) -> str:
    """Return a wait as people read it; a negative one shows that two clocks differ."""
    if seconds is None:
        return ""
    if seconds < 0:
        return f"{seconds:.3f} s (clocks differ)"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:  # noqa: PLR2004 - two minutes are shown as seconds
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
