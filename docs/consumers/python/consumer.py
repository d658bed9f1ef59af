"""Prints one line for each order: entity, change, total, currency. See ../../consuming.md.

pip install -r requirements.txt; python consumer.py [COUNT]
"""

import asyncio
import io
import json
import os
import sys
import urllib.request
from functools import cache
from typing import Any

import fastavro
from aiokafka import AIOKafkaConsumer

TOPIC = os.environ.get("HOOKLINE_PREFIX", "") + "hookline.orders"
GROUP = os.environ.get("HOOKLINE_PREFIX", "") + "orders-in-python"
REGISTRY = os.environ["HOOKLINE_REGISTRY_URL"]


@cache
def schema(schema_id: int) -> Any:
    """Ask the registry for the schema that a record was written with, once for each id."""
    address = f"{REGISTRY}/schemas/ids/{schema_id}"
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own registry
        return fastavro.parse_schema(json.loads(json.load(answer)["schema"]))


def decode(value: bytes) -> Any:
    """Decode the Confluent wire format: a zero byte, the schema's id, the Avro record."""
    if value[0] != 0:
        raise ValueError("not in the Confluent wire format")
    return fastavro.schemaless_reader(
        io.BytesIO(value[5:]), schema(int.from_bytes(value[1:5])), None
    )


async def main(count: int) -> None:
    """Print the records, from the first one that the group has not handled yet."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=os.environ["HOOKLINE_BROKERS"],
        group_id=GROUP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        while count != 0:
            record = await consumer.getone()
            order = decode(record.value)
            meta, total, currency = order["meta"], order["total"], order["currency"]
            shown = "-" if total is None else total
            print(meta["entity"], meta["change"], shown, currency or "-", flush=True)
            await consumer.commit()  # handled; after a crash the last record comes again
            count -= 1
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else -1))
