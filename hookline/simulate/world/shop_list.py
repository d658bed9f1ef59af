"""The shops of a run: two formats, three zones and currencies, short limits for carts."""

import random
from math import ceil

from hookline.simulate.world.facts import SECOND, SimulatedShop
from hookline.simulate.world.knobs import Knobs

SOURCES = ("spiffy", "run-free", "shoprocket", "ciklik", "gooten")
MARGIN = 4
"""Seconds by which every gap in a visit misses the limit that it is near."""
_MARKETS = (
    ("GBP", "Europe/London"),
    ("EUR", "Europe/Paris"),
    ("USD", "America/New_York"),
)
_FORMATS = {"spiffy": ("json", "xml"), "shoprocket": ("envelope", "older")}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SHORTEST, _LONGEST = 12, 60
_INSIDE = (None, True, False)


def shops(knobs: Knobs) -> tuple[SimulatedShop, ...]:
    """Return ``knobs.shops`` shops of each platform, the same for the same knobs."""
    chance = random.Random(f"shops {knobs.seed}")  # noqa: S311 - a seed repeats it
    return tuple(
        _shop(knobs, chance, source, number) for source in SOURCES for number in range(knobs.shops)
    )


def _shop(knobs: Knobs, chance: random.Random, source: str, number: int) -> SimulatedShop:
    formats = _FORMATS.get(source, ("json",))
    currency, zone = _MARKETS[(number + SOURCES.index(source)) % len(_MARKETS)]
    silence = max(_SHORTEST, min(_LONGEST, int(knobs.seconds / 12))) + 2 * ceil(knobs.clock_skew)
    return SimulatedShop(
        source=source,
        id=f"sim-{base36(knobs.seed)}-{source}-{number + 1}",
        format=formats[number % len(formats)],
        secret=f"simulated-{chance.getrandbits(128):032x}",
        currency=currency,
        timezone=zone,
        abandon_after=silence,
        expire_after=3 * silence,
        checkout_grace=silence,
        taxes_included=_setting(source, number),
        counts_as_sale=source != "gooten" or number % 2 == 0,
        clock_skew=int(chance.uniform(-knobs.clock_skew, knobs.clock_skew)) * SECOND,
    )


def _setting(source: str, number: int) -> bool | None:
    """Ciklik's prices are without tax, Gooten gives none: their shops leave it open."""
    return None if source in ("ciklik", "gooten") else _INSIDE[number % len(_INSIDE)]


def base36(number: int) -> str:
    """Write a number in digits and small letters."""
    text = ""
    while number or not text:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
