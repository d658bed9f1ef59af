"""Where the outcomes of a job's last replays are looked for."""

from collections.abc import Iterator

from hookline.dashboard.letters.following import FOLLOWED, Following


def ticking() -> Iterator[int]:
    yield from range(1000, 10_000_000, 1000)


def following(batches: list[int]) -> Following:
    clock = ticking()
    made = Following(lambda: next(clock))
    for size in batches:
        made.result.replayed += ["0:1"] * size
        made.note(len(made.result.replayed))
    return made


def test_few_replays_are_looked_for_from_the_beginning_of_the_job() -> None:
    assert following([]).since_ms() == 1000
    assert following([40, 60]).since_ms() == 1000


def test_of_many_the_last_are_looked_for_from_when_the_first_of_them_was_replayed() -> None:
    # The times: 1000 at the start, 2000 after the first batch, and so on.
    assert following([FOLLOWED] * 7).since_ms() == 7000
    assert following([1] * 1000).since_ms() == (1 + 1000 - FOLLOWED) * 1000


def test_a_job_that_replayed_nothing_has_nothing_to_follow() -> None:
    assert following([]).look(None, "abcd") is None  # type: ignore[arg-type]
