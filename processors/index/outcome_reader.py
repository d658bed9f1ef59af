"""The consumer without a group that reads the outcome logs back."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.kafka.client.silent_brokers import avoid_silent_brokers
from runtime.kafka.reasons import explained
from runtime.settings import Settings
from schemas.topics import OUTCOMES

FETCH_BYTES = 8 << 20
FETCH_SECONDS = 5.0
"""Within which a broker has answered a fetch, with records or without."""


async def started_reader(settings: Settings) -> AIOKafkaConsumer:
    """Start a reader that never skips what is gone. Raises UnreachableError, DeniedError."""
    reader = AIOKafkaConsumer(
        **settings.kafka(),
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=4 * FETCH_BYTES,
    )
    avoid_silent_brokers(reader._client)  # noqa: SLF001
    try:
        async with explained(settings, "Read"):
            await reader.start()
    except BaseException:
        await reader.stop()
        raise
    return reader


async def require_read(reader: AIOKafkaConsumer, settings: Settings) -> None:
    """Fetch once from the end of each outcome topic. Raises TopicAuthorizationFailedError.

    A missing right shows at the start, not when there is an outcome to be read back.
    """
    logs = [TopicPartition(settings.topic(topic), 0) for topic in OUTCOMES]
    reader.assign(logs)
    await reader.seek_to_end(*logs)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + FETCH_SECONDS
    while any(reader.highwater(log) is None for log in logs) and loop.time() < deadline:
        await reader.getmany(*logs, timeout_ms=100, max_records=1)
