"""What an import has written and refused is right, killed at any row and started again."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.history import writer
from hookline.history.importing import new_state
from hookline.history.prepare import Marker, Prepared, Refused
from hookline.history.state import State
from hookline.history.writer import Writer
from runtime.settings import Settings
from schemas.shops import Shop

ROWS: list[Prepared | Refused] = [
    Refused(number, f"reason {number % 2}")
    if number % 3 == 0
    else Prepared(number, "orders/updated", b"k%d" % (number % 5), b"{}", 1, 1, False, True)
    for number in range(1, 41)
]
REFUSED = Counter(row.reason for row in ROWS if isinstance(row, Refused))


class Kafka:
    """A log that acknowledges the first ``answered`` batches at once, and the others never."""

    def __init__(self, answered: int) -> None:
        self._left, self._end = answered, Counter[int]()

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(1 << 20, 0)

    async def send_batch(self, batch: BatchBuilder, _: str, *, partition: int) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._left:
            self._left -= 1
            future.set_result(SimpleNamespace(offset=self._end[partition]))
            self._end[partition] += batch.record_count()
        return future


class KilledError(Exception):
    """The process ends here."""


def rows_after(state: State, killed_at: int) -> Iterator[Prepared | Refused]:
    for row in ROWS[state.row :]:
        if row.row == killed_at:
            raise KilledError
        yield row


async def written(state: State, kafka: Kafka, killed_at: int = 0) -> State:
    """The state that is on the disk after a run."""
    kept = [msgspec.json.encode(state)]
    to = Writer(Settings(), Marker(Shop(source="spiffy", id="s"), state.import_id), state)
    to._producer, to._partitions = kafka, 3
    with suppress(KilledError):
        await to.write(
            rows_after(state, killed_at), lambda each: kept.append(msgspec.json.encode(each))
        )
    return msgspec.json.decode(kept[-1], type=State)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30)), max_size=3))
def test_refused_rows_count_once_however_often_it_is_killed(kills: list[tuple[int, int]]) -> None:
    async def imported() -> State:
        state = new_state("k")
        for kill, answered in kills:
            killed_at = max(kill, state.row + 1)
            if killed_at <= len(ROWS):
                state = await written(state, Kafka(answered), killed_at)
        return await written(state, Kafka(1_000))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "CHUNK", 4)
        patch.setattr(writer, "IN_FLIGHT", 50)
        state = asyncio.run(imported())
    assert state.row == len(ROWS)
    assert state.refused == REFUSED
    assert [row for row, _ in state.refused_rows] == [
        row.row for row in ROWS if isinstance(row, Refused)
    ]
    assert state.written == len(ROWS) - REFUSED.total()
