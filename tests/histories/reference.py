"""The tables as a pure function of events and a clock: what PostgreSQL must hold as well.

Takes batches as the store does, and knows no order among them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict, replace

from schemas.events import Customer, Event, Micros
from schemas.keys import customer_key
from schemas.platforms import naming_cart_customers, providing
from sinks.carts.fold import fold
from sinks.carts.records import Activity, CandidateOrder, CartHistory, Generation
from sinks.lifetime.history import ShopHistory
from sinks.lifetime.order_money import OrderMoney, candidate_order, order_money
from sinks.lifetime.order_state import OrderState, order_state, renewals
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS, payment_refund
from sinks.lifetime.reported_totals import ReportedTotal, reported_totals
from sinks.merge.event_fields import Fields
from sinks.merge.last_writer import Layers, Version, flatten, merge
from sinks.store.entity_rows import ENTITIES, payment_order
from sinks.store.write_plan import plan_writes
from tests.histories.history import Row
from tests.lifetime.customers import customer_rows
from tests.lifetime.records import CustomerFacts, CustomerOrder, LifetimeRow

DAY = 86_400_000_000


class Reference:
    """The tables that follow from the events so far."""

    def __init__(self) -> None:
        self.layers: defaultdict[str, dict[str, Layers]] = defaultdict(dict)
        self._activities: defaultdict[str, dict[str, Activity]] = defaultdict(dict)
        self._reported: defaultdict[str, dict[tuple[str, int], ReportedTotal]] = defaultdict(dict)
        self._shops: dict[tuple[str, str], ShopHistory] = {}

    def put(self, events: Sequence[Event]) -> None:
        """Take a batch in."""
        batch = plan_writes(events)
        for table, entities in batch.contributions.items():
            stored = self.layers[table]
            for key, contributions in entities.items():
                for at, event_id, fields in contributions:
                    stored[key] = merge(stored.get(key, ()), at, event_id, fields)
        for key, activities in batch.activities.items():
            self._activities[key] |= {each.event_id: each for each in activities}
        for shop_id, shown in batch.shops.items():
            self._shops[shop_id] = self._shops.get(shop_id, ShopHistory()) | shown
        for event in events:
            for number, total in enumerate(reported_totals(event)):
                self._reported[_owner_of(event)][total.event_id, number] = total

    def generations(self, watermark: Micros) -> list[Generation]:
        """Every generation of every cart."""
        states, again = self._orders()
        found: list[Generation] = []
        for shop_id in self._shops:
            histories = [
                self._cart(key, flatten(layers))
                for key, layers in self.layers["carts"].items()
                if _shop_of(key) == shop_id
            ]
            orders: list[CandidateOrder] = [
                candidate_order(state, worth, key in again)
                for key, (state, worth) in states.items()
                if _shop_of(key) == shop_id
            ]
            found += fold(histories, orders, watermark)
        return found

    def tables(self, watermark: Micros) -> dict[str, list[Row]]:
        """The rows of every table that this reference knows."""
        generations = self.generations(watermark)
        rows = [_of(row, Generation.__slots__) for row in generations]
        for row in rows:
            del row["abandonments"], row["silent"]
        return {
            "cart_generations": rows,
            "abandoned_carts": [
                {name: value for name, value in row.items() if name != "next_due"}
                for row in rows
                if row["abandon_count"] > 0
            ],
            "orders": self._order_rows(),
            "customer_lifetime_value": self._lifetime_rows(generations, watermark),
            "subscriptions": self._entity_rows("subscriptions"),
            "customers": self._entity_rows("customers"),
            "refunds": self._refund_rows(),
            "customer_contacts": self._contact_rows(),
        }

    def _orders(self) -> tuple[dict[str, tuple[OrderState, OrderMoney]], frozenset[str]]:
        states = {
            key: order_state(key, *_shop_of(key), flatten(layers))
            for key, layers in self.layers["orders"].items()
        }
        for layers in self.layers["payments"].items():
            _add_payment(states, *layers)
        worth = {key: (state, order_money(state)) for key, state in states.items()}
        return worth, renewals(states.values())

    def _cart(self, key: str, fields: Fields) -> CartHistory:
        source, shop = _shop_of(key)
        owner = customer_key(source, shop, fields.get("customer_id"), fields.get("email_hash"))
        customer = flatten(self.layers["customers"].get(owner or "", ()))
        return CartHistory(
            cart_key=key,
            source=source,
            shop=shop,
            native_cart_id=fields["cart_id"],
            customer_id=fields.get("customer_id"),
            email_hash=fields.get("email_hash"),
            cart_token=fields.get("cart_token"),
            customer_key=owner,
            person_key=customer.get("email_hash") or fields.get("email_hash"),
            is_contactable=customer.get("accepts_marketing"),
            activities=tuple(self._activities[key].values()),
        )

    def _order_rows(self) -> list[Row]:
        states, again = self._orders()
        return [
            {
                "order_key": key,
                "source": state.source,
                "shop": state.shop,
                "customer_key": _owner(state),
                "status": state.status,
                "is_renewal": key in again,
                "placed_at": state.placed_at,
                "currency": state.currency,
                **{
                    _COLUMN_OF.get(name, name): value
                    for name, value in asdict(worth).items()
                    if name != "refund_effects"
                },
                "unknown_status": state.status_listed is False,
            }
            for key, (state, worth) in states.items()
        ]

    def _refund_rows(self) -> list[Row]:
        return [
            {
                "order_key": key,
                "position": position,
                "customer_key": state.customer_key,
                "source": state.source,
                "shop": state.shop,
                "currency": state.currency,
                "timezone": state.timezone,
                **asdict(refund),
            }
            for key, (state, worth) in self._orders()[0].items()
            for position, refund in enumerate(worth.refund_effects, start=1)
        ]

    def _contact_rows(self) -> list[Row]:
        rows = []
        for key, layers in self.layers["customer_contacts"].items():
            kept = [each for each in layers if each.version > self._contact_deleted(key)]
            if kept:
                names = ("title", "first_name", "last_name", "name", "email", "phone")
                fields = flatten(kept)
                rows.append({"customer_key": key, **{name: fields.get(name) for name in names}})
        return rows

    def _contact_deleted(self, key: str) -> Version:
        for layer in self.layers["customers"].get(key, ()):
            if "contact_deleted" in layer.fields:
                return layer.version
        return (-1, -1, -1, -1, -1)

    def _lifetime_rows(self, generations: Iterable[Generation], watermark: Micros) -> list[Row]:
        states, again = self._orders()
        bought: defaultdict[str, list[CustomerOrder]] = defaultdict(list)
        for key, (state, worth) in states.items():
            if (owner := _owner(state)) is not None:
                bought[owner].append(
                    CustomerOrder(
                        order_key=key,
                        placed_at=state.placed_at,
                        currency=state.currency,
                        money=worth,
                        is_renewal=key in again,
                        names_subscription=state.subscription_id is not None,
                    )
                )
        left = [row.customer_key for row in generations if row.was_abandoned and not row.is_test]
        active = [row["customer_key"] for row in self._entity_rows("subscriptions") if _lives(row)]
        found: list[Row] = []
        for key, layers in self.layers["customers"].items():
            facts = self._facts(key, flatten(layers), active.count(key), left.count(key))
            totals = self._reported[key].values()
            as_of = watermark - watermark % DAY
            for row in customer_rows(facts, bought[key], totals, as_of):
                shown = _of(row, LifetimeRow.__slots__)
                found.append({name.lower(): value for name, value in shown.items()})
        return found

    def _facts(self, key: str, fields: Fields, active: int, left: int) -> CustomerFacts:
        source, shop = _shop_of(key)
        return CustomerFacts(
            customer_key=key,
            source=source,
            shop=shop,
            timezone=fields["settings"]["timezone"],
            shop_currency=fields["settings"].get("currency"),
            created_at=fields.get("created_at"),
            whole_since=self._shops[source, shop].whole_since,
            active_subscriptions=active if source in providing("subscriptions") else None,
            abandoned_carts_count=left if source in naming_cart_customers() else None,
            person_key=fields.get("email_hash"),
        )

    def _entity_rows(self, name: str) -> list[Row]:
        entity = ENTITIES[name]
        columns = [column for column, _ in entity.table.columns]
        return [
            {
                column: value
                for column, value in zip(columns, entity.row(key, layers), strict=True)
                if column in _ENTITY_COLUMNS
            }
            for key, layers in self.layers[name].items()
        ]


_COLUMN_OF = {"revenue_status": "standing", "total": "counted_total"}
"""Field of ``OrderMoney`` -> column of ``orders``, where they differ."""
_ENTITY_COLUMNS = (
    "subscription_key", "customer_key", "source", "shop", "status", "is_deleted", "is_test",
    "person_key", "is_contactable", "timezone", "shop_currency",
)  # fmt: skip


def _add_payment(states: dict[str, OrderState], key: str, layers: Layers) -> None:
    fields = flatten(layers)
    order, refund = payment_order(key, fields), payment_refund(fields)
    if order in states and refund is not None and states[order].source in REFUNDS_FROM_PAYMENTS:
        payments = (*states[order].payments, refund)
        ordered = tuple(sorted(payments, key=lambda each: each.payment_id))
        states[order] = replace(states[order], payments=ordered)


def _of(record: Any, names: Iterable[str]) -> Row:
    return {name: getattr(record, name) for name in names}


def _lives(row: Mapping[str, Any]) -> bool:
    return row["status"] == "ACTIVE" and not row["is_deleted"] and not row["is_test"]


def _shop_of(key: str) -> tuple[str, str]:
    source, shop, _ = key.split("/", 2)
    return source, shop


def _owner(state: OrderState) -> str | None:
    return customer_key(state.source, state.shop, state.customer_id, state.email_hash)


def _owner_of(event: Event) -> str:
    who = event if isinstance(event, Customer) else event.customer
    if who is None:
        return ""
    meta = event.meta
    return customer_key(meta.source, meta.shop, who.customer_id, who.email_hash) or ""
