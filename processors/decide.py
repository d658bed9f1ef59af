"""Raw records -> outcomes: parse, dedupe, transform, encode. Pure but for the index it asks.

Each step is done for a hundred records before the next step begins, and they are all decided before
the next hundred is read: code, tables and what one step made are then still in the core's caches.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import structs

from processors import cloudevents as _cloudevents
from processors import dedupe, outcomes
from processors.dedupe import Said
from processors.index.outcome_headers import Written
from processors.index.partition_index import PartitionIndex, Questions
from processors.index.run_set import Keyed
from processors.outcomes import Made
from processors.parse import Read, Reader, Shops, bug, raw_of
from processors.sources.contract import Adapter, Parsed, Rule, Slots
from runtime.stage import RefusedError
from schemas.codec import Codec
from schemas.envelopes import Headers, Outcome, Reason, Reject
from schemas.events import TOPIC_OF, Meta
from schemas.topics import BY_RECORD as TOPIC_OF_RECORD
from schemas.topics import WEBHOOKS, Topic

AT_ONCE = 100
"""Deliveries whose events are built before the first of them is encoded."""

_CONTENT = Rule.CONTENT
"""By itself: to ask an enum for a member each time costs as much as asking the index."""

_TOPIC_OF = {kind: TOPIC_OF_RECORD[name] for kind, name in TOPIC_OF.items()}
_NOTHING: Headers = []

Slotted = dict[str, Made]
"""Slot name -> its topic, key and encoded event; the primary one first."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """One delivery's outcomes that are still to be written, and what they amount to."""

    source: str
    kind: str  # canonical, duplicate or dead-letter
    outcomes: tuple[Outcome, ...]
    reason: str = ""
    said: Keyed | None = None  # what the index keeps of it, where that is no more


