"""Two hours of two shops for the sweep: what happened to carts, and when it reached the log.

Times are seconds since ``START``, some hours ago. Ingresses are away for twenty minutes, and
senders hold back what they would have taken; later the processors stand while a crowd comes.
"""

import json
import random
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import WEBHOOKS
from tests.raw import Raw
from tests.sink_events import SECOND

MINUTE_S = 60
START = int(time.time()) // 3600 * 3600 * SECOND - 4 * 3600 * SECOND
END_S = 130 * MINUTE_S
AWAY = range(10 * MINUTE_S, 30 * MINUTE_S)
"""When no ingress was there."""
GRACE_S = 30 * MINUTE_S
STOPPED = range(70 * MINUTE_S, 90 * MINUTE_S)
"""When no processor ran."""
ABANDON_S = 10 * MINUTE_S
BURST_S = 2 * MINUTE_S
"""Things happen a few seconds before each of these."""
PARTITIONS, IDLE = 4, 3
"""The last partition stays empty."""

SHOPS_TOML = "".join(
    f'[[shops]]\nsource = "{source}"\nid = "main"\nsecrets = ["a secret of the tests"]\n'
    f'currency = "USD"\nabandon_after = "{ABANDON_S // MINUTE_S}m"\n'
    for source in ("run-free", "spiffy")
)


@dataclass(frozen=True, slots=True)
class Happening:
    """A cart told or an order placed at ``at_s``, in the log from ``arrives_s`` on."""

    cart: int
    number: int
    at_s: int
    arrives_s: int
    is_order: bool = False

    @property
    def raw(self) -> Raw:
        """As the ingress appends it; odd carts are Spiffy's, even ones Run Free's."""
        entity = f"order:{self.number}" if self.is_order else f"cart:{self.cart}"
        if self.cart % 2:
            told = self._spiffy_order() if self.is_order else self._spiffy_cart()
            word = "orders/create" if self.is_order else "carts/update"
            return Raw("spiffy", "main", entity, json.dumps(told).encode(), word)
        data = self._run_free_order() if self.is_order else self._run_free_cart()
        kind, action = ("order", "created") if self.is_order else ("cart", "change")
        body = {"type": kind, "action": action, "data": data}
        return Raw("run-free", "main", entity, json.dumps(body).encode())

    def _run_free_cart(self) -> dict[str, object]:
        return {"customer": {"id": self.cart}, "items": [{"quantity": 1, "sku": f"{self.number}"}]}

    def _run_free_order(self) -> dict[str, object]:
        return {
            "id": self.number,
            "customer": {"id": self.cart},
            "ordered": self._time(),
            "subtotal": 50,
            "items": [],
        }

    def _spiffy_cart(self) -> dict[str, object]:
        line = {"id": self.number, "quantity": 1, "variant_id": 7, "price": "19.99"}
        return {"id": f"{self.cart}", "token": f"{self.cart}", "line_items": [line]}

    def _spiffy_order(self) -> dict[str, object]:
        return {
            "id": self.number,
            "created_at": self._time(),
            "updated_at": self._time(),
            "financial_status": "paid",
            "currency": "USD",
            "total_price": "50.00",
            "cart_token": f"{self.cart}",
            "line_items": [],
        }

    def _time(self) -> str:
        at = datetime.fromtimestamp((START + self.at_s * SECOND) // SECOND, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def happenings(seed: int, carts: int, busy: int) -> list[Happening]:
    """Carts used, left, come back to, or bought, by arrival.

    ``busy`` deliveries are of a crowd that comes while the processors stand.
    """
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    told: list[Happening] = []

    def tell(cart: int, burst: int, *, is_order: bool = False) -> None:
        at = burst - chance.randrange(20)
        arrives = at
        if at in AWAY:  # the sender comes again, within its time
            arrives = _burst(chance, AWAY.stop + BURST_S, AWAY.stop + GRACE_S)
            arrives -= chance.randrange(20)
        told.append(Happening(cart, len(told), at, arrives, is_order))

    for cart in range(carts):
        burst = _burst(chance, BURST_S, END_S - 50 * MINUTE_S)
        for _ in range(chance.randrange(1, 5)):
            tell(cart, burst)
            burst += chance.choice((1, 2, 4, 5, 6, 12)) * BURST_S
        if chance.random() < 0.5:
            tell(cart, burst, is_order=True)
    for outage in (AWAY, STOPPED):  # left just before, bought in it: silent to who knows no more
        for cart in range(carts, carts + 40):
            tell(cart, outage.start - BURST_S)
            tell(cart, outage.start + 2 * BURST_S, is_order=True)
        carts += 40
    crowd = range(carts, carts + max(1, busy // 10))
    for _ in range(busy):
        burst = _burst(chance, STOPPED.start + BURST_S, STOPPED.stop)
        tell(chance.choice(crowd), burst, is_order=chance.random() < 0.05)
    return sorted((each for each in told if each.arrives_s < END_S), key=lambda x: x.arrives_s)


def _burst(chance: random.Random, start: int, stop: int) -> int:
    return chance.randrange(start, stop + 1, BURST_S)


async def append(settings: Settings, arriving: Iterable[Happening]) -> None:
    """Append them to the raw topic, in their order, received when they arrived."""
    producer = new_producer(settings, linger_ms=5)
    await producer.start()
    try:
        for each in arriving:
            raw = each.raw
            received = b"%d" % (START + each.arrives_s * SECOND)
            headers = {**dict(raw.headers), envelopes.RECEIVED_US: received}
            await producer.send(
                settings.topic(WEBHOOKS),
                raw.body,
                key=raw.key,
                partition=zlib.crc32(raw.key) % IDLE,  # an entity's records in one place
                headers=list(headers.items()),
            )
        await producer.flush()
    finally:
        await producer.stop()
