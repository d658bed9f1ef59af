"""Delivery ids: UUIDv7 that sort by time."""

import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.ids import new_delivery, uuid7


@given(st.integers(0, 2**60), st.integers(0, 2**64 - 1))
def test_a_delivery_id_is_a_uuid_of_version_7_at_its_millisecond(now: Any, random: Any) -> None:
    made = uuid.UUID(uuid7(now, random).decode())

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert now // 1_000_000 % 2**48 == made.int >> 80


@given(st.integers(0, 2**60), st.integers(1000, 10**9))
def test_delivery_ids_sort_by_time_down_to_a_microsecond(now: Any, later: Any) -> None:
    assert uuid7(now, 2**64 - 1) < uuid7(now + later, 0)


def test_new_deliveries_have_ids_of_their_own() -> None:
    ids = {new_delivery()[0] for _ in range(1000)}

    assert len(ids) == 1000
