"""What else a platform tells, as a map of texts: bounded, and without personal data.

A field is left out if a word of its name speaks of a person, a place, a secret or a link, if
its name tells nothing, or if its value looks like an address or a link: better a field too few.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from processors.sources.readers.fields import names

MAX_COUNT = 64
MAX_LENGTH = 256
MAX_NAME = 100
OMITTED = "attributes.omitted"
"""At least how many more there were beyond MAX_COUNT."""

_CONTAINERS = (dict, list)
_DEPTH = 4
_LONGEST_INTEGER = 128  # bits
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PERSONAL = names(
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
_NAMED_THINGS = names(
    """
    attribute brand carrier category collection coupon discount event item method option
    payment plan product promotion rule shipping short size status store tax template
    transporter type variant vendor warehouse
    """
)
_NAMED_OBJECTS = _NAMED_THINGS - {"method", "payment", "shipping", "short"}
_FREE = names("label value values")
"""Names that tell nothing: what stands there may be anything, a person's name among it."""
_TELLING: dict[tuple[frozenset[str], str, tuple[str, ...]], tuple[str, ...]] = {}
_MAX_TELLING = 512
_ID_WORDS = frozenset({"id", "ids", "uuid"})
_PERSONAL_IDS = frozenset({"tax", "national", "passport", "card"})


def is_personal(name: str, inside: str = "") -> bool:
    """True if a field of this name, in an object of that name, may hold personal data."""
    return len(name) > MAX_NAME or _speaks_of_a_person(name, inside)


@lru_cache(maxsize=4096)
def _speaks_of_a_person(name: str, inside: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or not name.isascii() or "@" in name or (len(words) == 1 and words[0] in _FREE):
        return True
    if words[-1] in _ID_WORDS:  # an address's or a user's id names no person by itself
        return len(words) > 1 and words[-2] in _PERSONAL_IDS
    if words[-1] == "name":
        if len(words) > 1:
            return words[-2] not in _NAMED_THINGS
        return inside.lower() not in _NAMED_OBJECTS
    if "gift" in words and "number" in words:
        return True
    return not _PERSONAL.isdisjoint(words)


def attributes(
    told: dict[str, Any], known: frozenset[str], prefix: str = "", inside: str = ""
) -> dict[str, str]:
    """Fields of ``told`` that are not ``known``, nested ones as ``plan.id`` and ``steps[0].id``."""
    found: dict[str, str] = {}
    omitted = 0
    for key in _telling(told, known, inside):
        value = told[key]
        if type(value) in _CONTAINERS:
            omitted += _nested(found, prefix + key, key, value, 1)
        elif (spelled := _spelled(value)) is not None:
            name = prefix + key
            if len(found) < MAX_COUNT and len(name) <= MAX_NAME:
                found[name] = spelled
            else:
                omitted += 1
    if omitted:
        found[OMITTED] = str(omitted)
    return found


def _kept(found: dict[str, str], name: str, spelled: str) -> int:
    """Keeps a text under its name; how many were omitted: one beyond the bounds, else none."""
    if len(found) == MAX_COUNT or len(name) > MAX_NAME:
        return 1
    found[name] = spelled
    return 0


def _telling(told: dict[str, Any], known: frozenset[str], inside: str) -> tuple[str, ...]:
    """The names of ``told`` that are neither known nor personal.

    Objects of a platform have the same few lists of names, for which the answer is kept.
    """
    spelled = tuple(told)
    found = _TELLING.get((known, inside, spelled))
    if found is None:
        found = tuple([k for k in spelled if k not in known and not is_personal(k, inside)])
        if len(spelled) <= MAX_COUNT and max(map(len, spelled), default=0) <= MAX_NAME:
            if len(_TELLING) >= _MAX_TELLING:
                _TELLING.clear()
            _TELLING[known, inside, spelled] = found
    return found


def merged(*parts: dict[str, str]) -> dict[str, str]:
    """Several maps as one, within the bound; what the adapter says itself comes first."""
    found: dict[str, str] = {}
    omitted = 0
    for part in parts:
        for name, value in part.items():
            if name == OMITTED:
                omitted += int(value)
            elif len(found) < MAX_COUNT or name in found:
                found[name] = value
            else:
                omitted += 1
    if omitted:
        found[OMITTED] = str(omitted)
    return found


def _nested(found: dict[str, str], path: str, name: str, value: Any, depth: int) -> int:
    """Keeps what an object or a list tells; how many were omitted."""
    kind = type(value)
    if kind not in _CONTAINERS:
        spelled = _spelled(value)
        return 0 if spelled is None else _kept(found, path, spelled)
    if depth > _DEPTH:
        return 0
    omitted = 0
    if kind is list:
        for index, inner in enumerate(value[: MAX_COUNT + 1]):
            omitted += _nested(found, f"{path}[{index}]", name, inner, depth + 1)
    else:
        for key, inner in value.items():
            if not is_personal(key, name):
                omitted += _nested(found, f"{path}.{key}", key, inner, depth + 1)
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
