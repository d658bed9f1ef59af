"""Positions in the partitions of one generation, and when a log no longer holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from faust.types import TP
from msgspec.structs import replace

from runtime.consumer import crash_marks
from runtime.consumer.crash_marks import Chunk, CommitMetadata
from runtime.kafka.operator_decisions import accepted_until
from runtime.stage import Partition, RefusedError
from schemas.json_records.decisions import AcceptedLoss, Decision

Commit = tuple[int, str]
"""An offset and the encoded metadata that is committed with it."""


@dataclass(slots=True)
class Position:
    """The position in one partition.

    ``next_offset`` is delivered next; everything below ``acknowledged`` is stored. Each seek
    starts an ``epoch``: what was fetched in an earlier one is stale. ``gap`` is (next offset,
    first offset fetched) of a gap that was fetched once more. ``steps`` changes with all progress;
    ``acknowledged_ms`` is the append time of the last acknowledged record, 0 before the first.
    """

    next_offset: int
    acknowledged: int
    metadata: CommitMetadata = field(default_factory=CommitMetadata)
    epoch: int = 0
    gap: tuple[int, int] | None = None
    mark: tuple[int, int] | None = None
    is_released: bool = False
    steps: int = 0
    acknowledged_ms: int = 0

    @property
    def commit(self) -> Commit:
        """The offset and metadata to commit."""
        metadata = replace(self.metadata, is_open=not self.is_released, mark=self.mark)
        return self.acknowledged, crash_marks.encode(metadata)

    def acknowledge(self, end: int, appended_ms: int | None) -> None:
        """Acknowledge everything below ``end``; the last record's append time, None without one."""
        self.acknowledged = end
        self.acknowledged_ms = self.acknowledged_ms if appended_ms is None else appended_ms
        self.steps += 1
        self.metadata = crash_marks.passed(self.metadata, end)

    def move_to(self, offset: int) -> None:
        """Continue at ``offset``; queued batches become stale."""
        self.epoch += 1
        self.next_offset, self.acknowledged, self.gap = offset, offset, None

    def mark_chunk(self, chunk: Chunk | None) -> None:
        """Mark a chunk that is about to be built; None once it is built."""
        self.mark = None if chunk is None else (chunk.first, chunk.end)
        self.steps += 1


@dataclass(frozen=True, slots=True)
class StoppedPartition:
    """A partition that is not delivered until an operator acts.

    ``name`` and ``reason`` are those of the health condition; ``gap_end`` is the first offset
    after the lost ones, None where none are lost. ``refusal``: the stage's, None for others.
    """

    name: str
    reason: str
    next_offset: int
    gap_end: int | None = None
    refusal: RefusedError | None = None

    def continues_at(self, partition: int, decisions: Sequence[Decision]) -> int | None:
        """Return where operators' decisions let the partition go on; None where they do not."""
        if self.refusal is not None:
            return self.next_offset if self.refusal.is_settled_by(decisions) else None
        if self.gap_end is None:
            return None
        losses = [each for each in decisions if isinstance(each, AcceptedLoss)]
        until = accepted_until(losses, partition, self.next_offset)
        return self.gap_end if until >= self.gap_end else None


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """A delivered partition as the watchdog sees it."""

    acknowledged: int
    steps: int
    acknowledged_ms: int
    is_in_flight: bool


def check_log(
    partition: Partition, next_offset: int, start: int, end: int, *, is_raw: bool
) -> StoppedPartition | None:
    """Return why a log [start, end) no longer holds ``next_offset``; None where it does."""
    if start > next_offset:
        return stopped_by_gap(partition, next_offset, start, is_raw=is_raw)
    if next_offset > end:
        name = f"{partition.topic}/{partition.number}"
        return StoppedPartition(
            f"recreated {name}",
            f"{name} ends at {end}, but was processed up to {next_offset}: the topic was"
            " recreated; restore it, point this stage at the topic it knows, or start over under"
            " a new prefix",
            next_offset,
        )
    return None


def stopped_by_gap(
    partition: Partition, next_offset: int, first: int, *, is_raw: bool
) -> StoppedPartition:
    """Describe a gap: the offsets [next_offset, first) are gone."""
    name = f"{partition.topic}/{partition.number}"
    remedy = (
        "restore the topic, or accept the loss of these deliveries with"
        f" `hookline accept-loss {partition.number} --until {first}`"
        if is_raw
        else "restore the topic, or start over under a new prefix"
    )
    return StoppedPartition(
        f"gap {name}",
        f"offsets {next_offset} to {first - 1} of {name} are gone before they were processed"
        f" ({first - next_offset} records): {remedy}",
        next_offset,
        first,
    )


def changed_commits(
    positions: Mapping[TP, Position], committed: Mapping[TP, Commit]
) -> dict[TP, Commit]:
    """Return the commits that differ from the last ones."""
    commits = {tp: position.commit for tp, position in positions.items()}
    return {tp: commit for tp, commit in commits.items() if committed.get(tp) != commit}
