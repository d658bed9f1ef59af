"""Arrays of text as parameters, in PostgreSQL's binary form.

psycopg quotes each item for the text form: a sixth of what a batch costs.
"""

import struct
from collections.abc import Iterable

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_TEXT_OID, _TEXTS_OID = 25, 1009
_EMPTY = struct.pack("!iiI", 0, 0, _TEXT_OID)
_HEAD = struct.Struct("!iiIii").pack
_size = struct.Struct("!i").pack


class Texts(bytes):
    """A text[] as the server takes it."""

    __slots__ = ()


def array(values: Iterable[str]) -> bytes:
    """Strings as a value of type text[]; none is null."""
    items = [_size(len(item := value.encode())) + item for value in values]
    return _HEAD(1, 0, _TEXT_OID, len(items), 1) + b"".join(items) if items else _EMPTY


def texts(values: Iterable[str]) -> Texts:
    """``array`` as one parameter of a statement."""
    return Texts(array(values))


class _AsItIs(Dumper):
    format = Format.BINARY
    oid = _TEXTS_OID

    def dump(self, obj: Texts) -> Texts:
        return obj


psycopg.adapters.register_dumper(Texts, _AsItIs)
