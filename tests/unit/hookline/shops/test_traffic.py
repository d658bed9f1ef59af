"""How many deliveries a shop sent, from heartbeats alone."""

from hypothesis import given
from hypothesis import strategies as st

from hookline.shops.traffic import HeartbeatCounter, TrafficByShop, count_seen_before
from schemas import envelopes
from schemas.json_records.heartbeats import Heartbeat

SINCE = 1_000_000  # ms


def beat(ingress: str, started_ms: int, **accepted: int) -> Heartbeat:
    return Heartbeat(
        ingress=ingress, started=started_ms * 1000, at=0, healthy=True, accepted=accepted
    )


def tallied(*beats: tuple[int, Heartbeat]) -> TrafficByShop:
    found: TrafficByShop = {}
    counter = HeartbeatCounter(SINCE, found)
    for at_ms, one in beats:
        counter.add(at_ms, one)
    return found


def test_of_a_process_that_began_since_all_counts() -> None:
    found = tallied((SINCE + 9, beat("a", SINCE + 1, s=5)), (SINCE + 20, beat("a", SINCE + 1, s=7)))
    assert (found["s"].deliveries, found["s"].last_ms) == (7, SINCE + 20)


def test_of_an_older_process_the_first_heartbeat_is_the_base() -> None:
    old = SINCE - 50
    found = tallied(
        (SINCE + 1, beat("a", old, s=100)),
        (SINCE + 5, beat("a", old, s=103, t=1)),
        (SINCE + 9, beat("a", old, s=103, t=1)),
    )
    assert (found["s"].deliveries, found["s"].last_ms) == (3, SINCE + 5)
    assert (found["t"].deliveries, found["t"].last_ms) == (1, SINCE + 5)


def test_a_shop_that_sent_nothing_since_is_not_there() -> None:
    assert tallied((SINCE + 1, beat("a", 1, s=5)), (SINCE + 9, beat("a", 1, s=5))) == {}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=40))
def test_processes_side_by_side_add_up(steps: list[tuple[str, int]]) -> None:
    totals: dict[str, int] = {}
    beats = []
    for number, (ingress, more) in enumerate(steps):
        totals[ingress] = totals.get(ingress, 0) + more
        beats.append((SINCE + number, beat(ingress, SINCE, s=totals[ingress])))
    found = tallied(*beats)
    assert (found["s"].deliveries if found else 0) == sum(more for _, more in steps)


def test_events_whose_body_came_before_are_counted_by_shop_and_kind() -> None:
    found: TrafficByShop = {}
    entity = b"spiffy/johns/order:5"
    for headers in (
        {envelopes.ENTITY: entity, envelopes.SEEN_BEFORE: b"other-topic:7"},
        {envelopes.ENTITY: entity, envelopes.SEEN_BEFORE: b"state:9"},
        {envelopes.ENTITY: entity},
        {envelopes.SEEN_BEFORE: b"state:9"},  # of another producer
        {envelopes.ENTITY: b"spiffy/janes/order:5", envelopes.SEEN_BEFORE: b"\xff"},
    ):
        count_seen_before(headers, found)
    assert {shop: dict(each.seen_before) for shop, each in found.items()} == {
        "spiffy/johns": {"other-topic": 1, "state": 1}
    }
