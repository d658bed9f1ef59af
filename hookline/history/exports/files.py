"""The objects in an export: JSON Lines, a JSON document with a list, or CSV; any of them gzipped.

Files are read as streams, except a JSON document that is no line each: it is read whole.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from hookline.console.errors import CommandError
from hookline.history.exports import json_values
from hookline.history.exports.csv_mapping import Mapping

Report = Callable[[int], None]
"""Gets how many bytes of the files have been read."""

_REPORTED = 256
"""Rows between two reports."""
_OTHERS = {
    b"PK\x03\x04": "it is a spreadsheet or a zip archive: save it as CSV in UTF-8, or unpack it",
    b"\xff\xfe": "it is in UTF-16: save it as UTF-8",
    b"\xfe\xff": "it is in UTF-16: save it as UTF-8",
}
"""How files begin that cannot be read, and what to do with them."""


class Row(NamedTuple):
    """One object of an export, as JSON bytes; ``error`` where it is none.

    ``number`` counts from 1 over all files. ``dated``: what the mapping of a CSV file dates it by.
    """

    number: int
    raw: bytes
    error: str = ""
    dated: str = ""


@dataclass(slots=True)
class Export:
    """The files of an export, in order."""

    paths: Sequence[Path]
    mapping: Mapping | None = None
    _starts: list[tuple[int, Path]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.paths)

    def where(self, row: int) -> str:
        """Name a row by its file and its number (of CSV its line) there."""
        start, path = next(each for each in reversed(self._starts) if each[0] < row)
        return f"{path.name}:{row - start}"

    def rows(self, report: Report = lambda _: None) -> Iterator[Row]:
        """Yield all rows. Raises CommandError for a file that cannot be read."""
        self._starts.clear()
        last = done = 0
        for path in self.paths:
            self._starts.append((last, path))
            first, before = last, done
            try:
                with _Opened(path) as opened:
                    opened.require_text()
                    for number, raw, error, dated in self._of_file(opened):
                        last = first + number
                        yield Row(last, raw, error, dated)
                        if not number % _REPORTED:
                            report(before + opened.position)
                done += path.stat().st_size
            except (OSError, EOFError, zlib.error) as error:
                reason = getattr(error, "strerror", None) or "not a whole gzip file"
                raise CommandError(f"{path}: {reason}") from error

    def _of_file(self, opened: "_Opened") -> Iterator[tuple[int, bytes, str, str]]:
        if self.mapping is not None:
            text = io.TextIOWrapper(opened.stream, encoding="utf-8-sig", newline="")
            for line, value, error, dated in self.mapping.objects(text, opened.path):
                yield line, msgspec.json.encode(value), error, dated
            text.detach()  # the file is closed by who opened it
            return
        for number, (raw, error) in enumerate(json_values.values(opened.stream), start=1):
            yield number, raw, error, ""


class _Opened:
    """An open file, decompressed where it is gzipped."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self._file = self.path.open("rb")
        self.stream = self._file
        if self._file.peek(2)[:2] == b"\x1f\x8b":
            self.stream = io.BufferedReader(gzip.GzipFile(fileobj=self._file))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def require_text(self) -> None:
        """Raise CommandError where the file is evidently no UTF-8."""
        head = self.stream.peek(4)[:4]
        for begins, problem in _OTHERS.items():
            if head.startswith(begins):
                raise CommandError(f"{self.path}: {problem}")
        if b"\0" in head:
            raise CommandError(f"{self.path}: it is no text in UTF-8: save it as UTF-8")

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        return self._file.tell()
