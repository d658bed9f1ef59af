"""Signals that Kafka holds, read back from the topic so that none is sent twice."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from psycopg import AsyncConnection

from runtime import logs
from schemas.codec import Codec
from schemas.events import CartSignal
from schemas.topics import CART_SIGNALS
from sinks.log import Log

log = logs.get("hookline.sinks.sent")

_INSERT = """
    INSERT INTO sent_signals (signal_id) SELECT * FROM unnest(%s::uuid[]) ON CONFLICT DO NOTHING
"""


async def read_back(kafka: Log, codec: Codec, since_ms: int | None) -> AsyncIterator[set[str]]:
    """Yield ids of the topic's signals, as they are fetched: all, or from a broker time (ms) on.

    Raises KafkaError or OSError while Kafka is not available.
    """
    if since_ms is None:
        start = await kafka.starts(CART_SIGNALS)
    else:
        start = await kafka.since(CART_SIGNALS, since_ms)
    async for fetched in kafka.read(start, await kafka.ends(CART_SIGNALS)):
        yield {
            signal_id
            for records in fetched.values()
            for record in records
            if (signal_id := _signal_id(record, codec)) is not None
        }


async def insert(connection: AsyncConnection[Any], signal_ids: Sequence[str]) -> bool:
    """Record that Kafka holds these signals."""
    await connection.execute(_INSERT, [list(signal_ids)])
    return True


def _signal_id(record: Any, codec: Codec) -> str | None:
    try:
        signal = codec.decode(record.value)
    except Exception as error:  # noqa: BLE001 - a foreign record can fail in any way
        log.warning("not a cart signal", offset=record.offset, reason=type(error).__name__)
        return None
    return signal.signal_id if isinstance(signal, CartSignal) else None
