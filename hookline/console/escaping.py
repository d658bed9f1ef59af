"""What a sender wrote, made harmless for what shows it: spreadsheets and terminals."""

import re
import unicodedata

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - as meant
"""First characters that make a spreadsheet calculate; full-width ones are read as the others."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def cell(text: str) -> str:
    """A text as a cell of a CSV file: never a formula; a plain number stays one.

    As OWASP advises for CSV injection: a single quote before what would begin a formula. The
    quotes and separators of the format itself are the ``csv`` module's to write.
    """
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def line(text: str) -> str:
    """A text for a terminal: what would steer it, or turn its direction, stands as an escape."""
    if text.isprintable():
        return text
    return "".join(_spelled(each) for each in text)


def _spelled(character: str) -> str:
    if character != "\n" and unicodedata.category(character)[0] == "C":
        return character.encode("unicode_escape").decode()
    return character
