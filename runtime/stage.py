"""The contract between a Faust stage and its worker: batches in, acknowledged outcomes out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from runtime.consumer import crash_marks
from runtime.consumer.crash_marks import Chunk, CommitMetadata
from runtime.health import Health
from runtime.settings import Settings
from schemas.json_records.decisions import Decision
from schemas.topics import Group, Topic

RecordFactory = Callable[[int, int, bytes | None, bytes | None, Sequence[tuple[str, bytes]]], Any]
"""Makes a record from its offset, timestamp (ms), key, value and headers."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of one topic; ``topic`` is the name on the broker."""

    topic: str
    number: int


async def _no_mark(_chunk: Chunk | None) -> None:
    """Mark nothing: for batches without a consumer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition, in order, as fetched.

    A record is aiokafka's ``ConsumerRecord`` unless the stage has a record factory. ``offset`` is
    the partition's next offset before the batch; the first record may lie beyond it where the
    broker skipped offsets. ``end`` is the offset after the last record. A batch without records
    only moves the offset over transaction markers. ``is_current`` turns false for good once the
    partition may belong to another worker.
    """

    partition: Partition
    records: Sequence[Any]
    offset: int
    end: int
    generation: int
    is_current: Callable[[], bool]
    heartbeat_age: Callable[[], float] = field(default=lambda: 0.0)
    commit_metadata: CommitMetadata = field(default_factory=CommitMetadata)
    mark: Callable[[Chunk | None], Awaitable[None]] = _no_mark

    def chunks(self) -> Iterator[Chunk]:
        """Split the batch as the crash marks require: one chunk after a clean exit."""
        return crash_marks.chunks(self.commit_metadata, self.records, self.end)

    @asynccontextmanager
    async def building(self, chunk: Chunk) -> AsyncIterator[None]:
        """Keep the chunk marked while it is built. Neither send nor wait inside the block."""
        if chunk.is_marked:
            await self.mark(chunk)
            yield
            await self.mark(None)  # no finally: an error ends the process, and its mark must remain
        else:
            yield


class MovedError(Exception):
    """The batch was not taken: the partition continues at ``offset``."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the partition continues at offset {offset}")
        self.offset = offset


class RefusedError(Exception):
    """A partition cannot be trusted; it stays stopped until an operator acts on the message.

    ``awaits_decision``: an operator can record one that lets the partition go on.
    """

    awaits_decision = False

    def is_settled_by(self, decisions: Sequence[Decision]) -> bool:  # noqa: ARG002 - for others
        """Whether the decisions so far let the partition go on."""
        return False


class Stage(Protocol):
    """A stage. All methods run in the worker's event loop.

    ``handle`` returns only when every outcome of the batch is stored; the worker then
    acknowledges the batch. It waits for services that are away (marking that on ``health``),
    raises ``MovedError`` to continue at another offset and ``RefusedError`` to stop the
    partition, and may return early, unacknowledged, once the batch is no longer current. Any
    other exception ends the process.

    ``topics`` are consumed in ``group``. ``used``: every topic that the stage does something with,
    and the right for that, as Kafka calls it; they are checked before it starts.
    """

    topics: tuple[Topic, ...]
    used: Mapping[Topic, str]
    group: Group

    async def start(self, settings: Settings, health: Health) -> None:
        """Connect; called once before the worker joins its group."""

    async def assigned(self, partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        """Prepare for these partitions; return start offsets where they differ from the commit."""
        ...

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Drop the state of these partitions; another worker may own them now."""

    async def handle(self, batch: Batch) -> None:
        """Store the batch's outcomes."""

    async def stop(self) -> None:
        """Disconnect; no batch is in flight any more."""


@runtime_checkable
class HandlesBatchesTogether(Protocol):
    """A stage that stores batches of several partitions at once, which costs it less.

    The next batches are prepared while the previous ones are handled.
    """

    async def prepare(self, batches: Sequence[Batch]) -> Any:
        """Do the work on batches of different partitions that needs no service.

        Raises RefusedError; then each of the batches is handled by itself.
        """

    async def handle_prepared(self, prepared: Any) -> None:
        """Store the outcomes of all batches; of none where it raises what ``handle`` may."""


@runtime_checkable
class HasRecordFactory(Protocol):
    """A stage with record objects of its own, which have an ``offset`` and a ``timestamp``.

    They are made in the consumer's thread while a fetch is unpacked.
    """

    def record_factory(self, partition: Partition) -> RecordFactory:
        """Return the factory. Where it raises, the stage receives a ``ConsumerRecord``."""


@runtime_checkable
class OpensPartitions(Protocol):
    """A stage that opens partitions one by one; each is delivered as soon as it is open."""

    async def open(self, partition: Partition, next_offset: int) -> None:
        """Prepare for delivery from ``next_offset``.

        Raises RefusedError, and MovedError to be opened at an earlier offset instead.
        """
