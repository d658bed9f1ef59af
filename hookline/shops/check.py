"""Checks the shops file without any server: settings, and the strength of secrets."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hookline.local.folder import example_shops
from ingest.secrets import SecretsError, resolve
from schemas import shops
from schemas.shops import Shop

MIN_BITS = 96
"""Bits of entropy that a secret must have by ``secret_bits``."""


@dataclass(slots=True)
class ShopCheck:
    """The findings of one shop. ``secret``: the first one that can be resolved."""

    shop: Shop
    secret: bytes | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(path: Path) -> tuple[list[ShopCheck], list[str]]:
    """Check each usable shop; also return what is wrong with the others.

    Raises ShopsError where the file as a whole cannot be read.
    """
    usable, broken = shops.survey(shops.read(path))
    published = _published_secrets()
    checks = [ShopCheck(shop) for shop in usable.values()]
    users: dict[bytes, list[str]] = {}
    for each in checks:
        for secret in _resolved(each):
            each.secret = each.secret or secret
            users.setdefault(secret, []).append(_name(each.shop))
            each.problems += _weaknesses(each.shop, secret, published)
        if len(each.shop.secrets) > 1:
            each.notes.append(
                "two secrets are valid: once the platform uses the new one, run"
                f" `hookline shops rotate {_name(each.shop)} --finish`"
            )
    for names in users.values():
        _report_shared(checks, names)
    return checks, [str(problem) for problem in broken]


def _resolved(each: ShopCheck) -> Iterable[bytes]:
    for number, reference in enumerate(each.shop.secrets, start=1):
        try:
            yield resolve(reference)
        except SecretsError as error:
            each.problems.append(f"secret {number} cannot be resolved here: {error}")


def _weaknesses(shop: Shop, secret: bytes, published: frozenset[bytes]) -> Iterable[str]:
    if secret in published:
        yield "a secret of the example, which is published: generate one (hookline shops rotate)"
    elif (bits := secret_bits(secret)) < MIN_BITS:
        yield (
            f"a secret of {len(secret)} characters, worth {bits:.0f} bits at most: use at"
            f" least {MIN_BITS}, as `hookline shops rotate` does"
        )
    is_visible = all(0x21 <= byte <= 0x7E for byte in secret)  # noqa: PLR2004 - ASCII, no spaces
    if shop.proof in ("token", "header") and not is_visible:
        yield "a secret with characters that a URL or a header cannot carry"


def secret_bits(secret: bytes) -> float:
    """Return an upper bound of a secret's entropy: length times log2 of its distinct bytes."""
    return len(secret) * math.log2(len(set(secret))) if secret else 0.0


def _report_shared(checks: Iterable[ShopCheck], names: list[str]) -> None:
    for each in checks:
        own = _name(each.shop)
        others = sorted(set(names) - {own})
        if own in names and others:
            each.problems.append(
                f"shares a secret with {', '.join(others)}: each shop needs its own"
            )
        elif names.count(own) > 1:
            each.problems.append("both secrets are the same")


def _published_secrets() -> frozenset[bytes]:
    """Return the secrets of the example file that is shipped."""
    path = example_shops()
    examples = shops.load(path).values() if path is not None else ()
    return frozenset(secret.encode() for shop in examples for secret in shop.secrets)


def _name(shop: Shop) -> str:
    return f"{shop.source}/{shop.id}"
