"""A slow replay leaves out what others settled while it ran."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from hookline.dead_letters.letters import parse_letter
from hookline.dead_letters.replay import ReplayResult, _still_open
from schemas import envelopes

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Marks:
    """A session in which some letters have a mark: (offset, delivery, kind, reason, time)."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self._rows = rows

    async def execute(self, _statement: str, _parameters: Any) -> AsyncIterator[tuple[Any, ...]]:
        async def rows() -> AsyncIterator[tuple[Any, ...]]:
            for row in self._rows:
                yield row

        return rows()


def record(offset: int) -> Any:
    headers = [
        (envelopes.DELIVERY, b"019a-%d" % offset), (envelopes.SLOT, b"dead-letter"),
        (envelopes.SLOTS, b"dead-letter"), (envelopes.RAW_PARTITION, b"2"),
        (envelopes.RAW_OFFSET, b"40"), (envelopes.RAW_TIME, b"0"),
        (envelopes.REASON, b"unknown-event"),
    ]  # fmt: skip
    return SimpleNamespace(partition=2, offset=offset, timestamp=0, headers=headers, value=b"")


async def test_a_letter_that_was_discarded_meanwhile_is_not_replayed() -> None:
    records = [record(7), record(8), record(9)]
    letters = {each.offset: letter for each in records if (letter := parse_letter(each))}
    connection: Any = Marks(
        (8, "019a-8", "discarded", "a test", NOW),
        (9, "of a topic before this one", "replayed", "done", NOW),
    )
    result = ReplayResult()
    left = await _still_open(connection, TopicPartition("dead", 2), letters, records, result)
    assert [each.offset for each in left] == [7, 9]
    assert result.skipped == {"2:8": "discarded: a test"}
