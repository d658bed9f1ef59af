"""A platform's list against what the tables hold: field by field, where both give a value. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.events import Customer, Event, Micros, Order
from sinks.merge.event_fields import REFUND, event_fields

ORDER, CUSTOMER = "orders", "customers"
_AMOUNTS = (
    "items_total", "discount_total", "tax_total", "shipping_total", "total", "paid_total",
    "refunded_total", "gift_card_redeemed",
)  # fmt: skip
_EXACT: Mapping[str, tuple[str, ...]] = {
    ORDER: (
        "status",
        "deleted",
        "currency",
        "customer_id",
        "placed_at",
        "cancelled_at",
        "is_draft",
    ),
    CUSTOMER: ("deleted", "created_at", "accepts_marketing", "state_word"),
}
SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Listed:
    """An order or customer in the platform's list: what its adapter makes of the row."""

    table: str
    key: str
    row: int
    state_at: Micros
    dated_at: Micros
    fields: Mapping[str, Any]


def listed(row: int, events: Iterable[Event]) -> Listed | None:
    """Return what a row's primary event shows, None where it is no order and no customer."""
    event = next(iter(events))
    if not isinstance(event, Order | Customer):
        return None
    meta, fields = event.meta, event_fields(event)
    table = ORDER if isinstance(event, Order) else CUSTOMER
    dated = fields.get("placed_at") or fields.get("created_at") or meta.occurred_at
    return Listed(table, meta.entity, row, meta.version_at, dated, fields)


def differences(table: str, given: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that both give and that differ."""
    found = [
        name
        for name in _EXACT[table]
        if name in given and name in stored and given[name] != stored[name]
    ]
    if table == ORDER:
        found += [name for name in _AMOUNTS if _is_other(given.get(name), stored.get(name))]
        refunds = {name for name in given if name.startswith(REFUND)}
        if any(_refunded(given[name]) != _refunded(stored.get(name)) for name in refunds):
            found.append("refunds")
    return found


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

    ``missing_there``: keys of the tables, dated in the list's span, that the list lacks.
    ``newer_here``: rows whose entity has a newer state in the tables: nothing can be said of them.
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
    missing_there: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    span: dict[str, tuple[Micros, Micros]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def is_equal(self) -> bool:
        """Whether nothing is left to mend or to explain."""
        return not (self.missing_here or self.different or self.missing_there or self.refused)

    @property
    def lost_share(self) -> float | None:
        """The share of the listed entities of which a delivery is missing here."""
        lost = len(self.missing_here) + len(self.different)
        return lost / self.compared if self.compared else None

    @property
    def to_import(self) -> frozenset[int]:
        """The rows that a repair writes."""
        return frozenset(self.missing_here.values()) | {row for row, _ in self.different.values()}

    def add(self, each: Listed, stored: tuple[Micros, Mapping[str, Any]] | None) -> None:
        """Compare a listed entity with (version_at, fields) of the stored one, if there is one."""
        if each.key in self.seen:
            self.repeated += 1
            return
        self.seen.add(each.key)
        self.compared += 1
        first, last = self.span.get(each.table, (each.dated_at, each.dated_at))
        self.span[each.table] = min(first, each.dated_at), max(last, each.dated_at)
        if stored is None:
            self.missing_here[each.key] = each.row
            return
        at, fields = stored
        names = differences(each.table, each.fields, fields)
        if not names:
            self.alike += 1
        elif at > each.state_at:
            self.newer_here += 1
        else:
            self.different[each.key] = each.row, names

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
            "newer_here": self.newer_here,
            "repeated": self.repeated,
            "neither_orders_nor_customers": self.other,
            "before_since": self.before_since,
            "refused": dict(self.refused),
            "lost_share": self.lost_share,
            "is_equal": self.is_equal,
        }
