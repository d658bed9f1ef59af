"""Cart signals: what changed between two folds of the same carts."""

import uuid
from collections.abc import Hashable, Iterable, Sequence

from schemas.envelopes import EVENT_NAMESPACE
from schemas.events import Micros, SignalKind
from sinks.carts.records import CartStatus, Detection, Generation, Signal

_Occurrences = dict[tuple[Hashable, ...], tuple[Micros, Generation]]
"""Identity of an abandonment or a closing -> (its abandoned_at, its row)."""
_CLOSED = {CartStatus.RECOVERED: SignalKind.RECOVERED, CartStatus.EXPIRED: SignalKind.EXPIRED}
_ORDER = (SignalKind.RETRACTED, SignalKind.ABANDONED, SignalKind.RECOVERED, SignalKind.EXPIRED)


def signal_id(cart_key: str, generation: int, kind: SignalKind, abandoned_at: Micros) -> str:
    """Return the signal's UUIDv5, the same however often the signal is derived again."""
    name = f"{cart_key}/{generation}/{kind.value}/{abandoned_at}"
    return str(uuid.uuid5(EVENT_NAMESPACE, name))


def signals_between(before: Sequence[Generation], after: Sequence[Generation]) -> list[Signal]:
    """Return the signals that take a reader from the rows ``before`` to those ``after``, in order.

    Both hold the same carts. Of an abandonment that only an import shows there is no signal, nor of
    how it ended: it is history. A platform's own report is never retracted, nor signalled again
    where an earlier report turns up. A recovery that is undone gives no signal of its own: its
    abandonment remains or is retracted.
    """
    old, new = _abandonments(before), _abandonments(after)
    current = {(row.cart_key, row.generation): row for row in after}
    changed: list[Signal] = []
    for identity, (at, row) in old.items():
        if identity not in new and row.detection is Detection.TIMER:
            cause = current.get((row.cart_key, row.generation), row)
            changed.append(_signal(SignalKind.RETRACTED, at, _last_change(cause, at), row))
    for identity, (at, row) in new.items():
        if identity not in old:
            changed.append(_signal(SignalKind.ABANDONED, at, at, row))
    closed_before = _closings(before)
    for identity, (at, row) in _closings(after).items():
        if identity not in closed_before:
            changed.append(_signal(_CLOSED[row.status], at, _last_change(row, at), row))
    return sorted(changed, key=_sending_order)


def _sending_order(signal: Signal) -> tuple[str, bool, int, Micros, int]:
    """Order signals by cart, and a cart's retractions before anything else."""
    row, kind = signal.row, signal.kind
    is_news = kind is not SignalKind.RETRACTED
    return row.cart_key, is_news, row.generation, signal.abandoned_at, _ORDER.index(kind)


def _abandonments(rows: Iterable[Generation]) -> _Occurrences:
    return {
        _identity(row, at): (at, row)
        for row in rows
        for at in row.abandonments
        if at not in row.silent
    }


def _closings(rows: Iterable[Generation]) -> _Occurrences:
    return {
        (*_identity(row, row.abandoned_at), row.status): (row.abandoned_at, row)
        for row in rows
        if row.status in _CLOSED
        and row.abandoned_at is not None
        and row.abandoned_at not in row.silent
    }


def _identity(row: Generation, abandoned_at: Micros) -> tuple[Hashable, ...]:
    # A generation that its platform reports is abandoned once, whenever the first report was.
    timed = abandoned_at if row.detection is Detection.TIMER else None
    return (row.cart_key, row.generation, timed)


def _last_change(row: Generation, abandoned_at: Micros) -> Micros:
    return row.closed_at or row.last_activity_at or abandoned_at


def _signal(kind: SignalKind, at: Micros, occurred_at: Micros, row: Generation) -> Signal:
    return Signal(
        signal_id=signal_id(row.cart_key, row.generation, kind, at),
        kind=kind,
        abandoned_at=at,
        occurred_at=occurred_at,
        row=row,
    )
