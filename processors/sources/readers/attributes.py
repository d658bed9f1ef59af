"""Fields that no adapter reads, kept as a map of texts: bounded, and without personal data.

A field is left out if part of its name suggests a person, a location, a secret or a link, if its
name is too general to judge, or if its value looks like an address or a link. When in doubt, a
field is dropped.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from msgspec import structs

from processors.sources.contract import Slots
from processors.sources.notes import ROUNDED
from schemas.events import CustomerContact

MAX_COUNT = 64
MAX_LENGTH = 256
MAX_NAME = 100
LEFT_OUT = "(left out)"
"""The value of a note about a field that may hold personal data."""

OMITTED = "attributes.omitted"
"""The attribute that counts fields dropped at the bounds; a lower bound itself."""

_CONTAINERS = (dict, list)
_DEPTH = 4
_LONGEST_INTEGER = 128  # bits
_NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _names(spaced: str) -> frozenset[str]:
    return frozenset(spaced.split())


_PERSONAL = _names(
    """
    address addresses adresse age avatar billing birth birthdate birthday card city civility
    client comment comments company contact coordinates county country declinaison declinaisons
    dob email emails family fax firstname forename gender given iban image img ip jwt key lastname
    lat latitude license link href lng lon longitude mail message messages mobile naissance
    nickname nom note notes passport password person phone phones photo picture postal postcode
    prenom profile profiles prop properties property province receipt recipient salutation secret
    sex session signature siren siret ssn street surname tel telephone token town uri url user
    username vat ville website zip zipcode
    """
)
_NAMED_THINGS = _names(
    """
    attribute brand carrier category collection coupon discount event item method option
    payment plan product promotion rule shipping short size status store tax template
    transporter type variant vendor warehouse
    """
)
_NAMED_OBJECTS = _NAMED_THINGS - {"method", "payment", "shipping", "short"}
_GENERIC = frozenset({"label", "value", "values"})
"""Names too general to judge: their values may be anything, a person's name included."""
_kept_names: dict[tuple[frozenset[str], str, tuple[str, ...]], tuple[str, ...]] = {}
_MAX_KEPT_NAMES = 512
_ID_SUFFIXES = frozenset({"id", "ids", "uuid"})
_PERSONAL_IDS = frozenset({"tax", "national", "passport", "card"})


def is_personal(name: str, inside: str = "") -> bool:
    """Return whether a field of this name, in an object of that name, may hold personal data."""
    return len(name) > MAX_NAME or _names_a_person(name, inside)


@lru_cache(maxsize=4096)
def _names_a_person(name: str, inside: str) -> bool:
    parts = [part.lower() for part in _NAME_PART.findall(name)]
    if not parts or not name.isascii() or "@" in name or (len(parts) == 1 and parts[0] in _GENERIC):
        return True
    if parts[-1] in _ID_SUFFIXES:  # the id of an address or a user is not personal by itself
        return len(parts) > 1 and parts[-2] in _PERSONAL_IDS
    if parts[-1] == "name":
        if len(parts) > 1:
            return parts[-2] not in _NAMED_THINGS
        return inside.lower() not in _NAMED_OBJECTS
    if "gift" in parts and "number" in parts:
        return True
    return not _PERSONAL.isdisjoint(parts)


def attributes(
    values: dict[str, Any], read: frozenset[str], prefix: str = "", inside: str = ""
) -> dict[str, str]:
    """Collect the fields that the adapter does not ``read`` as texts.

    Nested fields are named by their path: ``plan.id``, ``steps[0].id``. ``inside`` is the name of
    the object, by which a field called ``name`` is judged.
    """
    result: dict[str, str] = {}
    omitted = 0
    for key in _kept_fields(values, read, inside):
        value = values[key]
        if type(value) in _CONTAINERS:
            omitted += _add_nested(result, prefix + key, key, value, 1)
        elif (spelled := _spelled(value)) is not None:
            name = prefix + key
            if len(result) < MAX_COUNT and len(name) <= MAX_NAME:
                result[name] = spelled
            else:
                omitted += 1
    if omitted:
        result[OMITTED] = str(omitted)
    return result


def _kept_fields(values: dict[str, Any], read: frozenset[str], inside: str) -> tuple[str, ...]:
    """Return the names in ``values`` that are neither read nor personal.

    A platform's objects have few distinct lists of names, so the answer is cached for each list.
    """
    given = tuple(values)
    kept = _kept_names.get((read, inside, given))
    if kept is None:
        kept = tuple([k for k in given if k not in read and not is_personal(k, inside)])
        if len(given) <= MAX_COUNT and max(map(len, given), default=0) <= MAX_NAME:
            if len(_kept_names) >= _MAX_KEPT_NAMES:
                _kept_names.clear()
            _kept_names[read, inside, given] = kept
    return kept


def merged(*parts: dict[str, str]) -> dict[str, str]:
    """Merge attribute maps within the bound; what an adapter adds itself must come first."""
    result: dict[str, str] = {}
    omitted = 0
    for part in parts:
        for name, value in part.items():
            if name == OMITTED:
                omitted += int(value)
            elif len(result) < MAX_COUNT or name in result:
                result[name] = value
            else:
                omitted += 1
    if omitted:
        result[OMITTED] = str(omitted)
    return result


def with_notes(slots: Slots, notes: dict[str, Any]) -> Slots:
    """Return the events with these notes among the attributes of the primary one."""
    slot, event = next(iter(slots.items()))
    assert not isinstance(event, CustomerContact)  # noqa: S101 - never the primary one
    texts = {name: _note(name, value) for name, value in notes.items()}
    noted = structs.replace(event, attributes=merged(texts, event.attributes))
    return {**slots, slot: noted}


def _note(name: str, value: Any) -> str:
    field = name.rpartition(".")[2].rpartition(":")[2].partition("[")[0]
    if is_personal(field) and not name.startswith(ROUNDED):
        return LEFT_OUT
    if type(value) in _CONTAINERS:
        return "a list" if type(value) is list else "an object"
    return _spelled(value) or LEFT_OUT


def _add_nested(result: dict[str, str], path: str, name: str, value: Any, depth: int) -> int:
    """Add the fields of an object or the items of a list; return how many were omitted."""
    kind = type(value)
    if kind not in _CONTAINERS:
        spelled = _spelled(value)
        if spelled is None:
            return 0
        if len(result) == MAX_COUNT or len(path) > MAX_NAME:
            return 1
        result[path] = spelled
        return 0
    if depth > _DEPTH:
        return 0
    omitted = 0
    if kind is list:
        for index, inner in enumerate(value[: MAX_COUNT + 1]):
            omitted += _add_nested(result, f"{path}[{index}]", name, inner, depth + 1)
    else:
        for key, inner in value.items():
            if not is_personal(key, name):
                omitted += _add_nested(result, f"{path}.{key}", key, inner, depth + 1)
    return omitted


def _spelled(value: Any) -> str | None:
    kind = type(value)
    if kind is str:
        if not value or "@" in value or "://" in value:
            return None
        text: str = value
        return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value) if value.bit_length() <= _LONGEST_INTEGER else None
    if kind is Decimal:
        return str(value)[:MAX_LENGTH]
    return None
