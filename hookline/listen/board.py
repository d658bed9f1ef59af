"""Puts raw deliveries and their outcomes together, in whichever order they are fetched. Pure.

Memory is bounded: of more deliveries than ``maximum`` without a verdict, the oldest is forgotten.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hookline.journey.model import Received, Stored
from hookline.journey.outcomes import Outcome, parse_outcome
from hookline.journey.verdict import events, to_time, verdict
from hookline.listen.heard import Heard
from processors.parse import raw_of
from schemas.codec import Codec
from schemas.raw_delivery import RawDelivery
from schemas.topics import Topic

MAXIMUM = 10_000

_Key = tuple[int, int]
"""Partition and offset of a raw record; its outcomes are in the partition of the same number."""


class Board:
    """Deliveries that wait for their verdict.

    ``starts``: by partition, the first raw offset that is listened to; outcomes of earlier ones
    are passed over. ``receive`` describes a delivery, ``is_wanted`` decides whether it is followed.
    """

    def __init__(
        self,
        starts: Mapping[int, int],
        codec: Codec,
        receive: Callable[[RawDelivery], Received],
        is_wanted: Callable[[Received], bool] = lambda _: True,
        maximum: int = MAXIMUM,
    ) -> None:
        self._next = dict(starts)
        self._codec, self._receive, self._is_wanted = codec, receive, is_wanted
        self._maximum = maximum
        self._waiting: dict[_Key, Heard] = {}
        self._early: dict[_Key, list[Outcome]] = {}
        self._decided: list[Heard] = []
        self._silent: set[_Key] = set()
        self.lost = 0

    @property
    def waiting(self) -> int:
        """How many deliveries have no verdict yet."""
        return len(self._waiting)

    def add_raw(self, record: Any, now: float) -> None:
        """Add a record of the raw topic."""
        raw = raw_of(record)
        key = (raw.partition, raw.offset)
        self._next[raw.partition] = raw.offset + 1
        early = self._early.pop(key, ())
        received = self._receive(raw)
        if not self._is_wanted(received):
            return
        at = Stored(record.topic, raw.partition, raw.offset, to_time(raw.appended_ms))
        self._waiting[key] = Heard(received, at, now)
        for outcome in early:
            self._add(key, outcome, now)
        if len(self._waiting) > self._maximum:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            self._silent.discard(oldest)
            self.lost += 1

    def add_outcome(self, topic: Topic, record: Any, now: float) -> None:
        """Add a record of an outcome topic; those of other producers are passed over."""
        outcome = parse_outcome(topic, record)
        if outcome is None:
            return
        key = (record.partition, outcome.raw_offset)
        if key in self._waiting:
            self._add(key, outcome, now)
        elif outcome.raw_offset >= self._next.get(record.partition, 0):
            self._early.setdefault(key, []).append(outcome)
            if len(self._early) > self._maximum:
                del self._early[next(iter(self._early))]

    def _add(self, key: _Key, outcome: Outcome, now: float) -> None:
        heard = self._waiting.get(key)
        if heard is None:  # its verdict is known: another copy of an outcome
            return
        heard.found.add(outcome)
        if not heard.found.is_whole:
            return
        heard.verdict = verdict(heard.found)
        heard.events = tuple(events(heard.found, self._codec))
        heard.decided_at = now
        heard.found.by_slot.clear()  # the records' values
        del self._waiting[key]
        self._silent.discard(key)
        self._decided.append(heard)

    def take_decided(self) -> list[Heard]:
        """Return the deliveries whose verdict has become known, each once."""
        decided, self._decided = self._decided, []
        return decided

    def take_silent(self, before: float) -> list[Heard]:
        """Return the deliveries heard before a time that have no verdict yet, each once."""
        found = []
        for key, heard in self._waiting.items():
            if heard.heard_at >= before:
                break
            if key not in self._silent:
                self._silent.add(key)
                found.append(heard)
        return found
