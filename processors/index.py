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


@dataclass(slots=True)
class Written:
    """What already stands of a delivery's verdict: the first copy in the log wins."""

    slots: frozenset[str]  # all that the delivery was decided to have
    found: set[str] = field(default_factory=set)
    delivery_id: str = ""

    @property
    def is_complete(self) -> bool:
        """Every slot stands in its topic."""
        return self.found >= self.slots


@dataclass(frozen=True, slots=True)
class Noted:
    """The index headers of one outcome record."""

    raw_offset: int
    raw_time: int
    slot: str
    slots: frozenset[str]
    entity: str
    digest: bytes
    delivery_id: str
    is_replay: bool

    @property
    def is_canonical(self) -> bool:
        """Only canonical outcomes claim a digest: a dead letter is no earlier saying."""
        return self.slot not in (envelopes.DEAD_SLOT, envelopes.DUPLICATE_SLOT)


def noted(headers: Iterable[tuple[str, bytes]]) -> Noted:
    """The index headers of an outcome. Raises KeyError where a foreign record has none."""
    said: Mapping[str, bytes] = dict(headers)
    return Noted(
        raw_offset=int(said[envelopes.RAW_OFFSET]),
        raw_time=int(said[envelopes.RAW_TIME]),
        slot=said[envelopes.SLOT].decode(),
        slots=frozenset(said[envelopes.SLOTS].decode().split(",")),
        entity=said[envelopes.ENTITY].decode(),
        digest=said[envelopes.DIGEST],
        delivery_id=said[envelopes.DELIVERY].decode(),
        is_replay=envelopes.REPLAY_OF in said,
    )


def entity_number(entity: str) -> int:
    """64 bits of a hash of the entity's name, as the index keys it."""
    return int.from_bytes(hashlib.blake2b(entity.encode(), digest_size=8).digest(), "big")


class PartitionIndex:
    """The dedupe state of one partition. ``upto``: per outcome topic, the next offset to read."""

    def __init__(self) -> None:
        self.upto: dict[str, int] = {}
        self._written: dict[int, Written] = {}
        self._digests = Runs()
        self._entities = Runs()
        self._forgotten_ms = 0

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def nbytes(self) -> int:
        """Bytes that the entries take."""
        return self._digests.nbytes + self._entities.nbytes

    def add(self, outcome: Noted) -> None:
        """Take in one outcome, in log order; a later copy changes nothing."""
        written = self._written.get(outcome.raw_offset)
        if written is None:
            written = Written(outcome.slots, delivery_id=outcome.delivery_id)
            self._written[outcome.raw_offset] = written
        if outcome.slot in written.found:
            return
        is_first = not written.found
        written.found.add(outcome.slot)
        if outcome.is_canonical and is_first:
            said = Said(outcome.raw_offset, outcome.raw_time, outcome.digest)
            self._digests.add(halves(outcome.digest)[0], said)
            if not outcome.is_replay:
                self._entities.add(entity_number(outcome.entity), said)

    def written(self, raw_offset: int) -> Written | None:
        """What already stands for this raw record."""
        return self._written.get(raw_offset)

    def settle(self, committed: int, oldest_ms: int) -> None:
        """Between batches: forget what no question of this generation can reach any more."""
        for offset in [offset for offset in self._written if offset < committed]:
            del self._written[offset]
        self._digests.settle()
        self._entities.settle()
        if oldest_ms >= self._forgotten_ms + FORGET_EVERY_MS:
            self._forgotten_ms = oldest_ms
            self._digests.forget_before(oldest_ms)
            self._entities.forget_before(oldest_ms)

    def questions(self, digests: list[bytes], entities: list[str]) -> "Questions":
        """Prepare one batch's questions: positions are those of the two lists."""
        return Questions(
            self._digests.candidates([halves(digest)[0] for digest in digests]),
            self._entities.candidates([entity_number(entity) for entity in entities]),
        )


class Questions:
    """Answers as of a record's own offset, for one batch."""

    def __init__(self, digests: Candidates, entities: Candidates) -> None:
        self._digests = digests
        self._entities = entities
        self._same_here: dict[bytes, list[Said]] = {}
        self._latest_here: dict[str, list[Said]] = {}

    def claim(self, digest: bytes, entity: str, said: Said, *, is_replay: bool) -> None:
        """An outcome decided in this very batch, before it is written."""
        self._same_here.setdefault(digest, []).append(said)
        if not is_replay:
            self._latest_here.setdefault(entity, []).append(said)

    def same(self, position: int, digest: bytes, below: int) -> Said | None:
        """The canonical outcome with this digest and the greatest raw offset below ``below``."""
        found = [
            said
            for said in self._digests.under(position, halves(digest)[0])
            if said.digest == digest and said.raw_offset < below
        ]
        found += self._same_here.get(digest, ())
        return max(found, key=lambda said: said.raw_offset, default=None)

    def latest(self, position: int, entity: str, below: int) -> Said | None:
        """The entity's canonical outcome with the greatest raw offset below ``below``."""
        found = [
            said
            for said in self._entities.under(position, entity_number(entity))
            if said.raw_offset < below
        ]
        found += self._latest_here.get(entity, ())
        return max(found, key=lambda said: said.raw_offset, default=None)
