"""What one partition's outcome logs say: read back, never kept as state of its own.

Two questions, two keys. *Was this outcome already written?* (raw offset, slot). *Has the
sender said this before?* digest and entity. The first never answers for the second.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from processors.dedupe import Said
from processors.runs import Candidates, Runs, halves
from schemas import envelopes

FORGET_EVERY_MS = 60_000
"""Old entries are dropped in strides: each drop copies the runs."""


_VERDICT_SLOTS = (envelopes.DEAD_SLOT, envelopes.DUPLICATE_SLOT)


@dataclass(slots=True)
class Written:
    """What already stands of a delivery's verdict: the first copy in the log wins.

    ``slots``: all that the delivery was decided to have, the primary one first; where copies
    of a stopped process named others, all of both. ``digest`` is the one that the first copy
    claimed.
    """

    slots: tuple[str, ...]
    digest: bytes
    delivery_id: str
    found: set[str] = field(default_factory=set)

    @property
    def missing(self) -> list[str]:
        """Slots that do not stand yet, in their order."""
        return [slot for slot in self.slots if slot not in self.found]

    @property
    def is_complete(self) -> bool:
        """Every slot stands in its topic, or has a dead letter in its place."""
        return self.found.issuperset(self.slots)

    @property
    def plain_slots(self) -> tuple[str, ...]:
        """Its slots as a canonical delivery, without the verdict of a late copy."""
        return tuple(slot for slot in self.slots if slot not in _VERDICT_SLOTS)

    def join(self, outcome: "Noted") -> None:
        """Take in one more record; which came first among topics makes no difference."""
        if self.slots != outcome.slots:
            self.slots = tuple(sorted({*self.slots, *outcome.slots}))
        self.digest = min(self.digest, outcome.digest)
        self.found.add(outcome.slot)


@dataclass(frozen=True, slots=True)
class Noted:
    """The index headers of one outcome record.

    ``is_rejected``: a dead letter, of a whole delivery or in the place of one slot.
    """

    raw_offset: int
    raw_time: int
    slot: str
    slots: tuple[str, ...]
    entity: str
    digest: bytes
    delivery_id: str
    is_replay: bool = False
    is_rejected: bool = False

    @property
    def is_canonical(self) -> bool:
        """Only canonical outcomes claim a digest: a dead letter is no earlier saying."""
        return not self.is_rejected and self.slot not in _VERDICT_SLOTS


def noted(headers: Iterable[tuple[str, bytes]]) -> Noted:
    """The index headers of an outcome. Raises KeyError where a foreign record has none."""
    said: Mapping[str, bytes] = dict(headers)
    return Noted(
        raw_offset=int(said[envelopes.RAW_OFFSET]),
        raw_time=int(said[envelopes.RAW_TIME]),
        slot=said[envelopes.SLOT].decode(),
        slots=tuple(said[envelopes.SLOTS].decode().split(",")),
        entity=said[envelopes.ENTITY].decode(),
        digest=said[envelopes.DIGEST],
        delivery_id=said[envelopes.DELIVERY].decode(),
        is_replay=envelopes.REPLAY_OF in said,
        is_rejected=envelopes.REASON in said,
    )


def number(name: str) -> int:
    """64 bits of a hash of a name (an entity, a delivery id), as the index keys it."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


