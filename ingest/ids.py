"""Delivery ids: UUIDv7, so that ids sort by time."""

import random as randomness
import time

_VARIANT = 0x8000
_random = randomness.Random().getrandbits  # noqa: S311 - ids are unique, not secret


def uuid7(now_ns: int, random: int) -> bytes:
    """Return the UUIDv7 of a time in nanoseconds, as text; ``random`` gives its 62 lowest bits.

    The 12 bits after the milliseconds hold the fraction of the millisecond.
    """
    millis, nanos = divmod(now_ns, 1_000_000)
    return b"%08x-%04x-7%03x-%04x-%012x" % (
        millis >> 16 & 0xFFFF_FFFF,
        millis & 0xFFFF,
        (nanos << 12) // 1_000_000,
        _VARIANT | random >> 48 & 0x3FFF,
        random & 0xFFFF_FFFF_FFFF,
    )


def new_delivery() -> tuple[bytes, int]:
    """Return a new delivery's id, and its time in microseconds."""
    now = time.time_ns()
    return uuid7(now, _random(62)), now // 1000
