"""Escapes untrusted text for CSV files: no cell is a formula for a spreadsheet."""

import re
import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - on purpose
"""First characters that make a spreadsheet calculate; it reads full-width ones as ASCII."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def csv_cell(text: str) -> str:
    """Prefix text that a spreadsheet would take for a formula with a single quote (OWASP).

    Blanks and characters that are not shown do not hide the formula behind them. Plain numbers
    stay as they are. Quotes and separators are left to the ``csv`` module.
    """
    if text[:1].isalnum():
        return text
    if text.startswith(_FORMULA) or text.startswith(_FORMULA, _first_shown(text)):
        return text if _NUMBER.fullmatch(text) else "'" + text
    return text


def _first_shown(text: str) -> int:
    for index, character in enumerate(text):
        if unicodedata.category(character)[0] not in "CZ":
            return index
    return len(text)
