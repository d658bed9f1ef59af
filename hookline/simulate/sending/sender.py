"""Sends a schedule to the ingresses, paced by when its deliveries are due."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from hookline.simulate.sending.connection import Connection
from hookline.simulate.sending.journal import Journal
from hookline.simulate.sending.requests import Signer
from hookline.simulate.sending.schedule import Delivery
from hookline.simulate.sending.tally import Tally

CONNECTIONS = 64
PATIENCE = 180.0
_MOST_WAITING = 20_000
"""Deliveries that are due and wait for a connection or an answer; beyond, the plan waits too."""
_MOST_WAITING_UNPACED = 6
"""The same without pacing, for each connection: enough that none of them runs dry."""
_ON_ITS_WAY = 0.005
"""Seconds after what it reports that a delivery is sent: none comes before it has happened."""
_LOOK_EVERY = 0.25
_AT_ONCE = 16
"""Deliveries made before answers are looked at again."""
_STOP_TIMEOUT = 5.0


class Sender:
    """Sends deliveries until each is accepted or refused.

    ``addresses``: host and port of each ingress. An entity's deliveries all go over one
    connection. ``patience``: seconds without any delivery accepted after which it gives up.
    ``is_paced`` False: as fast as the ingresses answer, whenever the deliveries are due.
    """

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        signer: Signer,
        journal: Journal,
        tally: Tally,
        *,
        connections: int = CONNECTIONS,
        patience: float = PATIENCE,
        is_paced: bool = True,
    ) -> None:
        self.signer, self.journal, self.tally = signer, journal, tally
        self._addresses, self._count = addresses, max(connections, len(addresses))
        self._patience, self._is_paced = patience, is_paced
        self._limit = _MOST_WAITING if is_paced else _MOST_WAITING_UNPACED * self._count
        self._waiting = 0
        self._room: asyncio.Event = asyncio.Event()
        self._stopped = asyncio.Event()
        self._connections: list[Connection] = []

    async def run(self, schedule: Iterable[Delivery], start: float | None = None) -> bool:
        """Send all of the schedule; True if every delivery was accepted or refused.

        ``start``: the ``time.time`` at which the run begins, now if it is None.
        """
        self._connections = [
            Connection(self, *self._addresses[number % len(self._addresses)])
            for number in range(self._count)
        ]
        for connection in self._connections:
            connection.open()
        began = time.monotonic() + _ON_ITS_WAY
        if start is not None:
            began += start - time.time()
        watch = asyncio.create_task(self._watch())
        try:
            await self._give_all(schedule, began)
            until = time.monotonic() + _STOP_TIMEOUT
            while self._waiting and not (self._stopped.is_set() and time.monotonic() > until):
                if not self._stopped.is_set():
                    until = time.monotonic() + _STOP_TIMEOUT
                self._room.clear()
                await self._wait_for_room(_LOOK_EVERY)
                if self._has_lost_patience():
                    break
        finally:
            watch.cancel()
            left = [each for connection in self._connections for each in connection.close()]
            for delivery in left:
                self.journal.unsettled(delivery)
            self.tally.ended = time.monotonic()
        return not left and not self._stopped.is_set()

    def stop(self) -> None:
        """Take no more from the schedule, and wait a few seconds for answers on their way."""
        self._stopped.set()
        self._room.set()

    def ended(self) -> None:
        """Make room for another delivery."""
        self._waiting -= 1
        if self._waiting <= self._limit - _AT_ONCE or not self._waiting:
            self._room.set()

    async def _give_all(self, schedule: Iterable[Delivery], began: float) -> None:
        connections, count, tally = self._connections, self._count, self.tally
        for delivery in schedule:
            if self._is_paced:
                ahead = began + delivery.due / 1e6 - time.monotonic()
                if ahead > 0.001:  # noqa: PLR2004 - the grain of the loop's timers
                    await self._sleep(ahead)
                    ahead = 0.0
                tally.lag = max(0.0, -ahead)
                tally.most_lag = max(tally.most_lag, tally.lag)
            while self._waiting >= self._limit and not self._stopped.is_set():
                self._room.clear()
                await self._wait_for_room(_LOOK_EVERY)
                if self._has_lost_patience():
                    return
            if self._stopped.is_set():
                return
            self._waiting += 1
            tally.planned += 1
            connections[delivery.entity % count].give(delivery)
            if self._is_paced and not tally.planned % _AT_ONCE:
                await asyncio.sleep(0)

    async def _sleep(self, seconds: float) -> None:
        if seconds < _LOOK_EVERY:
            await asyncio.sleep(seconds)
            return
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return

    async def _wait_for_room(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._room.wait()
        except TimeoutError:
            return

    async def _watch(self) -> None:
        """Cut connections whose answers are overdue, and keep the tally's count of the waiting."""
        while True:
            now = time.monotonic()
            self.tally.waiting = self._waiting
            for connection in self._connections:
                connection.check(now)
            await asyncio.sleep(_LOOK_EVERY)

    def _has_lost_patience(self) -> bool:
        return time.monotonic() - self.tally.last_accepted > self._patience
