"""Edits of a JSON example before it is sent: ``data.ordered=now-2h``, ``items[0].quantity=3``.

The new value gets the type and, for a time, the format of the example's value.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from hookline.console.errors import CommandError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NOW = re.compile(r"now(?:([+-])(\d{1,9})([smhd]))?")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?P<gap>[T ])\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_SEGMENT = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_EPOCH_DIGITS = {10: 1, 13: 1000}


@dataclass(frozen=True, slots=True)
class Edit:
    """``path=value``, with the path split into names and indices.

    ``may_add``: the last name of the path may be one that the example lacks.
    """

    path: tuple[str | int, ...]
    text: str
    may_add: bool = True


def parse_edit(argument: str, *, may_add: bool = True) -> Edit:
    """Parse ``path=value``. Raises CommandError with an example of the syntax."""
    name, equals, text = argument.partition("=")
    segments = [int(index) if index else name for name, index in _SEGMENT.findall(name)]
    if not equals or not segments:
        raise CommandError(f"--set {argument}: write path=value, e.g. --set data.items[0].cost=12")
    path = tuple(int(s) if isinstance(s, str) and s.isdigit() else s for s in segments)
    return Edit(path, text, may_add)


def moment(text: str, now: datetime) -> datetime | None:
    """Parse ``now``, ``now-2h`` or ``now+5m``; None for any other text."""
    match = _NOW.fullmatch(text)
    if match is None:
        return None
    sign, amount, unit = match.groups()
    seconds = int(amount or 0) * _UNITS[unit or "s"]
    return now + timedelta(seconds=-seconds if sign == "-" else seconds)


def formatted_like(example: Any, when: datetime, naive_zone: str) -> Any:
    """Format ``when`` like ``example``: with its separator, fraction and offset, or as epoch.

    A time without an offset is local to ``naive_zone``. If the example is not a time, the result
    is ISO 8601 with milliseconds and Z.
    """
    if isinstance(example, int) and len(str(example)) in _EPOCH_DIGITS:
        return int(when.timestamp() * _EPOCH_DIGITS[len(str(example))])
    match = _TIME.fullmatch(example) if isinstance(example, str) else None
    if match is None:
        match = _TIME.fullmatch("2000-01-01T00:00:00.000Z")
        assert match is not None  # noqa: S101 - for the type checker
    zone = match["zone"]
    if zone is None:
        local = when.astimezone(ZoneInfo(naive_zone))
    elif zone == "Z":
        local = when.astimezone(UTC)
    else:
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        local = when.astimezone(
            timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
        )
    digits = len(match["fraction"] or "")
    fraction = f".{local.microsecond:06d}000"[: digits + 1] if digits else ""
    return f"{local:%Y-%m-%d}{match['gap']}{local:%H:%M:%S}{fraction}{zone or ''}"


def _sibling_time(parent: Any) -> Any:
    """Another time of the same object, whose format a time in a null field takes."""
    values = parent.values() if isinstance(parent, dict) else ()
    return next((v for v in values if isinstance(v, str) and _TIME.fullmatch(v)), None)


def _number(text: str, example: Any, where: str) -> Any:
    try:
        return int(text) if re.fullmatch(r"-?\d+", text) else Decimal(text)
    except InvalidOperation as error:
        raise CommandError(
            f"--set {where}: the example's value {example} is a number, {text!r} is not"
        ) from error


def _typed(text: str, example: Any, where: str) -> Any:
    if text == "null":
        return None
    if isinstance(example, bool):
        if text not in ("true", "false"):
            raise CommandError(f"--set {where}: write true or false")
        return text == "true"
    if isinstance(example, int | float | Decimal):
        return _number(text, example, where)
    if isinstance(example, str) and not text.startswith('"'):
        return text
    try:
        return json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        if isinstance(example, dict | list):
            raise CommandError(f"--set {where}: write JSON, e.g. {{}} or []") from error
        return text


def _step(node: Any, segment: str | int, where: str) -> Any:
    if isinstance(node, dict) and str(segment) in node:
        return node[str(segment)]
    if isinstance(node, list) and isinstance(segment, int) and segment < len(node):
        return node[segment]
    available = (
        ", ".join(node)
        if isinstance(node, dict)
        else f"{len(node)} items, from 0"
        if (isinstance(node, list))
        else f"the value {node!r}"
    )
    raise CommandError(f"--set {where}: no {segment!r} there; there is {available}")


def apply(document: Any, edits: list[Edit], *, now: datetime, naive_zone: str = "UTC") -> None:
    """Change ``document`` (parsed JSON) in place.

    The last name of a path may be new if the edit allows it. Raises CommandError for a path
    that does not exist and for a value of another type than before.
    """
    for edit in edits:
        where = ".".join(map(str, edit.path))
        parent = document
        for segment in edit.path[:-1]:
            parent = _step(parent, segment, where)
        last: Any = edit.path[-1]
        if isinstance(parent, dict):
            last = str(last)
            if last not in parent and not edit.may_add:
                raise CommandError(
                    f"--set {where}: no {last!r} there; there is {', '.join(parent)}"
                    f" (--add {where}=... adds it)"
                )
            old = parent.get(last)
        else:
            old = _step(parent, last, where)
        when = moment(edit.text, now)
        if when is not None:
            like = old if old is not None else _sibling_time(parent)
            parent[last] = formatted_like(like, when, naive_zone)
        else:
            parent[last] = _typed(edit.text, old, where)
