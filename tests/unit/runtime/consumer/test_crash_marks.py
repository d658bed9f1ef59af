"""Crash marks in the commit's metadata, and how a record that kills its worker is found."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runtime.consumer import crash_marks
from runtime.consumer.crash_marks import (
    CHUNK_RECORDS,
    REACH,
    STRIKES,
    Chunk,
    CommitMetadata,
    Suspect,
)

OFFSETS = st.integers(0, 2000)
SUSPECTS = st.none() | st.builds(
    lambda first, size, deaths: Suspect(first, first + size, deaths),
    OFFSETS,
    st.integers(1, 400),
    st.integers(1, 5),
)
METADATA = st.builds(
    CommitMetadata, is_open=st.booleans(), cautious_until=OFFSETS, suspect=SUSPECTS, mark=st.none()
)


@dataclass(frozen=True, slots=True)
class Record:
    offset: int


def records(first: int, end: int) -> list[Record]:
    return [Record(offset) for offset in range(first, end)]


def marked(first: int, end: int, left: CommitMetadata) -> CommitMetadata:
    """An owner that died while it built these."""
    return CommitMetadata(
        is_open=True, cautious_until=left.cautious_until, suspect=left.suspect, mark=(first, end)
    )


@given(METADATA)
def test_encoded_metadata_is_decoded(metadata: CommitMetadata) -> None:
    assert metadata == crash_marks.decode(crash_marks.encode(metadata))


def test_foreign_metadata_is_ignored() -> None:
    for text in ("", "a note", "[1]", '{"is_open": "yes"}'):
        assert CommitMetadata() == crash_marks.decode(text)


def test_a_partition_released_cleanly_is_built_unmarked_in_one_chunk() -> None:
    now = crash_marks.reopened(CommitMetadata(), next_offset=5, log_end=9000)
    assert CommitMetadata(is_open=True) == now
    assert [Chunk(records(5, 2005), 2005)] == list(crash_marks.chunks(now, records(5, 2005), 2005))


def test_after_an_unclean_exit_chunks_are_small_and_marked_as_far_as_the_owner_can_have_read() -> (
    None
):
    now = crash_marks.reopened(CommitMetadata(is_open=True), next_offset=0, log_end=600)
    cut = list(crash_marks.chunks(now, records(0, 1000), 1000))
    expected = [(0, 250, True), (250, 500, True), (500, 600, True), (600, 1000, False)]
    assert expected == [(p.first, p.end, p.is_marked) for p in cut]
    assert REACH == crash_marks.reopened(CommitMetadata(is_open=True), 0, 10**9).cautious_until


def test_after_a_second_death_under_a_mark_its_records_go_one_by_one() -> None:
    first = crash_marks.reopened(CommitMetadata(is_open=True), next_offset=0, log_end=600)
    second = crash_marks.reopened(marked(250, 500, first), next_offset=0, log_end=600)
    cut = list(crash_marks.chunks(second, records(240, 260), 260))
    expected = [(240, 250)] + [(offset, offset + 1) for offset in range(250, 260)]
    assert expected == [(chunk.first, chunk.end) for chunk in cut]
    assert all(chunk.is_marked and not chunk.is_condemned for chunk in cut)


def test_a_record_marked_in_three_deaths_is_condemned_and_no_other() -> None:
    left = crash_marks.reopened(CommitMetadata(is_open=True), next_offset=0, log_end=600)
    for mark in ((0, 250), (7, 8), (7, 8)):
        assert not any(p.is_condemned for p in crash_marks.chunks(left, records(0, 600), 600))
        left = crash_marks.reopened(marked(*mark, left), next_offset=0, log_end=600)
    condemned = [p for p in crash_marks.chunks(left, records(0, 600), 600) if p.is_condemned]
    assert [(7, 8, False)] == [(p.first, p.end, p.is_marked) for p in condemned]


def test_deaths_at_random_records_condemn_none() -> None:
    left = crash_marks.reopened(CommitMetadata(is_open=True), next_offset=0, log_end=600)
    for mark in ((0, 250), (7, 8), (30, 31), (31, 32), (100, 250)):
        left = crash_marks.reopened(marked(*mark, left), next_offset=0, log_end=600)
        assert not any(p.is_condemned for p in crash_marks.chunks(left, records(0, 600), 600))


def test_a_death_without_a_mark_blames_no_record() -> None:
    left = CommitMetadata(is_open=True)
    for _ in range(10):
        left = crash_marks.reopened(
            CommitMetadata(is_open=True, suspect=left.suspect), next_offset=0, log_end=600
        )
    assert left.suspect is None


def test_a_clean_exit_drops_no_suspicion() -> None:
    suspect = Suspect(7, 8, STRIKES - 1)
    left = CommitMetadata(is_open=False, cautious_until=300, suspect=suspect)
    now = crash_marks.reopened(left, next_offset=0, log_end=600)
    assert (300, suspect) == (now.cautious_until, now.suspect)


@given(METADATA, OFFSETS)
def test_a_suspicion_ends_once_all_its_records_are_acknowledged(
    metadata: CommitMetadata, offset: int
) -> None:
    now = crash_marks.passed(metadata, offset)
    assert now.suspect is None or now.suspect.end > offset
    assert not now.cautious_until or now.cautious_until > offset
    everything = crash_marks.passed(metadata, 10_000)
    assert (None, 0) == (everything.suspect, everything.cautious_until)


@given(METADATA, st.lists(OFFSETS, min_size=1, unique=True))
def test_chunks_are_the_whole_batch_in_order(metadata: CommitMetadata, offsets: list[int]) -> None:
    batch = [Record(offset) for offset in sorted(offsets)]
    end = batch[-1].offset + 1
    cut = list(crash_marks.chunks(metadata, batch, end))
    assert batch == [record for chunk in cut for record in chunk.records]
    assert end == cut[-1].end
    for chunk, following in pairwise(cut):
        assert chunk.records[-1].offset < chunk.end <= following.first


@given(METADATA, st.lists(OFFSETS, min_size=1, unique=True))
def test_records_that_may_kill_are_marked_and_chunks_stay_small(
    metadata: CommitMetadata, offsets: list[int]
) -> None:
    batch = [Record(offset) for offset in sorted(offsets)]
    suspect = metadata.suspect
    for chunk in crash_marks.chunks(metadata, batch, batch[-1].offset + 1):
        suspected = [
            r.offset
            for r in chunk.records
            if suspect is not None and suspect.first <= r.offset < suspect.end
        ]
        assert not suspected or len(chunk.records) == 1
        if suspected:
            assert chunk.is_marked is not chunk.is_condemned
        elif any(record.offset < metadata.cautious_until for record in chunk.records):
            assert chunk.is_marked
            assert len(chunk.records) <= CHUNK_RECORDS