class PartitionIndex:
    """The dedupe state of one partition. ``upto``: per outcome topic, the next offset to read.

    ``committed``: below it nothing is ever decided again, so what stands there is not kept by
    (raw offset, slot).
    """

    def __init__(self, committed: int = 0) -> None:
        self.upto: dict[str, int] = {}
        self.committed = committed
        self._written: dict[int, Written] = {}
        self._digests = Runs()
        self._entities = Runs()
        self._replays = Runs()
        self._forgotten_ms = 0

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def nbytes(self) -> int:
        """Bytes that the entries take."""
        return sum(runs.nbytes for runs in self._all)

    @property
    def _all(self) -> tuple[Runs, ...]:
        return self._digests, self._entities, self._replays

    def add(self, outcome: Noted) -> None:
        """Take in one outcome, each topic in log order, the topics in any.

        A later copy changes nothing.
        """
        if outcome.raw_offset >= self.committed:
            written = self._written.get(outcome.raw_offset)
            if written is None:
                written = Written(outcome.slots, outcome.digest, outcome.delivery_id)
                self._written[outcome.raw_offset] = written
            written.join(outcome)
        if not outcome.is_canonical:
            return
        said = Said(outcome.raw_offset, outcome.raw_time, outcome.digest)
        self._digests.add(halves(outcome.digest)[0], said)
        if outcome.is_replay:
            self._replays.add(number(outcome.delivery_id), said)
        else:
            self._entities.add(number(outcome.entity), said)

    def written(self, raw_offset: int) -> Written | None:
        """What already stands for this raw record."""
        return self._written.get(raw_offset)

    def settle(self, committed: int, oldest_ms: int) -> None:
        """Between batches: forget what no question of this generation can reach any more."""
        self.committed = max(self.committed, committed)
        for offset in [offset for offset in self._written if offset < self.committed]:
            del self._written[offset]
        for entries in self._all:
            entries.settle()
        if oldest_ms >= self._forgotten_ms + FORGET_EVERY_MS:
            self._forgotten_ms = oldest_ms
            for entries in self._all:
                entries.forget_before(oldest_ms)

    def questions(self, digests: list[bytes], entities: list[str]) -> "Questions":
        """Prepare one batch's questions: positions are those of the two lists."""
        return Questions(
            self._digests.candidates([halves(digest)[0] for digest in digests]),
            self._entities.candidates([number(entity) for entity in entities]),
            self._replays,
        )


class Questions:
    """Answers as of a record's own offset, for one batch."""

    def __init__(self, digests: Candidates, entities: Candidates, replays: Runs) -> None:
        self._digests = digests
        self._entities = entities
        self._replays = replays
        self._same_here: dict[bytes, list[Said]] = {}
        self._latest_here: dict[str, list[Said]] = {}
        self._replays_here: dict[str, list[Said]] = {}

    def claim(self, said: Said, entity: str, delivery_id: str, *, is_replay: bool) -> None:
        """A canonical outcome decided in this very batch, before it is written."""
        self._same_here.setdefault(said.digest, []).append(said)
        if is_replay:
            self._replays_here.setdefault(delivery_id, []).append(said)
        else:
            self._latest_here.setdefault(entity, []).append(said)

    def same(self, position: int, digest: bytes, below: int) -> Said | None:
        """The canonical outcome with this digest and the greatest raw offset below ``below``."""
        return _latest(self._all_same(position, digest), below)

    def latest(self, position: int, entity: str, below: int) -> Said | None:
        """The entity's canonical outcome with the greatest raw offset below ``below``."""
        known = self._entities.under(position, number(entity))
        return _latest([*known, *self._latest_here.get(entity, ())], below)

    def own(
        self, position: int, digest: bytes, delivery_id: str, first: int | None, below: int
    ) -> Said | None:
        """The same of a replayed delivery's own canonical outcomes.

        They stand for its earlier replays, or for its first record at raw offset ``first``.
        """
        key = number(delivery_id)
        known = [
            *self._replays.candidates([key]).under(0, key),
            *self._replays_here.get(delivery_id, ()),
            *(said for said in self._all_same(position, digest) if said.raw_offset == first),
        ]
        return _latest(known, below)

    def _all_same(self, position: int, digest: bytes) -> list[Said]:
        known = self._digests.under(position, halves(digest)[0])
        return [
            *(said for said in known if said.digest == digest),
            *self._same_here.get(digest, ()),
        ]


def _latest(known: Iterable[Said], below: int) -> Said | None:
    earlier = [said for said in known if said.raw_offset < below]
    return max(earlier, key=lambda said: (said.raw_offset, said.digest), default=None)
