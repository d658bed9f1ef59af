"""Bytes in flight, and quotas of shops."""

from ingest.http.limits import InFlight, Quotas


def test_bytes_in_flight_are_refused_beyond_the_limit_and_given_back() -> None:
    in_flight = InFlight(10)

    assert in_flight.take(6)
    assert not in_flight.take(5)
    assert in_flight.held == 6
    in_flight.give(6)
    assert in_flight.take(10)


def test_a_shop_gets_its_quota_each_second_with_bursts_of_one_second() -> None:
    now = [100.0]
    quotas = Quotas(lambda: now[0])
    shop = ("gooten", "prints")

    assert [quotas.take(shop, 3) for _ in range(4)] == [0, 0, 0, 1]
    now[0] += 0.5
    assert [quotas.take(shop, 3) for _ in range(2)] == [0, 1]
    now[0] += 1000
    assert [quotas.take(shop, 3) for _ in range(4)] == [0, 0, 0, 1]


def test_one_shops_quota_is_not_anothers() -> None:
    quotas = Quotas(lambda: 0.0)

    assert [quotas.take(("gooten", "a"), 1) for _ in range(2)] == [0, 1]
    assert quotas.take(("gooten", "b"), 1) == 0
