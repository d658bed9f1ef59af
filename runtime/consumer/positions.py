"""Where delivery of each partition stands, within one generation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from faust.types import TP
from msgspec.structs import replace

from runtime import crash_marks
from runtime.crash_marks import Custody, Piece
from runtime.stage import Partition

Commit = tuple[int, str]
"""An offset and the words of custody that go with it."""


@dataclass(slots=True)
class Cursor:
    """One partition.

    ``due``: the offset that is delivered next. ``safe``: everything below it is safe.
    ``life`` numbers the seeks: what was fetched in an older one is stale. ``hole``: (due,
    first offset seen) of a gap that was asked for again. ``steps`` counts what moved, and
    ``safe_ms`` is the append time of the last safe record, 0 before the first.
    """

    due: int
    safe: int
    custody: Custody = field(default_factory=Custody)
    life: int = 0
    hole: tuple[int, int] | None = None
    mark: tuple[int, int] | None = None
    is_let_go: bool = False
    steps: int = 0
    safe_ms: int = 0

    @property
    def commit(self) -> Commit:
        """What the partition's commit shall say."""
        said = replace(self.custody, is_open=not self.is_let_go, mark=self.mark)
        return self.safe, crash_marks.encode(said)

    def settled(self, end: int, appended_ms: int) -> None:
        """Everything below ``end`` is safe."""
        self.safe, self.safe_ms = end, appended_ms
        self.steps += 1
        self.custody = crash_marks.passed(self.custody, end)

    def moved(self, offset: int) -> None:
        """Delivery goes on at ``offset``; what is queued is stale."""
        self.life += 1
        self.due, self.safe, self.hole = offset, offset, None

    def marked(self, piece: Piece | None) -> None:
        """A piece is about to be built, or no longer."""
        self.mark = None if piece is None else (piece.first, piece.end)
        self.steps += 1


@dataclass(frozen=True, slots=True)
class Halt:
    """A partition that is not delivered until an operator acted. ``hole``: offsets gone."""

    name: str
    reason: str
    due: int
    hole_end: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivered partition as the watchdog sees it."""

    safe: int
    steps: int
    safe_ms: int
    in_hand: bool


def whole(partition: Partition, due: int, start: int, end: int, *, is_raw: bool) -> Halt | None:
    """What is wrong where a log no longer holds the offset that is due; else None."""
    if start > due:
        return hole(partition, due, start, is_raw=is_raw)
    if due > end:
        name = f"{partition.topic}/{partition.number}"
        return Halt(
            f"recreated {name}",
            f"{name} ends at {end}, but we stood at {due}: the topic was recreated under us;"
            " restore it, point this stage at the topic it knows, or start over under a new"
            " prefix",
            due,
        )
    return None


def hole(partition: Partition, due: int, first: int, *, is_raw: bool) -> Halt:
    """Offsets from ``due`` up to ``first`` (excluded) that are gone."""
    name = f"{partition.topic}/{partition.number}"
    remedy = (
        "restore the topic, or give these deliveries up with"
        f" `hookline accept-loss {partition.number} --until {first}`"
        if is_raw
        else "restore the topic, or start over under a new prefix"
    )
    return Halt(
        f"hole {name}",
        f"offsets {due} to {first - 1} of {name} are gone before they were processed"
        f" ({first - due} records): {remedy}",
        due,
        first,
    )


def still_wanted(cursors: Mapping[TP, Cursor], said: Mapping[TP, Commit]) -> dict[TP, Commit]:
    """The commits that differ from what was said last."""
    wanted = {tp: cursor.commit for tp, cursor in cursors.items()}
    return {tp: commit for tp, commit in wanted.items() if said.get(tp) != commit}
