"""Delivery ids: UUIDv7, so that ids sort by time."""

import random as randomness
import time

_VERSION = 7 << 76
_VARIANT = 2 << 62
_RANDOM = (1 << 62) - 1
_random = randomness.Random().getrandbits  # noqa: S311 - ids are unique, not secret


def uuid7(now_ns: int, random: int) -> str:
    """The UUIDv7 of a time in nanoseconds; ``random`` gives its 62 lowest bits.

    The 12 bits behind the milliseconds hold the fraction of the millisecond.
    """
    millis, rest = divmod(now_ns, 1_000_000)
    number = (
        (millis & 0xFFFF_FFFF_FFFF) << 80
        | _VERSION
        | (rest * 4096 // 1_000_000) << 64
        | _VARIANT
        | (random & _RANDOM)
    )
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_delivery() -> tuple[str, int]:
    """A new delivery's id, and its time in microseconds."""
    now = time.time_ns()
    return uuid7(now, _random(62)), now // 1000
