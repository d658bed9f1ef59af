"""The story of one cart, order or customer: for ``hookline why``, ``journey`` and its page."""

from dataclasses import dataclass
from typing import Any

from hookline.explain import explain
from hookline.explain.cart_summary import cart_summary
from hookline.explain.cart_timeline import timeline
from hookline.explain.merged_carts import merged_into
from hookline.tables import histories
from hookline.tables.queries import Reader

NEWEST = 25
"""Orders, payments and subscriptions of a customer that a story holds, each, at most."""
_LISTS = ("orders", "payments", "reported", "subscriptions")
_IS_CART = "SELECT 1 FROM carts WHERE cart_key = %s"
_IS_CUSTOMER = """
    SELECT 1 FROM customers WHERE customer_key = %(key)s
    UNION ALL SELECT 1 FROM orders WHERE customer_key = %(key)s LIMIT 1
"""
_CARTS_OF_ORDER = """
    SELECT DISTINCT cart.cart_key FROM orders, unnest(orders.links) AS link,
        LATERAL (SELECT cart_key FROM carts WHERE carts.links @> ARRAY[link] OFFSET 0) cart
    WHERE orders.order_key = %s ORDER BY 1 LIMIT 50
"""

_NO_ROW = (
    "Not in customer_lifetime_value: no order of it counts or is pending, and its platform reports"
    " no total"
)


@dataclass(frozen=True, slots=True)
class Story:
    """Why the rows of an entity are as they are.

    ``kind``: cart, order or customer. ``summary``: sentences. ``explanation``: plain data, as
    ``hookline why`` prints it as JSON, but of each event only the names of the fields that it
    decides. ``left_out``: entities of a customer beyond ``NEWEST`` of their kind.
    """

    kind: str
    key: str
    summary: tuple[str, ...]
    explanation: dict[str, Any]
    left_out: int = 0


def story_of(reader: Reader, key: str) -> Story | None:
    """Return the story of a whole key; None for another kind, and for what no table has."""
    kind = key.split("/", 2)[-1].partition(":")[0]
    if kind == "cart" and reader.query(_IS_CART, [key]).rows:
        explanation = cart(reader, key)
        return Story(kind, key, tuple(explanation["summary"]), explanation)
    if kind == "order" and (found := explain.order(reader, key)) is not None:
        summary = (*_rules(found), _closed_by(reader, key))
        return Story(kind, key, summary, _without_values(found))
    if kind in ("customer", "guest") and reader.query(_IS_CUSTOMER, {"key": key}).rows:
        return _customer(explain.customer(reader, key))
    return None


def cart(reader: Reader, cart_key: str) -> dict[str, Any]:
    """Return a cart's moments and rows, and why it is in the table of abandoned carts or not."""
    carts, orders = histories.group(reader, cart_key)
    now = histories.watermark(reader)
    moments = timeline(cart_key, carts, orders, now)
    rows = histories.generations(reader, [cart_key])
    merged = merged_into(reader, rows)
    sources = histories.order_events(reader, [m.order_key for m in moments if m.order_key])
    return {
        "cart_key": cart_key,
        "summary": list(cart_summary(rows, merged)),
        "watermark": explain.to_datetime(now) if now else None,
        "moments": [explain.moment_json(moment, sources) for moment in moments],
        "generations": [
            {
                **explain.generation_json(row),
                "merged_into": merged.get((cart_key, row.generation)),
            }
            for row in rows
        ],
    }


def customer_summary(explanation: dict[str, Any]) -> tuple[str, ...]:
    """Return which rows of ``customer_lifetime_value`` a customer has, or why it has none."""
    rows = explanation["rows"]
    if not rows:
        return (_NO_ROW,)
    return tuple(f"In customer_lifetime_value, {row['row']['currency']}: {row['rules'][0]}"
                 for row in rows)  # fmt: skip


def _customer(explanation: dict[str, Any]) -> Story:
    newest = {name: explanation[name][-NEWEST:] for name in _LISTS}
    left_out = sum(len(explanation[name]) - len(newest[name]) for name in _LISTS)
    shown = explanation | {
        name: [_without_values(each) for each in entities] for name, entities in newest.items()
    }
    shown["customer"] = _without_values(explanation["customer"])
    summary = customer_summary(explanation)
    return Story("customer", explanation["customer_key"], summary, shown, left_out)


def _closed_by(reader: Reader, order_key: str) -> str:
    keys = [key for (key,) in reader.query(_CARTS_OF_ORDER, [order_key]).rows]
    for row in histories.generations(reader, keys):
        if row.order_key == order_key:
            return f"Closes {row.cart_key}, generation {row.generation}: {row.status}"
    return "Closes no cart"


def _rules(entity: dict[str, Any]) -> tuple[str, ...]:
    return tuple(entity["rules"])


def _without_values(entity: dict[str, Any]) -> dict[str, Any]:
    events = [{**event, "decides": list(event["decides"])} for event in entity["events"]]
    return {**entity, "events": events}
