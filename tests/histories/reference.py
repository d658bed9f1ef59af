"""The tables as a pure function of events and a clock: what PostgreSQL must hold as well.

Takes batches as the store does, and knows no order among them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.events import Customer, Event, Micros
from schemas.keys import customer_key
from schemas.platforms import telling
from sinks.carts import activity
from sinks.carts.activity import Activity, CandidateOrder, CartHistory, Generation
from sinks.lifetime.customers import (
    CountedOrder,
    CustomerFacts,
    LifetimeRow,
    OrderMoney,
    OrderState,
    Reported,
    candidate,
    customer_rows,
    money,
    order_state,
    renewals,
    reported_totals,
)
from sinks.merge.event_fields import Fields
from sinks.merge.last_writer import Layers, flatten, merge
from sinks.store.entity_rows import ENTITIES
from sinks.store.write_plan import plan
from tests.histories.history import Row

DAY = 86_400_000_000


class Reference:
    """What the events told so far come to."""

    def __init__(self) -> None:
        self.layers: defaultdict[str, dict[str, Layers]] = defaultdict(dict)
        self._activities: defaultdict[str, dict[str, Activity]] = defaultdict(dict)
        self._reported: defaultdict[str, dict[tuple[str, int], Reported]] = defaultdict(dict)
        self._first: dict[tuple[str, str], Micros] = {}

    def put(self, events: Sequence[Event]) -> None:
        """Take a batch in."""
        batch = plan(events)
        for table, entities in batch.told.items():
            stored = self.layers[table]
            for key, told in entities.items():
                for at, event_id, fields in told:
                    stored[key] = merge(stored.get(key, ()), at, event_id, fields)
        for key, activities in batch.activities.items():
            self._activities[key] |= {each.event_id: each for each in activities}
        for place, shop in batch.shops.items():
            at = self._first.get(place, shop.first_received_at)
            self._first[place] = min(at, shop.first_received_at)
        for event in events:
            for number, total in enumerate(reported_totals(event)):
                self._reported[_owner_of(event)][total.event_id, number] = total

    def generations(self, watermark: Micros) -> list[Generation]:
        """Every generation of every cart."""
        states, again = self._orders()
        found: list[Generation] = []
        for place in self._first:
            histories = [
                self._cart(key, flatten(layers))
                for key, layers in self.layers["carts"].items()
                if _place(key) == place
            ]
            orders: list[CandidateOrder] = [
                candidate(state, worth, key in again)
                for key, (state, worth) in states.items()
                if _place(key) == place
            ]
            found += activity.fold(histories, orders, watermark)
        return found

    def tables(self, watermark: Micros) -> dict[str, list[Row]]:
        """The rows of every table that this reference knows."""
        generations = self.generations(watermark)
        rows = [_of(row, Generation.__slots__) for row in generations]
        for row in rows:
            del row["abandonments"]
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
        }

    def _orders(self) -> tuple[dict[str, tuple[OrderState, OrderMoney]], frozenset[str]]:
        states = {
            key: order_state(key, *_place(key), flatten(layers))
            for key, layers in self.layers["orders"].items()
        }
        worth = {key: (state, money(state)) for key, state in states.items()}
        return worth, renewals(states.values())

    def _cart(self, key: str, told: Fields) -> CartHistory:
        source, shop = _place(key)
        owner = customer_key(source, shop, told.get("customer_id"), told.get("email_hash"))
        customer = flatten(self.layers["customers"].get(owner or "", ()))
        return CartHistory(
            cart_key=key,
            source=source,
            shop=shop,
            native_cart_id=told["cart_id"],
            customer_id=told.get("customer_id"),
            email_hash=told.get("email_hash"),
            cart_token=told.get("cart_token"),
            customer_key=owner,
            person_key=customer.get("email_hash") or told.get("email_hash"),
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
                "counted_total": worth.total,
                **_of(worth, (name for name in OrderMoney.__struct_fields__ if name != "total")),
            }
            for key, (state, worth) in states.items()
        ]

    def _lifetime_rows(self, generations: Iterable[Generation], watermark: Micros) -> list[Row]:
        states, again = self._orders()
        bought: defaultdict[str, list[CountedOrder]] = defaultdict(list)
        for key, (state, worth) in states.items():
            if (owner := _owner(state)) is not None:
                bought[owner].append(
                    CountedOrder(
                        order_key=key,
                        placed_at=state.placed_at,
                        currency=state.currency,
                        money=worth,
                        is_renewal=key in again,
                    )
                )
        left = [row.customer_key for row in generations if row.stands and not row.is_test]
        active = [row["customer_key"] for row in self._entity_rows("subscriptions") if _lives(row)]
        found: list[Row] = []
        for key, layers in self.layers["customers"].items():
            facts = self._facts(key, flatten(layers), active.count(key), left.count(key))
            told = self._reported[key].values()
            as_of = watermark - watermark % DAY
            for row in customer_rows(facts, bought[key], told, as_of):
                shown = _of(row, LifetimeRow.__slots__)
                found.append({name.lower(): value for name, value in shown.items()})
        return found

    def _facts(self, key: str, told: Fields, active: int, left: int) -> CustomerFacts:
        source, shop = _place(key)
        return CustomerFacts(
            customer_key=key,
            source=source,
            shop=shop,
            timezone=told["settings"]["timezone"],
            shop_currency=told["settings"].get("currency"),
            created_at=told.get("created_at"),
            first_delivery_at=self._first[source, shop],
            active_subscriptions=active if source in telling("subscriptions") else None,
            abandoned_carts_count=left if source in telling("carts") else None,
            person_key=told.get("email_hash"),
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


_ENTITY_COLUMNS = (
    "subscription_key", "customer_key", "source", "shop", "status", "is_deleted", "is_test",
    "person_key", "is_contactable", "timezone", "shop_currency",
)  # fmt: skip


def _of(record: Any, names: Iterable[str]) -> Row:
    return {name: getattr(record, name) for name in names}


def _lives(row: Mapping[str, Any]) -> bool:
    return row["status"] == "ACTIVE" and not row["is_deleted"] and not row["is_test"]


def _place(key: str) -> tuple[str, str]:
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