class Verdicts:
    """Decides batches of raw records of one partition, in order.

    ``cloudevents``: events carry the headers of CloudEvents beside their own. ``begin`` is called
    before each record is parsed, and again before its events are built.
    """

    def __init__(
        self,
        codec: Codec,
        adapters: Mapping[str, Adapter],
        contact_key: bytes,
        *,
        cloudevents: bool = False,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._codec = codec
        self._told = _cloudevents.headers if cloudevents else _nothing_more
        self._begin = begin
        self._reader = Reader(adapters, contact_key, begin)

    def decide(
        self,
        records: Sequence[Any],
        index: PartitionIndex,
        shops: Shops,
        *,
        is_condemned: bool = False,
    ) -> list[Verdict]:
        """The verdicts that the index does not already know, in offset order: see ``deciding``."""
        return list(self.deciding(records, index, shops, is_condemned=is_condemned))

    def deciding(
        self,
        records: Sequence[Any],
        index: PartitionIndex,
        shops: Shops,
        *,
        is_condemned: bool = False,
    ) -> Iterator[Verdict]:
        """The same as they are decided, ``AT_ONCE`` at a time: what is used up is soon gone.

        ``is_condemned``: they killed their worker too often to be built once more. The index
        may not change before the last is taken. Raises RefusedError where the outcomes that
        stand are another delivery's.
        """
        unsettled, begun = _unsettled(records, index.standing)
        questions = index.questions((), [record.key or b"" for record in unsettled])
        reader = self._reader
        read = reader.condemned if is_condemned else partial(reader.read, shops=shops)
        for first in range(0, len(unsettled), AT_ONCE):
            here = slice(first, first + AT_ONCE)
            yield from self._decided(first, read(unsettled[here]), begun[here], questions)

    # dedupe -> transform

    def _decided(
        self,
        first: int,
        reads: Sequence[Read],
        begun: Sequence[Written | None],
        questions: Questions,
    ) -> list[Verdict]:
        """The verdicts of those that stand at ``first`` of the batch and behind."""
        questions.about(read.origin.digest for read in reads)
        none: list[Slotted | Reject | None] = [None] * len(reads)
        ahead = none if any(begun) else self._ahead(first, reads, questions)
        return [
            self._verdict(position, read, written, questions)
            if made is None
            else self._whole(position, read, made, questions)
            for position, (read, written, made) in enumerate(
                zip(reads, begun, ahead, strict=True), first
            )
        ]

    def _verdict(
        self, position: int, read: Read, written: Written | None, questions: Questions
    ) -> Verdict:
        if written is not None:
            return self._completed(position, read, written, questions)
        if isinstance(read.parsed, Reject):
            return self._dead(read, read.parsed)
        repeated = self._repeated(position, read, questions)
        if repeated is not None:
            duplicate = outcomes.duplicate(read.origin, read.parsed, repeated)
            return Verdict(read.raw.source, "duplicate", (duplicate,))
        return self._whole(position, read, self._made(read), questions)

    def _ahead(
        self, first: int, reads: Sequence[Read], questions: Questions
    ) -> list[Slotted | Reject | None]:
        """What is made of those that repeat nothing, whatever the others become; else None.

        That holds for the first of its digest in a batch that the index knows no repeat of.
        """
        seen: set[bytes] = set()
        new: list[int] = []
        for position, read in enumerate(reads):
            digest = read.origin.digest
            if (
                digest not in seen
                and read.raw.replay_of is None
                and not isinstance(read.parsed, Reject)
                and self._repeated(first + position, read, questions) is None
            ):
                new.append(position)
            seen.add(digest)
        ahead: list[Slotted | Reject | None] = [None] * len(reads)
        built = [self._slots(reads[position]) for position in new]
        for position, slots in zip(new, built, strict=True):
            ahead[position] = self._encoded(slots)
        return ahead

    def _repeated(self, position: int, read: Read, questions: Questions) -> Said | None:
        """The outcome that this delivery repeats."""
        raw, parsed, said = read.raw, read.parsed, read.origin.digest
        assert isinstance(parsed, Parsed)  # noqa: S101 - asked only of what parsed
        assert read.delivery is not None  # noqa: S101
        same = latest = None
        if raw.replay_of is not None:
            first = raw.original[1] if raw.original else None
            own = questions.own(position, said, raw.delivery_id, first, raw.offset)
            window = read.delivery.shop.window
            return own if own is not None and dedupe.within(own, raw.appended_ms, window) else None
        if parsed.rule is _CONTENT:
            same = questions.same(position, said, raw.offset)
        else:
            latest = questions.latest(position, raw.key, raw.offset)
        if same is latest:  # None: nothing that it could repeat
            return None
        shop = read.delivery.shop
        return dedupe.repeats(
            parsed.rule, said, raw.appended_ms, same, latest, shop.window, shop.state_retry_window
        )

    def _slots(self, read: Read) -> Slots | Reject:
        """The events that the adapter gives."""
        if isinstance(read.parsed, Reject):
            return read.parsed
        assert read.delivery is not None  # noqa: S101 - parsed means that there is one
        assert read.adapter is not None  # noqa: S101
        self._begin()
        try:
            return read.adapter.events(read.delivery, read.parsed)
        except Exception:  # noqa: BLE001 - as in parse
            return bug("transform")

    def _made(self, read: Read) -> Slotted | Reject:
        return self._encoded(self._slots(read))

    def _encoded(self, slots: Slots | Reject) -> Slotted | Reject:
        """Everything that the adapter gives, encoded."""
        if isinstance(slots, Reject):
            return slots
        made: Slotted = {}
        encode, told = self._codec.encode, self._told
        try:
            for name, event in slots.items():
                topic, meta = _TOPIC_OF[type(event)], event.meta
                made[name] = topic, meta.entity.encode(), encode(event), told(topic, meta)
        except Exception:  # noqa: BLE001 - as in parse
            return bug("transform")
        return made

    def _whole(
        self, position: int, read: Read, made: Slotted | Reject, questions: Questions
    ) -> Verdict:
        """Every slot, or none."""
        if isinstance(made, Reject):
            return self._dead(read, made)
        slots, events = tuple(made), []
        for slot, each in made.items():
            event = outcomes.event(read.origin, slot, each, slots)
            if isinstance(event, Reject):
                return self._dead(read, event)
            events.append(event)
        raw = read.raw
        said = questions.claim(position, raw, read.origin.digest)
        return Verdict(raw.source, "canonical", tuple(events), "", said)

    def _completed(
        self, position: int, read: Read, written: Written, questions: Questions
    ) -> Verdict:
        """The slots that a crash left out, of a delivery that is canonical and stays it.

        The first copy in the log wins, and so do its list of slots and its digest. What
        cannot be made any more gets a dead letter in its place, so that the delivery is whole.
        """
        made = self._made(read)
        origin, slots = structs.replace(read.origin, digest=written.digest), written.plain_slots
        settled, reason = [], ""
        for slot in written.missing:
            outcome: Outcome | Reject
            if isinstance(made, Reject):
                outcome = made
            elif slot in made:
                outcome = outcomes.event(origin, slot, made[slot], slots)
            else:
                outcome = Reject(
                    Reason.INTERNAL_ERROR,
                    slot,
                    f"{slot} was to be written by another adapter version than"
                    f" {origin.adapter_version}, which gives only {', '.join(made)}",
                )
            if isinstance(outcome, Reject):
                reason = outcome.reason
                outcome = outcomes.letter(origin, outcome, slot, slots)
            settled.append(outcome)
        questions.claim(position, read.raw, origin.digest)
        return Verdict(read.raw.source, "canonical", tuple(settled), reason)

    def _dead(self, read: Read, reject: Reject) -> Verdict:
        letter = outcomes.letter(read.origin, reject)
        return Verdict(read.raw.source, "dead-letter", (letter,), reject.reason)


def _unsettled(
    records: Sequence[Any], standing: Mapping[int, Written]
) -> tuple[Sequence[Any], Sequence[Written | None]]:
    """Records of which not every outcome stands, and beside each what does."""
    if not standing:
        return records, [None] * len(records)
    unsettled: list[Any] = []
    begun: list[Written | None] = []
    for record in records:
        written = standing.get(record.offset)
        if written is not None:
            _same_delivery(record, written)
        if written is None or not written.is_complete:
            unsettled.append(record)
            begun.append(written)
    return unsettled, begun


def _same_delivery(record: Any, written: Written) -> None:
    delivery_id = raw_of(record).delivery_id
    if delivery_id != written.delivery_id:
        raise RefusedError(
            f"offset {record.offset} of {WEBHOOKS.name}/{record.partition} is delivery"
            f" {delivery_id}, but its outcomes are those of {written.delivery_id}: the topic was"
            " recreated under us; restore it, or start over under a new prefix"
        )


def _nothing_more(_topic: Topic, _meta: Meta) -> Headers:
    return _NOTHING
