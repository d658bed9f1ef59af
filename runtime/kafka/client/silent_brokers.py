"""A broker that gives no answer holds up only those who need this very broker.

A stopped process keeps its connections, and its kernel accepts new ones. aiokafka connects to one
broker at a time, and chooses brokers for metadata and for the look-up of coordinators at random:
each such request would wait for the silent one, again and again, as would all behind it.
"""

import asyncio
import time
from collections import defaultdict
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason

AVOIDED = 5.0
"""Seconds for which a broker without an answer is not connected to, and no choice if others are."""
REFUSED_WITHIN = 0.5
"""Seconds; a connection that fails so soon was refused: that broker is down, and costs nobody."""
PAUSE = 0.5
"""Seconds until a caller learns that a broker is avoided."""

_avoiding: ContextVar[bool] = ContextVar("avoiding", default=False)


class SilentBrokers:
    """The brokers that gave a client no answer a moment ago, and its connections to all."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._connect, self._closed = client._get_conn, client._on_connection_closed  # noqa: SLF001
        self._update, self._choose = client._metadata_update, client.get_random_node  # noqa: SLF001
        self._until: dict[Any, float] = {}
        self._connecting: defaultdict[Any, asyncio.Lock] = defaultdict(asyncio.Lock)

    def install(self) -> None:
        """Replace the methods of the client by ours."""
        client: Any = self._client
        client._get_conn_lock_value = nullcontext()  # noqa: SLF001 - ours is for each connection
        client._get_conn, client.get_random_node = self.connect, self.choose  # noqa: SLF001
        client._on_connection_closed = self.closed  # noqa: SLF001
        client._metadata_update = self.update_metadata  # noqa: SLF001

    def is_silent(self, node: Any) -> bool:
        """Whether a broker is avoided at the moment."""
        return time.monotonic() < self._until.get(node, 0.0)

    async def connect(
        self, node: Any, *, group: ConnectionGroup = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> AIOKafkaConnection | None:
        """Return the connection to a broker; None where there is none or it is avoided."""
        known = self._client._conns.get((node, group))  # noqa: SLF001
        if known is not None and known.connected():
            return None if self.is_silent(node) and _avoiding.get() else known
        if not self.is_silent(node):
            async with self._connecting[node, group]:
                if not self.is_silent(node):
                    return await self._try(node, group, no_hint=no_hint)
        self._client.force_metadata_update()
        if not _avoiding.get():
            await asyncio.sleep(PAUSE)  # aiokafka repeats at once, and writes a line each time
        return None

    async def _try(
        self, node: Any, group: ConnectionGroup, *, no_hint: bool
    ) -> AIOKafkaConnection | None:
        began = time.monotonic()
        connection = await self._connect(node, group=group, no_hint=no_hint)
        if connection is not None:
            self._until.pop(node, None)
        elif time.monotonic() - began > REFUSED_WITHIN:
            self._avoid(node)
        return connection

    def closed(self, connection: AIOKafkaConnection, reason: CloseReason) -> None:
        """Note a broker whose connection was closed because no answer came."""
        if reason is CloseReason.CONNECTION_TIMEOUT:
            for (node, _), known in self._client._conns.items():  # noqa: SLF001
                if known is connection:
                    self._avoid(node)
        self._closed(connection, reason)

    def choose(self) -> Any:
        """Choose a broker at random, one that answers where there is one."""
        node = self._choose()
        for _ in range(10 * len(self._until)):
            if not self.is_silent(node):
                break
            node = self._choose()
        return node

    async def update_metadata(self, metadata: Any, topics: Any) -> Any:
        """Ask for metadata, at first only brokers that answer."""
        if any(map(self.is_silent, self._until)):
            token = _avoiding.set(True)
            try:
                if updated := await self._update(metadata, topics):
                    return updated
            finally:
                _avoiding.reset(token)
            self._until.clear()  # nobody else answers
        return await self._update(metadata, topics)

    def _avoid(self, node: Any) -> None:
        self._until[node] = time.monotonic() + AVOIDED


def avoid_silent_brokers(client: AIOKafkaClient) -> None:
    """Let a client that is not started yet avoid brokers that give no answer."""
    SilentBrokers(client).install()
