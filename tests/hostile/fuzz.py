"""Mutated examples through ingress reader, adapter and verdict: nothing raises, nothing is slow.

``python -m tests.hostile.fuzz --count 1000000 --seed 7``: every body has a number; body N of a
seed is always the same (``--only N`` runs it alone and shows it).
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingest import sources
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from processors.sources.personal_ids import hashed_key
from schemas import envelopes
from schemas.codec import Codec
from schemas.events import RECORDS
from schemas.topics import MAX_BODY
from tests.example_files import APPENDED_MS, CONTACT_KEY, RECEIVED_AT, SHOPS, Example, examples
from tests.toy_platform import Record

SLOW = 0.05
"""Seconds of CPU time that one body may take."""
PORTION = 500
"""Bodies that a process takes at a time."""
HALF, TENTH = 0.5, 0.1
AGAIN = 3
"""How often a slow body is run again: what is slow by itself is slow each time."""

VERDICTS = Decider(
    Codec({name: number for number, name in enumerate(RECORDS, start=1)}), ADAPTERS, CONTACT_KEY
)
SHOPS_IN_FORCE = {(shop.source, shop.id): shop for shop in SHOPS.values()}
EXAMPLES = examples()
BODIES = [example.body for example in EXAMPLES]
_TOKENS = """
    1e400 -1e400 1e999999999 1e-999999999 1e99999999999999999999 NaN Infinity -0 0.0000000000001
    9007199254740993 9223372036854775808 18446744073709551616 -9223372036854775809 null true false
    [] {} "" "\\u0000" "\\ud800" "\\udc00x" "0000-00-00" "0000-00-00T00:00:00Z"
    "2024-03-31T02:30:00" "9999-12-31T23:59:60Z" "1e999999999" "NaN" "٣" "-" "+1" "1_000" "1,5" "€5"
    [[[]]] {"":{}} [null] [0,[1]] "1e5" 1E5 0x10 00 1. .5 --1 "\\u202e" "=1+1" "<a>" "&lt;" "]]>"
