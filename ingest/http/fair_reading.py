"""Data of connections that have proved nothing: each waits for its turn."""

import asyncio
from collections.abc import Callable
from functools import partial

from uvicorn.protocols.http.flow_control import FlowControl

from ingest.http.addresses import Addresses
from ingest.http.connection_timers import TimedProtocol

PROVED = "hookline.proved"
"""Key of a scope: set once this request, or an earlier one of its connection, was proved."""
PAUSE = 0.002
"""Seconds without a turn after a refusal."""
KNOWN = 4096
"""Addresses that are remembered because they have proved something."""
HELD = 32 << 20
"""Bytes that may wait for their turn; beyond these a connection of the largest crowd is cut off."""


class Reads:
    """Turns of data: of the connections that have proved nothing, one in a pass of the loop.

    ``held``: bytes that have been read and wait.

    Without it a crowd of strangers, all readable at once, would be served before a good sender's
    next request: now each of those waits for the data of one stranger at most. Addresses take
    turns, and so do the connections of one address. Where no two are readable in one pass nobody
    waits. A refusal makes the next turn wait, so that a crowd cannot use up the processor.
    Addresses that have proved something lately need no turns.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._is_taken = False
        self._was_refused = False
        self._of_address: dict[str | None, dict[Callable[[], object], Callable[[], object]]] = {}
        self._known: dict[str, None] = {}
        self.held = 0

    def proved(self, address: str | None) -> None:
        """Remember an address that has proved something; of many, those seen last."""
        if address is not None:
            self._known.pop(address, None)
            self._known[address] = None
            if len(self._known) > KNOWN:
                del self._known[next(iter(self._known))]

    def is_known(self, address: str | None) -> bool:
        """Whether an address has proved something lately."""
        return address in self._known

    def refused(self) -> None:
        """Make the next turn wait: this one was a stranger's."""
        self._was_refused = True

    def take(self) -> bool:
        """Take this pass's turn. False: it is taken, or others wait; then ``wait`` for one."""
        if self._is_taken:
            return False
        self._is_taken = True
        self._schedule()
        return True

    def wait(
        self, address: str | None, read: Callable[[], object], give_way: Callable[[], object]
    ) -> None:
        """Call ``read`` once, in a later pass. Only where ``take`` gave False.

        ``give_way``: called in its place where too much waits, and most of it of this address.
        """
        self._of_address.setdefault(address, {})[read] = give_way
        while self.held > HELD:
            address, crowd = max(self._of_address.items(), key=lambda each: len(each[1]))
            newest = next(reversed(crowd))
            give_way = crowd[newest]
            self.leave(address, newest)
            give_way()

    def leave(self, address: str | None, read: Callable[[], object]) -> None:
        """Wait no longer, where ``wait`` was called."""
        waiting = self._of_address.get(address)
        if waiting is not None:
            waiting.pop(read, None)
            if not waiting:
                del self._of_address[address]

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        if self._was_refused:
            self._was_refused = False
            loop.call_later(self._pause, self._next)
        else:
            loop.call_soon(self._next)

    async def turn(self, address: str | None) -> None:
        """Return in a turn of this address."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        give = partial(_give, turn)
        self.wait(address, give, give)
        try:
            await turn
        finally:
            self.leave(address, give)

    def _next(self) -> None:
        if not self._of_address:
            self._is_taken = False
            return
        self._schedule()
        address, waiting = next(iter(self._of_address.items()))
        del self._of_address[address]
        read = next(iter(waiting))
        del waiting[read]
        if waiting:
            self._of_address[address] = waiting  # the last again
        read()


def _give(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_result(None)


class TurnTakingFlow(FlowControl):
    """uvicorn's flow control with a second reason for a pause: the connection has no turn."""

    has_turn = True

    def await_turn(self) -> None:
        """Read nothing until ``give_turn``."""
        self.has_turn = False
        if not self.read_paused:
            self._transport.pause_reading()

    def give_turn(self) -> None:
        """Read again, unless the application has enough of the body for now."""
        if self.has_turn:
            return
        self.has_turn = True
        if not (self.read_paused or self._transport.is_closing()):
            self._transport.resume_reading()

    def pause_reading(self) -> None:
        """Pause for the application."""
        if not self.read_paused and self.has_turn:
            self._transport.pause_reading()
        self.read_paused = True

    def resume_reading(self) -> None:
        """End the pause of the application."""
        if self.read_paused and self.has_turn:
            self._transport.resume_reading()
        self.read_paused = False


class FairProtocol(TimedProtocol):
    """A connection whose data is taken by turns until a request of it was proved.

    ``reads`` and ``addresses`` are shared by the connections of a server. Connections of a proxy
    have no address of their own here, and none of them is known for what another has proved.
    """

    reads: Reads
    addresses: Addresses
    flow: TurnTakingFlow

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the state of a new connection."""
        super().connection_made(transport)
        self.flow = TurnTakingFlow(transport)
        self._address = self.addresses.of({"client": self.client, "headers": ()})
        self._is_exempt = self.reads.is_known(self._address)
        self._deferred_data = b""
        self._on_turn = self._receive_deferred

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for no turn any more."""
        self.reads.leave(self._address, self._on_turn)
        self._take_deferred()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Need no more turns once a request was proved; nor does another of this address."""
        if not self._is_exempt and PROVED in self.cycle.scope:
            self._is_exempt = True
            self.reads.proved(self._address)
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Take data now, or in its turn."""
        if self._is_exempt or self._may_receive(data):
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        """Take data whose turn it is; subclasses parse it."""
        raise NotImplementedError

    def _may_receive(self, data: bytes) -> bool:
        """Whether data can be taken now; else it is kept until its turn, and no more is read."""
        if self.reads.take():
            return True
        self._deferred_data = data
        self.reads.held += len(data)
        self.flow.await_turn()
        self.reads.wait(self._address, self._on_turn, self._give_way)
        return False

    def _take_deferred(self) -> bytes:
        data, self._deferred_data = self._deferred_data, b""
        self.reads.held -= len(data)
        return data

    def _give_way(self) -> None:
        self._take_deferred()
        self.transport.abort()

    def _receive_deferred(self) -> None:
        data = self._take_deferred()
        if not self.transport.is_closing():
            self._receive(data)
        self.flow.give_turn()
