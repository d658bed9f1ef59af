"""How platforms write times and amounts."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.payloads import spelling

TIMES = st.integers(0, 4_000_000_000_000_000)


@given(TIMES)
def test_each_spelling_is_that_of_the_same_moment(at: int) -> None:
    second = datetime.fromtimestamp(at // 1_000_000, UTC)
    assert spelling.utc(at) == f"{second:%Y-%m-%dT%H:%M:%S}Z"
    assert spelling.naive(at) == f"{second:%Y-%m-%d %H:%M:%S}"
    assert spelling.utc_millis(at) == f"{second:%Y-%m-%dT%H:%M:%S}.{at // 1000 % 1000:03d}Z"
    assert spelling.utc_micros(at) == f"{second:%Y-%m-%dT%H:%M:%S}.{at % 1_000_000:06d}Z"


@given(TIMES, st.sampled_from(["Europe/Paris", "America/New_York", "Asia/Kolkata", "UTC"]))
def test_a_zones_clock_shows_the_same_moment(at: int, zone: str) -> None:
    written = datetime.fromisoformat(spelling.zoned(at, zone))
    assert written == datetime.fromtimestamp(at // 1_000_000, UTC)


@pytest.mark.parametrize(("amount", "written"), [("130.00", 130), ("8.32", 8.32), ("0.10", 0.1)])
def test_amounts_are_written_as_javascript_writes_them(amount: str, written: float) -> None:
    made = spelling.number(Decimal(amount))
    assert made == written
    assert type(made) is type(written)


def test_a_token_belongs_to_its_kind_and_number() -> None:
    assert spelling.token("cart", 1) == spelling.token("cart", 1)
    assert len({spelling.token(kind, n) for kind in ("cart", "key") for n in range(50)}) == 100
