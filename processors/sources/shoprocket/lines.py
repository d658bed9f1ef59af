"""Lines of Shoprocket's orders and carts: deleted ones are still listed, and are none."""

from typing import Any

_NEVER = ("", "0", "0000-00-00 00:00:00", "0000-00-00", 0, False)


def without_deleted(rows: list[dict[str, Any]], path: str) -> list[tuple[dict[str, Any], str]]:
    """Return the lines that are not deleted, each with the prefix of its fields' paths."""
    return [(row, f"{path}[{index}].") for index, row in enumerate(rows) if not is_deleted(row)]


def is_deleted(line: dict[str, Any]) -> bool:
    """Return whether a line gives the time of its deletion, in either format's spelling."""
    return any(_is_given(line.get(key)) for key in ("deleted_at", "deletedAt"))


def _is_given(value: Any) -> bool:
    return bool(value) and value not in _NEVER
