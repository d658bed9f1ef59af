"""Webhook URLs for a platform's settings page, and how its deliveries are authenticated."""

from urllib.parse import quote

from ingest.sources import SOURCES, proof_headers
from schemas.shops import Shop

BASE = "https://<host>"
"""Placeholder where the public address is unknown."""


def url(base: str, shop: Shop, secret: bytes | None = None) -> str:
    """Return the URL of a shop's webhooks; without ``secret`` a token is shown as ``<token>``."""
    parts = [base.rstrip("/"), "hooks", shop.source, shop.id]
    if shop.proof == "token":
        parts.append("<token>" if secret is None else quote(secret.decode(), safe=""))
    if SOURCES[shop.source].events_in_url:
        parts.append("<event>")
    return "/".join(parts)


def instructions(shop: Shop) -> list[str]:
    """Return what an operator must know besides the URL, one sentence each."""
    lines = []
    if events := SOURCES[shop.source].events_in_url:
        names = ", ".join(sorted(events))
        lines.append(f"One URL for each event, with its name at the end: {names}")
    if shop.proof == "token":
        lines.append("The URL holds the token: whoever knows it can send. Do not mail or log it.")
    elif headers := proof_headers(SOURCES[shop.source], shop):
        what = "the secret" if shop.proof == "header" else f"the signature ({shop.proof})"
        names = " or ".join(header.decode() for header in headers)
        lines.append(f"The platform sends {what} in the header {names}")
    return lines
