"""What is pasted into a platform's page: where it sends, and how it proves its origin."""

from urllib.parse import quote

from ingest.sources import SOURCES, proof_header
from schemas.shops import Shop

BASE = "https://<host>"
"""What stands before ``/hooks/`` where nobody said."""


def url(base: str, shop: Shop, secret: bytes | None = None) -> str:
    """Where the shop's platform sends. Without ``secret`` a token is shown as ``<token>``."""
    parts = [base.rstrip("/"), "hooks", shop.source, shop.id]
    if shop.proof == "token":
        parts.append("<token>" if secret is None else quote(secret.decode(), safe=""))
    if SOURCES[shop.source].events_in_url:
        parts.append("<event>")
    return "/".join(parts)


def instructions(shop: Shop) -> list[str]:
    """What to know beside the URL, a sentence each."""
    said = []
    if words := SOURCES[shop.source].events_in_url:
        said.append(f"One URL for each event, with its name at the end: {', '.join(sorted(words))}")
    if shop.proof == "token":
        said.append("The URL holds the token: whoever knows it can send. Do not mail or log it.")
    elif header := proof_header(SOURCES[shop.source], shop):
        what = "the secret" if shop.proof == "header" else f"the signature ({shop.proof})"
        said.append(f"The platform sends {what} in the header {header.decode()}")
    return said
