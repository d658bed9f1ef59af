"""How long the group's coordinator may take: a broker that is silent counts as dead.

aiokafka has one bound for all requests of a client, and Faust sets it to 90 s: a stopped
coordinator then holds a worker long after Kafka has chosen another. Only a join may take long,
since it is answered when all members have joined. While it lasts, the coordinator is asked
something cheap on a second connection; if that gets no answer either, the join is abandoned.
"""

import asyncio
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest

_LONG = (JoinGroupRequest, SyncGroupRequest)


class BoundedRequests:
    """Replaces the way in which a coordinator's requests are sent.

    ``bound``: seconds for every request but a join; ``join_bound``: seconds for a join.
    """

    def __init__(self, coordinator: GroupCoordinator, bound: float, join_bound: float) -> None:
        self._coordinator, self._client = coordinator, coordinator._client  # noqa: SLF001
        self._send = coordinator._send_req  # noqa: SLF001
        self._bound, self._join_bound = bound, join_bound

    def install(self) -> None:
        """Send the coordinator's requests by ``send`` from now on."""
        self._coordinator._send_req = self.send  # noqa: SLF001

    async def send(self, request: Any) -> Any:
        """Send one request to the coordinator. Raises KafkaError."""
        node = self._coordinator.coordinator_id
        if not isinstance(request, _LONG) or node is None:
            return await self._send(request)
        connection = await self._client._get_conn(  # noqa: SLF001
            node, group=ConnectionGroup.COORDINATION
        )
        if connection is None:
            return await self._send(request)  # which reports it
        connection._request_timeout = self._join_bound  # noqa: SLF001
        joining = asyncio.ensure_future(self._send(request))
        try:
            while not (await asyncio.wait({joining}, timeout=self._bound))[0]:
                if not await self._answers(node):
                    # aiokafka then takes the coordinator for dead, as after its own timeout.
                    connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            return await joining
        finally:
            connection._request_timeout = self._bound  # noqa: SLF001
            joining.cancel()

    async def _answers(self, node: int) -> bool:
        try:
            async with asyncio.timeout(self._bound):
                await self._client.send(node, MetadataRequest([]))
        except (KafkaError, TimeoutError):
            return False
        return True
