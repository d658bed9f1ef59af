"""Raw records -> verdicts: parse, dedupe, transform, encode. Pure, apart from the index it reads.

Each step is done for a hundred records before the next step begins, and their verdicts are used
before the next hundred is parsed: code and intermediate values are then still in the core's caches.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import structs

from processors import cloudevents as _cloudevents
from processors import dedupe, outcomes
from processors.dedupe import PriorOutcome
from processors.index.batch_lookup import BatchLookup
from processors.index.outcome_headers import LoggedOutcomes
from processors.index.partition_index import PartitionIndex
from processors.index.run_set import IndexRow
from processors.outcomes import EncodedEvent
from processors.parse import ParsedRecord, RecordParser, Shops, internal_error
from processors.pending import pending_records
from processors.seen_before import SeenBefore, held_back, seen_before
from processors.sources.contract import Adapter, Parsed, Rule, Slots
from schemas.codec import Codec
from schemas.envelopes import SEEN_BEFORE, Headers, Outcome, Reason, Reject
from schemas.events import TOPIC_OF
from schemas.json_records.erasures import NOBODY, Ledger
from schemas.topics import BY_RECORD as TOPIC_OF_RECORD

AT_ONCE = 100
"""Records for which each step is done before the next step begins."""

_CONTENT = Rule.CONTENT
"""A global, because reading a member of an enum costs as much as a lookup in the index."""

_TOPIC_OF = {kind: TOPIC_OF_RECORD[name] for kind, name in TOPIC_OF.items()}
_NO_HEADERS: Headers = []

EncodedSlots = dict[str, EncodedEvent]
"""Slot name -> its topic, key and encoded event; the primary one first."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The outcomes of one delivery that are still to be written, and their classification."""

    source: str
    kind: str  # canonical, duplicate or dead-letter
    outcomes: tuple[Outcome, ...]
    reason: str = ""
    index_row: IndexRow | None = None  # all that the index keeps, if it need not keep more
    seen: SeenBefore | None = None


