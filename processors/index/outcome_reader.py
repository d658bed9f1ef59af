"""The consumer without a group that reads the outcome logs back."""

from aiokafka import AIOKafkaConsumer

from runtime.kafka.reasons import explained
from runtime.kafka.silent_brokers import avoid_silent_brokers
from runtime.settings import Settings

FETCH_BYTES = 8 << 20


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
