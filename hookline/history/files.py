"""The objects in an export: JSON Lines, a JSON document with a list, or CSV; any of them gzipped.

Files are read as streams, except a JSON document that is no line each: it is read whole.
"""

import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import msgspec

from hookline.console.errors import CommandError
from hookline.history.csv_mapping import Mapping

Report = Callable[[int], None]
"""Gets how many bytes of the files have been read."""

_LISTS = ("orders", "customers", "carts", "subscriptions", "data", "results", "Orders")
"""Names under which a platform's API gives a list."""
_SINGLE = frozenset({"order", "customer", "cart", "subscription"})
_PAGE = re.compile(
    rb'\{\s*"(?:orders?|customers?|carts?|subscriptions?|data|results|Orders|links|meta'
    rb'|pagination|page|next|total|count)"'
)
"""How a page of an API begins, or an object under its name; other objects are not looked into."""
_REPORTED = 256
"""Rows between two reports."""
_FEW = 6
"""Names of a page around a list: the list, and where the next one is."""
_decode: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
_decode_list: Callable[[Any], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
                    for number, raw, error, dated in self._of_file(opened):
                        last = first + number
                        yield Row(last, raw, error, dated)
                        if not number % _REPORTED:
                            report(before + opened.position)
                done += path.stat().st_size
            except (OSError, EOFError) as error:
                reason = getattr(error, "strerror", None) or "not a whole gzip file"
                raise CommandError(f"{path}: {reason}") from error

    def _of_file(self, opened: "_Opened") -> Iterator[tuple[int, bytes, str, str]]:
        if self.mapping is not None:
            text = io.TextIOWrapper(opened.stream, encoding="utf-8-sig", newline="")
            for line, value, error, dated in self.mapping.objects(text, opened.path):
                yield line, msgspec.json.encode(value), error, dated
            text.detach()  # the file is closed by who opened it
            return
        for number, (raw, error) in enumerate(_json(opened), start=1):
            yield number, raw, error, ""


class _Opened:
    """An open file, decompressed where it is gzipped."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self._file = self.path.open("rb")
        self.stream: IO[bytes] = self._file
        if self._file.peek(2)[:2] == b"\x1f\x8b":
            self.stream = io.BufferedReader(gzip.GzipFile(fileobj=self._file))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        return self._file.tell()


def _json(opened: _Opened) -> Iterator[tuple[bytes, str]]:
    """Yield each object, and what is wrong with it."""
    stream = opened.stream
    first = stream.readline()
    while first and not first.strip(b"\xef\xbb\xbf \t\r\n"):
        first = stream.readline()
    first = first.removeprefix(b"\xef\xbb\xbf")
    if first.lstrip()[:1] != b"[" and _is_whole(first):
        yield from _unpacked(first.strip())
        begins_page = _PAGE.match
        for line in stream:
            if text := line.strip():
                if begins_page(text):
                    yield from _unpacked(text)
                else:
                    yield text, ""
        return
    if first.strip():
        yield from _unpacked((first + stream.read()).strip())


def _is_whole(line: bytes) -> bool:
    try:
        _decode(line)
    except _UNREADABLE:
        # A line that is broken in JSON Lines, or the first line of an indented document.
        return len(line.strip()) > 1 and line.rstrip()[-1:] == b"}"
    return True


def _unpacked(value: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the objects of a list, of a page with a list, or the object itself."""
    try:
        if value[:1] == b"[":
            yield from ((bytes(each), "") for each in _decode_list(value))
            return
        found = _decode(value)
    except _UNREADABLE:
        yield value, "not JSON"
        return
    if len(found) <= _FEW and "id" not in found and "type" not in found:
        for name in _LISTS:
            if name in found and bytes(found[name])[:1] == b"[":
                yield from ((bytes(each), "") for each in _decode_list(found[name]))
                return
    if len(found) == 1 and not _SINGLE.isdisjoint(found):
        inner = bytes(next(iter(found.values())))
        if inner[:1] == b"{":
            value = inner
    yield value, ""
