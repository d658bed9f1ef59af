"""Processors and the ledger of erasures, on real servers."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processors.sources.readers.contact import email_hash
from runtime import contact_key
from runtime import erasures as ledger_log
from runtime.erasures import LedgerReader
from runtime.kafka import topics_admin
from runtime.registry import schema_ids
from runtime.settings import Settings
from schemas.envelopes import DELIVERY
from schemas.json_records.erasures import PSEUDONYM, Erasure, Ledger, Span
from schemas.keys import entity_key
from schemas.topics import CONTACTS, CUSTOMERS
from tests import example_files, senders
from tests.conftest import LiveStack, discard, run_apart
from tests.pipeline import Pipeline, Shape, prepared
from tests.raw import Raw, append, outcomes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SECONDS = 60
BODY = (example_files.FOLDER / "run-free" / "customer-created.json").read_text()
SPANS = (Span(f"{PSEUDONYM}{1:032x}", 1),)
NEW_KEY = "the key after the rotation"


@pytest.fixture
def settings(stack: LiveStack, tmp_path: Path) -> Iterator[Settings]:
    """Topics and schemas; a processor needs no tables."""
    (tmp_path / "shops.toml").write_text(senders.SHOPS_TOML)
    settings = replace(
        stack.settings(),
        shops_file=str(tmp_path / "shops.toml"),
        partitions=1,
        session_timeout=6.0,
        heartbeat_interval=1.0,
        commit_interval=0.2,
    )
    run_apart(topics_admin.create_topics(settings))
    run_apart(schema_ids.register(settings))
    yield settings
    discard(settings)


@pytest.fixture
def processor(settings: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline whose processors a test starts."""
    shape = Shape(ingresses=0, processors=0, sinks=0)
    with prepared(settings, tmp_path / "logs", shape) as pipeline:
        pipeline.start()
        yield pipeline


def address(native: int) -> str:
    return f"person{native}@example.com"


def delivery(native: int, nonce: int = 0) -> Raw:
    document = json.loads(BODY)
    document["data"] |= {"id": native, "email": address(native)}
    body = json.dumps(document).encode() + b" " * nonce
    return Raw("run-free", senders.SHOP, f"customer:{native}", body)


def hashed(native: int, key: str) -> str:
    found = email_hash(address(native), key.encode())
    assert found is not None
    return found


def key_of(native: int) -> str:
    return entity_key("run-free", senders.SHOP, "customer", str(native))


def events_of(settings: Settings, given: Raw) -> dict[str, Any]:
    """Topic -> event of a delivery, once it has its customer."""

    async def read() -> dict[str, Any]:
        codec = await schema_ids.load_codec(settings)
        async with asyncio.timeout(SECONDS):
            while True:
                found = {
                    record.topic.removeprefix(settings.prefix): codec.decode(record.value)
                    for record in await outcomes(settings)
                    if dict(record.headers)[DELIVERY] == given.delivery_id.encode()
                }
                if CUSTOMERS.name in found:
                    return found
                await asyncio.sleep(0.2)

    return asyncio.run(read())


def settled(settings: Settings, native: int, nonce: int = 0) -> dict[str, Any]:
    """Topic -> event of a further delivery."""
    given = delivery(native, nonce)
    asyncio.run(append(settings, [given]))
    return events_of(settings, given)


async def read_ledger(settings: Settings) -> Ledger:
    reader = LedgerReader(settings)
    try:
        await reader.read()
    finally:
        await reader.close()
    return reader.ledger


def test_events_of_erased_persons_stand_under_the_pseudonym_without_contact_data(
    settings: Settings, processor: Pipeline
) -> None:
    by_hash = Erasure(subject=hashed(1, settings.contact_key), spans=SPANS)
    asyncio.run(ledger_log.record(settings, [by_hash]))
    processor.join("process")
    erased, other = settled(settings, 1), settled(settings, 2)
    assert [*erased] == [CUSTOMERS.name]
    assert erased[CUSTOMERS.name].email_hash == SPANS[0].pseudonym
    assert address(1) not in str(erased)
    assert {*other} == {CUSTOMERS.name, CONTACTS.name}
    assert other[CUSTOMERS.name].email_hash == hashed(2, settings.contact_key)

    asyncio.run(ledger_log.record(settings, [Erasure(subject=key_of(2), spans=SPANS)]))
    deadline, nonce = time.monotonic() + SECONDS, 0
    while CONTACTS.name in other:  # until the running processor has read it
        assert time.monotonic() < deadline
        nonce += 1
        other = settled(settings, 2, nonce)
    assert other[CUSTOMERS.name].email_hash == SPANS[0].pseudonym
    assert set(processor.restarts_of().values()) == {0}


def test_a_processor_with_two_keys_waits_for_the_command_and_then_writes_both_hashes(
    settings: Settings, processor: Pipeline, tmp_path: Path
) -> None:
    old = settings.contact_key
    name = processor.join("process")
    assert settled(settings, 1)[CUSTOMERS.name].email_hash == hashed(1, old)
    processor.leave(name)
    asyncio.run(ledger_log.record(settings, [Erasure(subject=hashed(2, old), spans=SPANS)]))
    both = replace(settings, contact_key=NEW_KEY, contact_key_before=old)
    with pytest.raises(contact_key.AnotherKeyError, match="hookline people rotate-key"):
        asyncio.run(contact_key.claim(both))

    asyncio.run(contact_key.replace(both, contact_key.fingerprint(old)))
    processor.settings = replace(processor.settings, contact_key=NEW_KEY, contact_key_before=old)
    name = processor.join("process")
    assert settled(settings, 1, 1)[CUSTOMERS.name].email_hash == hashed(1, NEW_KEY)
    erased = settled(settings, 2)
    assert [*erased] == [CUSTOMERS.name]
    assert erased[CUSTOMERS.name].email_hash == SPANS[0].pseudonym
    rotations = asyncio.run(read_ledger(settings)).rotations
    assert rotations == {hashed(native, old): hashed(native, NEW_KEY) for native in (1, 2)}
    text = (tmp_path / "logs" / f"{name}.log").read_text()
    assert NEW_KEY not in text
    assert old not in text
