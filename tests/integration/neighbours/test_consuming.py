"""The programs of docs/consuming.md read the topics as the page says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.events import CartSignal, SignalKind
from schemas.topics import BY_RECORD, CART_SIGNALS
from tests import ROOT
from tests.conftest import prepare, run_apart
from tests.sink_events import HOUR, NOON, order, record

pytestmark = pytest.mark.stack

READING, ACTING = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "consuming.md").read_text(), re.DOTALL
)
"""The page's two programs; the second goes on from the first."""
GUARDED = READING.index('if __name__ == "__main__"')


def signal(cart: str, kind: SignalKind, **fields: Any) -> CartSignal:
    return CartSignal(
        signal_id=f"{cart}-{kind.value}",
        kind=kind,
        cart_key=f"spiffy/main/cart:{cart}",
        generation=1,
        source="spiffy",
        shop="main",
        abandoned_at=NOON,
        occurred_at=NOON,
        detected_at=NOON,
        is_test=False,
        source_event_id="e",
        **fields,
    )


async def _append(settings: Settings) -> None:
    codec = await load_codec(settings)
    orders = settings.topic(BY_RECORD["orders"])
    producer = AIOKafkaProducer(**settings.kafka())
    await producer.start()
    try:
        for number, total in enumerate(("12.00", "0.50")):
            at = NOON + number * HOUR
            event = order(str(number), at, amounts={"total": total})
            made = record(orders, 0, event, codec.encode(event))
            await producer.send_and_wait(orders, made.value, key=made.key, partition=0)
        for sent in (
            signal("left", SignalKind.ABANDONED, is_contactable=True, cart_value=Decimal(5)),
            signal("unknown", SignalKind.ABANDONED),
            signal("refuses", SignalKind.ABANDONED, is_contactable=False),
            signal("bought", SignalKind.ABANDONED, is_contactable=True),
            signal("bought", SignalKind.RECOVERED, is_contactable=True),
        ):
            name, key = settings.topic(CART_SIGNALS), sent.cart_key.encode()
            await producer.send_and_wait(name, codec.encode(sent), key=key, partition=0)
    finally:
        await producer.stop()


@pytest.fixture(scope="module")
def settings(live_stack: Any) -> Settings:
    ready = prepare(live_stack.settings())
    run_apart(_append(ready))
    return ready


def lines(program: str, settings: Settings, path: Path, count: int) -> list[str]:
    """Run a program that never ends, and return the first lines that it prints."""
    path.write_text(program)
    with started(path, settings) as process:
        assert process.stdout is not None
        read = list(first(process.stdout, count))
        process.kill()
    assert len(read) == count, read
    return read


def started(path: Path, settings: Settings) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(path)],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def first(output: Any, count: int) -> Iterator[str]:
    for _, line in zip(range(count), output, strict=False):
        yield line.strip()


def test_the_first_program_reads_every_order_from_the_start(
    settings: Settings, tmp_path: Path
) -> None:
    assert lines(READING, settings, tmp_path / "reading.py", 2) == [
        "spiffy/main/order:0 UPDATED 12.0000",
        "spiffy/main/order:1 UPDATED 0.5000",
    ]


def test_a_reader_that_was_killed_handles_its_last_record_again(
    settings: Settings, tmp_path: Path
) -> None:
    program = READING.replace("my-service", "killed-service")
    dying = program.replace(
        "flush=True)", "flush=True)\n        if order['order_id'] == '1': os._exit(1)"
    )
    path = tmp_path / "dying.py"
    path.write_text(dying)
    with started(path, settings) as process:
        assert process.wait(60) == 1
    [again] = lines(program, settings, tmp_path / "again.py", 1)
    assert again in ("spiffy/main/order:0 UPDATED 12.0000", "spiffy/main/order:1 UPDATED 0.5000")


def test_a_topic_that_is_not_there_ends_the_program_with_the_reason(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "missing.py"
    path.write_text(READING.replace("hookline.orders", "hookline.ordres"))
    with started(path, settings) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "KafkaException" in said
    assert "UNKNOWN_TOPIC_OR_PART" in said


def test_the_second_program_waits_for_carts_whose_customer_may_be_written_to(
    settings: Settings, tmp_path: Path
) -> None:
    read = lines(READING[:GUARDED] + ACTING, settings, tmp_path / "acting.py", 5)
    left, bought = "spiffy/main/cart:left", "spiffy/main/cart:bought"
    assert read == [
        *(f"['{left}']",) * 3,
        f"['{bought}', '{left}']",
        f"['{left}']",
    ]
