"""People over all shops, and cohorts."""

from datetime import date

from hookline.simulate.truth.names import Person
from hookline.simulate.world.facts import DAY
from tests.simulation.made import LATER, NOON, D, amount, customer, got, order, shop, state, truth

HERE, THERE = shop(), shop("run-free", currency="USD")


def test_customers_of_one_address_are_a_person_and_currencies_stay_apart() -> None:
    twin = shop("shoprocket", "older")
    facts = [
        got(order(of, customer=customer(of, 7, "me@example.com")), n)
        for n, of in enumerate((HERE, twin, THERE), start=1)
    ]
    people = truth(facts).tables["people"]
    found = {key: (row["customers"], amount(row["net"])) for key, row in people.items()}
    assert found == {
        (Person("me@example.com"), "EUR"): (2, D(40)),
        (Person("me@example.com"), "USD"): (1, D(20)),
    }


def test_a_cohort_has_a_row_for_each_month_since() -> None:
    facts = [
        got(state(customer=customer(number=1)), -5),
        got(state(), 0),
        got(order(), 1),
        got(order(number=2, placed_at=NOON + 31 * DAY), 2),
    ]
    rows = truth(facts, LATER).tables["monthly_cohorts"]
    shown = {key[3:]: (row["buyers"], amount(row["net"])) for key, row in rows.items()}
    assert shown == {(date(2026, 3, 1), 0): (1, D(20)), (date(2026, 3, 1), 1): (1, D(20))}
    assert [row["is_provisional"] for row in rows.values()] == [False, True]
