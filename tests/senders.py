"""Senders as the platforms are: many at once, each retrying on 5xx and timeouts until 200."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Protocol

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

    def request(self, host: str) -> bytes:
        """The whole HTTP request."""
        return request(host, f"/hooks/run-free/{SHOP}/{TOKEN}", {}, self.body)

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


class Delivery(Protocol):
    """What can be sent and found again."""

    @property
    def number(self) -> int: ...

    def request(self, host: str) -> bytes: ...


def request(host: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A POST as its bytes."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


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

    def __init__(self, url: str) -> None:
        self.host = url.removeprefix("http://")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, EOFError or TimeoutError without one."""
        try:
            async with asyncio.timeout(20):
                return await self._post(request)
        except BaseException:
            self.close()
            raise

    async def _post(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            name, _, port = self.host.partition(":")
            self._streams = await asyncio.open_connection(name, int(port))
        reader, writer = self._streams
        writer.write(request)
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
    urls: str | Sequence[str],
    wanted: Sequence[Delivery],
    *,
    twice: float = 0.1,
    senders: int = 32,
    rate: float | None = None,
    seed: int = 1,
    sent: Sent | None = None,
) -> Sent:
    """Send each until it is accepted, a share of them twice; return what was answered.

    The senders are spread over ``urls``; ``rate``: deliveries a second, all senders together.
    """
    chance = random.Random(seed)  # noqa: S311 - a repeatable shuffle, no secret
    work = [*wanted, *chance.sample(wanted, int(len(wanted) * twice))]
    chance.shuffle(work)
    return await send_all(urls, iter(work), senders=senders, rate=rate, sent=sent)


async def send_all(
    urls: str | Sequence[str],
    work: Iterator[Delivery],
    *,
    senders: int = 32,
    rate: float | None = None,
    sent: Sent | None = None,
) -> Sent:
    """Send what ``work`` gives, each until it is accepted."""
    sent = Sent() if sent is None else sent
    places = [urls] if isinstance(urls, str) else urls

    async def one(url: str) -> None:
        line = Line(url)
        due = asyncio.get_running_loop().time()
        for delivery in work:
            await _until_accepted(line, delivery, sent)
            if rate is not None:  # what was late is not made up for
                now = asyncio.get_running_loop().time()
                due = max(due + senders / rate, now)
                await asyncio.sleep(due - now)
        line.close()

    async with asyncio.TaskGroup() as group:
        for number in range(senders):
            group.create_task(one(places[number % len(places)]))
    return sent


async def _until_accepted(line: Line, delivery: Delivery, sent: Sent) -> None:
    request = delivery.request(line.host)
    while True:
        try:
            status, answer = await line.post(request)
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            sent.answers[type(error).__name__] += 1
        else:
            sent.answers[status] += 1
            if status == HTTPStatus.OK:
                sent.accepted[json.loads(answer)["delivery"]] = delivery.number
                return
        await asyncio.sleep(0.2)
