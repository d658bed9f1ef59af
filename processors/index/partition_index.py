"""What one partition's outcome logs say: read back, never kept as state of its own.

Two questions, two keys. *Was this outcome already written?* (raw offset, slot). *Has the
sender said this before?* digest and entity. The first never answers for the second.

A digest is compared whole, 128 bits of it. Of an entity's name 64 bits are kept, which never
lose anything: an entity with the bits of another (one in 2**64 for each entry) is asked for its
latest digest and gets the other's; a repeat then needs that digest to be equal too, and at
worst one is missed and passes as activity. Replays are told by 128 bits of their delivery.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from processors.dedupe import Said
from processors.index.batch_claims import Claims
from processors.index.outcome_headers import Noted, Written
from processors.index.run_set import Candidates, Keyed, Runs, greater
from processors.index.sorted_run import Run
from schemas.envelopes import RawDelivery

FORGET_EVERY_MS = 60_000
"""Old entries are looked for in strides: each look counts them."""


def number(entity: bytes) -> int:
    """64 bits of a hash of an entity's name, as the index keys it."""
    return int.from_bytes(hashlib.blake2b(entity, digest_size=8).digest(), "big")


def _numbers(delivery_id: str) -> tuple[int, int]:
    """128 bits of a hash of a delivery id, in halves."""
    hashed = hashlib.blake2b(delivery_id.encode(), digest_size=16).digest()
    return int.from_bytes(hashed[:8], "big"), int.from_bytes(hashed[8:], "big")


@dataclass(frozen=True, slots=True)
class Frozen:
    """An index at one moment, as it is kept on disk; for its fields see ``PartitionIndex``.

    ``window_ms``: how far back of ``committed`` it reaches. ``tables``: its entries.
    """

    committed: int
    newest: int
    window_ms: int
    upto: dict[str, int]
    last: dict[str, str]
    tables: tuple[tuple[Run, ...], ...]


