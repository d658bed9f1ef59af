"""A body as a platform sends it, before it is signed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Payload:
    """``event``: as the header or the URL names it, empty where the body does."""

    event: str
    body: bytes
    content_type: str = "application/json"
    query: str = ""
