"""The audit on real logs: ranges, what retention trimmed, what is missing, and its repair."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete

from hookline.audit import reader, workers
from hookline.audit.repair import RepairResult, repair
from hookline.audit.report import EVERYTHING, Report, Scope, audit
from hookline.audit.tally import Count
from hookline.console.errors import CommandError
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from runtime import erasures
from runtime.kafka.producer import new_producer
from runtime.kafka.topics_admin import admin_client
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas import envelopes
from schemas.events import Customer
from schemas.json_records.erasures import PSEUDONYM, Erasure, Span
from schemas.topics import CONTACTS, ORDERS, WEBHOOKS, Group
from tests import senders, truth
from tests.conftest import LiveStack
from tests.example_files import FOLDER
from tests.raw import Raw, append, outcomes, records

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


async def decided(settings: Settings) -> list[tuple[int, envelopes.Outcome]]:
    """(partition, outcome) of every raw record, in order."""
    codec = await load_codec(settings)
    verdicts = Decider(codec, ADAPTERS, settings.contact_key.encode())
    shops = ShopBook(settings.shops_file).shops
    raws = await records(settings, [settings.topic(WEBHOOKS)])
    made = []
    for number in range(settings.partitions):
        mine = [raw for raw in raws if raw.partition == number]
        for verdict in verdicts.decide(mine, PartitionIndex(), shops):
            made += [(number, outcome) for outcome in verdict.outcomes]
    return made


async def write(settings: Settings, made: Iterable[tuple[int, envelopes.Outcome]]) -> None:
    """Append outcomes as a processor does, and commit as if it had reached the ends."""
    producer = new_producer(settings, linger_ms=2)
    await producer.start()
    try:
        for number, outcome in made:
            await producer.send(
                f"{settings.prefix}{outcome.topic}",
                value=outcome.value,
                key=outcome.key,
                partition=number,
                headers=outcome.headers,
            )
        await producer.flush()
    finally:
        await producer.stop()
    await commit(settings, None)


async def commit(settings: Settings, offsets: dict[int, int] | None) -> None:
    """Commit these raw offsets for the processors, or the ends."""
    group = f"{settings.prefix}{Group.PROCESSORS}"
    client = AIOKafkaConsumer(**settings.kafka(), group_id=group, enable_auto_commit=False)
    await client.start()
    try:
        partitions = [
            TopicPartition(settings.topic(WEBHOOKS), n) for n in range(settings.partitions)
        ]
        ends = await client.end_offsets(partitions)
        client.assign(partitions)
        await client.commit(
            {p: at if offsets is None else offsets[p.partition] for p, at in ends.items()}
        )
    finally:
        await client.stop()


async def trim(settings: Settings, number: int, before: int) -> None:
    """What retention does, at once."""
    async with admin_client(settings) as client:
        tp = TopicPartition(settings.topic(WEBHOOKS), number)
        await client.delete_records({tp: RecordsToDelete(before_offset=before)})


def orders(count: int) -> list[Raw]:
    return [
        Raw("run-free", senders.SHOP, f"order:{each.number}", each.body)
        for each in senders.orders(0, count)
    ]


@pytest.fixture
async def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Any
) -> Settings:
    """Topics and tables, nothing that works; the shops of these tests."""
    shops = tmp_path / "shops.toml"
    other = senders.SHOPS_TOML.replace("run-free", "spiffy").replace(senders.SHOP, "box")
    shops.write_text(senders.SHOPS_TOML + other)
    return prepared(replace(stack.settings(), shops_file=str(shops)))


def sizes(positions: list[tuple[int, int]]) -> Counter[int]:
    return Counter(number for number, _ in positions)


async def test_offsets_and_times_choose_the_deliveries_that_are_counted(
    settings: Settings,
) -> None:
    first = await append(settings, orders(40))
    middle = max(r.timestamp for r in await records(settings, [settings.topic(WEBHOOKS)])) + 1
    second = []
    while (
        not second or (await records(settings, [settings.topic(WEBHOOKS)]))[-1].timestamp < middle
    ):
        second += await append(settings, orders(30)[10:])
    await write(settings, await decided(settings))

    async def accepted(**scope: Any) -> int:
        report = await audit(settings, scope=Scope(**scope))
        assert report.is_balanced
        return report.total.accepted

    assert await accepted() == len(first) + len(second)
    before, after = await accepted(until_ms=middle), await accepted(since_ms=middle)
    assert before + after == len(first) + len(second)
    assert before >= len(first)
    assert await accepted(partition=1) == sizes([*first, *second])[1]
    assert await accepted(partition=1, first=2, until=5) == 3
    with pytest.raises(CommandError, match="no partition 9"):
        await accepted(partition=9)


async def test_what_retention_trimmed_is_counted_from_the_ledger_to_the_same_sum(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SEGMENT", 5)
    positions = await append(settings, orders(60))
    await write(settings, await decided(settings))
    whole = await audit(settings)
    assert (whole.total.accepted, whole.trimmed, whole.is_balanced) == (60, 0, True)
    await trim(settings, 0, 7)
    await trim(settings, 1, sizes(positions)[1])
    for _ in range(2):  # the ledger itself outlives each further audit
        trimmed = await audit(settings)
        assert (trimmed.total, trimmed.shops) == (whole.total, whole.shops)
        assert (trimmed.trimmed, trimmed.unknown) == (10 + sizes(positions)[1], [])


async def test_what_was_trimmed_before_any_audit_is_named(settings: Settings) -> None:
    positions = await append(settings, orders(40))
    await write(settings, await decided(settings))
    await trim(settings, 2, 4)
    report = await audit(settings)
    assert (report.unknown, report.total.accepted) == (["2:0-3"], 36)
    assert report.is_balanced
    assert sum(sizes(positions).values()) == 40


async def test_a_raw_topic_made_anew_under_its_ledger_does_not_balance(
    settings: Settings,
) -> None:
    await append(settings, orders(40))
    await write(settings, await decided(settings))
    await audit(settings)
    name = settings.topic(WEBHOOKS)
    async with admin_client(settings) as client:
        await client.delete_topics([name])
    from runtime.kafka.topics_admin import create_topics  # noqa: PLC0415 - only here

    await create_topics(settings)
    report = await audit(settings)
    assert not report.is_balanced
    assert len(report.recreated) == settings.partitions


async def test_missing_deliveries_are_named_and_a_repair_settles_each_once(
    settings: Settings,
) -> None:
    body = (FOLDER / "spiffy" / "orders-fulfilled.json").read_bytes()
    several = Raw("spiffy", "box", "order:1", body, event="orders/fulfilled")
    positions = await append(settings, [*orders(40), several])
    made = await decided(settings)
    lost = {positions[3], positions[11], positions[12], positions[40]}

    def is_kept(number: int, outcome: envelopes.Outcome) -> bool:
        headers = dict(outcome.headers)
        position = (number, int(headers[envelopes.RAW_OFFSET]))
        # Of the one that concerns several entities only the order is lost.
        is_whole = position != positions[40] or outcome.topic == ORDERS.name
        return not (position in lost and is_whole)

    kept = [each for each in made if is_kept(*each)]
    assert (len(made), len(kept)) == (44, 40)
    await write(settings, kept)
    named = sorted(f"{number}:{offset}" for number, offset in lost)
    assert missing(await audit(settings)) == named
    report_json = json.loads((found := truth.audit(settings)).stdout)
    assert (found.returncode, sorted(report_json["missing_at"])) == (1, named)

    gone: dict[int, list[int]] = {}
    for number, offset in lost:
        gone.setdefault(number, []).append(offset)
    assert await repair(settings, gone) == RepairResult(4, 4)
    assert await repair(settings, gone) == RepairResult(0, 0)
    report = await audit(settings)
    assert (report.is_balanced, report.late_copies, report.total.canonical) == (True, 0, 41)
    assert as_said(await outcomes(settings)) == as_said_of(made)


async def test_a_repair_writes_nothing_of_a_person_who_was_erased_since(settings: Settings) -> None:
    body = (FOLDER / "spiffy" / "orders-fulfilled.json").read_bytes()
    several = Raw("spiffy", "box", "order:1", body, event="orders/fulfilled")
    [(number, offset)] = await append(settings, [several])
    codec, made = await load_codec(settings), await decided(settings)
    [customer] = [
        event for _, outcome in made if isinstance(event := codec.decode(outcome.value), Customer)
    ]
    assert customer.email_hash is not None
    span = Span(f"{PSEUDONYM}{1:032x}", 1)
    await erasures.record(settings, [Erasure(subject=customer.email_hash, spans=(span,))])
    await write(settings, [])
    assert await repair(settings, {number: [offset]}) == RepairResult(1, len(made) - 1)
    written = [each for each in await outcomes(settings) if each.topic != settings.topic(CONTACTS)]
    assert len(written) == len(made) - 1
    values = b"".join(each.value for each in written)
    assert customer.email_hash.encode() not in values
    assert span.pseudonym.encode() in values


def missing(report: Report) -> list[str]:
    assert not report.is_balanced
    return sorted(report.missing_at)


def as_said(found: list[Any]) -> Counter[tuple[Any, ...]]:
    """The outcomes, without the order in which it was written."""
    return Counter((r.topic.partition("hookline")[2], r.partition, r.key, r.value) for r in found)


def as_said_of(made: list[tuple[int, envelopes.Outcome]]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (outcome.topic.partition("hookline")[2], number, outcome.key, outcome.value)
        for number, outcome in made
    )


async def test_a_repair_decides_as_of_the_deliverys_own_offset(settings: Settings) -> None:
    """A later repeat does not make the first delivery a duplicate."""
    (one,) = orders(1)
    again = replace(one, delivery_id="again")
    positions = await append(settings, [one, again])
    made = await decided(settings)
    await write(settings, made[1:])  # the repeat is stored as a duplicate, the first is lost
    await repair(settings, {positions[0][0]: [positions[0][1]]})
    total = (await audit(settings)).total
    assert total == Count(accepted=2, canonical=1, duplicates=1)


async def test_what_the_processors_have_not_reached_is_in_flight_and_not_in_the_ledger(
    settings: Settings,
) -> None:
    await append(settings, orders(20))
    await commit(settings, dict.fromkeys(range(settings.partitions), 0))
    report = await audit(settings)
    assert (report.total.in_flight, report.is_balanced) == (20, True)
    await trim(settings, 0, 1)
    assert (await audit(settings)).unknown == ["0:0-0"]


async def test_processes_side_by_side_find_what_one_finds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(settings, orders(60))
    made = await decided(settings)
    await write(settings, [*made[:-1], *made[:3]])  # one missing, three late copies
    progress: list[tuple[int, int]] = []
    monkeypatch.setattr(workers, "PARALLEL_FROM", 1 << 40)
    here = await audit(settings)
    monkeypatch.setattr(workers, "PARALLEL_FROM", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    apart = await audit(settings, lambda _what, done, total: progress.append((done, total)))
    assert apart.as_dict() == here.as_dict()
    assert (len(apart.missing_at), apart.late_copies) == (1, 3)
    assert progress[-1] == (len(made) + 2 + 60, len(made) + 2 + 60)
    assert EVERYTHING.is_everything
