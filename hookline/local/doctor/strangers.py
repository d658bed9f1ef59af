"""Checks of what others did to the logs: offsets moved, foreign records, shops nobody configured.

Bounded whatever the topics hold: only their newest records are read.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.local.doctor.finding import Finding
from hookline.local.doctor.index_size import HOUR_MS
from processors.index.moved_offsets import first_skipped
from processors.index.outcome_headers import parse_outcome_headers
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes, shops
from schemas.envelopes import Reason
from schemas.topics import DEAD_LETTERS, OUTCOMES, WEBHOOKS, Group

_LAST = 5
"""Records at the end of each outcome log in which the newest outcome is looked for."""
_NEWEST_LETTERS, _NEWEST_DELIVERIES = 2_000, 200
"""Records of each partition that are looked at."""
_SETTLED_MS = 15_000
"""After that time a processor has committed what it wrote, unless it was killed."""
_NAMED = 5


async def check_offsets(settings: Settings) -> list[Finding]:
    """Compare the processors' committed offsets with their newest outcomes.

    Raises KafkaError, TopicsError.
    """
    # Commits first: everything below them has its outcomes by the time that these are read.
    committed = await log_reader.committed(settings, Group.PROCESSORS)
    partitions = await log_reader.topic_partitions(settings)
    findings = []
    async with log_reader.consumer(settings) as client:
        logs = [tp for topic in OUTCOMES for tp in partitions[topic]]
        newest = await _newest_outcomes(client, logs)
    now_ms = int(time.time() * 1000)
    for raw in partitions[WEBHOOKS]:
        due = committed.get(raw)
        offset, appended_ms = newest.get(raw.partition, (-1, 0))
        if due is None:
            continue
        if offset + 1 > due and now_ms - appended_ms > _SETTLED_MS:
            findings.append(Finding("committed offsets", "note", _set_back(raw, due, offset)))
        outcome_logs = {tp.topic: tp for tp in logs if tp.partition == raw.partition}
        skipped = await first_skipped(settings, raw, outcome_logs, offset, due)
        if skipped is not None:
            findings.append(Finding("committed offsets", "wrong", _set_forward(raw, due, skipped)))
    return findings or [Finding("committed offsets", "ok", "follow the newest outcomes")]


def _set_forward(raw: TopicPartition, due: int, skipped: int) -> str:
    return (
        f"the processors' offset of {raw.topic}/{raw.partition} is {due}, but deliveries from"
        f" {skipped} on are without an outcome: somebody moved it forward. Let a processor open"
        " the partition (restart one): it goes back and processes them. Find who sets offsets"
    )


def _set_back(raw: TopicPartition, due: int, newest: int) -> str:
    return (
        f"the processors' offset of {raw.topic}/{raw.partition} is {due}, but deliveries up to"
        f" {newest} were processed already: somebody moved it back, or a processor was killed"
        " before it committed. They are recognised, nothing is repeated"
    )


async def _newest_outcomes(
    client: AIOKafkaConsumer, logs: Sequence[TopicPartition]
) -> Mapping[int, tuple[int, int]]:
    """By partition number the newest raw offset that has an outcome, and its append time (ms)."""
    end = await log_reader.end_offsets(client, logs)
    first = await log_reader.beginning_offsets(client, logs)
    start = {tp: max(end[tp] - _LAST, first[tp]) for tp in logs}
    newest: dict[int, tuple[int, int]] = {}
    async for tp, batch in log_reader.records(client, start, end):
        for record in batch:
            try:
                offset = parse_outcome_headers(record.headers).raw_offset
            except (KeyError, ValueError):
                continue  # another producer's
            known = newest.get(tp.partition, (-1, 0))
            newest[tp.partition] = max(known, (offset, int(record.timestamp)))
    return newest


async def check_letters(settings: Settings) -> list[Finding]:
    """Count the dead letters of the last hour that nobody's shop is to blame for."""
    foreign = 0
    unknown: Counter[str] = Counter()
    async for record in _newest(settings, DEAD_LETTERS, _NEWEST_LETTERS):
        headers = dict(record.headers)
        reason = headers.get(envelopes.REASON)
        foreign += reason == Reason.FOREIGN_RECORD.encode()
        if reason == Reason.UNKNOWN_SHOP.encode() and (shop := _shop(headers)) is not None:
            unknown[shop] += 1
    subject = "foreign records"
    findings = []
    if foreign:
        message = (
            f"{foreign} records of other producers came into {settings.topic(WEBHOOKS)} in the last"
            " hour and are dead letters (foreign-record): find who writes there and take the right"
            " Write from it; `hookline audit` counts them all"
        )
        findings.append(Finding(subject, "wrong", message))
    findings += [
        Finding("dead letters", *_unknown_letters(shop, count, settings))
        for shop, count in unknown.most_common(_NAMED)
    ]
    return findings or [Finding(subject, "ok", "no other producer writes deliveries")]


def _unknown_letters(shop: str, count: int, settings: Settings) -> tuple[str, str]:
    """The level and the message for dead letters of a shop that was in no file."""
    replay = f"`hookline dead replay --shop {shop} --reason unknown-shop`"
    if shop in _configured(settings):
        return "note", f"{count} deliveries of {shop} waited in vain for their shop: run {replay}"
    return "wrong", (
        f"{count} deliveries of {shop} are dead letters (unknown-shop), for it is not in"
        f" {settings.shops_file}: add it for the processors, then run {replay}"
    )


async def check_shops(settings: Settings) -> list[Finding]:
    """Look for shops among the newest deliveries that are not in the shops file."""
    unknown: Counter[str] = Counter()
    configured = _configured(settings)
    async for record in _newest(settings, WEBHOOKS, _NEWEST_DELIVERIES):
        shop = _shop(dict(record.headers))
        if shop is not None and shop not in configured:
            unknown[shop] += 1
    if not unknown:
        return [Finding("deliveries", "ok", "the newest are of shops in the shops file")]
    return [
        Finding(
            "deliveries",
            "wrong",
            f"{shop} has deliveries, but is not in {settings.shops_file}: add it there; the"
            f" processors wait {settings.shop_wait:.0f} s for it, then they are dead letters",
        )
        for shop, _ in unknown.most_common(_NAMED)
    ]


def _configured(settings: Settings) -> set[str]:
    try:
        return {"/".join(key) for key in shops.load(Path(settings.shops_file))}
    except shops.ShopsError:
        return set()


def _shop(headers: Mapping[str, bytes | None]) -> str | None:
    """Return source/shop of a delivery; None where another producer wrote it."""
    source, shop = headers.get(envelopes.SOURCE), headers.get(envelopes.SHOP)
    if envelopes.DELIVERY not in headers or not source or not shop:
        return None
    return f"{source.decode(errors='replace')}/{shop.decode(errors='replace')}"


async def _newest(settings: Settings, topic: Any, count: int) -> AsyncIterator[Any]:
    """Yield the records of the last hour, ``count`` of each partition at most."""
    async with log_reader.consumer(settings) as client:
        tps = (await log_reader.topic_partitions(settings))[topic]
        end = await log_reader.end_offsets(client, tps)
        since = await log_reader.offsets_since(client, tps, int(time.time() * 1000) - HOUR_MS)
        start = {tp: max(first, end[tp] - count) for tp, first in since.items()}
        async for _, batch in log_reader.records(client, start, end):
            for record in batch:
                yield record
