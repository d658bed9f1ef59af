"""The rows and the numbers of a CSV file, read without a guess."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TextIO

from hookline.console.errors import CommandError

csv.field_size_limit(4 * 1024 * 1024)
_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
"""The first line that Excel reads and writes: which delimiter the file has."""
_SPACES = " \u00a0\u202f"
_WHOLE = r"(?P<whole>[0-9]+|[0-9]{{1,3}}(?:(?P<mark>[{marks}])[0-9]{{3}})(?:(?P=mark)[0-9]{{3}})*)"
_WITH_POINT = re.compile(rf"(?P<sign>[+-]?){_WHOLE.format(marks=_SPACES)}(?:\.(?P<part>[0-9]+))?")
_WITH_COMMA = re.compile(
    rf"(?P<sign>[+-]?){_WHOLE.format(marks='.' + _SPACES)}(?:,(?P<part>[0-9]+))?"
)


def number(cell: str, *, decimal_comma: bool) -> int | str | None:
    """Return an integer, or a decimal as text with a point; None where a cell is no number.

    Spaces group thousands, and with ``decimal_comma`` points do: one kind of mark in a number, and
    three digits after each. Any other mark may be a decimal one that is read as a group.
    """
    found = (_WITH_COMMA if decimal_comma else _WITH_POINT).fullmatch(cell.strip())
    if found is None:
        return None
    whole = found["sign"] + re.sub(r"[^0-9]", "", found["whole"])
    return int(whole) if found["part"] is None else f"{whole}.{found['part']}"


class Table:
    """A CSV file that is being read; its header is read at once.

    Raises CommandError where it is no CSV, is not in UTF-8 or has two columns of one name.
    """

    def __init__(self, text: TextIO, path: Path, delimiter: str) -> None:
        self._path = path
        self._before, self._line = 0, 1
        lines: Iterator[str] = text
        try:
            first = next(lines, "")
            if found := _SEPARATOR.fullmatch(first):
                delimiter, self._before = found[1], 1
            else:
                lines = chain([first], lines)
            self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        except UnicodeDecodeError as error:
            raise self._not_text() from error
        _, self.header = next(self.rows(), (1, []))
        for name, count in Counter(self.header).items():
            if name and count > 1:
                raise CommandError(f"{path} has {count} columns {name!r}: rename all but one")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (the line on which it begins, the cells) of each row that is not empty."""
        while True:
            self._line = self._before + self._reader.line_num + 1
            try:
                cells = next(self._reader, None)
            except UnicodeDecodeError as error:
                raise self._not_text() from error
            except csv.Error as error:
                raise CommandError(f"{self._path}:{self._line}: {_reason(error)}") from error
            if cells is None:
                return
            if cells:
                yield self._line, cells

    def mismatch(self, cells: list[str]) -> str:
        """Return what is wrong with the number of a row's cells, if anything is."""
        if len(cells) == len(self.header):
            return ""
        return f"its cells are not one for each column: {len(cells)} for {len(self.header)}"

    def _not_text(self) -> CommandError:
        return CommandError(
            f"{self._path} near line {self._line}: it is not in UTF-8 (perhaps in Windows-1252):"
            " save it as UTF-8"
        )


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text or "expected after" in text or "field larger" in text:
        return "a quote in the row that begins here is not closed: is a quote in a cell doubled?"
    return f"not CSV: {text}"
