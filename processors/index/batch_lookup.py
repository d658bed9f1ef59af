"""Prior outcomes for one batch: from the index, and from what the batch itself has decided."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import itemgetter

from processors.dedupe import BODY_BYTES, PriorOutcome
from processors.index.outcome_headers import delivery_keys, entity_key
from processors.index.run_set import IndexRow, RunSet, SpansByPosition, later
from schemas.raw_delivery import RawDelivery

_OFFSET = itemgetter(1)
_NO_KEY = -1
"""In place of the entity of a replay, whose state is never the entity's latest."""


class BatchLookup:
    """Answers for the records of one batch, each as of its own raw offset.

    A record is named by its position in the batch. ``entities`` are the raw keys of all records;
    their digests follow with ``add_digests`` as they become known. A canonical record is claimed
    when it is decided, so that later records of the batch repeat it before it is written. Records
    are decided in offset order: of the claims under one digest or entity only the last counts.
    The index must not be packed meanwhile.
    """

    def __init__(
        self, entries: RunSet, replays: tuple[RunSet, RunSet], entities: Iterable[bytes]
    ) -> None:
        self._entries = entries
        self._replays = replays
        self._keys = [entity_key(entity) for entity in entities]
        self._digests: list[bytes] = []
        # Spans are searched for the whole batch at once, and only if a record asks: most
        # batches ask by digest alone or by entity alone.
        self._searched = 0
        self._digest_spans: SpansByPosition = {}
        self._replay_spans: SpansByPosition = {}
        self._key_spans: SpansByPosition | None = None
        self._claims: list[IndexRow] = []
        self._claimed_digests: dict[bytes, IndexRow] = {}
        self._claimed_states: dict[int, IndexRow] = {}
        self._claimed_bodies: dict[bytes, list[IndexRow]] = {}
        self._claimed_replays: dict[str, IndexRow] = {}

    def add_digests(self, digests: Iterable[bytes]) -> None:
        """Append the digests of the records that follow."""
        self._digests.extend(digests)

    def claim(self, position: int, raw: RawDelivery, digest: bytes) -> IndexRow | None:
        """Note a canonical outcome of this batch before it is written.

        Returns the row that the index will hold of it; None for a replay, which the index adds
        from the headers of its outcome.
        """
        key = self._keys[position]
        row = (key, raw.offset, digest, raw.appended_ms)
        self._claims.append(row)
        self._claimed_digests[digest] = row
        if raw.replay_of is not None:
            self._claimed_replays[raw.delivery_id] = row
            self._claimed_bodies.setdefault(digest[:BODY_BYTES], []).append((_NO_KEY, *row[1:]))
            return None
        self._claimed_states[key] = row
        self._claimed_bodies.setdefault(digest[:BODY_BYTES], []).append(row)
        return row

    def same_digest(self, position: int, below: int) -> PriorOutcome | None:
        """The canonical outcome with the record's digest and the greatest raw offset below."""
        if position >= self._searched:
            self._search_digests()
        digest = self._digests[position]
        spans = self._digest_spans.get(position, ())
        prior = self._entries.same_digest(digest, spans, below)
        spans = self._replay_spans.get(position, ())
        prior = later(prior, self._replays[0].same_digest(digest, spans, below))
        claimed = self._claimed_digests.get(digest)
        return prior if claimed is None else later(prior, _below(claimed, below))

    def latest_state(self, position: int, below: int) -> PriorOutcome | None:
        """The entity's canonical outcome with the greatest raw offset below; never a replay."""
        if self._key_spans is None:
            self._key_spans = self._entries.search_keys(self._keys)
        key = self._keys[position]
        prior = self._entries.latest(key, self._key_spans.get(position, ()), below)
        claimed = self._claimed_states.get(key)
        return prior if claimed is None else later(prior, _below(claimed, below))

    def same_body(self, position: int, below: int) -> Sequence[PriorOutcome]:
        """All canonical outcomes below whose digest begins as the record's does."""
        half = self._digests[position][:BODY_BYTES]
        claimed = self._claimed_bodies.get(half)
        spans = self._digest_spans.get(position, ())
        again = self._replay_spans.get(position, ())
        entries, replays = self._entries, self._replays[0]
        waits = entries.waits_for_body(half) or replays.waits_for_body(half)
        if not (claimed or spans or again or waits):
            return ()  # the usual case
        found = [*entries.of_body(half, spans, below), *replays.of_body(half, again, below)]
        return [*found, *_all_below(claimed or (), below)]

    def same_body_of_entity(self, position: int, below: int) -> Sequence[PriorOutcome]:
        """Of these outcomes those of the record's entity, without replays.

        Call it after ``latest_state``.
        """
        key = self._keys[position]
        spans = (self._key_spans or {}).get(position, ())
        claimed = key in self._claimed_states
        if not (spans or claimed or self._entries.waits_for_key(key)):
            return ()  # a new entity
        half = self._digests[position][:BODY_BYTES]
        rows = [row for row in self._claimed_bodies.get(half, ()) if row[0] == key]
        return [
            *self._entries.of_body_and_key(half, key, spans, below),
            *_all_below(rows, below),
        ]

    def same_delivery(
        self, position: int, delivery_id: str, first: int | None, below: int
    ) -> PriorOutcome | None:
        """A replayed delivery's own canonical outcome with the greatest raw offset below.

        It is that of an earlier replay, or of the delivery's first record at raw offset ``first``.
        """
        prior = self._latest_replay(delivery_id, below)
        claimed = self._claimed_replays.get(delivery_id)
        if claimed is not None:
            prior = later(prior, _below(claimed, below))
        if first is not None and first < below:
            prior = later(prior, self._canonical_at(first, position))
        return prior

    def _canonical_at(self, offset: int, position: int) -> PriorOutcome | None:
        """The canonical outcome with the record's digest at exactly this raw offset."""
        claims, digest = self._claims, self._digests[position]
        at = bisect_left(claims, offset, key=_OFFSET)
        if at < len(claims) and claims[at][1:3] == (offset, digest):
            return _below(claims[at], offset + 1)
        prior = self.same_digest(position, offset + 1)
        return prior if prior is not None and prior.raw_offset == offset else None

    def _latest_replay(self, delivery_id: str, below: int) -> PriorOutcome | None:
        halves = [
            (replays, key, replays.search_keys([key]).get(0, ()))
            for replays, key in zip(self._replays, delivery_keys(delivery_id), strict=True)
        ]
        while True:
            upper, lower = (replays.latest(key, spans, below) for replays, key, spans in halves)
            if upper is None or lower is None:
                return None
            if upper == lower:
                return upper
            below = max(upper.raw_offset, lower.raw_offset)  # another delivery with one half alike

    def _search_digests(self) -> None:
        first, self._searched = self._searched, len(self._digests)
        digests: Sequence[bytes] = self._digests[first:]
        self._digest_spans |= self._entries.search_digests(digests, first)
        self._replay_spans |= self._replays[0].search_digests(digests, first)


def _all_below(rows: Iterable[IndexRow], below: int) -> list[PriorOutcome]:
    return [prior for row in rows if (prior := _below(row, below)) is not None]


def _below(row: IndexRow, below: int) -> PriorOutcome | None:
    _, offset, digest, appended_ms = row
    return PriorOutcome(offset, appended_ms, digest) if offset < below else None
