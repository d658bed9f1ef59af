"""What a commit's metadata says of a partition's owner, and how a record that kills is found."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runtime import crash_marks
from runtime.crash_marks import PIECE, REACH, STRIKES, Custody, Piece, Suspect

OFFSETS = st.integers(0, 2000)
SUSPECTS = st.none() | st.builds(
    lambda first, size, deaths: Suspect(first, first + size, deaths),
    OFFSETS,
    st.integers(1, 400),
    st.integers(1, 5),
)
CUSTODIES = st.builds(
    Custody, is_open=st.booleans(), cautious_until=OFFSETS, suspect=SUSPECTS, mark=st.none()
)


@dataclass(frozen=True, slots=True)
class Record:
    offset: int


def records(first: int, end: int) -> list[Record]:
    return [Record(offset) for offset in range(first, end)]


def marked(first: int, end: int, left: Custody) -> Custody:
    """An owner that died while it built these."""
    return Custody(
        is_open=True, cautious_until=left.cautious_until, suspect=left.suspect, mark=(first, end)
    )


@given(CUSTODIES)
def test_what_is_written_is_read(said: Custody) -> None:
    assert said == crash_marks.decode(crash_marks.encode(said))


def test_somebody_elses_metadata_says_nothing() -> None:
    for metadata in ("", "a note", "[1]", '{"is_open": "yes"}'):
        assert Custody() == crash_marks.decode(metadata)


def test_a_partition_that_was_let_go_is_built_without_marks_in_one_piece() -> None:
    now = crash_marks.reopened(Custody(), due=5, log_end=9000)
    assert Custody(is_open=True) == now
    assert [Piece(records(5, 2005), 2005)] == list(crash_marks.pieces(now, records(5, 2005), 2005))


def test_after_an_owner_died_pieces_are_small_and_marked_as_far_as_it_can_have_been() -> None:
    now = crash_marks.reopened(Custody(is_open=True), due=0, log_end=600)
    cut = list(crash_marks.pieces(now, records(0, 1000), 1000))
    expected = [(0, 250, True), (250, 500, True), (500, 600, True), (600, 1000, False)]
    assert expected == [(p.first, p.end, p.is_marked) for p in cut]
    assert REACH == crash_marks.reopened(Custody(is_open=True), 0, 10**9).cautious_until


def test_after_a_second_death_under_a_mark_its_records_go_one_by_one() -> None:
    first = crash_marks.reopened(Custody(is_open=True), due=0, log_end=600)
    second = crash_marks.reopened(marked(250, 500, first), due=0, log_end=600)
    cut = list(crash_marks.pieces(second, records(240, 260), 260))
    expected = [(240, 250)] + [(offset, offset + 1) for offset in range(250, 260)]
    assert expected == [(piece.first, piece.end) for piece in cut]
    assert all(piece.is_marked and not piece.is_condemned for piece in cut)


def test_a_record_marked_in_three_deaths_is_condemned_and_no_other() -> None:
    left = crash_marks.reopened(Custody(is_open=True), due=0, log_end=600)
    for mark in ((0, 250), (7, 8), (7, 8)):
        assert not any(p.is_condemned for p in crash_marks.pieces(left, records(0, 600), 600))
        left = crash_marks.reopened(marked(*mark, left), due=0, log_end=600)
    condemned = [p for p in crash_marks.pieces(left, records(0, 600), 600) if p.is_condemned]
    assert [(7, 8, False)] == [(p.first, p.end, p.is_marked) for p in condemned]


def test_deaths_at_random_records_condemn_none() -> None:
    left = crash_marks.reopened(Custody(is_open=True), due=0, log_end=600)
    for mark in ((0, 250), (7, 8), (30, 31), (31, 32), (100, 250)):
        left = crash_marks.reopened(marked(*mark, left), due=0, log_end=600)
        assert not any(p.is_condemned for p in crash_marks.pieces(left, records(0, 600), 600))


def test_a_death_without_a_mark_blames_no_record() -> None:
    left = Custody(is_open=True)
    for _ in range(10):
        left = crash_marks.reopened(Custody(is_open=True, suspect=left.suspect), due=0, log_end=600)
    assert left.suspect is None


def test_a_clean_hand_over_forgets_no_suspicion() -> None:
    suspect = Suspect(7, 8, STRIKES - 1)
    left = Custody(is_open=False, cautious_until=300, suspect=suspect)
    now = crash_marks.reopened(left, due=0, log_end=600)
    assert (300, suspect) == (now.cautious_until, now.suspect)


@given(CUSTODIES, OFFSETS)
def test_once_everything_suspected_is_safe_nothing_is_left_of_the_suspicion(
    said: Custody, offset: int
) -> None:
    now = crash_marks.passed(said, offset)
    assert now.suspect is None or now.suspect.end > offset
    assert not now.cautious_until or now.cautious_until > offset
    everything = crash_marks.passed(said, 10_000)
    assert (None, 0) == (everything.suspect, everything.cautious_until)


@given(CUSTODIES, st.lists(OFFSETS, min_size=1, unique=True))
def test_pieces_are_the_whole_batch_in_order(said: Custody, offsets: list[int]) -> None:
    batch = [Record(offset) for offset in sorted(offsets)]
    end = batch[-1].offset + 1
    cut = list(crash_marks.pieces(said, batch, end))
    assert batch == [record for piece in cut for record in piece.records]
    assert end == cut[-1].end
    for piece, following in pairwise(cut):
        assert piece.records[-1].offset < piece.end <= following.first


@given(CUSTODIES, st.lists(OFFSETS, min_size=1, unique=True))
def test_whatever_may_kill_is_marked_and_pieces_stay_small(
    said: Custody, offsets: list[int]
) -> None:
    batch = [Record(offset) for offset in sorted(offsets)]
    suspect = said.suspect
    for piece in crash_marks.pieces(said, batch, batch[-1].offset + 1):
        suspected = [
            r.offset
            for r in piece.records
            if suspect is not None and suspect.first <= r.offset < suspect.end
        ]
        assert not suspected or len(piece.records) == 1
        if suspected:
            assert piece.is_marked is not piece.is_condemned
        elif any(record.offset < said.cautious_until for record in piece.records):
            assert piece.is_marked
            assert len(piece.records) <= PIECE
