"""What canonical events tell, by straight-line code made from their types: see ``merge.told``.

Asked of the typed record field by field, so that nothing is built only to be left out again.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from schemas.codegen.emitter import Source
from schemas.events import Change, CustomerRef, Event, Meta, ShopSettings

Fields = dict[str, Any]
"""Field name -> JSON value. A name that is missing was not told."""

FIRST = "first_occurred_at"
"""The one field that its smallest value wins, not its newest: when the entity was first told."""

_WORDS = {"status": "status_word"}
"""Enum fields, and the field with the platform's own word for them."""
_KEPT = 1_000

_plain: Callable[[Any], Any] = msgspec.to_builtins
_settings_known: dict[int, tuple[ShopSettings, Fields]] = {}


def compiled(record: type[Event]) -> Callable[[Any], Fields]:
    """A function from records of this type to the fields that they tell."""
    source = Source(
        part=_part, settings=_settings, DELETED=Change.DELETED, REPORTED=Change.REPORTED,
        FIRST=FIRST,
    )  # fmt: skip
    source.add(0, "fields = {}")
    hints = get_type_hints(record)
    for name, hint in hints.items():
        _field(source, name, hint, _WORDS.get(name) if _WORDS.get(name) in hints else None)
    source.add(0, "meta = record.meta", "change = meta.change")
    source.add(0, "if change is not REPORTED: fields['deleted'] = change is DELETED")
    source.add(
        0, "fields['is_test'] = meta.is_test", "fields['settings'] = settings(meta.settings)"
    )
    source.add(0, "fields['occurred_at'] = fields[FIRST] = meta.occurred_at")
    if record.__name__ == "Order":
        source.constants["CREATED"] = Change.CREATED
        source.add(0, "if change is CREATED and record.successful_transactions is not None:")
        source.add(1, "fields['created_successful_transactions'] = record.successful_transactions")
    source.add(0, "return fields")
    told: Callable[[Any], Fields] = source.compiled("def told(record):", "<telling>")
    return told


def _field(source: Source, name: str, hint: Any, word: str | None) -> None:
    """A line for one field; ``word``: the field with the platform's own word for it."""
    told = _optional(hint)
    if told is Meta:
        return
    if told is CustomerRef:
        source.add(0, "if (customer := record.customer) is not None:")
        for inner in CustomerRef.__struct_fields__:
            line = f"if (value := customer.{inner}) is not None: fields[{inner!r}] = value"
            source.add(1, line)
        return
    test = f"(value := record.{name}) is not None"
    value = "value"
    kind = get_origin(told) or told
    if kind is tuple:
        row = source.constant(_row(get_args(told)[0]))
        value = f"[{row}(each) for each in value]"
    elif kind is Decimal:
        value = "str(value)"
    elif issubclass(kind, StrEnum):
        unknown = source.constant(kind("UNKNOWN"))
        worded = f" or record.{word} is not None" if word else ""
        test = f"(value := record.{name}) is not {unknown}{worded}"
        value = "value._value_"
    elif issubclass(kind, msgspec.Struct):
        value = "part(value)"
    if name in ("attributes", "reported"):  # may hold a value and yet tell nothing
        test = f"value := record.{name}"
    source.add(0, f"if {test}: fields[{name!r}] = {value}")


def _optional(hint: Any) -> Any:
    """The type beside None."""
    if get_origin(hint) in (Union, UnionType):
        [hint] = [each for each in get_args(hint) if each is not type(None)]
    return hint


def _row(record: type[msgspec.Struct]) -> Callable[[Any], Fields]:
    """A function from one of an event's many, such as a line, to all its fields."""
    source, values = Source(), []
    for name, hint in get_type_hints(record).items():
        kind, value = get_origin(_optional(hint)) or _optional(hint), f"record.{name}"
        if kind is Decimal:
            value = f"None if (value := {value}) is None else str(value)"
        elif issubclass(kind, StrEnum):
            value += "._value_"
        values.append(f"{name!r}: {value}")
    source.add(0, f"return {{{', '.join(values)}}}")
    row: Callable[[Any], Fields] = source.compiled("def row(record):", "<telling>")
    return row


def _part(record: msgspec.Struct) -> Fields:
    return {name: value for name, value in _plain(record).items() if value is not None}


def _settings(settings: ShopSettings) -> Fields:
    """As JSON values, once for each object: the reader gives the same few again and again."""
    known = _settings_known.get(id(settings))
    if known is None:
        if len(_settings_known) >= _KEPT:
            _settings_known.clear()
        # Kept with its object: else its id could become another's.
        known = _settings_known[id(settings)] = settings, _plain(settings)
    return known[1]
