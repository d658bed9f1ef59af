"""The place where a body breaks, its letters and digits masked, its structure kept. Pure."""

import re
from dataclasses import dataclass

AROUND = 120
"""Bytes shown before the failing byte, and after it."""
_AT = re.compile(r"@(\d{1,12})")
_KEPT = frozenset("{}[]()<>:;,.=/\\\"'!?&#*+-_|`~^%$ \t\n\r")
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class BrokenBody:
    """A part of a body. ``at``: the failing byte; ``size``: bytes of the whole body.

    ``before``, ``failing`` and ``after`` are masked: x for what is no digit and no structure, 0 for
    a digit, U+FFFD for what is not UTF-8. ``failing`` is empty where the body ends too early.
    """

    at: int
    size: int
    before: str
    failing: str
    after: str
    is_cut_before: bool
    is_cut_after: bool


def failing_byte(path: str) -> int | None:
    """Return the byte that a path names, ``@92``; None for the path of a field."""
    found = _AT.fullmatch(path)
    return int(found[1]) if found else None


def broken_body(body: bytes, at: int) -> BrokenBody:
    """Return the part of a body around a byte; a byte beyond the body is its end."""
    at = min(at, len(body))
    start, failing_at = _boundary(body, max(at - AROUND, 0)), _boundary(body, at)
    after = _boundary(body, min(failing_at + 1, len(body)), forward=True)
    end = _boundary(body, min(after + AROUND, len(body)))
    return BrokenBody(
        at=at,
        size=len(body),
        before=without_letters(body[start:failing_at]),
        failing=without_letters(body[failing_at:after]),
        after=without_letters(body[after:end]),
        is_cut_before=start > 0,
        is_cut_after=end < len(body),
    )


def without_letters(part: bytes) -> str:
    """Return bytes as text in which no letter and no digit of theirs is left."""
    return "".join(map(_masked, part.decode(errors="replace")))


def _masked(character: str) -> str:
    if character in _KEPT or character == _UNREADABLE:
        return character
    return "0" if character.isdigit() else "x"


def _boundary(body: bytes, at: int, *, forward: bool = False) -> int:
    """Return the nearest begin of a character of UTF-8, at most three bytes away."""
    step = 1 if forward else -1
    moved = at
    while 0 < moved < len(body) and abs(moved - at) < 4 and body[moved] & 0xC0 == 0x80:  # noqa: PLR2004
        moved += step
    return moved
