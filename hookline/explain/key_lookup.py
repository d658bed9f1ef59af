"""Which cart or customer somebody means who writes a part of its key."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from hookline.errors import CommandError
from hookline.tables.histories import Asks

_MANY = 20_000
"""Keys that are compared with a mistaken one."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where keys of a kind stand: the table, and the column with the platform's own id."""

    word: str
    table: str
    key: str
    native: str
    more: str = "NULL"


KINDS = {
    "carts": _Kind("cart", "carts", "cart_key", "native_cart_id", "cart_token"),
    "customers": _Kind("customer", "customers", "customer_key", "customer_id", "email_hash"),
}


def meant(reader: Asks, kind: str, text: str) -> str:
    """The whole key of what ``text`` names: the key, or an id, alone or behind its shop.

    ``eeafa``, ``johns/eeafa``, ``spiffy/johns/eeafa``, ``spiffy/johns/cart:eeafa``. Raises
    CommandError where there is none, with what comes near, and where there are several.
    """
    table = KINDS[kind]
    *place, native = text.strip().split("/")
    bare = native.partition(":")[2] if native.startswith(_PREFIXES) else native
    source, shop = ([None, None, *place])[-2:]
    found = _keys(
        reader,
        f"SELECT {table.key} FROM {table.table} WHERE {table.key} = %s"  # noqa: S608 - our own names
        f" OR ((%s::text IS NULL OR source = %s) AND (%s::text IS NULL OR shop = %s)"
        f" AND (%s IN ({table.native}, {table.more}))) ORDER BY 1 LIMIT 9",
        [text, source, source, shop, shop, bare],
    )
    if text in found:
        return text
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{text!r} may be {', '.join(found)}: name its shop, or the whole key")
    near = _near(reader, table, text, bare)
    hint = f"did you mean {', '.join(near)}?" if near else f"`hookline tables {kind}` lists some"
    raise CommandError(f"no {table.word} {text!r}: {hint}")


_PREFIXES = ("cart:", "customer:", "guest:")


def _near(reader: Asks, table: _Kind, text: str, bare: str) -> list[str]:
    pattern = "%" + bare.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    within = f"SELECT {table.key} FROM {table.table} WHERE {table.key} ILIKE %s ORDER BY 1 LIMIT 5"  # noqa: S608 - our own names
    if bare and (found := _keys(reader, within, [pattern])):
        return found
    known = _keys(reader, f"SELECT {table.key} FROM {table.table} LIMIT {_MANY}", [])  # noqa: S608 - our own names
    by_end = {key.rsplit("/", 1)[-1].partition(":")[2]: key for key in known}
    close = [*difflib.get_close_matches(text, known, 3)]
    close += [by_end[end] for end in difflib.get_close_matches(bare, by_end, 3)]
    return list(dict.fromkeys(close))[:5]


def _keys(reader: Asks, query: str, arguments: Sequence[object]) -> list[str]:
    return [key for (key,) in reader.ask(query, arguments or None).rows]
