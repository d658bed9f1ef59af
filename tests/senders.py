"""Senders as the platforms are: many at once, each retrying on 5xx and timeouts until 200."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus

SHOP = "lakeside"
TOKEN = "a-token-of-the-tests"
CUSTOMERS = 97
SHOPS_TOML = f"""
[[shops]]
source = "run-free"
id = "{SHOP}"
secrets = ["{TOKEN}"]
currency = "USD"
abandon_after = "60m"
"""


@dataclass(frozen=True, slots=True)
class NumberedOrder:
    """A Run Free order that can be found again: its number is its id."""

    number: int
    ordered: datetime

    @property
    def subtotal(self) -> Decimal:
        return Decimal(self.number % 500) + Decimal("10.25")

    @property
    def customer(self) -> int:
        return self.number % CUSTOMERS

    @property
    def body(self) -> bytes:
        cost = str(self.subtotal)
        item = {"id": self.number, "productId": 7, "quantity": 1, "sku": "s", "type": "product"}
        data = {
            "id": self.number,
            "customer": {"id": self.customer, "email": f"c{self.customer}@example.org"},
            "ordered": self.ordered.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "taxes": 0,
            "discount": 0,
            "giftCard": 0,
        }
        text = json.dumps({"type": "order", "action": "created", "data": data})
        # Money exactly as written: json would pass it through a float.
        items = json.dumps([item])[:-2] + f', "cost": {cost}}}]'
        return (text[:-2] + f', "subtotal": {cost}, "items": {items}}}}}').encode()


def orders(first: int, count: int) -> list[NumberedOrder]:
    """``count`` orders with distinct numbers, placed now."""
    now = datetime.now(UTC)
    return [NumberedOrder(number, now) for number in range(first, first + count)]


@dataclass(slots=True)
class Sent:
    """What the senders saw. ``accepted``: delivery id -> order number, one for each 200."""

    accepted: dict[str, int] = field(default_factory=dict)
    answers: Counter[int | str] = field(default_factory=Counter)


class Line:
    """One keep-alive connection that sends one request at a time, as lightly as can be."""

    def __init__(self, url: str, path: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, EOFError or TimeoutError without one."""
        try:
            async with asyncio.timeout(20):
                return await self._post(body)
        except BaseException:
            self.close()
            raise

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1]), answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def send(
    url: str,
    wanted: Sequence[NumberedOrder],
    *,
    twice: float = 0.1,
    senders: int = 32,
    rate: float | None = None,
    seed: int = 1,
    sent: Sent | None = None,
) -> Sent:
    """Send each until it is accepted, a share of them twice; return what was answered."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable shuffle, no secret
    work = [*wanted, *chance.sample(wanted, int(len(wanted) * twice))]
    chance.shuffle(work)
    queue = iter(work)
    sent = Sent() if sent is None else sent

    async def one() -> None:
        line = Line(url, f"/hooks/run-free/{SHOP}/{TOKEN}")
        for order in queue:
            await _until_accepted(line, order, sent)
            if rate is not None:
                await asyncio.sleep(senders / rate)
        line.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(senders):
            group.create_task(one())
    return sent


async def _until_accepted(line: Line, order: NumberedOrder, sent: Sent) -> None:
    while True:
        try:
            status, answer = await line.post(order.body)
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            sent.answers[type(error).__name__] += 1
        else:
            sent.answers[status] += 1
            if status == HTTPStatus.OK:
                sent.accepted[json.loads(answer)["delivery"]] = order.number
                return
        await asyncio.sleep(0.2)
