"""What events did in the tables: rows, the rules that applied, signals. Read-only."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hookline.explain import explain
from hookline.explain.cart_timeline import Moment, timeline
from hookline.explain.explain import moment_json, to_datetime
from hookline.journey.model import EventRecord, RowChange, RowState, SentSignal
from hookline.tables import histories
from hookline.tables.queries import Reader
from schemas.events import CartSignal, SignalKind
from sinks.carts.signals import signal_id
from sinks.merge.last_writer import Layer, load

_TABLES = {
    "carts": ("carts", "cart_key"),
    "orders": ("orders", "order_key"),
    "customers": ("customers", "customer_key"),
    "subscriptions": ("subscriptions", "subscription_key"),
    "payments": ("payments", "payment_key"),
    "shipments": ("shipments", "shipment_key"),
    "consents": ("consents", "consent_key"),
}
"""Topic without a prefix -> the table of its entities and its key."""
_CONTACTS = "contacts"
_CARTS_OF_ORDER = """
    SELECT DISTINCT cart.cart_key FROM orders, unnest(orders.links) AS link,
        LATERAL (SELECT cart_key FROM carts WHERE carts.links @> ARRAY[link] OFFSET 0) cart
    WHERE orders.order_key = %s ORDER BY 1 LIMIT 5
"""
_STORED = "SELECT next_offset FROM fences WHERE topic = %s AND partition = %s"
_SENT = "SELECT signal_id::text, sent_at FROM sent_signals WHERE signal_id = ANY(%s::uuid[])"
_WAITING = "SELECT record FROM outbox WHERE cart_key = ANY(%s) ORDER BY position"


class Effects:
    """Collects what each event did. ``rows`` and ``signals`` are in the order of the events."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.rows: list[RowChange] = []
        self._signals: dict[str, SentSignal] = {}
        self._customers: set[str] = set()

    @property
    def signals(self) -> tuple[SentSignal, ...]:
        """The signals of the generations that the events have a part in."""
        return tuple(self._signals.values())

    def add(self, event: EventRecord) -> None:
        """Add the rows of one event."""
        if event.noun == _CONTACTS:
            self._append(event, "customer_contacts", event.entity or "", RowState.HIDDEN)
            return
        if event.entity is None or event.noun not in _TABLES:
            return
        table, key = _TABLES[event.noun]
        row = self._row(table, key, event.entity)
        if row is None or not self._is_stored(event):
            state = RowState.ABSENT if self._is_stored(event) else RowState.WAITING
            self._append(event, table, event.entity, state)
            return
        self._entity(event, table, row)
        if event.noun == "carts":
            self._cart(event, event.entity)
        elif event.noun == "orders":
            for (cart_key,) in self._reader.query(_CARTS_OF_ORDER, [event.entity]).rows:
                self._cart(event, cart_key)
        customer = row.get("customer_key")
        if customer is not None and event.noun not in ("carts", "shipments", "consents"):
            self._customer(event, customer)

    def _append(
        self, event: EventRecord, table: str, key: str, state: RowState, **more: Any
    ) -> None:
        self.rows.append(RowChange(table, key, state, event.event_id, **more))

    def _row(self, table: str, key: str, entity: str) -> dict[str, Any] | None:
        statement = f"SELECT * FROM {table} WHERE {key} = %s"  # noqa: S608 - our own names
        rows = self._reader.query(statement, [entity]).as_dicts()
        return rows[0] if rows else None

    def _is_stored(self, event: EventRecord) -> bool:
        rows = self._reader.query(_STORED, [event.record.topic, event.record.partition]).rows
        return bool(rows) and int(rows[0][0]) > event.record.offset

    def _entity(self, event: EventRecord, table: str, row: dict[str, Any]) -> None:
        layer = _layer(load(row["layers"]), event.event_id)
        state = RowState.REPLACED if layer is None else RowState.DECIDES
        rules: Sequence[str] = ()
        if table == "orders" and (order := explain.order(self._reader, event.entity or "")):
            rules = order["rules"]
        elif table == "customers" and row.get("is_erased"):
            rules = ("the person is erased: the row is under a pseudonym, without contact data",)
        decides = () if layer is None else explain.decided_fields(layer)
        self._append(
            event, table, event.entity or "", state, decides=tuple(decides), rules=tuple(rules)
        )

    def _cart(self, event: EventRecord, cart_key: str) -> None:
        """Add the moments of a cart that are this event's, and the silences that follow."""
        carts, orders = histories.group(self._reader, cart_key)
        if not any(cart.cart_key == cart_key for cart in carts):
            return
        moments = timeline(cart_key, carts, orders, histories.watermark(self._reader))
        own = own_moments(moments, event.event_id, event.entity or "")
        numbers = {change.generation for moment in own for change in moment.changes}
        for moment in own:
            self._append(
                event,
                "cart_generations",
                cart_key,
                RowState.DECIDES,
                at=to_datetime(moment.at),
                rules=(moment.rule,),
                changes=tuple(moment_json(moment, {})["moved"]),
            )
        self._add_signals(cart_key, moments, numbers)

    def _customer(self, event: EventRecord, customer: str) -> None:
        if customer in self._customers:
            return
        self._customers.add(customer)
        for row in explain.customer(self._reader, customer)["rows"]:
            key = f"{customer} {row['row']['currency']}"
            rules = tuple(row["rules"])
            self._append(event, "customer_lifetime_value", key, RowState.DECIDES, rules=rules)

    def _add_signals(self, cart_key: str, moments: Sequence[Moment], numbers: set[int]) -> None:
        candidates = {
            signal_id(cart_key, generation, kind, at): (kind, generation, at)
            for generation, at in abandonments(moments)
            if generation in numbers
            for kind in SignalKind
        }
        waiting = self._reader.query(_WAITING, [[cart_key]]).rows
        times: dict[str, datetime | None] = {
            msgspec.convert(record, CartSignal).signal_id: None for (record,) in waiting
        }
        times |= dict(self._reader.query(_SENT, [list(candidates)]).rows)
        for signal, (kind, generation, at) in candidates.items():
            if signal in times:
                self._signals[signal] = SentSignal(
                    kind.value, cart_key, generation, signal, to_datetime(at), times[signal]
                )


def _layer(layers: Iterable[Layer], event_id: str) -> Layer | None:
    return next((layer for layer in layers if layer.event_id == event_id), None)


def own_moments(moments: Sequence[Moment], event_id: str, order_key: str) -> list[Moment]:
    """Return the moments of an event or order, and the silences that follow it, in order."""
    own: list[Moment] = []
    is_after = False
    for moment in moments:
        if moment.kind == "silence":
            if is_after:
                own.append(moment)
            continue
        is_after = event_id == moment.event_id or order_key == moment.order_key
        if is_after:
            own.append(moment)
    return own


def abandonments(moments: Iterable[Moment]) -> set[tuple[int, int]]:
    """Return (generation, abandoned_at) of every abandonment, those taken back among them."""
    return {
        (change.generation, at)
        for moment in moments
        for change in moment.changes
        if change.name == "abandoned_at"
        for at in (change.before, change.after)
        if at is not None
    }
