"""Event names and ids at paths of a JSON body. Ids keep their exact text."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from schemas.keys import id_in_text, whole_number

EventEntity = tuple[str, str | None]
"""The platform's event name (empty if the body is unreadable), and ``kind:id`` or None."""

Reader = Callable[[str, bytes], EventEntity]
"""(event name given outside the body, body) -> event name and entity. Never raises."""

MAX_NAME = 200
"""Characters of the longest id or event name that is accepted."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for a body: no JSON, no UTF-8, nested too deeply."""

Id = msgspec.Raw
NO_ID = msgspec.Raw()
_WHOLE_NUMBER = re.compile(rb"-?\d{1,40}")
_NUMBER = re.compile(rb"-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?")
_KIND = re.compile(r"[a-z][a-z_]{0,31}")
_NOUN = re.compile(r"[a-z]+")


class _EventParts(msgspec.Struct):
    type: Any = None
    action: Any = None


class _Object(msgspec.Struct):
    id: Id = NO_ID


_decode_text = msgspec.json.Decoder(str).decode
_decode_event_parts = msgspec.json.Decoder(_EventParts).decode
_decode_id = msgspec.json.Decoder(_Object).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def text_of(raw: Id) -> str | None:
    """Return an id's exact text if it is a whole number or a string of printable characters.

    ``716.0``, as a number or as text, is 716.
    """
    encoded = bytes(raw)
    if _WHOLE_NUMBER.fullmatch(encoded):
        return encoded.decode()
    if encoded[:1] != b'"':
        if not _NUMBER.fullmatch(encoded):
            return None
        number = whole_number(Decimal(encoded.decode()))
        return None if number is None else str(number)
    try:
        return accepted(id_in_text(_decode_text(encoded)))
    except UNREADABLE:  # half a surrogate pair
        return None


def accepted(text: str) -> str | None:
    """Return the text of an event name or id if it is printable, not blank and not too long."""
    is_name = 0 < len(text) <= MAX_NAME and text.isprintable() and not text.isspace()
    return text if is_name else None


def entity(kind: str, *ids: Id) -> str | None:
    """Return ``kind:id`` with the first of the ids that can be used."""
    for raw in ids:
        if (text := text_of(raw)) is not None:
            return f"{kind}:{text}"
    return None


def kind_of(noun: str) -> str:
    """Return the noun of an event name as a kind of entity."""
    return noun if _KIND.fullmatch(noun) else "other"


def event_parts(body: bytes) -> tuple[str, str]:
    """Return ``type`` and ``action`` of a body whose other fields have unexpected types."""
    try:
        parts = _decode_event_parts(body)
    except UNREADABLE:
        return "", ""
    return (
        parts.type if isinstance(parts.type, str) else "",
        parts.action if isinstance(parts.action, str) else "",
    )


def id_in(raw: msgspec.Raw) -> Id:
    """Return the ``id`` of a nested object; NO_ID if it is no object."""
    if bytes(raw)[:1] != b"{":
        return NO_ID
    try:
        return _decode_id(raw).id
    except UNREADABLE:
        return NO_ID


def at_paths(event_path: str, ids: Mapping[str, str]) -> Reader:
    """Return a reader for a platform whose JSON bodies hold event name and id at fixed paths.

    ``event_path``: dotted path of the event name; empty if it is given outside the body.
    ``ids``: noun that the event name begins with -> dotted path of the id.
    """

    def read(event: str, body: bytes) -> EventEntity:
        try:
            if event_path:
                event = text_of(_at(body, event_path)) or ""
            noun = _NOUN.match(event)
            path = ids.get(noun[0]) if noun else None
            return event, entity(noun[0], _at(body, path)) if noun and path else None
        except UNREADABLE:
            return event, None

    return read


def _at(body: bytes, path: str) -> msgspec.Raw:
    raw = msgspec.Raw(body.strip())
    for name in path.split("."):
        if bytes(raw)[:1] != b"{":
            return NO_ID
        raw = _decode_object(raw).get(name, NO_ID)
    return raw
