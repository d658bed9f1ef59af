"""What changed between two folds of the same carts, as signals to send."""

import uuid
from collections.abc import Hashable, Iterable, Sequence

from schemas.envelopes import EVENT_NAMESPACE
from schemas.events import Micros, SignalKind
from sinks.carts.records import Detection, Generation, Signal, Status

_Moments = dict[tuple[Hashable, ...], tuple[Micros, Generation]]
"""What sets an abandonment or a closing apart -> when it was, and the row."""
_CLOSED = {Status.RECOVERED: SignalKind.RECOVERED, Status.EXPIRED: SignalKind.EXPIRED}
_ORDER = (SignalKind.RETRACTED, SignalKind.ABANDONED, SignalKind.RECOVERED, SignalKind.EXPIRED)


def signal_id(cart_key: str, generation: int, kind: SignalKind, abandoned_at: Micros) -> str:
    """UUIDv5 of what the signal speaks of: the same whenever it is found again."""
    name = f"{cart_key}/{generation}/{kind.value}/{abandoned_at}"
    return str(uuid.uuid5(EVENT_NAMESPACE, name))


def signals(before: Sequence[Generation], after: Sequence[Generation]) -> list[Signal]:
    """What the rows ``after`` say that the rows ``before`` did not, in the order to tell it.

    Both speak of the same carts. A platform's own report is never retracted, nor told twice
    where an earlier report turns up. That a recovery no longer stands is no signal: its
    abandonment either stands on or is retracted.
    """
    was, now = _abandonments(before), _abandonments(after)
    current = {(row.cart_key, row.generation): row for row in after}
    found: list[Signal] = []
    for moment, (at, row) in was.items():
        if moment not in now and row.detection is Detection.TIMER:
            shown = current.get((row.cart_key, row.generation), row)
            found.append(_signal(SignalKind.RETRACTED, at, _shaped_at(shown, at), row))
    for moment, (at, row) in now.items():
        if moment not in was:
            found.append(_signal(SignalKind.ABANDONED, at, at, row))
    closed = _closings(before)
    for moment, (at, row) in _closings(after).items():
        if moment not in closed:
            found.append(_signal(_CLOSED[row.status], at, _shaped_at(row, at), row))
    return sorted(
        found,
        key=lambda each: (
            each.row.cart_key,
            each.kind is not SignalKind.RETRACTED,
            each.row.generation,
            each.abandoned_at,
            _ORDER.index(each.kind),
        ),
    )


def _abandonments(rows: Iterable[Generation]) -> _Moments:
    return {_moment(row, at): (at, row) for row in rows for at in row.abandonments}


def _closings(rows: Iterable[Generation]) -> _Moments:
    return {
        (*_moment(row, row.abandoned_at), row.status): (row.abandoned_at, row)
        for row in rows
        if row.status in _CLOSED and row.abandoned_at is not None
    }


def _moment(row: Generation, at: Micros) -> tuple[Hashable, ...]:
    # A platform's abandonment is one for the generation, whenever its first report was.
    timed = at if row.detection is Detection.TIMER else None
    return (row.cart_key, row.generation, timed)


def _shaped_at(row: Generation, abandoned_at: Micros) -> Micros:
    return row.closed_at or row.last_activity_at or abandoned_at


def _signal(kind: SignalKind, at: Micros, occurred_at: Micros, row: Generation) -> Signal:
    return Signal(
        signal_id=signal_id(row.cart_key, row.generation, kind, at),
        kind=kind,
        abandoned_at=at,
        occurred_at=occurred_at,
        row=row,
    )
