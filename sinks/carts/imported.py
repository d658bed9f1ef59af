"""Imported cart states that repeat others: they are no activity of their own."""

from collections.abc import Hashable, Iterable
from operator import attrgetter

from schemas.events import LineItem
from sinks.carts.records import Activity


def without_repeats(activities: Iterable[Activity]) -> list[Activity]:
    """Return the activities, each event once, without imported ones that repeat another.

    An imported state repeats an equal state of the same time, however often the file is imported.
    An imported report repeats the platform's own report of that cart, which has the time at which
    it was really reported. From a cart's first live state on its platform's own deliveries show all
    that happened to it: whatever an import dates later, by another clock, is none of it.
    """
    unique = {each.event_id: each for each in activities}
    if not any(each.imported for each in unique.values()):
        return list(unique.values())
    live = [each for each in unique.values() if not each.imported]
    states = {_state(each) for each in live}
    reported = {each.created_at for each in live if each.abandoned}
    first = min((each.at for each in live if not each.abandoned), default=None)
    kept = live
    for each in sorted(unique.values(), key=attrgetter("version", "event_id")):
        if not each.imported or (state := _state(each)) in states:
            continue
        if each.abandoned and each.created_at in reported:
            continue
        if first is not None and each.at >= first:
            continue
        states.add(state)
        kept.append(each)
    return kept


def _state(activity: Activity) -> Hashable:
    return (
        activity.at,
        activity.abandoned,
        activity.created_at,
        activity.items if activity.items is None else tuple(map(_line, activity.items)),
        activity.total,
        activity.currency,
    )


def _line(item: LineItem) -> Hashable:
    return tuple(
        tuple(sorted(value.items())) if isinstance(value, dict) else value
        for value in (getattr(item, name) for name in item.__struct_fields__)
    )
