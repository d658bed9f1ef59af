"""Renewals, customers and times of orders."""

from hookline.simulate.truth.names import Person
from hookline.simulate.truth.spans import Span
from hookline.simulate.world.facts import DAY, SECOND, Change
from tests.simulation.made import (
    CIKLIK,
    GOOTEN,
    NOON,
    SPIFFY,
    customer,
    got,
    in_turn,
    order,
    row_of,
    truth,
)


def renewals(*of: bool, **changes: int) -> list[bool]:
    facts = [
        got(
            order(
                CIKLIK, number=n, placed_at=NOON + n * DAY, subscription=3, is_renewal=again,
                **changes,
            ),
            n,
        )
        for n, again in enumerate(of, start=1)
    ]  # fmt: skip
    return [row["is_renewal"] for row in truth(facts).tables["orders"].values()]


def test_every_order_of_a_subscription_but_the_oldest_renews_it() -> None:
    assert renewals(False, False, False) == [False, True, True]


def test_a_creation_shows_a_renewal_where_older_orders_are_not_known() -> None:
    assert renewals(True) == [True]


def test_platforms_without_subscriptions_renew_nothing() -> None:
    facts = [got(order(SPIFFY, number=n, subscription=3), n) for n in (1, 2)]
    assert not any(row["is_renewal"] for row in truth(facts).tables["orders"].values())


def test_a_customer_is_named_by_number_and_a_guest_by_address() -> None:
    assert row_of([got(order())], "orders")["customer_key"] == "spiffy/sim-1-spiffy/customer:7"
    guest = customer(number=None, email="A@Example.com ")
    row = row_of([got(order(customer=guest))], "orders")
    assert row["customer_key"] == Person("a@example.com", "spiffy/sim-1-spiffy")


def test_an_order_without_any_time_was_placed_when_it_was_first_received() -> None:
    edited = order(GOOTEN, change=Change.UPDATED, reason="edited")
    row = row_of(in_turn(order(GOOTEN), edited, every=10), "orders")
    assert row["placed_at"] == Span.at(NOON + 10 * SECOND)


def test_a_deletion_that_gives_an_id_alone_leaves_the_rest_as_it_was() -> None:
    gone = order(change=Change.DELETED, changed_at=NOON + DAY, lines=())
    row = row_of(in_turn(order(), gone), "orders")
    assert (row["placed_at"], row["standing"]) == (Span.at(NOON), "CANCELLED")
    assert row["customer_key"] is not None
    only = row_of([got(gone)], "orders")
    assert only["customer_key"] is None
