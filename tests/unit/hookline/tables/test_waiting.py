"""An empty table names what it waits for."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from hookline.tables import waiting
from hookline.tables.queries import Rows
from schemas.shops import Shop

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def shop(abandon_after: int) -> Shop:
    return Shop(source="run-free", id="lakeside", abandon_after=abandon_after)


@pytest.mark.parametrize(
    ("silences", "due", "expected"),
    [
        ([1800], NOON, "after 30 min of silence; next due at 2026-01-01 12:00:00 UTC"),
        (
            [3600],
            NOON.astimezone(timezone(timedelta(hours=2))),
            "after 1 h of silence; next due at 2026-01-01 12:00:00 UTC",
        ),
        ([1800, 3600], NOON, "after 30 min to 1 h of silence, as its shop sets;"),
        ([5400], None, "after 90 min of silence; no cart is open (`hookline send run-free"),
        ([], None, "once it is silent for long; no cart is open"),
    ],
)
def test_carts_wait_for_silence(silences: list[int], due: datetime | None, expected: str) -> None:
    sentence = waiting.carts_sentence(map(shop, silences), due)
    assert sentence.startswith("no rows yet: a cart is abandoned ")
    assert expected in sentence


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (90, "90 s"), (7200, "2 h"), (259_200, "3 d")]
)
def test_durations(seconds: int, text: str) -> None:
    assert waiting.duration(seconds) == text


class OneDue:
    """A reader whose carts are next due at noon."""

    def query(self, _statement: str) -> Rows:
        return Rows(("min",), ((NOON,),))


def test_a_table_without_rows_is_explained_even_without_the_shops_file() -> None:
    reader, nowhere = OneDue(), Path("/nowhere.toml")
    carts = waiting.sentence(reader, "abandoned_carts", nowhere)  # type: ignore[arg-type]
    assert carts.endswith("once it is silent for long; next due at 2026-01-01 12:00:00 UTC")
    customers = waiting.sentence(reader, "customer_lifetime_value", nowhere)  # type: ignore[arg-type]
    assert "first order" in customers
