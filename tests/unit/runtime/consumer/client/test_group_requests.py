"""A join may last while its coordinator answers anything else; other requests are bounded."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest

from runtime.consumer.client.group_requests import BoundedRequests

BOUND, JOIN_BOUND = 0.03, 5.0


@dataclass
class Connection:
    """A connection of aiokafka's, of what is looked at: closing it fails what waits on it."""

    waiting: "asyncio.Future[str]"
    _request_timeout: float = BOUND
    bounds: list[float] = field(default_factory=list)
    closed: int = 0

    def close(self, **_: Any) -> None:
        self.closed += 1
        if not self.waiting.done():
            self.waiting.set_exception(KafkaConnectionError("closed"))


class Client:
    """``is_silent``: the node answers nothing any more, though it takes connections."""

    def __init__(self, connection: Connection | None) -> None:
        self.connection = connection
        self.is_silent = False
        self.pings = 0

    async def _get_conn(self, node: int, *, group: Any) -> Connection | None:
        assert (node, group is not None) == (7, True)
        return self.connection

    async def send(self, node: int, _request: Any) -> str:
        assert node == 7
        self.pings += 1
        if self.is_silent:
            await asyncio.sleep(3600)
        return "metadata"


class Coordinator:
    """The coordinator's side of aiokafka, of what is looked at."""

    def __init__(self, client: Client) -> None:
        self.coordinator_id: int | None = 7
        self._client = client
        self.bounds: list[float] = []

    async def _send_req(self, request: Any) -> str:
        connection = self._client.connection
        if connection is None:
            raise RequestTimedOutError
        self.bounds.append(connection._request_timeout)
        if isinstance(request, HeartbeatRequest):
            return "beat"
        return await connection.waiting


@pytest.fixture
async def house() -> tuple[Coordinator, Client, Connection]:
    connection = Connection(asyncio.get_running_loop().create_future())
    client = Client(connection)
    coordinator = Coordinator(client)
    BoundedRequests(coordinator, BOUND, JOIN_BOUND).install()  # type: ignore[arg-type]
    return coordinator, client, connection


def join() -> JoinGroupRequest:
    return JoinGroupRequest("group", 1, 1, "", None, "consumer", [])


def heartbeat() -> HeartbeatRequest:
    return HeartbeatRequest("group", 1, "member")


async def test_a_join_waits_for_the_other_members_while_its_coordinator_answers(
    house: tuple[Coordinator, Client, Connection],
) -> None:
    coordinator, client, connection = house
    joining = asyncio.ensure_future(coordinator._send_req(join()))
    await asyncio.sleep(6 * BOUND)
    assert client.pings >= 2
    connection.waiting.set_result("joined")
    assert await joining == "joined"
    assert (connection.closed, coordinator.bounds) == (0, [JOIN_BOUND])
    assert connection._request_timeout == BOUND  # for the heartbeats that follow


async def test_a_join_ends_once_its_coordinator_is_silent(
    house: tuple[Coordinator, Client, Connection],
) -> None:
    coordinator, client, connection = house
    client.is_silent = True
    async with asyncio.timeout(20 * BOUND):
        with pytest.raises(KafkaConnectionError):
            await coordinator._send_req(join())
    assert connection.closed == 1
    assert connection._request_timeout == BOUND


async def test_a_heartbeat_has_the_short_bound_and_asks_nothing_else(
    house: tuple[Coordinator, Client, Connection],
) -> None:
    coordinator, client, _ = house
    assert await coordinator._send_req(heartbeat()) == "beat"
    assert (coordinator.bounds, client.pings) == ([BOUND], 0)


async def test_a_coordinator_that_takes_no_connection_is_reported_as_aiokafka_does(
    house: tuple[Coordinator, Client, Connection],
) -> None:
    coordinator, client, _ = house
    client.connection = None
    with pytest.raises(RequestTimedOutError):
        await coordinator._send_req(join())


async def test_a_join_that_is_cancelled_leaves_nothing_behind(
    house: tuple[Coordinator, Client, Connection],
) -> None:
    coordinator, _, connection = house
    joining = asyncio.ensure_future(coordinator._send_req(join()))
    await asyncio.sleep(BOUND / 2)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert connection._request_timeout == BOUND
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
