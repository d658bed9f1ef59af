"""``hookline shops check`` and ``drift`` before a real Kafka."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from signal import Signals
from typing import Any

import pytest
from typer.testing import CliRunner

from hookline.cli import app
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas import envelopes
from schemas.json_records import heartbeats
from schemas.json_records.heartbeats import Heartbeat
from schemas.topics import CARTS, INGRESS
from tests.conftest import LiveStack, discard, prepare, run_apart
from tests.pipeline import Shape, prepared
from tests.raw import Raw, append
from tests.toy_platform import CODEC
from tests.toy_platform import record as toy_record

pytestmark = pytest.mark.stack

STRONG = "k7Zp0QmXw3nBv9sLr2TfYc8HdJ4gUa6E"
SHOPS = f"""
[[shops]]
source = "gooten"
id = "prints"
secrets = ["{STRONG}"]
[[shops]]
source = "run-free"
id = "lake"
secrets = ["{STRONG[::-1]}"]
currency = "USD"
"""
PERSON = "ada@example.org"


@pytest.fixture
def settings(
    stack: LiveStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    file = tmp_path / "shops.toml"
    file.write_text(SHOPS)
    made = prepare(stack.settings(shops_file=str(file)))
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    yield made
    discard(made)


def said(*arguments: str, status: int = 0) -> dict[str, Any]:
    ended = CliRunner().invoke(app, ["shops", *arguments, "--json"])
    assert ended.exit_code == status, ended.output + repr(ended.exception)
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def order(number: int, **more: Any) -> Raw:
    body = {"Id": f"{number}", "Total": {"Price": 5}, "BillingAddress": {"Email": PERSON}, **more}
    return Raw("gooten", "prints", f"order:{number}", json.dumps(body).encode(), event="changed")


async def beats(settings: Settings, *told: int) -> None:
    """Heartbeats of an ingress that began just now, which tell these totals of a shop."""
    producer = new_producer(settings)
    await producer.start()
    began = time.time_ns() // 1000
    for count in told:
        one = Heartbeat(
            ingress="i", started=began, at=began, healthy=True, accepted={"run-free/lake": count}
        )
        await producer.send_and_wait(settings.topic(INGRESS), heartbeats.encode(one), key=b"i")
    await producer.stop()


async def dead_letter(settings: Settings) -> None:
    """A letter as a processor writes it: of a shop that is not in its file."""
    one = toy_record(0, b"{}")
    headers = dict(one.headers)
    headers |= {envelopes.SOURCE: b"gooten", envelopes.SHOP: b"prints"}
    raw = type(one)(0, b"gooten/prints/order:1", b"{}", tuple(headers.items()))
    (verdict,) = Decider(CODEC, ADAPTERS, b"key").decide([raw], PartitionIndex(), {})
    producer = new_producer(settings)
    await producer.start()
    for outcome in verdict.outcomes:
        await producer.send_and_wait(
            f"{settings.prefix}{outcome.topic}",
            outcome.value,
            key=outcome.key,
            partition=0,
            headers=outcome.headers,
        )
    await producer.stop()


def test_a_check_tells_the_last_delivery_the_count_and_the_dead_letters(settings: Settings) -> None:
    before = said("check")
    assert (before["well"], before["notes"]) == (True, [])
    assert [one["last_delivery"] for one in before["shops"]] == [None, None]

    run_apart(append(settings, [order(1), order(2)]))
    run_apart(beats(settings, 3, 3, 7))
    run_apart(dead_letter(settings))
    prints, lake = said("check", "--since", "1h", status=1)["shops"]
    assert abs(time.time() - datetime.fromisoformat(prints["last_delivery"]).timestamp()) < 600
    assert (prints["well"], prints["failures"]) == (False, {"unknown-shop": 1})
    assert prints["problems"] == ["open dead letters: 1 (hookline dead list --shop gooten/prints)"]
    assert (lake["well"], lake["deliveries"], lake["failures"]) == (True, 7, {})
    assert lake["last_delivery"] is not None


async def events_seen_before(settings: Settings, *kinds: str) -> None:
    """Events of a shop, each with the header of a body that came before."""
    producer = new_producer(settings)
    await producer.start()
    for kind in kinds:
        headers = [
            (envelopes.ENTITY, b"run-free/lake/cart:1"),
            (envelopes.SEEN_BEFORE, f"{kind}:7".encode()),
        ]
        await producer.send_and_wait(settings.topic(CARTS), b"an event", headers=headers)
    await producer.stop()


def test_a_check_names_the_bodies_that_came_before(settings: Settings) -> None:
    run_apart(events_seen_before(settings, "other-topic", "state", "state"))
    prints, lake = said("check", "--since", "1h")["shops"]
    assert (prints["seen_before"], prints["notes"]) == ({}, [])
    assert (lake["well"], lake["seen_before"]) == (True, {"other-topic": 1, "state": 2})
    assert ["another topic before: 1 " in lake["notes"][0], ": 2 " in lake["notes"][1]] == [
        True
    ] * 2


def test_drift_tells_what_changed_since_and_shows_no_value(settings: Settings) -> None:
    run_apart(append(settings, [order(n, Note="x", Items=[{"Sku": "a"}]) for n in range(8)]))
    run_apart(append(settings, [Raw("run-free", "lake", "order:1", b'{"type":"order"}')]))
    time.sleep(1.1)
    split = time.time()
    time.sleep(0.1)
    now = [order(n, Total="5.00", Items=[{"Sku": "a", "Size": 3}]) for n in range(8, 16)]
    broken = Raw("gooten", "prints", "order:99", b"{", event="changed")
    run_apart(append(settings, [*now, broken]))
    xml = Raw("spiffy", "other", "cart:1", b"<cart><id>1</id></cart>", event="carts/update")
    run_apart(append(settings, [xml]))

    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(split)) + f"{split % 1:.3f}"[1:]
    told = said("drift", "--since", since, "--against", "1h")
    changed = [(c["what"], c["path"], c["kinds"], c["before"], c["after"]) for c in told["changes"]]
    assert changed == [
        ("new", "Items[].Size", "number", "0 of 8", "8 of 8"),
        ("gone", "Note", "text", "8 of 8", "0 of 8"),
        ("type", "Total", "object → text", "0 of 8", "8 of 8"),
        ("gone", "Total.Price", "number", "8 of 8", "0 of 8"),
    ]
    assert all(c["sure"] and c["shop"] == "gooten/prints" for c in told["changes"])
    assert told["unread"] == 1
    assert {(e["shop"], e["before"], e["after"]) for e in told["events"]} == {
        ("gooten/prints", 8, 8),
        ("run-free/lake", 1, 0),
        ("spiffy/other", 0, 1),
    }
    assert PERSON not in json.dumps(told)

    alone = said("drift", "run-free/lake")
    assert [e["shop"] for e in alone["events"]] == ["run-free/lake"]
    halves = said("drift", "prints")
    assert sum(e["before"] + e["after"] for e in halves["events"]) == 16


@pytest.mark.usefixtures("settings")
def test_drift_of_an_empty_log_says_so() -> None:
    ended = CliRunner().invoke(app, ["shops", "drift"])
    assert "nothing to compare" in str(ended.exception)


def test_a_hangup_has_the_shops_read_again_and_ends_no_stage_that_uses_them(
    settings: Settings, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    with prepared(settings, logs, Shape()) as pipeline:
        pipeline.start("ingest", "process")
        for name in ("ingest-1", "process-1"):
            pipeline.signal(name, Signals.SIGHUP)
        deadline = time.monotonic() + 30
        while not all("shops read" in (logs / f"{n}.log").read_text() for n in pipeline.names()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        pipeline.wait_ready(30)
        assert set(pipeline.restarts_of().values()) == {0}
