"""The barrier of offsets: when the watermark may move, and how far."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from runtime.stage import Partition
from sinks.postgres.migrate import MIGRATIONS
from sinks.watermark.watermark import (
    GAP_MS,
    MARGIN_MS,
    REPLICA_LAG_MS,
    Gap,
    Ingresses,
    Watermark,
    margin_ms,
)

RAW = Partition("raw", 0)
ORDERS = Partition("orders", 0)
GRACE = 60_000


def beats(*seconds: int) -> list[tuple[int, bool]]:
    return [(second * 1000, True) for second in seconds]


def passed(mark: Watermark, raw: int = 0, canonical: int = 0) -> Watermark:
    """A look at which everything noted has been passed."""
    mark = mark.with_barrier({RAW: raw})
    mark = mark.after_processors({RAW: raw}, {}, {ORDERS: canonical})
    return mark.after_sinks({ORDERS: canonical}, {})


def test_before_the_first_heartbeat_there_is_no_watermark() -> None:
    assert None is passed(Watermark()).at


def test_everything_passed_moves_it_to_the_brokers_time_less_the_margin() -> None:
    assert (
        passed(Watermark().with_heartbeats(beats(5000), GRACE), 3, 4).at == 5000 * 1000 - MARGIN_MS
    )


def test_processors_behind_the_noted_ends_hold_it() -> None:
    mark = Watermark().with_heartbeats(beats(100), 0).with_barrier({RAW: 7})
    held = mark.after_processors({RAW: 6}, {}, {ORDERS: 1})
    assert (held.holder, held.since, held.at) == ("processors: raw-0", 100_000, None)
    later = held.with_heartbeats(beats(105), 0).after_processors({RAW: 6}, {}, {ORDERS: 1})
    assert later.since == 100_000
    assert (
        later.after_processors({RAW: 7}, {}, {ORDERS: 0}).after_sinks({}, {}).at
        == 100_000 - MARGIN_MS
    )


def test_sinks_behind_the_noted_ends_hold_it() -> None:
    mark = Watermark().with_heartbeats(beats(100), 0).with_barrier({RAW: 7})
    mark = mark.after_processors({RAW: 7}, {}, {ORDERS: 5}).after_sinks({ORDERS: 4}, {})
    assert (mark.holder, mark.at) == ("sinks: orders-0", None)
    done = mark.after_sinks({ORDERS: 5}, {})
    assert (done.holder, done.at) == ("", 100_000 - MARGIN_MS)


def test_the_view_freshness_reads_stage_topic_and_partition_of_what_holds_it() -> None:
    view = (MIGRATIONS / "0016_freshness.sql").read_text()
    [pattern] = re.findall(r"regexp_match\(w\.holder, '(.+)'\)", view)
    raw = Partition("a-1.hookline.webhooks", 12)
    mark = Watermark().with_heartbeats(beats(100), 0).with_barrier({raw: 7})
    behind = mark.after_processors({}, {}, {ORDERS: 5})
    last = mark.after_processors({raw: 7}, {}, {ORDERS: 5}).after_sinks({}, {})
    found = [re.fullmatch(pattern, each.holder) for each in (behind, last)]
    assert [each and each.groups() for each in found] == [
        ("processors", "a-1.hookline.webhooks", "12"),
        ("sinks", "orders", "0"),
    ]
    silent = passed(Watermark().with_heartbeats(beats(0, 100), GRACE))
    assert not re.fullmatch(pattern, silent.holder)
    assert silent.holder.startswith("ingress:")


def test_what_is_written_after_the_barrier_was_taken_is_not_waited_for() -> None:
    mark = Watermark().with_heartbeats(beats(100), 0).with_barrier({RAW: 7})
    mark = mark.with_heartbeats(beats(110), 0).with_barrier({RAW: 900})
    assert (mark.barrier and mark.barrier.raw) == {RAW: 7}


def test_empty_and_wholly_trimmed_partitions_count_as_passed() -> None:
    mark = Watermark().with_heartbeats(beats(100), 0).with_barrier({RAW: 7, Partition("raw", 1): 0})
    mark = mark.after_processors({}, {RAW: 7}, {ORDERS: 0}).after_sinks({}, {})
    assert mark.at == 100_000 - MARGIN_MS


def test_it_never_moves_back() -> None:
    mark = passed(Watermark().with_heartbeats(beats(1000), 0))
    assert mark.at == passed(Watermark(at=mark.at).with_heartbeats(beats(900), 0)).at


def test_a_silence_of_all_ingresses_holds_it_until_senders_have_had_their_time() -> None:
    silent = Watermark().with_heartbeats(beats(0, 100), GRACE)
    assert (Gap(0, 100_000),) == silent.ingresses.gaps
    held = passed(silent)
    assert (held.at, held.holder.partition(":")[0]) == (0 - MARGIN_MS, "ingress")
    almost = passed(held.with_heartbeats(beats(*range(105, 160, 5)), GRACE))
    assert almost.at == 0 - MARGIN_MS
    over = passed(almost.with_heartbeats(beats(160), GRACE))
    assert (over.at, over.holder) == (160_000 - MARGIN_MS, "")


def test_a_heartbeat_that_is_not_healthy_ends_no_silence() -> None:
    beats_given = [(0, True), *((second * 1000, False) for second in range(5, 60, 5))]
    mark = passed(Watermark().with_heartbeats(beats_given, GRACE))
    assert mark.at == 0 - MARGIN_MS


def test_with_no_grace_a_silence_that_has_ended_holds_nothing() -> None:
    assert passed(Watermark().with_heartbeats(beats(0, 100), 0)).at == 100_000 - MARGIN_MS


@given(
    times=st.lists(st.integers(0, 2_000_000), min_size=1, max_size=30),
    grace=st.integers(0, 200_000),
    seed=st.integers(0, 30),
)
def test_it_never_passes_a_silence_that_senders_may_still_bridge(
    times: list[int], grace: int, seed: int
) -> None:
    """In whatever portions the heartbeats are read, the watermark is the same and lawful."""
    order = sorted(times)
    whole = Ingresses().with_heartbeats((at, True) for at in order).without_past_gaps(grace)
    cut = seed % (len(order) + 1)
    parts = Ingresses().with_heartbeats((at, True) for at in order[:cut]).without_past_gaps(grace)
    parts = parts.with_heartbeats((at, True) for at in order[cut:]).without_past_gaps(grace)
    assert whole == parts
    open_gaps = [
        start
        for start, end in itertools.pairwise(order)
        if end - start > GAP_MS and end + grace > order[-1]
    ]
    mark = passed(Watermark().with_heartbeats([(at, True) for at in order], grace))
    assert min([order[-1], *open_gaps]) - MARGIN_MS == mark.at


def test_with_replicas_the_margin_is_above_the_lag_that_a_replica_may_have() -> None:
    mark = Watermark().with_heartbeats(beats(100), GRACE).with_barrier({RAW: 7})
    mark = mark.after_processors({RAW: 7}, {}, {ORDERS: 0})
    assert mark.after_sinks({}, {}, margin_ms(1)).at == 100_000 - MARGIN_MS
    replicated = mark.after_sinks({}, {}, margin_ms(3)).at
    assert replicated is not None
    assert replicated < 100_000 - REPLICA_LAG_MS
