"""Mistakes to plant into the product: one line each, and the field by which the truth names it."""

from dataclasses import dataclass

_REFUNDS = "sinks/lifetime/refunds.py"
_MONEY = "sinks/lifetime/order_money.py"
_CART = "sinks/carts/generation.py"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line of a file and what it becomes. ``named``: (table, column); "" for a whole row."""

    name: str
    meaning: str
    path: str
    line: str
    broken: str
    named: tuple[str, str]


MISTAKES = (
    Mistake(
        "refund-twice",
        "a refund counts by its own money and by the order's running total",
        _REFUNDS,
        "        goodwill = None if running or refund.amount is None"
        " else refund.amount - of_lines\n",
        "        goodwill = None if refund.amount is None else refund.amount\n",
        ("orders", "refunded"),
    ),
    Mistake(
        "tax-outside",
        "prices that include tax are taken as prices without it",
        "sinks/lifetime/taxes.py",
        "        return order.taxes_included, TaxBasis.PAYLOAD\n",
        "        return False, TaxBasis.PAYLOAD\n",
        ("orders", "gross"),
    ),
    Mistake(
        "echo-is-activity",
        "a cart that shows once more what was bought opens a new generation",
        _CART,
        "            return at <= grace_ends and is_part("
        "activity.items, self.content.items, ordered)\n",
        "            return False\n",
        ("cart_generations", ""),
    ),
    Mistake(
        "newest-by-arrival",
        "a late delivery of an old state wins over a newer state",
        "sinks/merge/last_writer.py",
        "        meta.version_at,\n",
        "        meta.raw_appended_at,\n",
        ("orders", "standing"),
    ),
    Mistake(
        "discount-ignored",
        "discounts do not come off",
        _MONEY,
        "    discounted = listed - (discounts or ZERO)\n",
        "    discounted = listed\n",
        ("orders", "net"),
    ),
    Mistake(
        "gift-cards-are-goods",
        "gift cards sold count as goods",
        "sinks/lifetime/goods.py",
        "    return [line for line in order.items or () if not line.is_gift_card]\n",
        "    return list(order.items or ())\n",
        ("orders", "gross"),
    ),
    Mistake(
        "cancelled-counts",
        "an order with a time of cancellation is revenue",
        "sinks/lifetime/revenue_status.py",
        "    if order.deleted or order.cancelled_at is not None:\n",
        "    if order.deleted:\n",
        ("orders", "standing"),
    ),
    Mistake(
        "recovered-by-tests",
        "test orders and renewals close carts",
        _MONEY,
        "        may_close_cart=is_purchase and not is_renewal,\n",
        "        may_close_cart=True,\n",
        ("cart_generations", "order_key"),
    ),
    Mistake(
        "emptying-is-activity",
        "emptying a cart starts its silence anew",
        _CART,
        "            self.grace_ends = activity.at + activity.checkout_grace\n",
        "            self.grace_ends = activity.at + activity.checkout_grace\n"
        "            self.latest = activity\n",
        ("cart_generations", "last_activity_at"),
    ),
    Mistake(
        "pending-counts",
        "orders that wait for their payment are revenue",
        "sinks/lifetime/revenue_status.py",
        "    OrderStatus.PENDING: RevenueStatus.PENDING,\n",
        "    OrderStatus.PENDING: RevenueStatus.COUNTED,\n",
        ("orders", "standing"),
    ),
    Mistake(
        "failed-refunds-count",
        "refunds that failed or wait take something off",
        _REFUNDS,
        "    succeeded = [each for each in order.refunds"
        " if each.status is PaymentStatus.SUCCEEDED]\n",
        "    succeeded = list(order.refunds)\n",
        ("refunds", ""),
    ),
    Mistake(
        "shipping-is-goodwill",
        "shipping that is given back takes a part of the goods off",
        _REFUNDS,
        "    return (refund.goods or ZERO) + tax + (refund.shipping or ZERO)\n",
        "    return (refund.goods or ZERO) + tax\n",
        ("refunds", "goodwill"),
    ),
    Mistake(
        "swap-back-is-a-repeat",
        "a cart that is changed and changed back was never changed back",
        "processors/dedupe.py",
        "        and latest.digest == digest\n",
        "        and same is not None\n",
        ("cart_generations", "last_activity_at"),
    ),
    Mistake(
        "cancelled-for-ever",
        "a cancellation that a later state takes back stays",
        "processors/sources/spiffy/orders.py",
        'CLEARED = {"cancelled_at": "cancelled_at", "fulfillment_status": "fulfillment_word"}\n',
        'CLEARED = {"fulfillment_status": "fulfillment_word"}\n',
        ("orders", "standing"),
    ),
)
"""Mistakes in Python, which the pure rules show."""

SQL_MISTAKES = (
    Mistake(
        "renewals-are-purchases",
        "a renewal counts as a day on which the customer came back",
        "sinks/store/customer_projection.py",
        "FROM sales WHERE counted AND NOT is_renewal AND currency IS NOT NULL",
        "FROM sales WHERE counted AND currency IS NOT NULL",
        ("customer_lifetime_value", "frequency"),
    ),
    Mistake(
        "days-in-utc",
        "an order's day is that of UTC, not that of its shop's zone",
        "sinks/store/customer_projection.py",
        "(o.placed_at AT TIME ZONE f.timezone)::date AS day",
        "(o.placed_at AT TIME ZONE 'UTC')::date AS day",
        ("customer_lifetime_value", "recency"),
    ),
    Mistake(
        "currencies-added",
        "a person's amounts in several currencies are one sum",
        "people",
        r"(?s)currency,(.*GROUP BY [^;]*), currency",
        r"min(currency) AS currency,\1",
        ("people", ""),
    ),
)
"""Mistakes in SQL: in the statement of a module, or in a view's definition (``path``: its name;
``line``: a regular expression).
"""
