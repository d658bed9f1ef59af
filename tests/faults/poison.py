"""Deliveries that are accepted and of which no event can be made."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka import TopicPartition

from schemas.topics import DEAD_LETTERS, MIB
from tests import odd_worker, senders
from tests.faults import verify
from tests.faults.deliveries import TOKEN
from tests.faults.storm import Storm
from tests.senders import request

SHARE = 0.01
"""Of the deliveries of a storm."""
KILLS = 2
"""Records that kill their process: each does so three times before it is set aside."""


@dataclass(frozen=True, slots=True)
class Poison:
    """Bad delivery ``number``: its remainder says in which way."""

    number: int

    @property
    def body(self) -> bytes:
        makers = (self._largest, self._no_amount, self._huge, self._deep, self._no_utf8)
        return makers[self.number % len(makers)]()

    def request(self, host: str) -> bytes:
        """The whole HTTP request."""
        return request(host, f"/hooks/run-free/lakeside/{TOKEN}", {}, self.body)

    def _order(self, **data: object) -> bytes:
        told = {"id": f"bad-{self.number}", "customer": {"id": 1}, "items": [], **data}
        return json.dumps({"type": "order", "action": "created", "data": told}).encode()

    def _largest(self) -> bytes:
        body = self._order(id=None)
        return body + b" " * (MIB - len(body))

    def _no_amount(self) -> bytes:
        return self._order(subtotal="a lot")

    def _huge(self) -> bytes:
        return self._order(subtotal="n").replace(b'"n"', b"1e999999999")

    def _deep(self) -> bytes:
        return b"[" * 100_000 + b"%d" % self.number

    def _no_utf8(self) -> bytes:
        return b'{"type": "order\xff", "number": %d}' % self.number


@dataclass(frozen=True, slots=True)
class Killer:
    """A delivery that ends the process of an adapter that cannot stand it."""

    number: int

    def request(self, host: str) -> bytes:
        """The whole HTTP request."""
        body = Poison(self.number)._order(sku="n").replace(b'"n"', odd_worker.KILLS)
        return request(host, f"/hooks/run-free/lakeside/{TOKEN}", {}, body)


async def poison(storm: Storm) -> None:
    """One per cent of bad deliveries of every kind, and two that kill; until all are set aside."""
    count = max(int(SHARE * storm.count), 10)
    storm.dead += count + KILLS

    def bad() -> Iterator[senders.Delivery]:
        yield from (Poison(number) for number in range(count))
        yield from (Killer(number) for number in range(KILLS))

    await storm.accepted(0.2)
    await senders.send_all(storm.pipeline.urls, bad(), senders=4, sent=storm.sent)
    while await _letters(storm) < storm.dead:  # noqa: ASYNC110 - a log has no event
        await asyncio.sleep(0.5)


async def _letters(storm: Storm) -> int:
    topic = storm.settings.topic(DEAD_LETTERS)
    async with verify.reading(storm.settings) as reader:
        keys = [TopicPartition(topic, number) for number in range(storm.settings.partitions)]
        return int(sum((await reader.end_offsets(keys)).values()))
