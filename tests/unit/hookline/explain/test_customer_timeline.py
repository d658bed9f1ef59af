"""What a customer's explanation has beside its own figures."""

from decimal import Decimal

import pytest

from hookline.explain.customer_timeline import _reported


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (Decimal("5.00"), "5 more than the orders' totals"),
        (Decimal("-687.61"), "687.61 less than the orders' totals"),
        (Decimal("0.0000"), "as much as the orders' totals"),
        (None, "the total of an order is not given"),
    ],
)
def test_a_reported_total_is_more_less_or_as_much(delta: Decimal | None, shown: str) -> None:
    row = {
        "reported_revenue": Decimal(10), "reported_delta": delta, "reported_refunded": None,
        "reported_orders": None, "reported_net": None,
    }  # fmt: skip
    [line] = _reported(row)
    assert line.endswith(f"; {shown}")
