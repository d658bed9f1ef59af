"""A platform's list against what the tables hold: field by field, where both give a value. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.events import (
    TOPIC_OF,
    Cart,
    Consent,
    Customer,
    CustomerContact,
    Event,
    Micros,
    Order,
    Payment,
    Shipment,
    Subscription,
)
from sinks.merge.event_fields import REFUND, event_fields
from sinks.merge.last_writer import Layers, version

ORDER, CUSTOMER = TOPIC_OF[Order], TOPIC_OF[Customer]
_AMOUNTS: Mapping[str, tuple[str, ...]] = {
    ORDER: (
        "items_total", "discount_total", "tax_total", "shipping_total", "total", "paid_total",
        "refunded_total", "gift_card_redeemed",
    ),
    TOPIC_OF[Payment]: ("amount", "refunded_amount"),
    TOPIC_OF[Subscription]: ("price",),
}  # fmt: skip
_EXACT: Mapping[str, tuple[str, ...]] = {
    ORDER: (
        "status", "status_word", "fulfillment_word", "deleted", "currency", "customer_id",
        "placed_at", "cancelled_at", "is_draft",
    ),
    CUSTOMER: ("deleted", "created_at", "accepts_marketing", "state_word"),
    TOPIC_OF[Subscription]: ("status", "deleted", "currency", "customer_id", "created_at"),
    TOPIC_OF[Payment]: ("status", "status_word", "deleted", "currency", "order_id"),
    TOPIC_OF[Shipment]: ("status", "status_word", "deleted", "order_id", "tracking_number"),
    TOPIC_OF[Consent]: ("granted", "deleted", "channel", "customer_id"),
}  # fmt: skip
TABLES = frozenset(_EXACT)
_OWN = "deleted"
"""A field that an event of the entity itself gives, and none that only mentions it."""
SHOWN = 1_000


Age = tuple[Micros, int]
"""What orders states: a time, and the rank of the change."""


class Stored(NamedTuple):
    """What a table holds of an entity: its fields, and how new the state is that gave each."""

    fields: Mapping[str, Any]
    age: Mapping[str, Age]

    @classmethod
    def of(cls, layers: Layers) -> "Stored":
        """Take stored layers apart."""
        fields: dict[str, Any] = {}
        age: dict[str, Age] = {}
        for layer in layers:
            fields |= layer.fields
            age |= dict.fromkeys(layer.fields, layer.version[:2])
        return cls(fields, age)


@dataclass(frozen=True, slots=True)
class Listed:
    """An entity in the platform's list: what its adapter makes of the row.

    ``is_change``: the row gives the time of the entity's last change.
    """

    table: str
    key: str
    row: int
    age: Age
    dated_at: Micros
    fields: Mapping[str, Any]
    is_change: bool = True


def listed(row: int, events: Iterable[Event], *, is_change: bool = True) -> Listed | None:
    """Return what a row's primary event shows, None for a cart: what it was shows only live."""
    event = next(iter(events))
    if isinstance(event, Cart | CustomerContact):
        return None
    meta, fields = event.meta, event_fields(event)
    dated = fields.get("placed_at") or fields.get("created_at") or meta.occurred_at
    table = TOPIC_OF[type(event)]
    return Listed(table, meta.entity, row, version(meta)[:2], dated, fields, is_change)


def differences(given: Listed, stored: Stored) -> tuple[list[str], bool]:
    """Return the names of the fields that both give and that differ, without those newer here.

    And whether there are such.
    """
    table, own, other = given.table, given.fields, stored.fields
    found = [
        name for name in _EXACT[table] if name in own and name in other and own[name] != other[name]
    ]
    found += [name for name in _AMOUNTS.get(table, ()) if _is_other(own.get(name), other.get(name))]
    found += [
        name
        for name in own
        if name.startswith(REFUND) and _refunded(own[name]) != _refunded(other.get(name))
    ]
    left = [name for name in found if stored.age.get(name, given.age) <= given.age]
    names = dict.fromkeys("refunds" if name.startswith(REFUND) else name for name in left)
    return list(names), len(left) < len(found)


def _is_older(given: Listed, stored: Stored) -> bool:
    """Whether the list's state is newer than the newest that the tables have of the entity.

    By its own time of change where both have it: a state's place among the others is at most the
    time at which it was appended, which a fast clock of the shop is ahead of.
    """
    name = "updated_at"
    if name in given.fields and name in stored.fields:
        is_older = stored.fields[name] < given.fields[name]
        return bool(is_older and stored.age[name] <= given.age)
    return given.is_change and stored.age.get(_OWN, given.age)[0] < given.age[0]