"""
TOKENS = [token.encode() for token in _TOKENS.split()]
NUMBERS = (b"9" * 4000, b"9" * 10_000, b"0." + b"7" * 10_000, b"-" + b"1" * 4300, b"1e" + b"9" * 99)
ENCODINGS = (
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "latin-1",
    "utf-8-sig",
    "cp1252",
    "utf-7",
)
DECLARED = (b"UTF-16", b"utf-7", b"latin-1", b"ascii", b"nonsense", b"idna", b"cp037", b"")

Change = Callable[[random.Random, bytes], bytes]


def _position(chance: random.Random, body: bytes) -> int:
    return chance.randrange(len(body) + 1)


def _span(chance: random.Random, body: bytes, most: int = 200) -> tuple[int, int]:
    start = _position(chance, body)
    return start, min(len(body), start + chance.randrange(most))


def flipped(chance: random.Random, body: bytes) -> bytes:
    """Some bytes are others."""
    made = bytearray(body)
    for _ in range(chance.randrange(1, 8)):
        if made:
            made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made)


def spliced(chance: random.Random, body: bytes) -> bytes:
    """The begin of this one and the end of another."""
    other = chance.choice(BODIES)
    return body[: _position(chance, body)] + other[_position(chance, other) :]


def cut(chance: random.Random, body: bytes) -> bytes:
    """The end is missing."""
    return body[: _position(chance, body)]


def removed(chance: random.Random, body: bytes) -> bytes:
    """A part is missing."""
    start, end = _span(chance, body)
    return body[:start] + body[end:]


def repeated(chance: random.Random, body: bytes) -> bytes:
    """Repeat a part many times."""
    start, end = _span(chance, body)
    return body[:start] + body[start:end] * chance.choice((2, 3, 50)) + body[end:]


def inserted(chance: random.Random, body: bytes) -> bytes:
    """A token of trouble anywhere."""
    position = _position(chance, body)
    return body[:position] + chance.choice((*TOKENS, *NUMBERS)) + body[position:]


def recoded(chance: random.Random, body: bytes) -> bytes:
    """The same text in another encoding."""
    return body.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "replace")


def declared(chance: random.Random, body: bytes) -> bytes:
    """XML that declares a wrong encoding, or a document type."""
    if chance.random() < HALF:
        return body.replace(b"UTF-8", chance.choice(DECLARED), 1)
    dtd = b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    return body.replace(b"?>", b"?>" + dtd, 1).replace(b">#", b">&a;&c;#", 1)


def nested(chance: random.Random, body: bytes) -> bytes:
    """Very deep somewhere."""
    start, end = _span(chance, body, 30)
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>")))
    depth = chance.choice((10, 100, 1000, 5000))
    return body[:start] + opening * depth + body[start:end] + closing * depth + body[end:]


BY_BYTES: tuple[Change, ...] = (
    flipped, spliced, cut, removed, repeated, inserted, recoded, declared, nested,
)  # fmt: skip

_MARK = "a token of trouble"


def _holders(value: Any) -> Iterator[Any]:
    """Every object and list of a document that holds something."""
    if isinstance(value, dict | list):
        if value:
            yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def restructured(chance: random.Random, body: bytes) -> bytes:
    """Values, keys and rows swapped, moved, doubled or replaced: JSON that stays JSON."""
    try:
        return _restructured(chance, json.loads(body))
    except (ValueError, RecursionError):  # it is none any more
        return inserted(chance, body)


def _restructured(chance: random.Random, document: Any) -> bytes:
    marks = 0
    for _ in range(chance.randrange(1, 5)):
        holders = list(_holders(document))
        if not holders:
            break
        holder = chance.choice(holders)
        key, value = chance.choice(_items(holder))
        _, other = chance.choice(_items(chance.choice(holders)))
        match chance.randrange(4):
            case 0:
                holder[key] = _MARK
                marks += 1
            case 1:
                holder[key] = json.loads(json.dumps(other))
            case 2:
                holder[key] = chance.choice((str, repr, _listed, _keyed))(value)
            case _:
                _move(chance, holder, key)
    made = json.dumps(document).encode()
    for _ in range(marks):
        made = made.replace(f'"{_MARK}"'.encode(), chance.choice((*TOKENS, *NUMBERS)), 1)
    if chance.random() < TENTH:  # has a key twice
        made = made.replace(b"{", b'{"id": %s,' % chance.choice(TOKENS), 1)
    return made


def _items(holder: Any) -> list[tuple[Any, Any]]:
    return list(holder.items() if isinstance(holder, dict) else enumerate(holder))


def _move(chance: random.Random, holder: Any, key: Any) -> None:
    """Remove, double or rename."""
    value = holder.pop(key)
    if isinstance(holder, list):
        holder += [value] * chance.choice((0, 2, 100))
    elif chance.random() < HALF:
        holder[f"{key}{chance.choice(('', ' ', 's', '_id'))}"] = value


def _listed(value: Any) -> list[Any]:
    return [value, value]


def _keyed(value: Any) -> dict[str, Any]:
    return {"id": value, "0": value}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutated body, and as what it is sent."""

    number: int
    example: Example
    event: str
    changes: tuple[str, ...]
    body: bytes

    def __str__(self) -> str:
        return f"{self.number} ({self.example.name} as {self.event}: {', '.join(self.changes)})"


