"""Finds a cart or customer by its key or a part of it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from hookline.console.errors import CommandError
from hookline.tables.queries import Reader

_MAX_COMPARED = 20_000
"""Keys that are compared with a mistyped one."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where keys of a kind are stored: table, key column, and columns with other ids."""

    noun: str
    table: str
    key: str
    native_id: str
    other_id: str


KINDS = {
    "carts": _Kind("cart", "carts", "cart_key", "native_cart_id", "cart_token"),
    "customers": _Kind("customer", "customers", "customer_key", "customer_id", "email_hash"),
    "orders": _Kind("order", "orders", "order_key", "order_id", "order_number"),
}


def find_key(reader: Reader, kind: str, text: str) -> str:
    """Return the whole key of what ``text`` names: a key, or an id, alone or after its shop.

    ``eeafa``, ``johns/eeafa``, ``spiffy/johns/eeafa`` or ``spiffy/johns/cart:eeafa``. Raises
    CommandError where there is none, with similar keys, and where there are several.
    """
    table = KINDS[kind]
    keys = matching_keys(reader, kind, text)
    if text in keys:
        return text
    if len(keys) == 1:
        return keys[0]
    if keys:
        raise CommandError(f"{text!r} may be {', '.join(keys)}: name its shop, or the whole key")
    similar = _similar(reader, table, text, _parts(text)[2])
    hint = (
        f"did you mean {', '.join(similar)}?" if similar else f"`hookline tables {kind}` lists some"
    )
    raise CommandError(f"no {table.noun} {text!r}: {hint}")


def matching_keys(reader: Reader, kind: str, text: str) -> list[str]:
    """Return the keys, nine at most, that ``text`` names as in ``find_key``."""
    table = KINDS[kind]
    source, shop, bare = _parts(text)
    return _keys(
        reader,
        f"SELECT {table.key} FROM {table.table} WHERE {table.key} = %s"  # noqa: S608 - our own names
        f" OR ((%s::text IS NULL OR source = %s) AND (%s::text IS NULL OR shop = %s)"
        f" AND (%s IN ({table.native_id}, {table.other_id}))) ORDER BY 1 LIMIT 9",
        [text, source, source, shop, shop, bare],
    )


_PREFIXES = ("cart:", "customer:", "guest:", "order:")


def _parts(text: str) -> tuple[str | None, str | None, str]:
    """Return source and shop, None where they are not given, and the id alone."""
    *shop_path, native = text.strip().split("/")
    bare = native.partition(":")[2] if native.startswith(_PREFIXES) else native
    source, shop = ([None, None, *shop_path])[-2:]
    return source, shop, bare


def _similar(reader: Reader, table: _Kind, text: str, bare: str) -> list[str]:
    pattern = "%" + bare.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    containing = (
        f"SELECT {table.key} FROM {table.table} WHERE {table.key} ILIKE %s ORDER BY 1 LIMIT 5"  # noqa: S608 - our own names
    )
    if bare and (keys := _keys(reader, containing, [pattern])):
        return keys
    candidates = _keys(reader, f"SELECT {table.key} FROM {table.table} LIMIT {_MAX_COMPARED}", [])  # noqa: S608 - our own names
    by_end = {key.rsplit("/", 1)[-1].partition(":")[2]: key for key in candidates}
    close = [*difflib.get_close_matches(text, candidates, 3)]
    close += [by_end[end] for end in difflib.get_close_matches(bare, by_end, 3)]
    return list(dict.fromkeys(close))[:5]


def _keys(reader: Reader, statement: str, parameters: Sequence[object]) -> list[str]:
    return [key for (key,) in reader.query(statement, parameters or None).rows]
