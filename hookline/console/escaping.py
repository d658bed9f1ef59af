"""Escapes untrusted text for CSV (formula injection) and terminals (control characters)."""

import re
import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - on purpose
"""First characters that make a spreadsheet calculate; it reads full-width ones as ASCII."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def csv_cell(text: str) -> str:
    """Prefix text that a spreadsheet would take for a formula with a single quote (OWASP).

    Plain numbers stay as they are. Quotes and separators are left to the ``csv`` module.
    """
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def terminal_text(text: str) -> str:
    """Replace control and bidirectional characters, except newlines, by escape sequences."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character != "\n" and unicodedata.category(character)[0] == "C":
        return character.encode("unicode_escape").decode()
    return character