def mutant(seed: int, number: int) -> Mutant:
    """Body ``number`` of a seed: always the same."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable, no secret
    at = chance.randrange(len(EXAMPLES))
    example, body = EXAMPLES[at], BODIES[at]
    changes = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = restructured if chance.random() < HALF else chance.choice(BY_BYTES)
        body = change(chance, body)[:MAX_BODY]
        changes.append(change.__name__)
    event = example.told["event"]
    if chance.random() < TENTH:  # claims to be another event
        event = chance.choice(
            [each for each in EXAMPLES if each.platform == example.platform]
        ).told["event"]
    return Mutant(number, example, event, tuple(changes), body)


def judge(each: Mutant) -> str:
    """What becomes of a body, from the ingress's look to the verdict's records.

    Raises AssertionError for an internal error, or a reject without a path.
    """
    source = sources.SOURCES[each.example.platform]
    event, key = sources.read(source, "demo", each.event, each.body)
    headers = (
        (envelopes.DELIVERY, b"a-delivery"),
        (envelopes.SOURCE, source.name.encode()),
        (envelopes.SHOP, b"demo"),
        (envelopes.EVENT, event.encode()),
        (envelopes.RECEIVED_US, b"%d" % RECEIVED_AT),
        (envelopes.QUERY, each.example.told.get("query", "").encode()),
    )
    key = key or sources.hashed_key(source, "demo", each.body)
    record = Record(0, key, each.body, headers, timestamp=APPENDED_MS)
    (verdict,) = VERDICTS.decide([record], PartitionIndex(), SHOPS_IN_FORCE)
    headers = dict(verdict.outcomes[0].headers)
    if verdict.kind == "dead-letter":
        detail = headers[envelopes.DETAIL].decode(errors="replace")
        assert verdict.reason != envelopes.Reason.INTERNAL_ERROR, detail
        assert headers[envelopes.FIELD_PATH], f"{verdict.reason} without a path: {detail}"
        assert detail, f"{verdict.reason} without a detail"
    else:
        assert verdict.outcomes
        assert headers[envelopes.ENTITY] == hashed_key(key, CONTACT_KEY)
    return verdict.reason or verdict.kind


@dataclass(slots=True)
class Report:
    """What became of bodies. ``failed`` and ``slow`` name them; ``worst``: seconds of one."""

    became: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    worst: float = 0.0

    def add(self, other: "Report") -> None:
        """Count another one's too."""
        self.became += other.became
        self.failed += other.failed
        self.slow += other.slow
        self.worst = max(self.worst, other.worst)


def run(seed: int, numbers: range) -> Report:
    """Judge these bodies of a seed."""
    report = Report()
    for number in numbers:
        each = mutant(seed, number)
        began = time.process_time()
        try:
            report.became[judge(each)] += 1
        except Exception as error:  # noqa: BLE001 - to be reported with the body's number
            report.failed.append(f"{each}: {type(error).__name__}: {error}"[-2000:])
        took = time.process_time() - began
        if took > SLOW:  # run again: it may have been a garbage collection
            took = min(_timed(each) for _ in range(AGAIN))
        if took > SLOW:
            report.slow.append(f"{each}: {took * 1000:.0f} ms, {len(each.body):,} bytes")
        report.worst = max(report.worst, took)
    return report


def _timed(each: Mutant) -> float:
    began = time.process_time()
    with contextlib.suppress(Exception):  # it was reported the first time
        judge(each)
    return time.process_time() - began


def _portion(work: tuple[int, range]) -> tuple[int, Report]:
    return len(work[1]), run(*work)


def main() -> None:
    """Run; exit 1 if a body raised, was a bug, or was slow."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.hostile.fuzz",
        description=__doc__,
        epilog="python -m tests.hostile.fuzz --count 20000 --seed 8 --processes 1",
    )
    parser.add_argument("--count", type=int, default=100_000, help="bodies")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", type=int, help="show and run this one body")
    chosen = parser.parse_args()
    if chosen.only is not None:
        each = mutant(chosen.seed, chosen.only)
        sys.stdout.buffer.write(each.body + b"\n")
        print(f"{each}: {judge(each)}, {_timed(each) * 1000:.1f} ms")
        return
    starts = range(0, chosen.count, PORTION)
    work = [(chosen.seed, range(at, min(at + PORTION, chosen.count))) for at in starts]
    report = Report()
    began = time.monotonic()
    columns = (TextColumn("bodies"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        multiprocessing.Pool(chosen.processes) as pool,
        Progress(*columns, console=Console(stderr=True)) as bar,
    ):
        task = bar.add_task("", total=chosen.count)
        for count, part in pool.imap_unordered(_portion, work):
            report.add(part)
            bar.advance(task, count)
    for line in (*report.failed[:20], *report.slow[:20]):
        print(line)
    for what, count in report.became.most_common():
        print(f"{count:>10,}  {what}")
    print(
        f"{chosen.count:,} bodies of seed {chosen.seed} in {time.monotonic() - began:.0f} s:"
        f" {len(report.failed)} raised or without a path, {len(report.slow)} above"
        f" {SLOW * 1000:.0f} ms; the slowest took {report.worst * 1000:.1f} ms"
    )
    sys.exit(bool(report.failed or report.slow))


if __name__ == "__main__":
    main()
