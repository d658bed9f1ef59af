"""Customers and guests of a Spiffy shop, one of whom is to be forgotten, and their pipeline."""

import asyncio
import hmac
import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from hookline.cli import app
from runtime.settings import Settings
from schemas.topics import ALL
from tests import senders
from tests.conftest import LiveStack
from tests.faults import verify
from tests.pipeline import Pipeline

KEY = "a key that signs what Spiffy sends"
SHOPS = f'[[shops]]\nsource = "spiffy"\nid = "box"\nsecrets = ["{KEY}"]\ncurrency = "EUR"\n'
PERSON = 117
ADDRESS, NAME = f"c{PERSON}@forgotten.example", "Amaryllis Quintessa"
PHONE, STREET = "+49 30 5550117", "Fliederweg 17"

_OTHERS = """
    SELECT md5(string_agg(row, '' ORDER BY row)) FROM (
        SELECT to_jsonb(each)::text AS row FROM {table} AS each
        WHERE customer_key ~ '^spiffy/box/customer:[0-9]+$'
          AND customer_key <> 'spiffy/box/customer:{person}'
          AND substring(customer_key from '[0-9]+$')::int < {most}
    ) AS rows
"""
TABLES = ("customers", "orders", "customer_contacts", "customer_lifetime_value")


def address_of(number: int) -> str:
    return f"c{number}@forgotten.example"


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery of Spiffy; ``number`` of its customer."""

    number: int
    topic: str
    body: bytes

    def request(self, host: str) -> bytes:
        """The whole HTTP request, signed."""
        proof = b64encode(hmac.digest(KEY.encode(), self.body, "sha256")).decode()
        headers = {"X-Spiffy-Topic": self.topic, "X-Spiffy-Hmac-Sha256": proof}
        return senders.request(host, "/hooks/spiffy/box", headers, self.body)


def customer(number: int, at: int = 0) -> Sent:
    who = NAME.split() if number == PERSON else ("First", f"Last{number}")
    data = {
        "id": number,
        "first_name": who[0],
        "last_name": who[1],
        "email": address_of(number),
        "phone": PHONE if number == PERSON else f"+49 40 555{number:06}",
        "note": f"lives in {STREET}" if number == PERSON else "",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": f"2026-01-01T00:00:{at:02}Z",
    }
    return Sent(number, "customers/update", json.dumps(data).encode())


def order(number: int, *, is_guest: bool = False, turn: int = 0) -> Sent:
    native = number + 1_000_000 * (1 + turn) + 500_000 * is_guest
    who = {"id": number, "email": address_of(number), "created_at": "2026-01-01"}
    data: dict[str, Any] = {
        "id": native,
        "email": address_of(number),
        "created_at": "2026-01-02T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "financial_status": "paid",
        "currency": "EUR",
        "total_line_items_price": "10.00",
        "total_price": "10.00",
        "total_tax": "0.00",
        "taxes_included": False,
        "line_items": [{"id": 1, "product_id": 7, "quantity": 1, "price": "10.00"}],
        "billing_address": {"address1": STREET if number == PERSON else "Elsewhere 1"},
    }
    if not is_guest:
        data["customer"] = who
    return Sent(number, "orders/paid", json.dumps(data).encode())


def broken(number: int) -> Sent:
    """A delivery that becomes a dead letter, with everything about the person in it."""
    name = NAME if number == PERSON else "Somebody"
    text = f'{{"id": "{number}", "email": "c{number}@forgotten.example", "name": "{name}", '
    return Sent(number, "customers/update", text.encode())


def history(first: int, count: int, turn: int = 0) -> Iterator[Sent]:
    for number in range(first, first + count):
        yield customer(number)
        yield order(number, turn=turn)
        if number % 3 == 0:
            yield order(number, is_guest=True, turn=turn)


class House:
    """A pipeline of that shop, and what is done beside it."""

    def __init__(self, stack: LiveStack, settings: Settings, pipeline: Pipeline) -> None:
        self.stack, self.settings, self.pipeline = stack, settings, pipeline
        self.environment = {
            **replace(settings, database_url=stack.postgres.operator_url).environment(),
            "HOOKLINE_CONTACTS_READER_URL": stack.postgres.contacts_reader_url,
            "HOOKLINE_READER_URL": stack.reader_url,
        }

    def send(self, sent: Iterable[senders.Delivery]) -> None:
        asyncio.run(senders.send_all(self.pipeline.urls, iter(sent), senders=24, rate=None))

    def rest(self) -> None:
        """Return when nothing is behind; TimeoutError when that stays as it is for two minutes."""

        async def level() -> None:
            least, until = (1 << 60, 1 << 60), time.monotonic() + 120
            while (lag := await verify.lag(self.settings)) != (0, 0):
                if lag < least:
                    least, until = lag, time.monotonic() + 120
                if time.monotonic() > until:
                    raise TimeoutError(f"processors and sinks are behind by {lag} records")
                await asyncio.sleep(0.3)

        asyncio.run(level())

    def run(self, *arguments: str, status: int = 0, owner: bool = False) -> Any:
        own = {"HOOKLINE_DATABASE_URL": self.settings.database_url} if owner else {}
        runner = CliRunner(env={**self.environment, **own})
        result = runner.invoke(app, list(arguments))
        assert result.exit_code == status, (arguments, result.output, result.exception)
        return json.loads(result.stdout) if "--json" in arguments else result.output

    def value(self, query: str) -> Any:
        with psycopg.connect(self.settings.database_url) as connection:
            connection.execute(f"SET search_path TO {self.settings.sql_schema}")
            row = connection.execute(query.encode()).fetchone()
        return None if row is None else row[0]

    def others(self, most: int) -> list[str]:
        """Digests of the rows of everybody else of the first customers."""
        names = {"person": PERSON, "most": most}
        return [self.value(_OTHERS.format(table=table, **names)) for table in TABLES]

    def money(self) -> Any:
        return self.value(f"SELECT sum(net) FROM orders WHERE order_id::bigint < {1 << 21}")  # noqa: S608

    def personal(self) -> list[tuple[str, str, int]]:
        """What ``people verify`` finds of the person, apart from pseudonyms."""
        given = ("--name", NAME, "--phone", PHONE, "--address", STREET)
        arguments = ("people", "verify", "--email", ADDRESS, *given, "--json")
        runner = CliRunner(env=self.environment)
        result = runner.invoke(app, list(arguments))
        found = json.loads(result.stdout)
        left = [
            (each["location"], each["what"], each["count"]) for each in found if each["is_personal"]
        ]
        assert result.exit_code == bool(left), result.output
        return left

    def administer(self, *commands: LiteralString) -> None:
        with psycopg.connect(
            self.settings.database_url, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'hookline'"
            )
            for command in commands:
                connection.execute(command)

    @contextmanager
    def without_sinks(self) -> Iterator[None]:
        for name in self.pipeline.names("sink"):
            self.pipeline.leave(name)
        yield
        for _ in range(2):
            self.pipeline.join("sink")
        self.pipeline.wait_ready(90)

    @contextmanager
    def under_load(self, load: Iterator[Sent]) -> Iterator[None]:
        """New customers come, and a worker is killed every two seconds, as long as this lasts."""
        ends = threading.Event()
        sending = threading.Thread(target=self.send, args=(load,))

        def kill() -> None:
            turn = 0
            while not ends.wait(2.0):
                names = [*self.pipeline.names("process"), *self.pipeline.names("sink")]
                self.pipeline.kill(names[turn % len(names)])
                turn += 1

        killing = threading.Thread(target=kill)
        sending.start()
        killing.start()
        try:
            yield
            sending.join()
        finally:
            ends.set()
            killing.join()
        self.pipeline.wait_ready(90)

    def end_of_the_month(self) -> None:
        """Delete what Kafka deletes by then of the topics that hold personal data."""
        client = AdminClient({"bootstrap.servers": self.settings.brokers})
        partitions = [
            TopicPartition(self.settings.topic(topic), number, -1)
            for topic in ALL
            if topic.is_personal
            for number in range(self.settings.partitions)
        ]
        for deleted in client.delete_records(partitions).values():
            deleted.result()
