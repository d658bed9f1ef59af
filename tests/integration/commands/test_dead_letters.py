"""Dead letters on the real parts: refused, mended, replayed; each delivery settled once."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from aiokafka import TopicPartition

from hookline.dead_letters import replay as replaying
from hookline.dead_letters.letters import parse_letter
from processors import dedupe
from processors.outcomes import Origin, dead_letter
from processors.parse import raw_of
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import Reason, Reject
from schemas.topics import CANONICAL, DEAD_LETTERS, DUPLICATES, WEBHOOKS
from tests import senders
from tests.conftest import LiveStack, run_apart
from tests.pipeline import Pipeline, running
from tests.raw import Raw, append, records, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

ELSEWHERE = senders.SHOPS_TOML.replace(senders.SHOP, "elsewhere")
NOW = datetime.now(UTC)


def order(number: int, subtotal: str) -> bytes:
    """An order as Run Free tells it; what it says carries no time but when it was placed."""
    body = senders.NumberedOrder(number, NOW).body
    was = senders.NumberedOrder(number, NOW).subtotal
    return body.replace(str(was).encode(), subtotal.encode())


def refused(number: int, subtotal: str = "10.00") -> Raw:
    """A delivery of the shop that is not in the file."""
    return Raw("run-free", senders.SHOP, f"order:{number}", order(number, subtotal))


class House:
    """A pipeline whose shops file lacks a shop, until ``mend``."""

    def __init__(self, pipeline: Pipeline, shops: Path) -> None:
        self.pipeline, self.settings, self._shops = pipeline, pipeline.settings, shops

    def mend(self) -> None:
        """Put the shop into the file; return when every process has read it."""
        self._shops.write_text(ELSEWHERE + senders.SHOPS_TOML)
        deadline = time.monotonic() + 30
        for name in self.pipeline.names("ingest") + self.pipeline.names("process"):
            url = f"http://127.0.0.1:{self.pipeline.ports[name]}/metrics"
            while "hookline_shops 2.0" not in httpx.get(url, trust_env=False).text:
                assert time.monotonic() < deadline, name
                time.sleep(0.1)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """``hookline …`` as an operator runs it."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "hookline", *arguments],
            env={**os.environ, **self.settings.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def say(self, *arguments: str, status: int = 0) -> Any:
        """What a command that ends with ``status`` says as JSON."""
        running = self.start(*arguments, "--json")
        said, errors = running.communicate(timeout=120)
        assert running.returncode == status, said + errors
        return json.loads(said)

    def outcomes(self, count: int) -> list[Any]:
        return run_apart(wait_for_outcomes(self.settings, count))

    def post(self, body: bytes) -> str:
        """Send as the platform does; the delivery's id."""
        url = f"{self.pipeline.url}/hooks/run-free/{senders.SHOP}/{senders.TOKEN}"
        answer = httpx.post(url, content=body, trust_env=False)
        answer.raise_for_status()
        return str(answer.json()["delivery"])


@pytest.fixture
def house(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Iterator[House]:
    shops = tmp_path / "shops.toml"
    shops.write_text(ELSEWHERE)
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    with running(settings, tmp_path / "logs") as pipeline:
        yield House(pipeline, shops)


def canonical(found: list[Any], settings: Settings) -> Counter[str]:
    """Delivery id -> its records on canonical topics."""
    topics = {settings.topic(topic) for topic in CANONICAL}
    return Counter(
        dict(record.headers)[envelopes.DELIVERY].decode()
        for record in found
        if record.topic in topics
    )


def forget_marks(settings: Settings) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(f"DELETE FROM {settings.sql_schema}.letter_marks")  # noqa: S608


def order_row(settings: Settings, number: int) -> Decimal | None:
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            f"SELECT gross FROM {settings.sql_schema}.orders WHERE order_key = %s",  # noqa: S608
            [f"run-free/{senders.SHOP}/order:{number}"],
        ).fetchone()
    return row[0] if row else None


def settled_audit(house: House) -> Any:
    """The audit, once nothing is on its way any more."""
    deadline = time.monotonic() + 60
    while True:
        said = house.say("audit")
        if not said["in_flight"] and not said["sinks"]["behind"]:
            return said
        assert time.monotonic() < deadline, said


def test_a_delivery_refused_mended_and_replayed_twice_is_one_canonical_outcome(
    house: House,
) -> None:
    first = refused(1, "10.00")
    run_apart(append(house.settings, [first]))
    house.outcomes(1)
    (letter,) = house.say("dead", "list")
    assert (letter["state"], letter["reason"], letter["adapter"]) == (
        "open",
        "unknown-shop",
        "3",
    )
    assert letter["when"] >= NOW.isoformat()

    house.mend()
    newer = house.post(order(1, "20.00"))  # a newer state, between the refusal and the replay
    house.outcomes(2)
    name = letter["letter"]
    assert house.say("dead", "replay", name, "--dry-run")["replayed"] == [name]
    assert house.say("dead", "replay", name) == {
        "replayed": [name],
        "skipped": {},
        "dry_run": False,
    }
    house.outcomes(3)
    assert house.say("dead", "replay", name)["replayed"] == []
    forget_marks(house.settings)  # Kafka knows it too
    assert house.say("dead", "replay", "--all")["replayed"] == []
    resent = house.post(first.body)  # the sender's own retry, after all
    found = house.outcomes(4)

    assert canonical(found, house.settings) == {newer: 1, first.delivery_id: 1}
    duplicates = [r for r in found if r.topic == house.settings.topic(DUPLICATES)]
    assert [dict(r.headers)[envelopes.DELIVERY].decode() for r in duplicates] == [resent]
    audit = settled_audit(house)
    assert {name: audit[name] for name in ("accepted", "canonical", "duplicates")} == {
        "accepted": 3,
        "canonical": 1,
        "duplicates": 1,
    }
    assert (audit["dead_letters"], audit["replays"], audit["balanced"]) == (1, 1, True)
    assert order_row(house.settings, 1) == Decimal("20.00")
    assert house.say("dead", "list") == []
    (listed,) = house.say("dead", "list", "--all")
    assert listed["state"] == "replayed"


async def append_letters(settings: Settings, letters: list[tuple[Raw, Reject]]) -> None:
    """Raw records and the letters that an older adapter made of them, before any process runs."""
    found = await append(settings, [raw for raw, _ in letters])
    kept = {(r.partition, r.offset): r for r in await records(settings, [settings.topic(WEBHOOKS)])}
    async with replaying.replay_producer(settings) as producer:
        for (partition, offset), (_, reject) in zip(found, letters, strict=True):
            raw = raw_of(kept[partition, offset])
            digest = dedupe.digest(raw.source, raw.shop, raw.event, "", raw.body)
            letter = dead_letter(Origin(raw, 1, digest), reject)
            await producer.send_and_wait(
                settings.topic(DEAD_LETTERS),
                value=letter.value,
                key=letter.key,
                partition=partition,
                headers=letter.headers,
            )


def test_letters_of_an_older_adapter_become_events_when_they_are_replayed(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    dust = Raw("run-free", senders.SHOP, "order:1", order(1, "10.299999999999999"))
    half = order(2, "20.00").replace(b'"data": {', b'"data": {"note":"thanks \\ud83d",', 1)
    assert b"ud83d" in half
    unkeyed = Raw("run-free", senders.SHOP, f"body:{'0' * 32}", half)
    reasons = [
        Reject(Reason.OUT_OF_RANGE, "data.subtotal", "more than 4 decimals"),
        Reject(Reason.OUT_OF_RANGE, "data.note", "text holds half a surrogate pair"),
    ]
    letters = list(zip([dust, unkeyed], reasons, strict=True))
    run_apart(append_letters(settings, letters))
    with running(settings, tmp_path / "logs") as pipeline:
        house = House(pipeline, shops)
        assert len(house.say("dead", "list")) == 2
        assert len(house.say("dead", "replay", "--all")["replayed"]) == 2
        found = house.outcomes(4)
        assert canonical(found, settings) == {dust.delivery_id: 1, unkeyed.delivery_id: 1}
        settled_audit(house)
        assert order_row(settings, 1) == Decimal("10.30")
        assert order_row(settings, 2) == Decimal("20.00")
        assert house.say("dead", "list") == []


def test_two_replays_at_the_same_moment_are_one_outcome_and_a_duplicate(house: House) -> None:
    first = refused(1)
    run_apart(append(house.settings, [first]))
    letters = [r for r in house.outcomes(1) if r.topic == house.settings.topic(DEAD_LETTERS)]
    house.mend()

    async def twice() -> None:
        # What two operators append who both looked before either had written.
        topic = house.settings.topic(WEBHOOKS)
        async with replaying.replay_producer(house.settings) as producer:
            await replaying.append(producer, topic, [*letters, *letters])

    run_apart(twice())
    found = house.outcomes(3)
    assert canonical(found, house.settings) == {first.delivery_id: 1}
    assert settled_audit(house)["replays"] == 2


def test_a_replay_that_is_refused_again_is_a_letter_of_its_own(house: House) -> None:
    first = refused(1)
    run_apart(append(house.settings, [first]))
    house.outcomes(1)
    (letter,) = house.say("dead", "list")
    house.say("dead", "replay", letter["letter"])
    house.outcomes(2)
    (again,) = house.say("dead", "list")
    assert again["replay_of"] == letter["letter"]
    house.mend()
    assert house.say("dead", "replay", "--all")["replayed"] == [again["letter"]]
    assert canonical(house.outcomes(3), house.settings) == {first.delivery_id: 1}
    assert house.say("dead", "replay", letter["letter"])["replayed"] == []


def test_letters_are_grouped_chosen_and_discarded_with_a_reason(house: House) -> None:
    strange = [replace(refused(n), body=b"{", shop="elsewhere") for n in range(2)]
    run_apart(append(house.settings, [*map(refused, range(3)), *strange]))
    house.outcomes(5)
    lakeside, elsewhere = house.say("dead", "list", "--group")
    assert (lakeside["letters"], lakeside["shop"]) == (3, "run-free/lakeside")
    assert (elsewhere["letters"], elsewhere["reason"]) == (2, "malformed-body")
    chosen = house.say("dead", "list", "--shop", "elsewhere", "--reason", "malformed-body")
    discarded = house.say(
        "dead", "discard", "--path", elsewhere["path"], "--because", "cut off by a proxy"
    )
    assert sorted(discarded["discarded"]) == sorted(letter["letter"] for letter in chosen)
    assert len(house.say("dead", "list")) == 3
    states = Counter(letter["state_reason"] for letter in house.say("dead", "list", "--all"))
    assert states == {None: 3, "cut off by a proxy": 2}
    assert "discarded" in str(house.say("dead", "replay", chosen[0]["letter"])["skipped"])
    # The shops file does not have it, and the tables may not have counted its letters yet.
    assert len(house.say("dead", "list", "--since", "1h", "--shop", "run-free/lakeside")) == 3
    ended = house.start("dead", "list", "--shop", "nobody")
    assert "no shop 'nobody'" in ended.communicate(timeout=120)[1]
    assert ended.returncode == 1


LETTERS = 1000


def test_a_replay_of_a_thousand_letters_killed_half_way_and_repeated_settles_each_once(
    house: House,
) -> None:
    sent = [refused(number) for number in range(LETTERS)]
    run_apart(append(house.settings, sent))
    house.outcomes(LETTERS)
    house.mend()
    replay = house.start("dead", "replay", "--all", "--rate", "500")
    while (count := run_apart(raw_count(house.settings))) < LETTERS + 300:
        assert replay.poll() is None, replay.communicate()
    replay.kill()
    replay.communicate()
    assert count < 2 * LETTERS, "killed too late to show anything"
    forget_marks(house.settings)  # the worst moment: nothing of it was marked
    done = house.say("dead", "replay", "--all")
    assert len(done["replayed"]) + len(done["skipped"]) == LETTERS
    assert len(done["skipped"]) >= 300

    found = house.outcomes(2 * LETTERS)
    assert canonical(found, house.settings) == {raw.delivery_id: 1 for raw in sent}
    raws = run_apart(records(house.settings, [house.settings.topic(WEBHOOKS)]))
    replays = Counter(dict(record.headers).get(envelopes.REPLAY_OF) for record in raws)
    letters = [r for r in found if r.topic == house.settings.topic(DEAD_LETTERS)]
    names = [parse_letter(letter).name.encode() for letter in letters]
    assert replays == {None: LETTERS} | dict.fromkeys(names, 1)
    audit = settled_audit(house)
    assert (audit["accepted"], audit["dead_letters"], audit["replays"]) == (LETTERS,) * 3


async def raw_count(settings: Settings) -> int:
    async with log_reader.consumer(settings) as client:
        partitions = [
            TopicPartition(settings.topic(WEBHOOKS), n) for n in range(settings.partitions)
        ]
        return sum((await log_reader.end_offsets(client, partitions)).values())
