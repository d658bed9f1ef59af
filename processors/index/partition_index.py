"""The dedupe state of one partition, recovered from its outcome logs.

It answers two questions by two keys. *Is this outcome already written?* by (raw offset, slot), and
*is this a repeat?* by digest and entity. The first never answers for the second.

Digests are compared in full, all 128 bits. Of an entity's name only a 64-bit hash is kept, and a
collision (one in 2**64 for each entry) loses nothing: the entity is then given the latest digest of
another, which must also be equal to make it a repeat; at worst a repeat is missed and passes as
activity. Replays are found by 128 bits of their delivery id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from processors.index.batch_lookup import BatchLookup
from processors.index.outcome_headers import (
    LoggedOutcomes,
    OutcomeHeaders,
    delivery_keys,
    entity_key,
)
from processors.index.run_set import IndexRow, RunSet
from processors.index.sorted_run import SortedRun

FORGET_EVERY_MS = 60_000
"""Append time between two searches for old entries, because each search counts them all."""


@dataclass(frozen=True, slots=True)
class IndexSnapshot:
    """An index at one moment, as it is kept on disk; for the fields see ``PartitionIndex``.

    ``window_ms``: how far it reaches back from ``committed``. ``tables``: the runs of its entries.
    """

    committed: int
    newest: int
    window_ms: int
    upto: dict[str, int]
    last: dict[str, str]
    tables: tuple[tuple[SortedRun, ...], ...]


class PartitionIndex:
    """The dedupe state of one partition. ``upto``: by outcome topic, the next offset to read.

    ``last``: by outcome topic, the record right before ``upto`` (``OutcomeHeaders.record_id``),
    where it is known. ``committed``: records below it are never decided again, so which slots they
    have is not kept. ``newest``: the greatest raw offset of an outcome, -1 without any.
    ``unsaved``: outcomes that were added since the index was last written to disk.
    """

    def __init__(self, committed: int = 0) -> None:
        self.upto: dict[str, int] = {}
        self.last: dict[str, str] = {}
        self.committed = committed
        self.newest = -1
        self.unsaved = 0
        self._logged: dict[int, LoggedOutcomes] = {}
        self._entries = RunSet()
        self._replays = RunSet(), RunSet()  # by each half of the hashed delivery id
        self._forgotten_ms = 0

    @classmethod
    def of(cls, snapshot: IndexSnapshot, due: int) -> Self:
        """Restore a snapshot, to be continued from raw offset ``due``: ``committed`` or later."""
        index = cls(due)
        index.newest = snapshot.newest
        index.upto, index.last = dict(snapshot.upto), dict(snapshot.last)
        index._entries, *replays = map(RunSet, snapshot.tables)
        index._replays = replays[0], replays[1]
        return index

    def snapshot(self, window_ms: int) -> IndexSnapshot | None:
        """What may be kept on disk. Call it between batches.

        None while it holds outcomes of records that are still to be decided: a snapshot has no
        room for their slots, and they are soon decided.
        """
        if self._logged:
            return None
        tables = tuple(table.runs() for table in self._tables)
        return IndexSnapshot(
            self.committed, self.newest, window_ms, dict(self.upto), dict(self.last), tables
        )

    def advance(self, topic: str, upto: int, last: str) -> None:
        """Note that all of a topic below ``upto`` is added; ``last`` is the record right before."""
        self.unsaved += upto - self.upto[topic]
        self.upto[topic], self.last[topic] = upto, last

    def __len__(self) -> int:
        return len(self._entries) + len(self._replays[0])

    @property
    def _tables(self) -> tuple[RunSet, ...]:
        return self._entries, *self._replays

    def add(self, outcome: OutcomeHeaders) -> None:
        """Add one outcome: each topic in log order, the topics in any order.

        A later copy changes nothing.
        """
        offset = outcome.raw_offset
        self.newest = max(self.newest, offset)
        if offset >= self.committed:
            logged = self._logged.get(offset)
            if logged is None:
                logged = LoggedOutcomes(outcome.slots, outcome.digest, outcome.delivery_id)
                self._logged[offset] = logged
            logged.add(outcome)
        if not outcome.is_canonical:
            return
        entry = (offset, outcome.digest, outcome.raw_time)
        if outcome.is_replay:
            for table, half in zip(self._replays, delivery_keys(outcome.delivery_id), strict=True):
                table.add(half, *entry)
        else:
            self._entries.add(entity_key(outcome.entity), *entry)

    def add_decided(self, rows: Sequence[IndexRow]) -> None:
        """Add canonical deliveries by the rows of ``BatchLookup.claim``, instead of ``add``.

        All their outcomes must be in the logs, and they must be settled next: their slots are
        not kept.
        """
        if rows:
            self.newest = max(self.newest, rows[-1][1])
            self._entries.extend(rows)

    @property
    def logged(self) -> Mapping[int, LoggedOutcomes]:
        """The outcomes in the logs of records from ``committed`` on, by raw offset; mostly none."""
        return self._logged

    def settle(self, committed: int, oldest_ms: int) -> None:
        """Forget what no lookup of this generation can reach any more. Call it between batches."""
        self.committed = max(self.committed, committed)
        for offset in [offset for offset in self._logged if offset < self.committed]:
            del self._logged[offset]
        self.pack()
        if oldest_ms >= self._forgotten_ms + FORGET_EVERY_MS:
            self._forgotten_ms = oldest_ms
            for table in self._tables:
                table.forget_before(oldest_ms)

    def pack(self) -> None:
        """Sort what was added, if it is much. Lookups that were made before become invalid."""
        for table in self._tables:
            table.pack()

    def lookup(self, entities: Iterable[bytes], digests: Iterable[bytes] = ()) -> BatchLookup:
        """Start the lookup of one batch; ``entities`` and ``digests`` are those of its records."""
        lookup = BatchLookup(self._entries, self._replays, entities)
        lookup.add_digests(digests)
        return lookup
