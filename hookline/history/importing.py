"""An import from its files to its receipt."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from hookline.console.output import Progress
from hookline.history.check import slots_of
from hookline.history.exports.files import Export, Row
from hookline.history.outcomes import Outcomes, await_outcomes
from hookline.history.prepare import Marker, Prepared, Preparer, Refused
from hookline.history.state import SHOWN_ROWS, State
from hookline.history.writer import Writer
from ingest.ids import new_delivery
from runtime.settings import Settings
from schemas.envelopes import Reject
from schemas.events import Micros

_RECENT = 500
"""Last rows, one of which states how far back the history reaches."""

Save = Callable[[State], None]


@dataclass(slots=True)
class Receipt:
    """What an import did.

    ``refused``: reason -> rows that were not written. ``rejected``: (row, reason) of the first of
    those, and of rows that became dead letters. ``rate``: deliveries a second, since it was last
    started, of the ``seconds`` that writing took. ``outcomes`` is None where nobody waited.
    """

    import_id: str
    shop: str
    rows: int
    written: int
    seconds: float
    refused: dict[str, int]
    resumed_after: int = 0
    rate: float = 0.0
    history_from: Micros | None = None
    outcomes: Outcomes | None = None
    rejected: list[tuple[str, str]] = field(default_factory=list)
    counts_all: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether every row is in the canonical topics."""
        dead = self.outcomes is not None and (self.outcomes.dead_letters or self.outcomes.open)
        return not self.refused and not dead

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        found = asdict(self)
        outcomes = found.pop("outcomes")
        if outcomes is not None:
            outcomes["reasons"] = dict(outcomes["reasons"])
            del outcomes["dead_rows"]
        found["outcomes"] = outcomes
        found["rejected"] = [{"row": row, "reason": why} for row, why in self.rejected]
        return found


def new_state(key: str) -> State:
    """Return the state of an import that begins now."""
    delivery, now = new_delivery()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now / 1_000_000))
    return State(f"{stamp}-{delivery[-6:].decode()}", key, now // 1000)


async def run(
    settings: Settings,
    export: Export,
    preparer: Preparer,
    state: State,
    save: Save,
    progress: Progress,
    *,
    history_from: Micros | None = None,
    rate: float | None = None,
    waits: bool = True,
    only: Collection[int] | None = None,
) -> Receipt:
    """Write the rows after ``state.row``, wait for the processors, return the receipt.

    ``only``: the numbers of the rows to write. Raises CommandError; the state is saved.
    """
    started, begun_after, before = time.monotonic(), state.row, state.written
    marker = Marker(preparer.shop, state.import_id)
    source = _Source(export, preparer, state, progress, only)
    async with Writer(settings, marker, state) as writer:
        save(state)
        await writer.write(source.prepared(), save, rate)
        stated = None
        if history_from is not None and (row := source.good_row()) is not None:
            # After all others are in the log: until then the history is not whole.
            await writer.state_history(row, history_from)
            stated = history_from
    seconds = time.monotonic() - started
    save(state)
    outcomes = None
    if waits:
        outcomes = await await_outcomes(settings, state.ranges, state.since_ms, progress)
    state.is_complete = True
    save(state)
    rejected = list(state.refused_rows) + (outcomes.dead_rows if outcomes else [])
    return Receipt(
        state.import_id,
        f"{preparer.shop.source}/{preparer.shop.id}",
        source.last,
        state.written,
        seconds,
        state.refused,
        begun_after,
        (state.written - before) / seconds,
        stated,
        outcomes,
        [(export.where(row), reason) for row, reason in sorted(rejected)[:SHOWN_ROWS]],
        state.counts_all,
    )


class _Source:
    """The rows of an export that are still to be written, and the last of all."""

    def __init__(
        self,
        export: Export,
        preparer: Preparer,
        state: State,
        progress: Progress,
        only: Collection[int] | None,
    ) -> None:
        self._export, self._preparer, self._only = export, preparer, only
        self._state, self._progress = state, progress
        self._size = export.size
        self._recent: deque[Row] = deque(maxlen=_RECENT)
        self.last = 0

    def prepared(self) -> Iterator[Prepared | Refused]:
        """Yield the rows, prepared."""
        done, only, recent, state = self._state.row, self._only, self._recent, self._state
        prepare = self._preparer.prepare
        read = 0

        def report(position: int) -> None:
            nonlocal read
            read = position

        for row in self._export.rows(report):
            self.last = row.number
            recent.append(row)
            if not row.number % 2_000:
                self._progress(f"{state.written:,} written", read, self._size)
            if row.number > done and (only is None or row.number in only):
                yield prepare(row)
        self._progress(f"{state.written:,} written", self._size, self._size)

    def good_row(self) -> Prepared | None:
        """Return one of the last rows of which events can be made; no cart where another can."""
        cart = None
        for row in reversed(self._recent):
            prepared = self._preparer.prepare(row)
            if isinstance(prepared, Refused):
                continue
            if isinstance(slots_of(self._preparer.shop, prepared), Reject):
                continue
            if not prepared.is_cart:
                return prepared
            cart = cart or prepared
        return cart
