"""CSV exports: which column is which field of the platform's object (a TOML file).

    event = "orders/updated"       # the platform's name; may be left out where the object shows it
    one_object_by = "Name"         # adjacent rows with the same value here are one object; a row
                                   # of an object whose rows are not adjacent is not taken
    dated_by = "Updated at"        # dates objects that have no time of their own
    delimiter = ";"                # default: a comma
    decimal_comma = true           # 1.234,50 is 1234.50, in cells that are read as numbers;
                                   # 12.50 is none, since a point groups thousands there
    [columns]
    "Name" = "id"
    "Total" = "total_price"
    "Newsletter" = { field = "accepts_marketing", as = "boolean" }
    "Date" = { field = "created_at", as = "time", format = "%d/%m/%Y %H:%M" }
    [constants]
    taxes_included = false
    [lines]
    field = "line_items"
    [lines.columns]
    "Lineitem quantity" = { field = "quantity", as = "number" }

A field is dotted where objects are nested (``customer.id``). An empty cell is not given.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from hookline.console.errors import CommandError
from hookline.history.exports.csv_rows import Table, number

_KEYS = frozenset(
    {
        "event", "one_object_by", "dated_by", "delimiter", "decimal_comma", "columns",
        "constants", "lines",
    }
)  # fmt: skip
_KINDS = ("text", "number", "boolean", "time")
_TRUE, _FALSE = ("true", "yes", "y", "1", "on"), ("false", "no", "n", "0", "off")
NOT_ADJACENT = "its rows are not adjacent: sort the file by the column of one_object_by"


@dataclass(frozen=True, slots=True)
class Column:
    """Where the cells of a column go, and how they are read."""

    name: str
    path: tuple[str, ...]
    kind: str = "text"
    format: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file, read."""

    columns: tuple[Column, ...]
    event: str = ""
    one_object_by: str = ""
    dated_by: str = ""
    delimiter: str = ","
    decimal_comma: bool = False
    constants: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    line_columns: tuple[Column, ...] = ()

    def objects(self, text: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any], str, str]]:
        """Yield (line, object, what is wrong with it, the cell that dates it) in order.

        Raises CommandError where the file lacks a column, or is no CSV in UTF-8.
        """
        table = Table(text, path, self.delimiter)
        self._require(table.header, path)
        for line, rows, error in self._groups(table):
            if error:
                yield line, {}, error, ""
            else:
                yield (
                    line,
                    *self._object([dict(zip(table.header, row, strict=True)) for row in rows]),
                )

    def _groups(self, table: Table) -> Iterator[tuple[int, list[list[str]], str]]:
        """Yield (the first line, the rows, what is wrong) of each object.

        A row that lacks a cell, or has one too many, spoils the object that it names.
        """
        if not self.one_object_by:
            for line, row in table.rows():
                yield line, [row], table.mismatch(row)
            return
        at = table.header.index(self.one_object_by)
        seen: set[bytes] = set()
        first, rows, wrong, name = 0, list[list[str]](), "", ""
        for line, row in table.rows():
            its_name, mismatch = row[at] if at < len(row) else "", table.mismatch(row)
            if rows and its_name and its_name == name:
                rows.append(row)
                wrong = wrong or mismatch
                continue
            if rows:
                yield first, rows, wrong
            first, rows, wrong, name = line, [row], mismatch, its_name
            if not name.strip():
                wrong = wrong or f"column {self.one_object_by!r} is empty"
                continue
            # A hash of 8 bytes: the names of ten million objects would fill the memory.
            hashed = hashlib.blake2b(name.encode(), digest_size=8).digest()
            if hashed in seen:
                wrong = wrong or NOT_ADJACENT
            seen.add(hashed)
        if rows:
            yield first, rows, wrong

    def _require(self, found: list[str], path: Path) -> None:
        wanted = [column.name for column in (*self.columns, *self.line_columns)]
        wanted += [name for name in (self.one_object_by, self.dated_by) if name]
        if missing := [name for name in wanted if name not in found]:
            raise CommandError(f"{path} has no column {missing[0]!r} that the mapping names")

    def _object(self, rows: list[dict[str, str]]) -> tuple[dict[str, Any], str, str]:
        made: dict[str, Any] = {}
        try:
            for name, value in self.constants.items():
                _put(made, tuple(name.split(".")), value)
            for column in self.columns:
                cell = next((cell for row in rows if (cell := row[column.name].strip())), "")
                if cell:
                    _put(made, column.path, self._value(column, cell))
            if self.lines:
                lines = [line for row in rows if (line := self._line(row))]
                _put(made, self.lines, lines)
        except _CellError as error:
            return {}, str(error), ""
        dated = rows[0][self.dated_by].strip() if self.dated_by else ""
        return made, "", dated

    def _line(self, row: dict[str, str]) -> dict[str, Any]:
        line: dict[str, Any] = {}
        for column in self.line_columns:
            if cell := (row[column.name] or "").strip():
                _put(line, column.path, self._value(column, cell))
        return line

    def _value(self, column: Column, cell: str) -> Any:
        """Read a cell. Raises _CellError, which does not quote it."""
        if column.kind == "text":
            return cell
        if column.kind == "time":
            with suppress(ValueError):
                return datetime.strptime(cell, column.format).isoformat()  # noqa: DTZ007 - the shop's zone
        elif column.kind == "boolean":
            if cell.lower() in _TRUE or cell.lower() in _FALSE:
                return cell.lower() in _TRUE
        else:
            found = number(cell, decimal_comma=self.decimal_comma)
            if found is not None:  # money never as a float
                return found
        raise _CellError(f"column {column.name!r} is no {column.kind}")


