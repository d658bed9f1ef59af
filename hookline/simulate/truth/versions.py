"""Which state of an entity is the newest.

States are ordered by (time of the state, at most the time at which it was appended; change; time
of appending; arrival). A state that its platform does not date has the time of its appending.
"""

from collections.abc import Iterable, Sequence
from functools import cmp_to_key

from hookline.simulate.truth.platforms import is_dated
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span, UndecidedError
from hookline.simulate.world.facts import SECOND, Change, Micros, entity_key

APPENDING: Micros = 60 * SECOND
"""How long after its receipt a delivery is appended at the latest: a broker may be away."""
_RANK = {Change.CREATED: 0, Change.UPDATED: 1, Change.DELETED: 2}


def in_order(received: Iterable[Received]) -> Sequence[Received]:
    """Return the states of one entity, oldest first. Raises UndecidedError."""
    return sorted(received, key=cmp_to_key(_compare))


def newest(received: Iterable[Received]) -> Received:
    """Return the newest state of one entity. Raises UndecidedError."""
    return in_order(received)[-1]


def changed_at(received: Received) -> Micros:
    """Return when the change happened, as the shop's clock showed it."""
    return received.fact.changed_at


def occurred_at(received: Received) -> Span:
    """Return when the change happened: as its payload dates it, at most when it was received."""
    if not is_dated(received.fact):
        return Span(received.earliest, received.latest)
    own = changed_at(received)
    return Span(min(own, received.earliest), min(own, received.latest))


def _compare(one: Received, other: Received) -> int:
    if one is other:
        return 0
    if one.number > other.number:
        return -_compare(other, one)
    return -1 if _is_older(one, other) else 1


def _is_older(one: Received, other: Received) -> bool:
    """Whether the state that arrived first is the older one, too."""
    if not is_dated(other.fact):
        return True  # appended later, and the time of a state is at most that of its appending
    if not is_dated(one.fact):
        return _is_before(_version_time(one), _version_time(other), one)
    changes = _RANK[one.fact.change], _RANK[other.fact.change]
    if changed_at(one) == changed_at(other):
        return changes[0] <= changes[1]
    if changed_at(one) < changed_at(other):
        return True  # by its own time and by arrival: so also by the lesser of the two
    return _is_before(_version_time(one), _version_time(other), one)


def _version_time(received: Received) -> Span:
    if not is_dated(received.fact):
        return Span(received.earliest, received.latest + APPENDING)
    own = changed_at(received)
    return Span(min(own, received.earliest), min(own, received.latest + APPENDING))


def _is_before(one: Span, other: Span, about: Received) -> bool:
    if one.last < other.first:
        return True
    if one.first > other.last:
        return False
    raise UndecidedError(_about(about))


def _about(received: Received) -> str:
    shop, kind, number = entity_key(received.fact)
    return f"which state of {shop}/{kind}:{number} is the newest"
