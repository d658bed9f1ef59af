"""The shops and events that are known, so that a mistyped filter is an error and not a silence."""

import difflib
from collections.abc import Iterable
from pathlib import Path

import psycopg

from hookline.console.errors import CommandError
from hookline.console.patterns import matches, matches_shop
from hookline.stack_address import StackAddress
from processors.sources import ADAPTERS
from schemas.shops import ShopsError, load

_SHOWN = 20
_OF_TABLES = """
    SELECT source || '/' || shop FROM shops
    UNION SELECT source || '/' || shop FROM dead_letters_by_day
"""


def known_shops(stack: StackAddress) -> list[str] | None:
    """Return ``source/shop`` of the shops file and of the tables; None where one cannot be read.

    Each knows shops that the other does not: one whose first deliveries are on their way, one that
    was removed from the file. Without tables (no URL of them is set) the file is all there is.
    """
    from hookline.tables import reading

    try:
        listed = load(Path(stack.settings.shops_file), needs_secrets=False).values()
    except (ShopsError, OSError):
        return None
    found = {f"{shop.source}/{shop.id}" for shop in listed}
    if stack.reader_url:
        try:
            with reading.connect(stack.reader_url, stack.settings.sql_schema) as session:
                found |= {shop for (shop,) in session.execute(_OF_TABLES).fetchall()}
        except (CommandError, psycopg.Error):
            return None
    return sorted(found)


def require_shop(stack: StackAddress, shop: str | None, *, patterns: bool = False) -> None:
    """Raise CommandError where no known shop is as ``shop``: source/shop, or the shop alone.

    ``patterns``: ``*`` stands for any part. A shop is known by the shops file, and by the tables
    once it has sent something; where one of the two cannot be read, nothing is refused.
    """
    if shop is None or (known := known_shops(stack)) is None:
        return
    is_named = any(shop in (each, each.partition("/")[2]) for each in known)
    if not is_named and not (patterns and any(matches_shop(shop, each) for each in known)):
        raise CommandError(unknown_shop(shop, known))


def require_whole_name(stack: StackAddress, shop: str | None) -> None:
    """Raise CommandError where no known shop has exactly this source/shop."""
    if shop is not None and (known := known_shops(stack)) is not None and shop not in known:
        raise CommandError(unknown_shop(shop, known))


def unknown_shop(shop: str, known: Iterable[str]) -> str:
    """Return the message: the shops that there are, those that are alike first."""
    listed = sorted(known)
    if not listed:
        return f"no shop {shop!r}: there is none yet, `hookline shops add` adds one"
    names = {each.partition("/")[2]: each for each in listed} | {each: each for each in listed}
    alike = [names[name] for name in difflib.get_close_matches(shop, names, 3)]
    listed = list(dict.fromkeys((*alike, *listed)))
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"no shop {shop!r}: there is {', '.join(listed[:_SHOWN])}{more}"


def event_note(event: str | None, shop: str | None = None) -> str | None:
    """Return a sentence where no adapter of the shop's platform knows such an event.

    It is no error: a platform may send what is not known, which is then a dead letter.
    """
    if event is None:
        return None
    source = (shop or "").partition("/")[0]
    sources = [source] if source in ADAPTERS and "/" in (shop or "") else list(ADAPTERS)
    known = sorted({name for each in sources for name in ADAPTERS[each].event_names})
    if any(matches(event, name) for name in known):
        return None
    alike = difflib.get_close_matches(event, known, 3) or known[:3]
    return (
        f"no platform here sends an event {event!r} that is known; known are, for example,"
        f" {', '.join(alike)}. If one comes, it is shown, and becomes a dead letter"
    )
