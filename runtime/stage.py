"""What a Faust stage is to the worker that runs it: batches in, safe outcomes or an exception."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from runtime import crash_marks
from runtime.crash_marks import Custody, Piece
from runtime.health import Health
from runtime.settings import Settings
from schemas.topics import Group, Topic

Make = Callable[
    [int, int, bytes | None, bytes | None, Sequence[tuple[str, bytes]]],
    Any,
]
"""Makes a record of its offset, timestamp (ms), key, value and headers."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of one topic; ``topic`` is the name on the broker."""

    topic: str
    number: int


async def _unmarked(_piece: Piece | None) -> None:
    """Where nobody keeps marks."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition, in order, as fetched.

    A record is a ``runtime.consumer.fetched_records.Record`` unless the stage makes its own
    (``MakesRecords``).
    ``offset`` is where delivery stood before the batch: the first record may lie beyond it where
    the broker skipped offsets. ``end`` is the offset behind the last record. ``is_current`` turns
    false for good once the partition may belong to somebody else.
    """

    partition: Partition
    records: Sequence[Any]
    offset: int
    end: int
    generation: int
    is_current: Callable[[], bool]
    heartbeat_age: Callable[[], float] = field(default=lambda: 0.0)
    custody: Custody = field(default_factory=Custody)
    mark: Callable[[Piece | None], Awaitable[None]] = _unmarked

    def pieces(self) -> Iterator[Piece]:
        """The batch as the partition's past asks for it: in one piece where nobody died."""
        return crash_marks.pieces(self.custody, self.records, self.end)

    @asynccontextmanager
    async def building(self, piece: Piece) -> AsyncIterator[None]:
        """Around what a record can kill the process with: neither send nor wait inside."""
        if piece.is_marked:
            await self.mark(piece)
            yield
            await self.mark(None)
        else:
            yield


class MovedError(Exception):
    """The batch was not taken: delivery of its partition goes on at ``offset``."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"delivery goes on at {offset}")
        self.offset = offset


class RefusedError(Exception):
    """A partition cannot be trusted: it stops until somebody does what the message says."""


class Stage(Protocol):
    """A stage. All methods run in the worker's event loop.

    ``handle`` returns only when every outcome of the batch is safe; the worker then
    acknowledges it. It waits out services that are away (saying so on ``health``), raises
    ``MovedError`` to be given other offsets, ``RefusedError`` to stop the partition, and may
    return early, unacknowledged, once the batch is no longer current. Any other exception
    ends the process.
    """

    topics: tuple[Topic, ...]
    group: Group

    async def start(self, settings: Settings, health: Health) -> None:
        """Connect; called once before the worker joins its group."""

    async def assigned(self, partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        """Prepare for these; give the offset to start from where it is not Kafka's commit."""
        ...

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Forget these: what was in hand is acknowledged or will be somebody else's."""

    async def handle(self, batch: Batch) -> None:
        """Make the batch's outcomes safe."""

    async def stop(self) -> None:
        """Let go of connections; nothing is in hand any more."""


@runtime_checkable
class HandlesTogether(Protocol):
    """A stage that makes batches of several partitions safe at once: that costs it less.

    What comes next is prepared while what was prepared before is handled.
    """

    async def prepare(self, batches: Sequence[Batch]) -> Any:
        """What can be done for batches of different partitions without any other service.

        Raises RefusedError; then each of them is handled by itself.
        """

    async def handle_prepared(self, prepared: Any) -> None:
        """Make the outcomes of all safe. Where it raises what ``handle`` may, of none."""


@runtime_checkable
class MakesRecords(Protocol):
    """A stage with records of its own, which have an ``offset`` and a ``timestamp``.

    They are made in the consumer's thread, as they are unpacked.
    """

    def making(self, partition: Partition) -> Make:
        """What makes them. Of what it raises an exception for, a ``Record`` is given."""


@runtime_checkable
class OpensEach(Protocol):
    """A stage that prepares partitions one by one: each is delivered as soon as it is open."""

    async def open(self, partition: Partition, due: int) -> None:
        """Prepare for delivery from offset ``due``. Raises RefusedError."""
