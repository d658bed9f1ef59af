"""A multimap from digests and from keys to index entries, in little memory.

New entries wait in dicts, by the hundreds, and then become a sorted run (``sorted_run.py``). Runs
of like size are merged, so that a lookup searches few of them. A run of ``RUN_ROWS`` is never
merged again, so a merge is short however large the index is, and old entries go in whole runs.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from operator import itemgetter

import numpy as np

from processors.dedupe import BODY_BYTES, PriorOutcome
from processors.index.sorted_run import Rows, SortedHashes, SortedRun, Spans

SORT_AT = 256
"""Entries that wait in dicts before they become a run."""
WIDTH = 4
"""Runs of like size that are merged into one: with 2, each row would be moved twice as often."""
RUN_ROWS = 1 << 19
"""Rows of the largest runs: a merge of that many takes some 40 ms."""

Entry = tuple[int, bytes, int]
"""Raw offset, digest, append time (ms)."""
IndexRow = tuple[int, int, bytes, int]
"""Key, raw offset, digest, append time (ms)."""
SpansByPosition = dict[int, list[tuple[SortedRun, int, int]]]
"""Position in a batch -> runs, each with the span of rows that match: first, end (excluded)."""

_OFFSET = itemgetter(0)


def latest_below(entries: Sequence[Entry], below: int) -> PriorOutcome | None:
    """Of sorted entries, the one with the greatest raw offset below ``below``."""
    at = bisect_left(entries, below, key=_OFFSET)
    if at == 0:
        return None
    offset, digest, time = entries[at - 1]
    return PriorOutcome(offset, time, digest)


def later(one: PriorOutcome | None, other: PriorOutcome | None) -> PriorOutcome | None:
    """The one with the greater raw offset; of two copies, the one with the greater digest."""
    if one is None or other is None:
        return one or other
    first, second = (one.raw_offset, one.digest), (other.raw_offset, other.digest)
    return one if first >= second else other


class RunSet:
    """Index rows, found by digest and by key."""

    def __init__(self, runs: Sequence[SortedRun] = ()) -> None:
        self._by_body: dict[bytes, list[Entry]] = {}  # by the first half of the digest
        self._by_key: dict[int, list[Entry]] = {}
        self._waiting = 0
        self._runs = list(runs)

    def __len__(self) -> int:
        return self._waiting + sum(map(len, self._runs))

    def add(self, key: int, offset: int, digest: bytes, time: int) -> None:
        """Add one row. Copies of a row, one for each slot of its delivery, count once."""
        entry = (offset, digest, time)
        of_key = self._by_key.get(key)
        if of_key is None:
            self._by_key[key] = [entry]
        elif of_key[-1] < entry:
            of_key.append(entry)
        else:
            at = bisect_left(of_key, entry)
            if of_key[at] == entry:
                return
            of_key.insert(at, entry)
        self._waiting += 1
        half = digest[:BODY_BYTES]
        if half in self._by_body:
            insort(self._by_body[half], entry)
        else:
            self._by_body[half] = [entry]

    def extend(self, rows: Sequence[IndexRow]) -> None:
        """Add many rows, none of which is held yet. Spans that were searched become invalid."""
        if len(rows) >= SORT_AT:
            self._append_run(rows)
            return
        for row in rows:
            self.add(*row)

    def pack(self, least: int | None = None) -> None:
        """Turn the waiting entries into a run if they are ``least`` or more (``SORT_AT``).

        Spans that were searched become invalid.
        """
        if self._waiting < max(SORT_AT if least is None else least, 1):
            return
        rows = [(key, *entry) for key, entries in self._by_key.items() for entry in entries]
        self._by_body, self._by_key, self._waiting = {}, {}, 0
        self._append_run(rows)

    def _append_run(self, rows: Sequence[IndexRow]) -> None:
        self._runs.append(SortedRun(Rows.of(rows)))
        while count := self._count_to_merge():
            self._runs[-count:] = [SortedRun.merged(self._runs[-count:])]

    def _count_to_merge(self) -> int:
        """How many of the youngest ``WIDTH`` runs are merged into one; 0 for none.

        Those that fit into ``RUN_ROWS``, once the oldest of them is no larger than the others
        together.
        """
        sizes = [len(run) for run in self._runs[-WIDTH:]]
        if len(sizes) < WIDTH:
            return 0
        while sum(sizes) > RUN_ROWS:
            del sizes[0]
        return len(sizes) if len(sizes) > 1 and sizes[0] <= sum(sizes[1:]) else 0

    def forget_before(self, time_ms: int) -> None:
        """Drop older entries, where they are at least half of a run."""
        kept = (run.since(time_ms) for run in self._runs)
        self._runs = [run for run in kept if run is not None]

    def runs(self) -> tuple[SortedRun, ...]:
        """All entries as runs, which never change."""
        self.pack(1)
        return tuple(self._runs)

    def search_digests(self, digests: Sequence[bytes], first: int = 0) -> SpansByPosition:
        """Search all runs for a batch of digests, the first of them at position ``first``."""
        if not self._runs:
            return {}
        hashes = SortedHashes(np.frombuffer(b"".join(digests), ">u8")[::2].astype("u8"))
        return _by_position(((run, run.spans_of_digests(hashes)) for run in self._runs), first)

    def search_keys(self, keys: Sequence[int]) -> SpansByPosition:
        """Search all runs for a batch of keys."""
        if not self._runs:
            return {}
        hashes = SortedHashes(np.array(keys, "u8"))
        return _by_position((run, run.spans_of_keys(hashes)) for run in self._runs)

    def same_digest(
        self, digest: bytes, spans: Iterable[tuple[SortedRun, int, int]], below: int
    ) -> PriorOutcome | None:
        """The entry with this digest and the greatest raw offset below ``below``.

        ``spans``: what ``search_digests`` found for the digest.
        """
        entries = self._by_body.get(digest[:BODY_BYTES])
        prior = None
        if entries is not None:
            prior = latest_below([each for each in entries if each[1] == digest], below)
        for run, first, end in spans:
            prior = later(prior, run.same_digest(first, end, digest, below))
        return prior

    def latest(
        self, key: int, spans: Iterable[tuple[SortedRun, int, int]], below: int
    ) -> PriorOutcome | None:
        """The entry with this key and the greatest raw offset below ``below``.

        ``spans``: what ``search_keys`` found for the key.
        """
        entries = self._by_key.get(key)
        prior = None if entries is None else latest_below(entries, below)
        for run, first, end in spans:
            prior = later(prior, run.latest(first, end, below))
        return prior

    def of_body(
        self, half: bytes, spans: Iterable[tuple[SortedRun, int, int]], below: int
    ) -> list[PriorOutcome]:
        """All entries whose digest begins with ``half``, their raw offsets below ``below``.

        ``spans``: what ``search_digests`` found for a digest that begins so.
        """
        found = [
            PriorOutcome(offset, time, digest)
            for offset, digest, time in self._by_body.get(half, ())
            if offset < below
        ]
        for run, first, end in spans:
            found += run.of_span(first, end, below)
        return found

    def of_body_and_key(
        self, half: bytes, key: int, spans: Iterable[tuple[SortedRun, int, int]], below: int
    ) -> list[PriorOutcome]:
        """The same of one key's entries; ``spans``: what ``search_keys`` found for the key."""
        found = [
            PriorOutcome(offset, time, digest)
            for offset, digest, time in self._by_key.get(key, ())
            if offset < below and digest.startswith(half)
        ]
        for run, first, end in spans:
            found += run.of_body(first, end, int.from_bytes(half, "big"), below)
        return found

    def waits_for_key(self, key: int) -> bool:
        """Whether an entry of the key is not in a run yet."""
        return key in self._by_key

    def waits_for_body(self, half: bytes) -> bool:
        """Whether an entry whose digest begins so is not in a run yet."""
        return half in self._by_body


def _by_position(searched: Iterable[tuple[SortedRun, Spans]], first: int = 0) -> SpansByPosition:
    spans: SpansByPosition = {}
    for run, found in searched:
        for position, start, end in found:
            spans.setdefault(first + position, []).append((run, start, end))
    return spans
