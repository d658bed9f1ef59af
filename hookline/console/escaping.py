"""Escapes untrusted text for CSV (formula injection) and terminals (control characters)."""

import re
import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - on purpose
"""First characters that make a spreadsheet calculate; it reads full-width ones as ASCII."""
_BLANK = " \u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
_BLANKS = re.compile(f"[{_BLANK}\\s]+")
"""Blanks and invisible characters, which a spreadsheet skips before a formula."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def csv_cell(text: str) -> str:
    """Prefix text that a spreadsheet would take for a formula with a single quote (OWASP).

    Blanks before the formula do not hide it. Plain numbers stay as they are.
    Quotes and separators are left to the ``csv`` module.
    """
    blanks = _BLANKS.match(text)
    start = blanks.end() if blanks else 0
    if text.startswith(_FORMULA) or text.startswith(_FORMULA, start):
        return text if _NUMBER.fullmatch(text) else "'" + text
    return text


def terminal_text(text: str) -> str:
    """Replace control and bidirectional characters, except newlines, by escape sequences."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""DEL, C1 and bidirectional controls, line separators, and surrogates, which cannot be printed."""


def json_text(text: str) -> str:
    """Write the controls that JSON allows in strings, but terminals obey, as escapes."""
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escaped(character: str) -> str:
    if character != "\n" and unicodedata.category(character)[0] == "C":
        return character.encode("unicode_escape").decode()
    return character