class PartitionIndex:
    """The dedupe state of one partition. ``upto``: per outcome topic, the next offset to read.

    ``last``: per outcome topic, what stands right before ``upto`` (``Noted.name``), where that
    is known. ``committed``: below it nothing is ever decided again, so what stands there is not
    kept by (raw offset, slot). ``newest``: the greatest raw offset of an outcome, -1 without
    any. ``unkept``: outcomes that were read or written since the index was kept on disk.
    """

    def __init__(self, committed: int = 0) -> None:
        self.upto: dict[str, int] = {}
        self.last: dict[str, str] = {}
        self.committed = committed
        self.newest = -1
        self.unkept = 0
        self._written: dict[int, Written] = {}
        self._said = Runs()
        self._replays = Runs(), Runs()  # by each half of the delivery's number
        self._forgotten_ms = 0

    @classmethod
    def of(cls, frozen: Frozen, due: int) -> Self:
        """One that was kept, continued from raw offset ``due`` on, its ``committed`` or later."""
        index = cls(due)
        index.newest = frozen.newest
        index.upto, index.last = dict(frozen.upto), dict(frozen.last)
        index._said, *replays = map(Runs, frozen.tables)
        index._replays = replays[0], replays[1]
        return index

    def frozen(self, window_ms: int) -> Frozen | None:
        """What may be kept. Between batches only.

        None while outcomes of records that are still to be decided are known: they are not
        kept, and soon they are decided.
        """
        if self._written:
            return None
        tables = tuple(runs.frozen() for runs in self._all)
        return Frozen(
            self.committed, self.newest, window_ms, dict(self.upto), dict(self.last), tables
        )

    def moved(self, topic: str, upto: int, last: str) -> None:
        """Everything below ``upto`` in this topic was taken in; ``last`` stands right before."""
        self.unkept += upto - self.upto[topic]
        self.upto[topic], self.last[topic] = upto, last

    def __len__(self) -> int:
        return len(self._said) + len(self._replays[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the entries that are sorted."""
        return sum(runs.nbytes for runs in self._all)

    @property
    def _all(self) -> tuple[Runs, ...]:
        return self._said, *self._replays

    def add(self, outcome: Noted) -> None:
        """Take in one outcome, each topic in log order, the topics in any.

        A later copy changes nothing.
        """
        offset = outcome.raw_offset
        self.newest = max(self.newest, offset)
        if offset >= self.committed:
            written = self._written.get(offset)
            if written is None:
                written = Written(outcome.slots, outcome.digest, outcome.delivery_id)
                self._written[offset] = written
            written.join(outcome)
        if not outcome.is_canonical:
            return
        said = (offset, outcome.digest, outcome.raw_time)
        if outcome.is_replay:
            for runs, half in zip(self._replays, _numbers(outcome.delivery_id), strict=True):
                runs.add(half, *said)
        else:
            self._said.add(number(outcome.entity), *said)

    def say(self, decided: Sequence[Keyed]) -> None:
        """Take in canonical deliveries, as ``Questions.claim`` gave them, instead of ``add``.

        Every outcome of them must stand, and they must be settled next: what stands of each
        is not kept.
        """
        if decided:
            self.newest = max(self.newest, decided[-1][1])
            self._said.extend(decided)

    @property
    def standing(self) -> Mapping[int, Written]:
        """What already stands of records from ``committed`` on, by raw offset: mostly nothing."""
        return self._written

    def settle(self, committed: int, oldest_ms: int) -> None:
        """Between batches: forget what no question of this generation can reach any more."""
        self.committed = max(self.committed, committed)
        for offset in [offset for offset in self._written if offset < self.committed]:
            del self._written[offset]
        self.sort()
        if oldest_ms >= self._forgotten_ms + FORGET_EVERY_MS:
            self._forgotten_ms = oldest_ms
            for runs in self._all:
                runs.forget_before(oldest_ms)

    def sort(self) -> None:
        """Pack what was added, if it is much. Questions that were prepared go stale."""
        for runs in self._all:
            runs.settle()

    def questions(self, digests: Iterable[bytes], entities: Iterable[bytes]) -> "Questions":
        """Prepare one batch's questions: positions are those of the two.

        Digests that are not known yet are told later, by ``Questions.about``.
        """
        told = list(digests)
        keys = [number(entity) for entity in entities]
        return Questions(
            told,
            keys,
            self._said.candidates(told, keys),
            self._replays[0].candidates(told, ()),
            self._replays,
        )


class Questions:
    """Answers as of a record's own offset, for one batch."""

    def __init__(
        self,
        digests: list[bytes],
        keys: list[int],
        said: Candidates,
        replayed: Candidates,
        replays: tuple[Runs, Runs],
    ) -> None:
        self._digests = digests  # the candidates' own
        self._keys = keys
        self._said = said
        self._replayed = replayed
        self._replays = replays
        self._claims = Claims()

    def about(self, digests: Iterable[bytes]) -> None:
        """These are the digests of the records that follow."""
        self._digests.extend(digests)

    def claim(self, position: int, raw: RawDelivery, digest: bytes) -> Keyed | None:
        """A canonical outcome decided in this very batch, before it is written.

        Returns what the index will keep of it; of a replay that is not told.
        """
        entry = (raw.offset, digest, raw.appended_ms)
        self._claims.add(raw, entry)
        return (self._keys[position], *entry) if raw.replay_of is None else None

    def same(self, position: int, digest: bytes, below: int) -> Said | None:
        """The canonical outcome with this digest and the greatest raw offset below ``below``."""
        found = self._said.same(position, digest, below)
        found = greater(found, self._claims.same(digest, below))
        return greater(found, self._replayed.same(position, digest, below))

    def latest(self, position: int, entity: bytes, below: int) -> Said | None:
        """The entity's canonical outcome with the greatest raw offset below ``below``."""
        found = self._said.latest(position, self._keys[position], below)
        if entity in self._claims.entities:
            found = greater(found, self._claims.latest(entity, below))
        return found

    def own(
        self, position: int, digest: bytes, delivery_id: str, first: int | None, below: int
    ) -> Said | None:
        """The same of a replayed delivery's own canonical outcomes.

        They stand for its earlier replays, or for its first record at raw offset ``first``.
        """
        found = greater(
            self._replayed_before(delivery_id, below),
            self._claims.replayed(delivery_id, below),
        )
        if first is not None and first < below:
            same = self.same(position, digest, first + 1)
            if same is not None and same.raw_offset == first:
                found = greater(found, same)
        return found

    def _replayed_before(self, delivery_id: str, below: int) -> Said | None:
        halves = [
            (key, runs.candidates((), [key]))
            for key, runs in zip(_numbers(delivery_id), self._replays, strict=True)
        ]
        while True:
            upper, lower = (found.latest(0, key, below) for key, found in halves)
            if upper is None or lower is None:
                return None
            if upper == lower:
                return upper
            below = max(upper.raw_offset, lower.raw_offset)  # another delivery's
