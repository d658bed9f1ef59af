"""An imported past leaves the live generations of a cart, their numbers and their signals alone."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.carts.fold import fold
from sinks.carts.records import Activity, Generation
from sinks.carts.signals import signals_between
from tests.unit.sinks.carts.test_fold import act, at, bought, cart, outcomes, reported_cart

NOW = 10_000
"""Minutes: when the first live state comes; a cart expires 1,000 after its last."""


def rows(activities: list[Activity], until: float = 20_000) -> list[Generation]:
    return fold([cart(*activities)], [], at(until))


def past(minute: float, letters: str) -> Activity:
    return act(minute, letters, imported=True, event_id=f"past-{minute}")


def test_generations_of_an_imported_past_count_back_from_the_first_live_one() -> None:
    before = [past(0, "A"), past(3000, "B")]
    live = [act(NOW, "C"), act(NOW + 2000, "D")]
    assert [row.generation for row in rows(before + live)] == [-1, 0, 1, 2]


def test_a_cart_that_only_an_import_shows_is_numbered_from_1() -> None:
    """As the same history is that came as webhooks."""
    assert [row.generation for row in rows([past(0, "A"), past(3000, "B")])] == [1, 2]


def test_a_generation_that_goes_on_live_is_the_first_live_one() -> None:
    found = rows([past(0, "A"), past(NOW - 30, "B"), act(NOW, "C")])
    assert [row.generation for row in found] == [0, 1]
    assert found[1].first_seen_at == at(NOW - 30)


def test_a_live_echo_of_the_order_that_closed_an_imported_generation_is_of_that_one() -> None:
    history = [cart(past(NOW, "A"), act(NOW + 20, "A"), act(NOW + 3000, "B"))]
    assert outcomes(fold(history, [bought(NOW + 10)], at(NOW + 3001))) == [
        (1, "CONVERTED", None, 0, "o1"),
        (2, "ACTIVE", None, 0, None),
    ]


def test_a_live_emptying_of_an_imported_generation_makes_it_no_live_one() -> None:
    """By itself it opens none."""
    found = rows([past(NOW - 30, "A"), act(NOW, ""), act(NOW + 100, "B")])
    assert [row.generation for row in found] == [0, 1]


def test_a_past_that_reports_show_counts_back_too() -> None:
    reports = [
        act(0, "A", imported=True, abandoned=True, created_at=at(0)),
        act(NOW, "B", abandoned=True, created_at=at(NOW)),
    ]
    found = fold([reported_cart(*reports)], [], at(20_000))
    assert [row.generation for row in found] == [0, 1]


ITEMS = st.sampled_from(["A", "B", "AB", ""])
LIVE = st.dictionaries(st.integers(NOW, NOW + 4000), ITEMS, min_size=1, max_size=6)
OLD = st.dictionaries(st.integers(0, NOW - 1), ITEMS, max_size=6)


@given(LIVE, OLD, st.integers(NOW, NOW + 6000))
def test_no_import_of_an_older_past_changes_what_was_signalled(
    live: dict[int, str], old: dict[int, str], until: int
) -> None:
    shown = [act(minute, letters) for minute, letters in live.items()]
    imported = [past(minute, letters) for minute, letters in old.items()]
    alone, together = rows(shown, until), rows(imported + shown, until)
    kept = {(row.generation, each) for row in together for each in row.abandonments}
    assert {(row.generation, each) for row in alone for each in row.abandonments} <= kept
    assert [each.kind for each in signals_between(alone, together)] == []


@given(LIVE, st.dictionaries(st.integers(0, NOW - 1100), ITEMS, max_size=6))
def test_a_past_that_is_over_leaves_every_live_row_as_it_was(
    live: dict[int, str], old: dict[int, str]
) -> None:
    shown = [act(minute, letters) for minute, letters in live.items()]
    imported = [past(minute, letters) for minute, letters in old.items()]
    together = [row for row in rows(imported + shown) if row.generation > 0]
    assert rows(shown) == together or not rows(shown)
