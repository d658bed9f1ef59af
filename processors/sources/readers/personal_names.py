"""Names of fields whose values may hold personal data, and names that may be such data."""

import re
from functools import lru_cache

MAX_NAME = 100
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$:.-]{0,63}")
_DIGITS = re.compile(r"[0-9]")
_MAX_DIGITS = 3
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
_GENERIC = frozenset({"label", "value", "values"})
"""Names too general to judge: their values may be anything, a person's name included."""
_ID_SUFFIXES = frozenset({"id", "ids", "uuid"})
_PERSONAL_IDS = frozenset({"tax", "national", "passport", "card"})


def safe_name(key: str) -> str:
    """Return a field's name, ``*`` for a key that may be data itself."""
    is_name = _NAME.fullmatch(key) and len(_DIGITS.findall(key)) <= _MAX_DIGITS
    return key if is_name else "*"


def is_personal(name: str) -> bool:
    """Return whether a field of this name may hold personal data."""
    return len(name) > MAX_NAME or _names_a_person(name)


@lru_cache(maxsize=4096)
def _names_a_person(name: str) -> bool:
    parts = [part.lower() for part in _NAME_PART.findall(name)]
    if not parts or not name.isascii() or "@" in name or (len(parts) == 1 and parts[0] in _GENERIC):
        return True
    if parts[-1] in _ID_SUFFIXES:  # the id of an address or a user is not personal by itself
        return len(parts) > 1 and parts[-2] in _PERSONAL_IDS
    if parts[-1] == "name":
        return len(parts) == 1 or parts[-2] not in _NAMED_THINGS
    if "gift" in parts and "number" in parts:
        return True
    return not _PERSONAL.isdisjoint(parts)
