"""What an empty table waits for: silence of a cart, or the first order of a customer."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path

from hookline.tables.queries import Reader
from schemas.shops import Shop, ShopsError, load

_NEXT_DUE = "SELECT min(next_due) FROM carts"
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def sentence(reader: Reader, table: str, shops_file: Path) -> str:
    """Return why ``table``, which has no rows, has none yet. Raises psycopg.Error."""
    if table == "coverage":
        return "no rows yet: a shop has a row after its first delivery"
    if table == "shop_days":
        return "no rows yet: a day has a row once something is ordered or a cart is abandoned"
    if table != "abandoned_carts":
        return (
            "no rows yet: a customer has a row after the first order"
            " (`hookline send run-free order-created` sends one)"
        )
    due = reader.query(_NEXT_DUE).rows[0][0]
    return carts_sentence(_shops(shops_file), due)


def carts_sentence(shops: Iterable[Shop], next_due: datetime | None) -> str:
    """Return when the first cart can be abandoned, as the shops' settings give it."""
    silences = {shop.abandon_after for shop in shops}
    after = f" after {_silence(silences)}" if silences else " once it is silent for long"
    if next_due is None:
        then = "no cart is open (`hookline send run-free cart-change` sends one)"
    else:
        then = f"next due at {next_due.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"no rows yet: a cart is abandoned{after}; {then}"


def _silence(seconds: Collection[int]) -> str:
    shortest, longest = duration(min(seconds)), duration(max(seconds))
    if shortest == longest:
        return f"{shortest} of silence"
    return f"{shortest} to {longest} of silence, as its shop sets"


def duration(seconds: int) -> str:
    """Write seconds in the largest unit that gives a whole number: ``90 min``."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size} {unit}"


def _shops(path: Path) -> Collection[Shop]:
    try:
        return load(path).values()
    except ShopsError:
        return ()  # the file is on the machine of the stages
