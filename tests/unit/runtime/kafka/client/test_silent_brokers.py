"""A broker that gives no answer is avoided, and nobody waits behind a connection to it."""

import asyncio
import time
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason

from runtime.kafka.client import silent_brokers
from runtime.kafka.client.silent_brokers import SilentBrokers

SILENT, DOWN, GOOD = 1, 2, 3
ANSWER = 0.05
"""Seconds after which the client gives up an attempt to connect."""


class Connection:
    """A connection of aiokafka's, of what is looked at."""

    def connected(self) -> bool:
        return True


class Client:
    """aiokafka's client, of what is looked at: one connects at a time, unless the lock is ours."""

    def __init__(self) -> None:
        self._get_conn_lock_value: Any = asyncio.Lock()
        self._conns: dict[Any, Connection] = {}
        self.attempts: list[int] = []
        self.refreshes = 0
        self.asked: list[list[int]] = []

    async def _get_conn(self, node: int, *, group: Any, **_: Any) -> Connection | None:
        async with self._get_conn_lock_value:
            self.attempts.append(node)
            if node == SILENT:
                await asyncio.sleep(ANSWER)
            if node in (SILENT, DOWN):
                return None
            self._conns[node, group] = Connection()
            return self._conns[node, group]

    def _on_connection_closed(self, *_: Any) -> None:
        self.refreshes += 1

    def force_metadata_update(self) -> None:
        self.refreshes += 1

    async def _metadata_update(self, *_: Any) -> bool:
        self.asked.append([])
        for node in (SILENT, GOOD):
            if await self._get_conn(node, group=ConnectionGroup.DEFAULT) is not None:
                self.asked[-1].append(node)
        return bool(self.asked[-1])

    def get_random_node(self) -> int:
        return next(self.nodes)

    nodes = iter([SILENT, SILENT, GOOD] * 100)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(silent_brokers, "REFUSED_WITHIN", ANSWER / 2)
    monkeypatch.setattr(silent_brokers, "PAUSE", ANSWER / 5)
    made = Client()
    SilentBrokers(made).install()  # type: ignore[arg-type]
    return made


async def connect(client: Client, node: int, group: Any = ConnectionGroup.DEFAULT) -> Any:
    return await client._get_conn(node, group=group)


async def test_others_are_connected_to_while_one_does_not_answer(client: Client) -> None:
    waiting = asyncio.create_task(connect(client, SILENT))
    await asyncio.sleep(0)
    began = time.monotonic()
    assert await connect(client, GOOD) is not None
    assert time.monotonic() - began < ANSWER / 2
    assert not waiting.done()
    assert await waiting is None


async def test_a_silent_broker_is_not_waited_for_twice(client: Client) -> None:
    together = [connect(client, SILENT) for _ in range(3)]
    assert await asyncio.gather(*together) == [None] * 3
    assert await connect(client, SILENT, ConnectionGroup.COORDINATION) is None
    assert client.attempts == [SILENT]
    assert client.refreshes == 3  # whoever gets no connection asks where else to go


async def test_a_silent_broker_is_tried_again_after_a_while(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent_brokers, "AVOIDED", 0.02)
    await connect(client, SILENT)
    await asyncio.sleep(0.03)
    await connect(client, SILENT)
    assert client.attempts == [SILENT, SILENT]


async def test_a_broker_that_refuses_is_tried_again_at_once(client: Client) -> None:
    await connect(client, DOWN)
    await connect(client, DOWN)
    assert client.attempts == [DOWN, DOWN]


async def test_a_request_without_an_answer_makes_its_broker_silent(client: Client) -> None:
    connection = Connection()
    client._conns[GOOD, ConnectionGroup.DEFAULT] = connection
    client._on_connection_closed(connection, CloseReason.CONNECTION_BROKEN)
    assert await connect(client, GOOD, ConnectionGroup.COORDINATION) is not None
    client._on_connection_closed(connection, CloseReason.CONNECTION_TIMEOUT)
    del client._conns[GOOD, ConnectionGroup.DEFAULT]
    assert await connect(client, GOOD) is None


async def test_a_choice_at_random_avoids_the_silent(client: Client) -> None:
    await connect(client, SILENT)
    assert {client.get_random_node() for _ in range(20)} == {GOOD}


async def test_metadata_is_asked_of_those_that_answer(client: Client) -> None:
    await connect(client, SILENT)
    client._conns[SILENT, ConnectionGroup.DEFAULT] = Connection()
    assert await client._metadata_update(None, None)
    assert client.asked == [[GOOD]]


async def test_where_all_are_silent_all_are_asked(client: Client) -> None:
    for node in (SILENT, GOOD):
        client._conns[node, ConnectionGroup.DEFAULT] = Connection()
        client._on_connection_closed(
            client._conns[node, ConnectionGroup.DEFAULT], CloseReason.CONNECTION_TIMEOUT
        )
    assert await client._metadata_update(None, None)
    assert client.asked == [[], [SILENT, GOOD]]
