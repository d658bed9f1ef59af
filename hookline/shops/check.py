"""What can be said of the shops without any server: settings, and how good their secrets are."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hookline.local.folder import EXAMPLE_SHOPS
from ingest.secrets import SecretsError, resolve
from schemas import shops
from schemas.shops import Shop, ShopsError

BITS = 96
"""What a secret must be worth at best: characters times the logarithm of how many differ."""

Key = tuple[str, str]
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Checked:
    """What was found of one shop. ``secret``: the first one that can be resolved."""

    shop: Shop
    secret: bytes | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(path: Path) -> tuple[list[Checked], list[str]]:
    """Each shop that can be used, and what is wrong with the others.

    Raises ShopsError where the file as a whole cannot be read.
    """
    found, broken = shops.survey(shops.read(path))
    published = _published()
    checked = [Checked(shop) for shop in found.values()]
    users: dict[bytes, list[str]] = {}
    for each in checked:
        for secret in _resolved(each):
            each.secret = each.secret or secret
            users.setdefault(secret, []).append(_name(each.shop))
            each.problems += _weaknesses(each.shop, secret, published)
        if len(each.shop.secrets) > 1:
            each.notes.append(
                "two secrets are valid: when the platform uses the new one,"
                f" `hookline shops rotate {_name(each.shop)} --finish`"
            )
    for names in users.values():
        _shared(checked, names)
    return checked, [str(problem) for problem in broken]


def _resolved(each: Checked) -> Iterable[bytes]:
    for number, reference in enumerate(each.shop.secrets, start=1):
        try:
            yield resolve(reference)
        except SecretsError as error:
            each.problems.append(f"secret {number} cannot be resolved here: {error}")


def _weaknesses(shop: Shop, secret: bytes, published: frozenset[bytes]) -> Iterable[str]:
    if secret in published:
        yield "a secret of the example, which everybody knows: generate one (hookline shops rotate)"
    elif (worth := bits(secret)) < BITS:
        yield (
            f"a secret of {len(secret)} characters, worth {worth:.0f} bits at best: take at"
            f" least {BITS}, as `hookline shops rotate` does"
        )
    if shop.proof in ("token", "header") and not _is_visible(secret):
        yield "a secret with characters that a URL or a header cannot carry"


def _is_visible(secret: bytes) -> bool:
    return all(0x21 <= byte <= 0x7E for byte in secret)  # noqa: PLR2004 - ASCII without spaces


def bits(secret: bytes) -> float:
    """An upper bound of what a guesser must try, in bits: what repeats is worth nothing."""
    return len(secret) * math.log2(len(set(secret))) if secret else 0.0


def _shared(checked: Iterable[Checked], names: list[str]) -> None:
    for each in checked:
        own = _name(each.shop)
        others = sorted(set(names) - {own})
        if own in names and others:
            each.problems.append(f"shares a secret with {', '.join(others)}: one each")
        elif names.count(own) > 1:
            each.problems.append("both secrets are the same")


def _published() -> frozenset[bytes]:
    """The secrets of the example that is shipped."""
    for folder in (_PACKAGE, _PACKAGE.parent):
        try:
            known = shops.load(folder / EXAMPLE_SHOPS)
        except ShopsError:
            continue
        return frozenset(secret.encode() for shop in known.values() for secret in shop.secrets)
    return frozenset()


def _name(shop: Shop) -> str:
    return f"{shop.source}/{shop.id}"
