"""A multimap from digests and from keys to what was said under them, that stays small.

What is new waits in dicts, by the hundreds; then it becomes a run (``run.py``), and runs of
like size are merged, so that a question asks few of them. A run that is ``RUN_ROWS`` long is
never touched again before it is forgotten: so a merge is short however much there is, and what
is old goes in whole runs.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

import numpy as np

from processors.dedupe import Said
from processors.index.sorted_run import Rows, Run, Spans, Wanted

SORT_AT = 256
"""Entries that are kept in dicts before they become a run."""
WIDTH = 4
"""Runs of like size that become one: with two of them each row is moved twice as often."""
RUN_ROWS = 1 << 19
"""Rows of a run to which nothing is added: a merge of that many takes some 40 ms."""

Entry = tuple[int, bytes, int]
"""Raw offset, digest, append time (ms)."""
Keyed = tuple[int, int, bytes, int]
"""Key, raw offset, digest, append time (ms)."""

_OFFSET = itemgetter(0)


def newest(entries: Sequence[Entry] | None, below: int) -> Said | None:
    """Of sorted entries the greatest whose raw offset is below."""
    if not entries:
        return None
    at = bisect_left(entries, below, key=_OFFSET)
    if at == 0:
        return None
    offset, digest, time = entries[at - 1]
    return Said(offset, time, digest)


def greater(one: Said | None, other: Said | None) -> Said | None:
    """That of the greater raw offset; of two copies, that of the greater digest."""
    if one is None or other is None:
        return one or other
    first, second = (one.raw_offset, one.digest), (other.raw_offset, other.digest)
    return one if first >= second else other


class Runs:
    """Entries of (key, raw offset, digest, append time), each found by digest and by key."""

    def __init__(self, runs: Sequence[Run] = ()) -> None:
        self._by_digest: dict[bytes, list[Entry]] = {}
        self._by_key: dict[int, list[Entry]] = {}
        self._waiting = 0
        self._runs = list(runs)

    def __len__(self) -> int:
        return self._waiting + sum(map(len, self._runs))

    @property
    def nbytes(self) -> int:
        """Bytes of the sorted runs."""
        return sum(run.nbytes for run in self._runs)

    def add(self, key: int, offset: int, digest: bytes, time: int) -> None:
        """Remember one entry. Copies of it, one for each slot, are one."""
        entry = (offset, digest, time)
        keyed = self._by_key.get(key)
        if keyed is None:
            self._by_key[key] = [entry]
        elif keyed[-1] < entry:
            keyed.append(entry)
        else:
            at = bisect_left(keyed, entry)
            if keyed[at] == entry:
                return
            keyed.insert(at, entry)
        self._waiting += 1
        if digest in self._by_digest:
            insort(self._by_digest[digest], entry)
        else:
            self._by_digest[digest] = [entry]

    def extend(self, entries: Sequence[Keyed]) -> None:
        """``add`` of many, none of which is here yet. Candidates go stale."""
        if len(entries) >= SORT_AT:
            self._pack(entries)
            return
        for entry in entries:
            self.add(*entry)

    def settle(self, least: int | None = None) -> None:
        """Sort what waits, if it is much: ``least`` entries. Candidates go stale."""
        if self._waiting < max(SORT_AT if least is None else least, 1):
            return
        entries = [(key, *entry) for key, keyed in self._by_key.items() for entry in keyed]
        self._by_digest, self._by_key, self._waiting = {}, {}, 0
        self._pack(entries)

    def _pack(self, entries: Sequence[Keyed]) -> None:
        self._runs.append(Run(Rows.of(entries)))
        while alike := self._alike():
            self._runs[-alike:] = [Run.merged(self._runs[-alike:])]

    def _alike(self) -> int:
        """How many of the youngest ``WIDTH`` runs are to become one; 0 for none.

        Those that fit into ``RUN_ROWS``, once the oldest of them holds no more than the rest.
        """
        sizes = [len(run) for run in self._runs[-WIDTH:]]
        if len(sizes) < WIDTH:
            return 0
        while sum(sizes) > RUN_ROWS:
            del sizes[0]
        return len(sizes) if len(sizes) > 1 and sizes[0] <= sum(sizes[1:]) else 0

    def forget_before(self, time_ms: int) -> None:
        """Drop what is older than any question can reach, where it is the half of a run."""
        left = (run.since(time_ms) for run in self._runs)
        self._runs = [run for run in left if run is not None]

    def frozen(self) -> tuple[Run, ...]:
        """All entries as runs, which do not change."""
        self.settle(1)
        return tuple(self._runs)

    def candidates(self, digests: Sequence[bytes], keys: Sequence[int]) -> "Candidates":
        """What the runs hold under these, found in one pass for each run."""
        return Candidates(self._by_digest, self._by_key, self._runs, digests, keys)


_Found = dict[int, list[tuple[Run, int, int]]]
"""For a position of the batch, spans of runs."""


class Candidates:
    """Entries for one batch of digests and keys; what is added meanwhile is seen too.

    Most batches ask by digest alone, or by key alone: neither is looked for before it is asked.
    ``digests`` may grow between questions.
    """

    def __init__(
        self,
        by_digest: Mapping[bytes, list[Entry]],
        by_key: Mapping[int, list[Entry]],
        runs: Sequence[Run],
        digests: Sequence[bytes],
        keys: Sequence[int],
    ) -> None:
        self._by_digest = by_digest
        self._by_key = by_key
        self._runs = runs
        self._digests, self._keys = digests, keys
        self._same: _Found = {}
        self._searched = 0
        self._latest: _Found | None = None

    def same(self, position: int, digest: bytes, below: int) -> Said | None:
        """Under the digest at this position, what has the greatest raw offset below."""
        if position >= self._searched:
            self._search_digests()
        found = newest(self._by_digest.get(digest), below)
        for run, left, right in self._same.get(position, ()):
            low = int.from_bytes(digest[8:], "big")
            found = greater(found, run.same(left, right, low, below))
        return found

    def latest(self, position: int, key: int, below: int) -> Said | None:
        """Under the key at this position, what has the greatest raw offset below."""
        if self._latest is None:
            self._latest = self._found_by_key()
        if position not in self._latest and key not in self._by_key:
            return None  # most are new
        found = newest(self._by_key.get(key), below)
        for run, left, right in self._latest.get(position, ()):
            found = greater(found, run.latest(left, right, below))
        return found

    def _search_digests(self) -> None:
        first, self._searched = self._searched, len(self._digests)
        if self._runs:
            digests = b"".join(self._digests[first:])
            wanted = Wanted(np.frombuffer(digests, ">u8")[::2].astype("u8"))
            self._same |= _found(((run, run.spans_of_digests(wanted)) for run in self._runs), first)

    def _found_by_key(self) -> _Found:
        if not self._runs:
            return {}
        wanted = Wanted(np.array(self._keys, "u8"))
        return _found((run, run.spans_of_keys(wanted)) for run in self._runs)


def _found(asked: Iterable[tuple[Run, Spans]], first: int = 0) -> _Found:
    """By position, of which that of the spans' first is ``first``."""
    found: _Found = {}
    for run, spans in asked:
        for position, left, right in spans:
            found.setdefault(first + position, []).append((run, left, right))
    return found
