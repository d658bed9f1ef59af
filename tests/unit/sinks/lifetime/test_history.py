"""Since when a shop's history is whole, whatever the order in which its events come."""

from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sinks.lifetime.history import ShopHistory, Statement, history_of
from tests.sink_events import NOON, meta

TIMES = st.integers(0, 50)
HISTORIES = st.builds(
    ShopHistory,
    TIMES | st.none(),
    st.builds(Statement, st.tuples(TIMES, TIMES, TIMES), TIMES) | st.none(),
)


@given(st.lists(HISTORIES, max_size=4))
def test_order_and_repetition_make_no_difference(shown: list[ShopHistory]) -> None:
    whole = reduce(ShopHistory.__or__, shown, ShopHistory())
    for order in permutations([*shown, *shown[:1]]):
        assert reduce(ShopHistory.__or__, order, ShopHistory()) == whole


def test_only_what_no_import_wrote_is_a_first_delivery() -> None:
    live = meta("spiffy", "order", "1", NOON)
    imported = structs.replace(live, import_id="i")
    stated = structs.replace(imported, history_from=NOON - 9)
    assert history_of(live).whole_since == live.received_at
    assert history_of(imported).whole_since is None
    assert history_of(stated).whole_since == NOON - 9


def test_the_newest_statement_counts_and_never_takes_away_what_came_live() -> None:
    bold = ShopHistory(None, Statement((1, 0, 0), 5))
    right = ShopHistory(None, Statement((2, 0, 0), 40))
    live = ShopHistory(30)
    assert (bold | right).whole_since == 40
    assert (bold | live).whole_since == 5
    assert (bold | right | live).whole_since == 30
