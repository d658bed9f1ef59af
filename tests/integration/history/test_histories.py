"""The scripted histories through the sinks into PostgreSQL.

The default run has a random order for each size of batches. HISTORIES=all gives each of twenty
random orders in every size: some minutes.
"""

import os
import random
from collections.abc import Iterable, Iterator

import pytest

from schemas.events import Micros
from tests.histories.everything import WATERMARK, everything
from tests.histories.history import ORDER, History, Passed, Row, histories
from tests.histories.running import SIZES, by_topic, differing, folded, scripted, shuffled
from tests.histories.shuffles import shuffle
from tests.histories.stored import empty, read, rows_of, slowly, store, unlike
from tests.lifetime.from_tables import differences
from tests.sink_events import Tables

pytestmark = pytest.mark.stack

HISTORIES = histories()
IN_FULL = os.environ.get("HISTORIES") == "all"
RUNS = [(seed, size) for seed in range(20) for size in SIZES] if IN_FULL else list(enumerate(SIZES))


async def test_the_histories_give_their_rows_in_postgresql_and_those_of_the_pure_rules(
    tables: Tables,
) -> None:
    """Step by step as the files tell them: rows, views and signals."""
    wrong = {}
    for name, history in HISTORIES.items():
        empty(tables)
        for step in history.script:
            if isinstance(step, Passed):
                await tables.passed(step.at)
            else:
                await tables.put_batch([step])
        found = read(tables)
        wrong[name] = differing(history, found, ORDER.__contains__)
        wrong[name] += [*unlike(scripted(history), found), *slowly(tables)]
    assert {} == {name: each for name, each in wrong.items() if each}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "size"), RUNS)
async def test_in_any_order_and_any_batches_with_any_repetition_they_give_the_same_rows(
    tables: Tables, seed: int, size: int
) -> None:
    """All histories at once, each in shops of its own, time going on at random moments."""
    for watermark, told in _by_watermark():
        events = [event for history in told for event in history.events]
        batches = list(by_topic(shuffled(events, seed), size))
        random.Random(seed).shuffle(batches)  # noqa: S311 - a seed repeats it
        empty(tables)
        await store(tables, batches, watermark, seed)
        found = read(tables)
        wrong = {"by the independent rule": slowly(tables)}
        for history in told:
            own = {table: _of(history, rows) for table, rows in found.items()}
            wrong[history.name] = differing(history, own, lambda name: name != "signals")
            wrong[history.name] += unlike(scripted(history), own)
        assert {} == {name: each for name, each in wrong.items() if each}


async def test_shuffles_of_all_platforms_end_in_one_digest_and_in_the_rows_of_the_pure_rules(
    tables: Tables,
) -> None:
    """The short form; `python -m tests.histories.shuffles` is the long one."""
    events = everything(1000, seed=3)
    digests = [await shuffle(tables, events, seed) for seed in range(5)]
    assert [digests[0]] * 5 == digests
    assert [] == unlike(folded(events, len(events), WATERMARK), read(tables))
    assert [] == slowly(tables)


def test_histories_speak_of_tables_that_are_read() -> None:
    assert {table for history in HISTORIES.values() for table in history.expected} <= set(ORDER)


def _by_watermark() -> Iterator[tuple[Micros, list[History]]]:
    """The histories, those that end at one time together."""
    for at in sorted({history.watermark for history in HISTORIES.values()}):
        yield at, [history for history in HISTORIES.values() if history.watermark == at]


def _shop(row: Row) -> str:
    if "customer_keys" in row:  # of a person: its customers
        return str(row["customer_keys"][0].split("/")[1])
    return str(row["shop"] if "shop" in row else row["customer_key"].split("/")[1])


def _of(history: History, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if str(_shop(row)).startswith(f"{history.name}.")]


async def test_the_independent_rule_notices_each_wrong_amount(tables: Tables) -> None:
    told = [HISTORIES[name] for name in ("refunds_of_payments", "renewals", "tax_basis")]
    for batch in by_topic([event for history in told for event in history.events], 1000):
        await tables.put_batch(batch)
    await tables.passed(max(history.watermark for history in told))
    assert slowly(tables) == []
    wrong = [
        "refunds SET net_effect = net_effect + 1 WHERE is_counted",
        "refunds SET goodwill = goodwill + 1 WHERE basis = 'PAYMENT'",
        "refunds SET is_counted = NOT is_counted",
        "orders SET net = net + 1",
        "orders SET is_renewal = NOT is_renewal WHERE subscription_key IS NOT NULL",
        "orders SET tax_basis = 'SUMS' WHERE tax_basis = 'DEFAULT'",
        "payments SET refunded_amount = refunded_amount + 1",
        *(
            f"customer_lifetime_value SET {name} = {name} + 1 WHERE {name} IS NOT NULL"
            for name in (
                "net", "gross", "refunded", "subscription_revenue", "renewal_revenue",
                "net_less_reported_refunds", "orders_count", "frequency",
            )
        ),
    ]  # fmt: skip
    unnoticed = []
    with tables._connect() as connection:
        for change in wrong:
            with connection.transaction(force_rollback=True):
                assert connection.execute(f"UPDATE {change}").rowcount > 0, change
                if not differences(rows_of(connection)):
                    unnoticed.append(change)
    assert unnoticed == []
