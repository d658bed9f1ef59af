"""Records that kill or hang their worker: found, set aside, and nobody else to blame."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import Reason
from schemas.topics import DEAD_LETTERS, OUTCOMES
from tests import odd_worker, senders
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, Shape, prepared
from tests.raw import Raw, append, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(240)]


def orders(count: int, odd: dict[int, bytes] | None = None) -> list[Raw]:
    """Numbered orders; some with a word in them that the odd worker's adapter cannot stand."""
    made = []
    for order in senders.orders(1, count):
        body = order.body
        if word := (odd or {}).get(order.number):
            body = body.replace(b'"sku": "s"', b'"sku": ' + word)
            assert word in body
        made.append(Raw("run-free", senders.SHOP, f"order:{order.number}", body))
    return made


def odd_pipeline(
    settings: Settings, logs: Path, processors: int
) -> AbstractContextManager[Pipeline]:
    shape = Shape(
        ingresses=0, processors=processors, sinks=0, entries={"process": odd_worker.ENTRY}
    )
    return prepared(settings, logs, shape)


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    return prepared(
        replace(
            stack.settings(),
            shops_file=str(shops),
            session_timeout=3.0,
            heartbeat_interval=0.5,
            record_budget=1.0,
        )
    )


@pytest.mark.parametrize("word", [odd_worker.KILLS, odd_worker.LOOPS])
def test_a_record_that_ends_its_worker_becomes_a_dead_letter_and_every_other_an_event(
    settings: Settings, tmp_path: Path, word: bytes
) -> None:
    count, bad = 600, 300
    raws = orders(count, {bad: word})
    asyncio.run(append(settings, raws))
    with odd_pipeline(settings, tmp_path / "logs", processors=1) as pipeline:
        pipeline.start("process")
        found = asyncio.run(wait_for_outcomes(settings, count, 150))
        ends = pipeline.restarts_of()["process-1"]
    letters = [record for record in found if record.topic == settings.topic(DEAD_LETTERS)]
    assert [raws[bad - 1].delivery_id.encode()] == [
        dict(letter.headers)[envelopes.DELIVERY] for letter in letters
    ]
    (letter,) = letters
    assert Reason.KILLED_WORKER.encode() == dict(letter.headers)[envelopes.REASON]
    assert raws[bad - 1].body == letter.value
    settled = Counter(dict(record.headers)[envelopes.DELIVERY].decode() for record in found)
    assert {raw.delivery_id: 1 for raw in raws} == settled
    assert ends == 4  # one that marked nothing, its piece, the record alone twice


async def standing(settings: Settings) -> int:
    """How many outcomes stand."""
    async with log_reader.consumer(settings) as client:
        places = await log_reader.topic_partitions(settings)
        return sum(
            (
                await log_reader.end_offsets(client, [p for t in OUTCOMES for p in places[t]])
            ).values()
        )


def test_workers_killed_while_they_build_blame_no_record(
    settings: Settings, tmp_path: Path
) -> None:
    rounds, each = 4, 6_000
    raws = orders(rounds * each)
    with odd_pipeline(settings, tmp_path / "logs", processors=2) as pipeline:
        pipeline.start("process")
        for number in range(rounds):
            before = asyncio.run(standing(settings))
            asyncio.run(append(settings, raws[number * each : (number + 1) * each]))
            while asyncio.run(standing(settings)) == before:
                pass
            pipeline.kill(*pipeline.names("process"))
        found = asyncio.run(wait_for_outcomes(settings, len(raws), 120))
        assert min(pipeline.restarts_of().values()) == rounds
    settled = Counter(dict(record.headers)[envelopes.DELIVERY].decode() for record in found)
    assert {raw.delivery_id: 1 for raw in raws} == settled
    assert settings.topic(DEAD_LETTERS) not in {record.topic for record in found}


def test_a_record_that_waits_for_ever_is_ended_by_the_watchdog(
    settings: Settings, tmp_path: Path
) -> None:
    settings = replace(settings, stall_timeout=5.0)
    raws = orders(40, {20: odd_worker.WAITS})
    asyncio.run(append(settings, raws))
    with odd_pipeline(settings, tmp_path / "logs", processors=0) as pipeline:
        pipeline.start()
        pipeline.join("process")  # it is never ready for long
        found = asyncio.run(wait_for_outcomes(settings, len(raws), 200))
    assert len(raws) == len(found)
    reasons = [dict(record.headers).get(envelopes.REASON) for record in found]
    assert 1 == reasons.count(Reason.KILLED_WORKER.encode())