class _CellError(ValueError):
    """A cell that is not of its column's kind."""


def _put(made: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        made = made.setdefault(name, {})
    made[path[-1]] = value


def load(path: Path) -> Mapping:
    """Read a mapping file. Raises CommandError that names what is wrong."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}") from error
    if unknown := sorted(set(given) - _KEYS):
        raise CommandError(f"{path}: unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    lines = given.get("lines", {})
    if lines and not (isinstance(lines, dict) and isinstance(lines.get("field"), str)):
        raise CommandError(f'{path}: [lines] needs field = "…", the list that the lines go to')
    if lines and not isinstance(given.get("one_object_by"), str):
        raise CommandError(f"{path}: [lines] needs one_object_by, the column of the object's id")
    return Mapping(
        columns=_columns(given.get("columns"), path, "columns"),
        event=str(given.get("event", "")),
        one_object_by=str(given.get("one_object_by", "")),
        dated_by=str(given.get("dated_by", "")),
        delimiter=_delimiter(given.get("delimiter", ","), path),
        decimal_comma=bool(given.get("decimal_comma", False)),
        constants=dict(given.get("constants", {})),
        lines=tuple(lines["field"].split(".")) if lines else (),
        line_columns=_columns(lines.get("columns"), path, "lines.columns") if lines else (),
    )


def _delimiter(given: Any, path: Path) -> str:
    if isinstance(given, str) and len(given) == 1 and given not in '"\r\n':
        return given
    raise CommandError(f"{path}: delimiter is one character, and no quote or end of a line")


def _columns(given: Any, path: Path, where: str) -> tuple[Column, ...]:
    if not isinstance(given, dict) or not given:
        raise CommandError(f"{path}: [{where}] names a field for each column")
    return tuple(_column(name, value, path, where) for name, value in given.items())


def _column(name: str, given: Any, path: Path, where: str) -> Column:
    if isinstance(given, str):
        given = {"field": given}
    target = given.get("field") if isinstance(given, dict) else None
    if not isinstance(target, str) or not target or set(given) - {"field", "as", "format"}:
        raise CommandError(f"{path}: [{where}] {name!r}: write a field, or field, as and format")
    kind, layout = given.get("as", "text"), given.get("format", "")
    if kind not in _KINDS or (kind == "time") != bool(layout):
        raise CommandError(
            f"{path}: [{where}] {name!r}: as is one of {', '.join(_KINDS)}; time needs a format"
        )
    return Column(name, tuple(target.split(".")), kind, str(layout))