def _is_other(one: str | None, other: str | None) -> bool:
    """Whether two amounts are given and differ."""
    return one is not None and other is not None and Decimal(one) != Decimal(other)


def _refunded(refund: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    if refund is None:
        return None
    amounts = (refund.get(name) for name in ("amount", "goods", "tax", "shipping"))
    return (refund.get("status"), *(None if each is None else Decimal(each) for each in amounts))


@dataclass(slots=True)
class Comparison:
    """The result. ``missing_here`` and ``different``: key -> row (and fields) of the list.

    ``older_here``: key -> row of entities that are alike, but of which the list has a newer state
    than the tables. ``missing_there``: keys of the tables, dated in the list's span, that the list
    lacks. ``newer_here``: rows whose entity differs by a newer state in the tables alone.
    ``tables``: those that the list has rows of. ``is_whole``: the tables had everything that was
    received until the list was made. ``seen``: key -> the state compared, and its result.
    """

    rows: int = 0
    compared: int = 0
    alike: int = 0
    newer_here: int = 0
    repeated: int = 0
    other: int = 0
    before_since: int = 0
    missing_here: dict[str, int] = field(default_factory=dict)
    different: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    older_here: dict[str, int] = field(default_factory=dict)
    missing_there: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    span: dict[str, tuple[Micros, Micros]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    is_whole: bool = True
    seen: dict[str, tuple[Age, str]] = field(default_factory=dict)

    @property
    def is_equal(self) -> bool:
        """Whether nothing is left to mend or to explain."""
        is_mended = not (self.to_import or self.missing_there or self.refused)
        return is_mended and self.rows > 0 and self.is_whole

    @property
    def lost_share(self) -> float | None:
        """The share of the listed entities of which a delivery is missing here."""
        lost = len(self.missing_here) + len(self.different) + len(self.older_here)
        return lost / self.compared if self.compared else None

    @property
    def to_import(self) -> frozenset[int]:
        """The rows that a repair writes."""
        rows = {*self.missing_here.values(), *self.older_here.values()}
        return frozenset(rows | {row for row, _ in self.different.values()})

    def add(self, each: Listed, stored: Stored | None) -> None:
        """Compare a listed entity with the stored one, if there is one."""
        if each.key in self.seen:
            self.repeated += 1
            age, result = self.seen[each.key]
            if each.age < age:
                return
            self._take_back(each.key, result)
        else:
            self.compared += 1
        if not each.fields.get(_OWN):  # what a list of deletions spans, it does not list
            first, last = self.span.get(each.table, (each.dated_at, each.dated_at))
            self.span[each.table] = min(first, each.dated_at), max(last, each.dated_at)
        self.seen[each.key] = each.age, self._result(each, stored)

    def _result(self, each: Listed, stored: Stored | None) -> str:
        """Note what an entity's newest row shows, and return under which name."""
        if stored is None or (_OWN not in stored.fields and _OWN in each.fields):
            self.missing_here[each.key] = each.row
            return "missing_here"
        names, is_newer = differences(each, stored)
        if names:
            self.different[each.key] = each.row, names
            return "different"
        if is_newer:
            self.newer_here += 1
            return "newer_here"
        if _is_older(each, stored):
            self.older_here[each.key] = each.row
            return "older_here"
        self.alike += 1
        return "alike"

    def _take_back(self, key: str, result: str) -> None:
        """Forget what an older row of the same entity showed."""
        found = getattr(self, result)
        if isinstance(found, dict):
            del found[key]
        else:
            setattr(self, result, found - 1)

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {
            "rows": self.rows,
            "compared": self.compared,
            "alike": self.alike,
            "missing_here": sorted(self.missing_here)[:SHOWN],
            "missing_here_count": len(self.missing_here),
            "missing_there": self.missing_there[:SHOWN],
            "missing_there_count": len(self.missing_there),
            "different": {key: names for key, (_, names) in sorted(self.different.items())[:SHOWN]},
            "different_count": len(self.different),
            "older_here": sorted(self.older_here)[:SHOWN],
            "older_here_count": len(self.older_here),
            "newer_here": self.newer_here,
            "repeated": self.repeated,
            "not_compared": self.other,
            "before_since": self.before_since,
            "refused": dict(self.refused),
            "lost_share": self.lost_share,
            "is_whole": self.is_whole,
            "is_equal": self.is_equal,
        }
