"""Payload times become microseconds in UTC; naive ones are of the shop's zone."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sources import notes
from processors.sources.readers.times import moment
from schemas.events import TimeBasis
from tests.example_files import SHOPS

SHOP = SHOPS["shoprocket"]


def read(value: Any, zone: str = "UTC") -> tuple[str, TimeBasis] | None:
    shop = dataclasses.replace(SHOP, naive_times_in=zone)
    found = moment({"t": value}, "t", "x.", shop)
    if found is None:
        return None
    return datetime.fromtimestamp(found.at / 1e6, UTC).isoformat(), found.basis


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-07-30T01:58:08.163Z", "2024-07-30T01:58:08.163000+00:00"),
        ("2021-01-15T09:02:16.000000Z", "2021-01-15T09:02:16+00:00"),
        ("2021-01-15T09:02:16+05:30", "2021-01-15T03:32:16+00:00"),
        ("2026-11-20 10:00:00 UTC", "2026-11-20T10:00:00+00:00"),
        ("2026-11-20 10:00:00 gmt", "2026-11-20T10:00:00+00:00"),
        ("2026-11-20 10:00:00 +0000", "2026-11-20T10:00:00+00:00"),
        ("2026-11-20 10:00:00 -0530", "2026-11-20T15:30:00+00:00"),
        ("2026-11-20 10:00:00+01", "2026-11-20T09:00:00+00:00"),
        ("2026-11-20t10:00:00.250z", "2026-11-20T10:00:00.250000+00:00"),
        (" 2026-11-20T10:00:00Z\n", "2026-11-20T10:00:00+00:00"),
        ("1626350400", "2021-07-15T12:00:00+00:00"),
        ("1626350400000", "2021-07-15T12:00:00+00:00"),
        (1626350400, "2021-07-15T12:00:00+00:00"),
        (1626350400000, "2021-07-15T12:00:00+00:00"),
        (Decimal("1626350400.5"), "2021-07-15T12:00:00.500000+00:00"),
    ],
)
def test_a_time_with_its_zone_is_the_payloads(value: Any, expected: str) -> None:
    assert read(value) == (expected, TimeBasis.PAYLOAD)


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2022-05-23 14:37:24", "UTC", "2022-05-23T14:37:24+00:00"),
        ("2022-05-23 20:07:24", "Asia/Kolkata", "2022-05-23T14:37:24+00:00"),
        ("2022-05-23", "UTC", "2022-05-23T00:00:00+00:00"),
        (" 2022-05-23 20:07:24 ", "Asia/Kolkata", "2022-05-23T14:37:24+00:00"),
        # Twice that night: the first, in summer time.
        ("2024-10-27 02:30:00", "Europe/Paris", "2024-10-27T00:30:00+00:00"),
        # Never that night: the offset before the gap.
        ("2024-03-31 02:30:00", "Europe/Paris", "2024-03-31T01:30:00+00:00"),
    ],
)
def test_a_naive_time_is_of_the_shops_zone(value: str, zone: str, expected: str) -> None:
    assert read(value, zone) == (expected, TimeBasis.SHOP_ZONE)


@pytest.mark.parametrize("value", [None, "", "0000-00-00 00:00:00"])
def test_a_time_not_given_is_null(value: Any) -> None:
    assert read(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2024",
        "20240730T015808",
        "20240730",
        "2024-W31-2T00:00:00",
        "2024-02-30",
        "2024-02-30 10:00:00 UTC",
        "2026-11-20 10:00:00 CEST",
        "2024-01-01T00:00:00Z" + "0" * 50,
        True,
        [],
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        -1,
        10**30,
        Decimal("1e999999999"),
    ],
)
def test_what_is_no_time_counts_as_not_given_and_is_noted(value: Any) -> None:
    notes.begin()
    assert read(value) is None
    assert notes.current() == {"unread:x.t": value}


@settings(deadline=None)
@given(st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_every_microsecond_is_kept(when: datetime) -> None:
    found = moment({"t": when.isoformat()}, "t", "", SHOP)
    assert found is not None
    seconds, micros = divmod(found.at, 1_000_000)
    assert datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros) == when
