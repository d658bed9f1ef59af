"""Lists of a platform's statuses, compared without case, spaces, hyphens and underscores."""

from collections.abc import Mapping
from typing import TypeVar

Status = TypeVar("Status")

_MAX_LENGTH = 100
_SEPARATORS = str.maketrans("", "", " \t\r\n\u00a0-_")


def folded(status: str | None) -> str:
    """Return a status text as it is compared: ``In Production`` is ``inproduction``."""
    if not status or len(status) > _MAX_LENGTH:
        return ""
    return status.translate(_SEPARATORS).casefold()


def status_list(texts: Mapping[Status, str]) -> dict[str, Status]:
    """Map each folded status text to its status; ``texts`` are separated by commas."""
    return {folded(text): status for status, given in texts.items() for text in given.split(",")}
