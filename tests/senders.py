"""Senders as the platforms are: many at once, each retrying on 5xx and timeouts until 200."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import httpx

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
    chance = random.Random(seed)
    work = [*wanted, *chance.sample(wanted, int(len(wanted) * twice))]
    chance.shuffle(work)
    queue = iter(work)
    sent = Sent() if sent is None else sent
    path = f"{url}/hooks/run-free/{SHOP}/{TOKEN}"
    limits = httpx.Limits(max_connections=senders)
    async with httpx.AsyncClient(timeout=20, limits=limits, trust_env=False) as client:

        async def one() -> None:
            for order in queue:
                await _until_accepted(client, path, order, sent)
                if rate is not None:
                    await asyncio.sleep(senders / rate)

        async with asyncio.TaskGroup() as group:
            for _ in range(senders):
                group.create_task(one())
    return sent


async def _until_accepted(
    client: httpx.AsyncClient, path: str, order: NumberedOrder, sent: Sent
) -> None:
    while True:
        try:
            answer = await client.post(path, content=order.body)
        except httpx.HTTPError as error:
            sent.answers[type(error).__name__] += 1
        else:
            sent.answers[answer.status_code] += 1
            if answer.status_code == httpx.codes.OK:
                sent.accepted[answer.json()["delivery"]] = order.number
                return
        await asyncio.sleep(0.2)
