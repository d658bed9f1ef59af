"""The times within which a record was appended: narrow windows first, then wider ones. Pure.

A delivery's id holds the time of its receipt by the clock of an ingress. Its raw record has the
broker's time, so the two differ by the clocks and by what the delivery waited in the ingress.
"""

import re
from collections.abc import Sequence

CLOCKS_MS = 600_000
"""The clocks of two hosts differ by this at most: a broker's and an ingress's, or two brokers'."""
WAIT_MS = 600_000
"""A delivery waits in an ingress for this long at most, while Kafka is away."""

Span = tuple[int, int]
"""Milliseconds before and after a time, which both belong to it. Each span of a list contains the
one before it, so that what is near is read first and nothing twice."""

RECEIPT: Sequence[Span] = (
    (50, 200), (500, 2_000), (5_000, 20_000), (60_000, 120_000), (CLOCKS_MS, CLOCKS_MS + WAIT_MS),
)  # fmt: skip
"""Around the time in a delivery's id: where its raw record is."""
_HOUR = 3_600_000
PROCESSING: Sequence[Span] = (
    (50, 1_000), (1_000, 10_000), (60_000, 60_000),
    *((CLOCKS_MS, hours * _HOUR) for hours in (1, 4, 16, 64, 256, 1024)),
)  # fmt: skip
"""Around the append time of a raw record: where its outcomes are. Processors may be away long."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME_DIGITS = 12
_VERSION = "7"


def uuid_version(text: str) -> str | None:
    """Return the version digit of a UUID in its usual form; None for any other text."""
    match = _UUID.fullmatch(text)
    return None if match is None else match[1]


def received_ms(delivery_id: str) -> int | None:
    """Return the time in a UUIDv7, in milliseconds; None for any other text."""
    if uuid_version(delivery_id) != _VERSION:
        return None
    return int(delivery_id.replace("-", "")[:_TIME_DIGITS], 16)
