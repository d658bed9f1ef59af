"""Whom a model suits, and what is said where it does not."""

import random
from decimal import Decimal

import numpy as np
import pytest

from hookline.analysis.forecast import AHEAD, Customer, forecast
from tests import cdnow


def _customers(number: int, repeat: int, monetary: Decimal | None = Decimal(20)) -> list[Customer]:
    draw = random.Random(7)  # noqa: S311 - a seed that repeats
    found = []
    for each in range(number):
        age = draw.randint(60, 300)
        if each < repeat:
            value = None if monetary is None else monetary * draw.randint(50, 150) / 100
            found.append(Customer(f"c{each}", draw.randint(1, 5), draw.randint(5, age), age, value))
        else:
            found.append(Customer(f"c{each}", 0, 0, age, None))
    return found


@pytest.mark.parametrize(
    ("number", "repeat", "reason"),
    [
        (99, 99, "too-few-customers"),
        (200, 29, "too-few-repeat-customers"),
        (0, 0, "too-few-customers"),
    ],
)
def test_too_few_to_say_anything(number: int, repeat: int, reason: str) -> None:
    said = forecast(_customers(number, repeat), 0.1)
    assert (said.customers, said.repeat_customers, said.reason) == (number, repeat, reason)
    assert said.predictions == ()


def test_purchases_are_predicted_also_where_no_value_is_known() -> None:
    said = forecast(_customers(150, 60, None), 0.1)
    assert (said.reason, said.value_reason) == (None, "too-few-values")
    assert all(each.values == (None, None, None) for each in said.predictions)
    assert all(each.discounted is None and 0 <= each.alive <= 1 for each in said.predictions)


def test_who_bought_again_for_nothing_has_no_value_of_everybodys() -> None:
    customers = [*_customers(150, 60), Customer("free", 2, 30, 90, None)]
    said = {each.customer_key: each for each in forecast(customers, 0.1).predictions}
    assert said["free"].values == (None, None, None)
    assert said["free"].purchases[0] > 0
    assert said["c149"].values[0] is not None  # never came back: everybody's mean


def test_discounting_takes_a_part_and_none_at_no_rate() -> None:
    customers = _customers(150, 60)
    (plain, dear) = (forecast(customers, rate).predictions for rate in (0.0, 0.2))
    for cheap, less in zip(plain, dear, strict=True):
        longest = cheap.values[len(AHEAD) - 1]
        assert longest is not None
        assert cheap.discounted == pytest.approx(longest, abs=Decimal("0.0002"))
        assert less.discounted is not None
        assert longest / Decimal("1.2") <= less.discounted <= longest


def test_what_is_expected_of_the_sample_is_what_its_customers_did() -> None:
    """The holdout: 39 weeks after the calibration period, repeat days within 15% in all."""
    end = cdnow.CALIBRATION_ENDS
    days: dict[int, dict[int, Decimal]] = {}
    for each in cdnow.purchases():
        if each.day <= end:
            own = days.setdefault(each.customer, {})
            own[each.day.toordinal()] = own.get(each.day.toordinal(), Decimal(0)) + each.value
    seen = {(each.customer, each.day) for each in cdnow.purchases() if each.day > end}
    bought = len(seen)
    customers = []
    for number, own in days.items():
        first, last = min(own), max(own)
        repeats = [value for day, value in own.items() if day != first and value > 0]
        mean = sum(repeats, Decimal(0)) / len(repeats) if repeats else None
        age = end.toordinal() - first
        customers.append(Customer(str(number), len(own) - 1, last - first, age, mean))
    said = forecast(customers, 0.1)
    assert said.reason is said.value_reason is None
    assert said.purchases is not None
    assert said.purchases.r == pytest.approx(0.243, rel=0.01)
    x, recency, age = np.array(
        [(each.frequency, each.recency / 7, each.age / 7) for each in customers]
    ).T
    expected = said.purchases.purchases(x, recency, age, 39).sum()
    print(f"{bought} repeat days in the 39 weeks behind, {expected:.0f} expected")
    assert expected == pytest.approx(bought, rel=0.15)
