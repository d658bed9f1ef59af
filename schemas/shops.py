"""The shops and their settings (shops.toml).

Secrets are references here (``env:NAME``, ``file:PATH`` or the value itself): only the ingress
needs and resolves them.
"""

import re
import tomllib
import zoneinfo
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from schemas.platforms import PLATFORMS, PROOFS

SOURCES = tuple(PLATFORMS)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_LONGEST = 3650 * 86400


class ShopsError(ValueError):
    """shops.toml is invalid; the message names the field and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One shop. Durations are whole seconds."""

    source: str
    id: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    proof: str = "token"
    proof_header: str | None = None
    currency: str | None = None
    timezone: str = "UTC"
    naive_times_in: str = "UTC"
    abandon_after: int = 3600
    expire_after: int = 30 * 86400
    checkout_grace: int = 1800
    window: int = 72 * 3600
    state_retry_window: int = 900
    taxes_included: bool | None = None
    counts_as_sale: bool = True
    is_test: bool = False
    strict_topics: bool = False
    quota: int | None = None  # deliveries a second


_DURATIONS = ("abandon_after", "expire_after", "checkout_grace", "window", "state_retry_window")


def seconds(value: Any, where: str) -> int:
    """Convert ``90``, ``"90s"``, ``"60m"``, ``"72h"`` or ``"30d"`` to whole seconds."""
    result = -1
    if isinstance(value, int) and not isinstance(value, bool):
        result = value
    elif isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,9})([smhd])", value)):
        result = int(match[1]) * _UNITS[match[2]]
    if 0 <= result <= _LONGEST:
        return result
    raise ShopsError(
        f'{where}: write a duration such as "60m", "72h" or "30d" (at most 3650d), not {value!r}'
    )


def _zone(value: Any, where: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ShopsError(f"{where}: {value!r} is no time zone; see the IANA list") from error
    return str(value)


def _check_source(raw: dict[str, Any], where: str) -> str:
    known = {item.name for item in fields(Shop)}
    if unknown := sorted(set(raw) - known):
        raise ShopsError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")
    source = raw.get("source")
    if source not in SOURCES:
        raise ShopsError(f"{where}.source: {source!r} is not one of {', '.join(SOURCES)}")
    if not isinstance(raw.get("id"), str) or not _ID.fullmatch(raw["id"]):
        raise ShopsError(f"{where}.id: use lower-case letters, digits, '.', '_' and '-'")
    return str(source)


def _check_proof(values: dict[str, Any], where: str, *, needs_secrets: bool) -> None:
    secrets = values.get("secrets", ())
    is_left_out = "secrets" not in values and not needs_secrets
    is_list = isinstance(secrets, list | tuple)
    if not is_left_out and not (is_list and 1 <= len(secrets) <= 2):  # noqa: PLR2004
        raise ShopsError(f"{where}.secrets: give one secret, or two while you rotate")
    if not all(isinstance(secret, str) and secret for secret in secrets):
        raise ShopsError(f'{where}.secrets: each is text, "env:NAME" or "file:PATH"')
    if values["proof"] not in PROOFS:
        raise ShopsError(f"{where}.proof: {values['proof']!r} is not one of {', '.join(PROOFS)}")
    is_open = values["proof"] != "token" and PLATFORMS[values["source"]].proof_header is None
    header = values.get("proof_header")
    if is_open and not header:
        raise ShopsError(f"{where}.proof_header: name the header that carries the proof")
    if header is not None and not (isinstance(header, str) and _HEADER.fullmatch(header)):
        raise ShopsError(f"{where}.proof_header: no header is called that")


def _check_currency(values: dict[str, Any], where: str) -> None:
    currency = values.get("currency")
    if currency is None:
        if not PLATFORMS[values["source"]].names_currency:
            raise ShopsError(
                f'{where}.currency: {values["source"]} names no currency; write e.g. "USD"'
            )
    elif not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise ShopsError(f'{where}.currency: write the ISO 4217 code, e.g. "USD"')


def _shop(raw: dict[str, Any], where: str, *, needs_secrets: bool) -> Shop:
    source = _check_source(raw, where)
    platform = PLATFORMS[source]
    values: dict[str, Any] = {
        "proof": platform.proof,
        "counts_as_sale": platform.counts_as_sale,
        **raw,
    }
    for name in _DURATIONS:
        if name in values:
            values[name] = seconds(values[name], f"{where}.{name}")
    for name in ("timezone", "naive_times_in"):
        if name in values:
            values[name] = _zone(values[name], f"{where}.{name}")
    for name in ("taxes_included", "counts_as_sale", "is_test", "strict_topics"):
        if name in values and not isinstance(values[name], bool):
            raise ShopsError(f"{where}.{name}: write true or false")
    if values.get("strict_topics") and not platform.has_unsigned_events:
        raise ShopsError(
            f"{where}.strict_topics: {source} names its events where the proof covers them;"
            " leave it out"
        )
    quota = values.get("quota", 1)
    if not isinstance(quota, int) or isinstance(quota, bool) or quota < 1:
        raise ShopsError(f"{where}.quota: write whole deliveries a second, 1 or more")
    _check_proof(values, where, needs_secrets=needs_secrets)
    _check_currency(values, where)
    return Shop(**{**values, "secrets": tuple(values.get("secrets", ()))})


def survey(
    text: str, *, needs_secrets: bool = True
) -> tuple[dict[tuple[str, str], Shop], list[ShopsError]]:
    """Return the valid shops, and the problem of each invalid one.

    ``needs_secrets``: a shop without ``secrets`` is invalid, as it is to the ingress. Raises
    ShopsError if the text as a whole cannot be parsed.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ShopsError(f"not TOML: {error}") from error
    except RecursionError as error:
        raise ShopsError("not usable TOML: nested too deeply") from error
    if unknown := sorted(set(raw) - {"shops"}):
        raise ShopsError(f"unknown table {unknown[0]!r}: shops are listed under [[shops]]")
    entries = raw.get("shops", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ShopsError("shops: begin each shop with [[shops]], in double brackets")
    shops: dict[tuple[str, str], Shop] = {}
    problems = []
    for number, entry in enumerate(entries, start=1):
        try:
            shop = _shop(entry, f"shops[{number}]", needs_secrets=needs_secrets)
        except ShopsError as error:
            problems.append(error)
            continue
        if (shop.source, shop.id) in shops:
            duplicate = f"shops[{number}]: {shop.source}/{shop.id} is listed twice"
            problems.append(ShopsError(duplicate))
        else:
            shops[shop.source, shop.id] = shop
    return shops, problems


def parse(text: str, *, needs_secrets: bool = True) -> dict[tuple[str, str], Shop]:
    """Return the shops by (source, id). Raises ShopsError for the first problem."""
    shops, problems = survey(text, needs_secrets=needs_secrets)
    if problems:
        raise problems[0]
    return shops


def load(path: Path, *, needs_secrets: bool = True) -> dict[tuple[str, str], Shop]:
    """Return the shops of a file. Raises ShopsError, also if the file cannot be read."""
    text = read(path)
    try:
        return parse(text, needs_secrets=needs_secrets)
    except ShopsError as error:
        raise ShopsError(f"{path}: {error}") from error


def read(path: Path) -> str:
    """Return the text of a shops file. Raises ShopsError if it cannot be read."""
    try:
        return path.read_text()
    except OSError as error:
        raise ShopsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ShopsError(f"{path}: not UTF-8 at byte {error.start}") from error
