"""The index against a plain list of all outcomes: over growth, expiry, and the disk."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.dedupe import PriorOutcome
from processors.index import run_set, sorted_run
from processors.index.batch_lookup import BatchLookup
from processors.index.disk_cache import IndexCache
from processors.index.outcome_headers import OutcomeHeaders
from processors.index.partition_index import FORGET_EVERY_MS, PartitionIndex
from runtime.settings import Settings
from schemas import envelopes
from schemas.raw_delivery import RawDelivery

DIGESTS = [upper * 8 + lower * 8 for upper in (b"a", b"b", b"\xff") for lower in (b"1", b"\xff")]
"""Some are alike in their upper half, by which they are sorted."""
ENTITIES = [b"spiffy/s/cart:1", b"spiffy/s/cart:2", b"spiffy/s/cart:3"]
DELIVERIES = ["one", "two", "three"]
WINDOW_MS = 300
MOST = 80


def outcome(offset: int, digest: bytes, entity: bytes, delivery: str, kind: str) -> OutcomeHeaders:
    slot = {"letter": envelopes.DEAD_SLOT, "duplicate": envelopes.DUPLICATE_SLOT}.get(kind, "cart")
    return OutcomeHeaders(
        offset, offset * 10, slot, (slot,), entity, digest, delivery,
        is_replay=kind == "replay", is_rejected=kind == "letter",
    )  # fmt: skip


KINDS = ["event", "event", "event", "replay", "letter", "duplicate"]
OUTCOMES = st.builds(
    outcome,
    st.integers(0, MOST),
    st.sampled_from(DIGESTS),
    st.sampled_from(ENTITIES),
    st.sampled_from(DELIVERIES),
    st.sampled_from(KINDS),
)
STEPS = st.lists(
    st.one_of(
        st.lists(OUTCOMES, max_size=30),
        st.tuples(st.just("settle"), st.integers(0, MOST)),
        st.tuples(st.just("reload"), st.integers(0, 10)),
    ),
    max_size=12,
)


@dataclass
class Model:
    """All outcomes, in a list. ``oldest_ms``: what is older may have been forgotten."""

    outcomes: list[OutcomeHeaders] = field(default_factory=list)
    committed: int = 0
    oldest_ms: int = 0

    def same(self, digest: bytes, below: int) -> PriorOutcome | None:
        return self._greatest(below, [each for each in self.outcomes if each.digest == digest])

    def bodies(self, digest: bytes, entity: bytes | None, below: int) -> set[tuple[int, bytes]]:
        """Raw offset and digest of all whose digest begins alike; of an entity without replays."""
        return {
            (each.raw_offset, each.digest)
            for each in self.outcomes
            if each.is_canonical
            and each.digest[:8] == digest[:8]
            and each.raw_offset < below
            and (entity is None or (each.entity == entity and not each.is_replay))
            and each.raw_time >= self.oldest_ms
        }

    def latest(self, entity: bytes, below: int) -> PriorOutcome | None:
        mine = [each for each in self.outcomes if each.entity == entity and not each.is_replay]
        return self._greatest(below, mine)

    def own(
        self, digest: bytes, delivery: str, first: int | None, below: int
    ) -> PriorOutcome | None:
        replays = [
            each for each in self.outcomes if each.is_replay and each.delivery_id == delivery
        ]
        at_first = [s for s in self.outcomes if s.digest == digest and s.raw_offset == first]
        return self._greatest(below, [*replays, *at_first])

    def found(self, offset: int) -> set[str] | None:
        if offset < self.committed:
            return None
        return {each.slot for each in self.outcomes if each.raw_offset == offset} or None

    def _greatest(self, below: int, known: list[OutcomeHeaders]) -> PriorOutcome | None:
        found = max(
            (
                (each.raw_offset, each.digest, each.raw_time)
                for each in known
                if each.is_canonical and each.raw_offset < below
            ),
            default=None,
        )
        return self.reachable(PriorOutcome(found[0], found[2], found[1]) if found else None)

    def reachable(self, prior: PriorOutcome | None) -> PriorOutcome | None:
        return prior if prior is not None and prior.appended_ms >= self.oldest_ms else None


@contextmanager
def packing(sort_at: int, run_rows: int, few: int) -> Iterator[None]:
    """Entries are packed and merged early."""
    before = run_set.SORT_AT, run_set.RUN_ROWS, sorted_run.SCAN_ROWS
    run_set.SORT_AT, run_set.RUN_ROWS, sorted_run.SCAN_ROWS = sort_at, run_rows, few
    try:
        yield
    finally:
        run_set.SORT_AT, run_set.RUN_ROWS, sorted_run.SCAN_ROWS = before


def compared(index: PartitionIndex, model: Model, chosen: int) -> None:
    digests = [DIGESTS[(chosen + number) % len(DIGESTS)] for number in range(len(DIGESTS))]
    entities = [ENTITIES[number % len(ENTITIES)] for number in range(len(DIGESTS))]
    lookup = index.lookup(entities, digests)
    for position, (digest, entity) in enumerate(zip(digests, entities, strict=True)):
        for below in (0, chosen, chosen + 1, MOST // 2, MOST + 1):
            asked = Asked(lookup, position, below, model)
            assert model.same(digest, below) == asked.same()
            assert model.latest(entity, below) == asked.latest()
            assert model.bodies(digest, None, below) == asked.bodies()
            assert model.bodies(digest, entity, below) == asked.bodies_of_entity()
            for delivery in DELIVERIES:
                first = (chosen * 7 + position) % MOST
                assert model.own(digest, delivery, first, below) == asked.own(delivery, first)
    for offset in range(MOST + 1):
        written = index.logged.get(offset)
        assert model.found(offset) == (None if written is None else written.present)


@dataclass
class Asked:
    """Answers of the index, without what it need not remember."""

    lookup: BatchLookup
    position: int
    below: int
    model: Model

    def same(self) -> PriorOutcome | None:
        return self.model.reachable(self.lookup.same_digest(self.position, self.below))

    def latest(self) -> PriorOutcome | None:
        return self.model.reachable(self.lookup.latest_state(self.position, self.below))

    def bodies(self) -> set[tuple[int, bytes]]:
        return self._reachable(self.lookup.same_body(self.position, self.below))

    def bodies_of_entity(self) -> set[tuple[int, bytes]]:
        """After ``latest``."""
        return self._reachable(self.lookup.same_body_of_entity(self.position, self.below))

    def _reachable(self, found: Sequence[PriorOutcome]) -> set[tuple[int, bytes]]:
        return {
            (each.raw_offset, each.digest) for each in found if self.model.reachable(each) is each
        }

    def own(self, delivery: str, first: int) -> PriorOutcome | None:
        prior = self.lookup.same_delivery(self.position, delivery, first, self.below)
        return self.model.reachable(prior)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 20), st.sampled_from([4, 32, 1000]), st.integers(0, 3), st.data())
def test_the_index_answers_as_a_list_of_all_outcomes(
    steps: list[list[OutcomeHeaders] | tuple[str, int]],
    sort_at: int,
    run_rows: int,
    few: int,
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as folder, packing(sort_at, run_rows, few):
        cache = IndexCache(Settings(state_dir=folder), "cluster")
        index, model = PartitionIndex(), Model()
        for step in steps:
            if isinstance(step, list):
                for outcome in step:
                    index.add(outcome)
                model.outcomes += step
                index.pack()
            elif step[0] == "settle":
                model.committed = max(model.committed, step[1])
                reached = max(model.committed * 10 - WINDOW_MS, 0)
                model.oldest_ms = max(model.oldest_ms, reached)
                index._forgotten_ms = -FORGET_EVERY_MS  # it looks each time
                index.settle(step[1], reached)
            else:
                snapshot = index.snapshot(WINDOW_MS)
                is_logged = any(each.raw_offset >= model.committed for each in model.outcomes)
                assert is_logged == (snapshot is None)
                if snapshot is not None:
                    cache.write(0, snapshot)
                    model.committed += step[1]
                    index = cache.read(0, model.committed, WINDOW_MS)
            compared(index, model, data.draw(st.integers(0, MOST)))


NEW = st.lists(st.tuples(st.sampled_from(DIGESTS), st.sampled_from(ENTITIES)), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.lists(NEW, max_size=6), st.integers(1, 20), st.sampled_from([4, 32, 1000]))
def test_rows_added_by_their_claims_answer_as_if_they_were_read_back(
    batches: list[list[tuple[bytes, bytes]]], sort_at: int, run_rows: int
) -> None:
    with packing(sort_at, run_rows, 2):
        index, model = PartitionIndex(), Model()
        for batch in batches:
            claims = []
            lookup = index.lookup([entity for _, entity in batch], [digest for digest, _ in batch])
            for position, (digest, entity) in enumerate(batch):
                offset = model.committed + position
                delivery = f"d{offset}"
                model.outcomes.append(outcome(offset, digest, entity, delivery, "event"))
                raw = RawDelivery(
                    0, offset, offset * 10, entity, b"", delivery, "spiffy", "s", "carts/update", 0
                )
                claims.append(lookup.claim(position, raw, digest))
            index.add_decided([claim for claim in claims if claim is not None])
            model.committed += len(batch)
            index.settle(model.committed, 0)
            compared(index, model, model.committed // 2)
        assert index.newest == model.committed - 1


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20), st.integers(1, 4))
@settings(deadline=None)
def test_offsets_and_times_far_apart_are_kept_whole(values: list[int], sort_at: int) -> None:
    with packing(sort_at, 1000, 2):
        many = run_set.RunSet()
        for value in values:
            many.add(7, value, DIGESTS[0], 2**63 - 1 - value)
            many.pack()
        for below in [*values, 2**63 - 1]:
            known = [value for value in values if value < below]
            expected = (
                PriorOutcome(max(known), 2**63 - 1 - max(known), DIGESTS[0]) if known else None
            )
            of_digest = many.search_digests([DIGESTS[0]]).get(0, ())
            of_key = many.search_keys([7]).get(0, ())
            assert expected == many.same_digest(DIGESTS[0], of_digest, below)
            assert expected == many.latest(7, of_key, below)
