"""Keys of entities: source/shop/kind:id; and the forms in which ids are given."""

import re
from decimal import Decimal

_MAX_DIGITS = 20  # of 64 bits
_WHOLE = re.compile(r"(-?[0-9]{1,40})\.0{1,20}")


def entity_key(source: str, shop: str, kind: str, native_id: str) -> str:
    """Build the key of an entity: ``spiffy/johns/cart:eeafa``."""
    return f"{source}/{shop}/{kind}:{native_id}"


def customer_key(
    source: str, shop: str, customer_id: str | None, email_hash: str | None
) -> str | None:
    """Build the key of a record's customer: by platform id, else as a guest by e-mail hash."""
    if customer_id is not None:
        return entity_key(source, shop, "customer", customer_id)
    if email_hash is not None:
        return entity_key(source, shop, "guest", email_hash)
    return None


def slug(event: str) -> str:
    """Convert an event name for commands, files and metrics: carts/create to carts-create."""
    return event.lower().replace("/", "-").replace(".", "-")


def native_id(key: str) -> str:
    """Return the platform's own id in an entity key."""
    return key.split("/", 2)[2].partition(":")[2]


def id_in_text(text: str) -> str:
    """Return an id that is given as text: ``716.0``, a whole number of a spreadsheet, is 716."""
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def whole_number(number: Decimal) -> int | None:
    """Return the whole number that ``716.0`` or ``7.16E+2`` is; None for a fraction or 10**20."""
    if not number.is_finite():
        return None
    if not number:
        return 0
    if not 0 <= number.adjusted() < _MAX_DIGITS:  # bounds before arithmetic
        return None
    whole = int(number)
    return whole if whole == number else None