class Decider:
    """Decides batches of raw records of one partition, in order.

    ``cloudevents``: events carry the headers of CloudEvents beside their own. ``begin`` is called
    before each record is parsed, and again before its events are built. ``ledger``: whose events
    get another name and no contact data; it may grow between two batches.
    """

    def __init__(
        self,
        codec: Codec,
        adapters: Mapping[str, Adapter],
        contact_key: bytes,
        *,
        cloudevents: bool = False,
        begin: Callable[[], None] = lambda: None,
        ledger: Ledger = NOBODY,
    ) -> None:
        self._codec = codec
        self._extra_headers = _cloudevents.headers if cloudevents else _no_headers
        self._begin = begin
        self._ledger = ledger
        self._parser = RecordParser(adapters, contact_key, begin)

    def take_unknown_shops(self) -> set[tuple[str, str]]:
        """Return source and shop of the unknown shops met since the last call."""
        unknown, self._parser.unknown_shops = self._parser.unknown_shops, set()
        return unknown

    def decide(
        self,
        records: Sequence[Any],
        index: PartitionIndex,
        shops: Shops,
        *,
        is_condemned: bool = False,
    ) -> list[Verdict]:
        """Decide a batch at once: see ``iter_verdicts``."""
        return list(self.iter_verdicts(records, index, shops, is_condemned=is_condemned))

    def iter_verdicts(
        self,
        records: Sequence[Any],
        index: PartitionIndex,
        shops: Shops,
        *,
        is_condemned: bool = False,
    ) -> Iterator[Verdict]:
        """Yield the verdicts of a batch in offset order, decided ``AT_ONCE`` at a time.

        Records whose outcomes are all written are left out. ``is_condemned``: the records killed
        their worker too often to be built again. The index must not change before the last
        verdict is taken. Raises RefusedError where the written outcomes are another delivery's.
        """
        pending, logged = pending_records(records, index.logged)
        parser = self._parser
        lookup = index.lookup(parser.entity(record.key) for record in pending)
        parse = parser.condemn if is_condemned else partial(parser.parse, shops=shops)
        for first in range(0, len(pending), AT_ONCE):
            group = slice(first, first + AT_ONCE)
            yield from self._decide_group(first, parse(pending[group]), logged[group], lookup)

    def _decide_group(
        self,
        first: int,
        group: Sequence[ParsedRecord],
        logged: Sequence[LoggedOutcomes | None],
        lookup: BatchLookup,
    ) -> list[Verdict]:
        """Decide consecutive records, the first of them at position ``first`` of the batch."""
        lookup.add_digests(record.origin.digest for record in group)
        built = [None] * len(group) if any(logged) else self._build_new(first, group, lookup)
        return [
            self._verdict(position, record, written, lookup)
            if slots is None
            else self._canonical(position, record, slots, lookup)
            for position, (record, written, slots) in enumerate(
                zip(group, logged, built, strict=True), first
            )
        ]

    def _build_new(
        self, first: int, group: Sequence[ParsedRecord], lookup: BatchLookup
    ) -> list[EncodedSlots | Reject | None]:
        """Build the events of records that repeat nothing; None for the others.

        Only the first record of a digest can be known to be new before the group is decided.
        """
        digests: set[bytes] = set()
        new: list[int] = []
        for number, record in enumerate(group):
            digest = record.origin.digest
            if (
                digest not in digests
                and record.raw.replay_of is None
                and not isinstance(record.parsed, Reject)
                and self._prior_outcome(first + number, record, lookup) is None
            ):
                new.append(number)
            digests.add(digest)
        transformed = [self._transform(group[number]) for number in new]
        encoded = dict(zip(new, map(self._encode, transformed), strict=True))
        return [encoded.get(number) for number in range(len(group))]

    def _prior_outcome(
        self, position: int, record: ParsedRecord, lookup: BatchLookup
    ) -> PriorOutcome | None:
        """The outcome that a record repeats, if it repeats one."""
        raw, parsed = record.raw, record.parsed
        assert isinstance(parsed, Parsed)  # noqa: S101 - only called for what parsed
        assert record.delivery is not None  # noqa: S101
        shop = record.delivery.shop
        if raw.imported is not None and raw.imported.history_from is not None:
            return None  # it repeats a row of its import, and states more
        if raw.replay_of is not None:
            # A replay can only repeat its own delivery.
            first = raw.original[1] if raw.original else None
            own = lookup.same_delivery(position, raw.delivery_id, first, raw.offset)
            is_repeat = own is not None and dedupe.within(own, raw.appended_ms, shop.window)
            return own if is_repeat else None
        same = latest = None
        if parsed.rule is _CONTENT:
            same = lookup.same_digest(position, raw.offset)
        else:
            latest = lookup.latest_state(position, raw.offset)
        if same is None and latest is None:
            return None  # the usual case
        digest, retry = record.origin.digest, shop.state_retry_window
        return dedupe.repeats(
            parsed.rule, digest, raw.appended_ms, same, latest, shop.window, retry
        )

    def _verdict(
        self,
        position: int,
        record: ParsedRecord,
        written: LoggedOutcomes | None,
        lookup: BatchLookup,
    ) -> Verdict:
        if written is not None:
            return self._complete(position, record, written, lookup)
        if isinstance(record.parsed, Reject):
            return self._dead_letter(record, record.parsed)
        prior = self._prior_outcome(position, record, lookup)
        if prior is not None:
            duplicate = outcomes.duplicate(record.origin, record.parsed, prior)
            return Verdict(record.raw.source, "duplicate", (duplicate,))
        built = self._encode(self._transform(record))
        return self._canonical(position, record, built, lookup)

    def _canonical(
        self, position: int, record: ParsedRecord, built: EncodedSlots | Reject, lookup: BatchLookup
    ) -> Verdict:
        """All slots become events, or the delivery becomes a dead letter."""
        if isinstance(built, Reject):
            return self._dead_letter(record, built)
        seen = seen_before(position, record, lookup)
        if seen is not None and (reject := held_back(record, seen)) is not None:
            return structs.replace(self._dead_letter(record, reject), seen=seen)
        slots, events = tuple(built), []
        for slot, encoded in built.items():
            event = outcomes.event(record.origin, slot, encoded, slots)
            if isinstance(event, Reject):
                return self._dead_letter(record, event)
            events.append(event)
        if seen is not None:
            events[0].headers.append((SEEN_BEFORE, seen.header))
        row = lookup.claim(position, record.raw, record.origin.digest)
        return Verdict(record.raw.source, "canonical", tuple(events), "", row, seen)

    def _complete(
        self, position: int, record: ParsedRecord, written: LoggedOutcomes, lookup: BatchLookup
    ) -> Verdict:
        """Write the slots that a crash left out of a canonical delivery, which stays canonical.

        The first copy in the log wins, with its list of slots and its digest. A slot that can no
        longer be built gets a dead letter instead, so that the delivery is complete; the contact
        of a person who was erased since then is written with nothing in it.
        """
        built = self._encode(self._transform(record, keeps_slots=True))
        origin = structs.replace(record.origin, digest=written.digest)
        slots = written.canonical_slots
        added, reason = [], ""
        seen = seen_before(position, record, lookup)
        for slot in written.missing:
            outcome: Outcome | Reject
            if isinstance(built, Reject):
                outcome = built
            elif slot in built:
                outcome = outcomes.event(origin, slot, built[slot], slots)
                if seen is not None and slot == slots[0] and not isinstance(outcome, Reject):
                    outcome.headers.append((SEEN_BEFORE, seen.header))
            else:
                outcome = Reject(
                    Reason.INTERNAL_ERROR,
                    slot,
                    f"{slot} was to be written by another adapter version than"
                    f" {origin.adapter_version}, which gives only {', '.join(built)}",
                )
            if isinstance(outcome, Reject):
                reason = outcome.reason
                outcome = outcomes.dead_letter(origin, outcome, slot, slots)
            added.append(outcome)
        lookup.claim(position, record.raw, origin.digest)
        return Verdict(record.raw.source, "canonical", tuple(added), reason)

    def _dead_letter(self, record: ParsedRecord, reject: Reject) -> Verdict:
        letter = outcomes.dead_letter(record.origin, reject)
        return Verdict(record.raw.source, "dead-letter", (letter,), reject.reason)

    def _transform(self, record: ParsedRecord, *, keeps_slots: bool = False) -> Slots | Reject:
        """Let the adapter make the events, and apply the ledger of erasures to them."""
        if isinstance(record.parsed, Reject):
            return record.parsed
        assert record.delivery is not None  # noqa: S101 - there is one for all that parsed
        assert record.adapter is not None  # noqa: S101
        self._begin()
        try:
            slots = record.adapter.events(record.delivery, record.parsed)
            if isinstance(slots, Reject) or not self._ledger.named:  # empty, mostly
                return slots
            return self._ledger.applied_to_slots(slots, keeps_slots=keeps_slots)
        except Exception:  # noqa: BLE001 - a bug in an adapter must not stop the partition
            return internal_error("transform")

    def _encode(self, slots: Slots | Reject) -> EncodedSlots | Reject:
        if isinstance(slots, Reject):
            return slots
        built: EncodedSlots = {}
        encode, extra_headers = self._codec.encode, self._extra_headers
        try:
            for slot, event in slots.items():
                topic, meta = _TOPIC_OF[type(event)], event.meta
                built[slot] = topic, meta.entity.encode(), encode(event), extra_headers(topic, meta)
        except Exception:  # noqa: BLE001 - as in _transform
            return internal_error("transform")
        return built


def _no_headers(*_: object) -> Headers:
    return _NO_HEADERS
