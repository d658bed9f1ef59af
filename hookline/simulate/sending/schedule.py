"""The deliveries of a run in the order in which they are due, with the faults of senders."""

import random
from array import array
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from heapq import heappop, heappush
from zlib import crc32

from hookline.simulate.payloads.payload import Payload
from hookline.simulate.sending.faults import Faults, can_be_lost, can_wait, has_own_time
from hookline.simulate.world.facts import Fact, Micros, Step, entity_key

Render = Callable[[Fact], Payload | None]
MOST_REORDERED: Micros = 3_000_000
"""Held back at most so long, a delivery is overtaken; held back longer, it is late."""


class Kind(StrEnum):
    """What a delivery is: the first of its fact, a repeat of it, or a broken copy."""

    FACT = "fact"
    REPEAT = "repeat"
    MALFORMED = "malformed"


class Delivery:
    """One request to be accepted. ``number``: of its step, from 0; ``due``: as in the step.

    ``entity``: equal for deliveries that must not be on their way together. ``loses_answer``: the
    connection is cut after the first attempt. The other fields are the sender's: ``attempts`` made
    so far, ``sent`` the time of the newest (``time.monotonic``), ``unsure_since`` the time of the
    first attempt that may have been stored although it was not answered 200 (``time.time``).
    """

    __slots__ = (
        "attempts",
        "due",
        "entity",
        "kind",
        "loses_answer",
        "number",
        "payload",
        "sent",
        "step",
        "unsure_since",
    )

    def __init__(
        self,
        number: int,
        step: Step,
        payload: Payload,
        due: Micros,
        kind: Kind,
        entity: int,
        *,
        loses_answer: bool = False,
    ) -> None:
        self.number, self.step, self.payload, self.due = number, step, payload, due
        self.kind, self.entity, self.loses_answer = kind, entity, loses_answer
        self.attempts = 0
        self.sent = 0.0
        self.unsure_since: float | None = None


class Schedule:
    """Yields the deliveries of ``steps``; the same steps and faults give the same ones.

    A body that is a repeat only right behind its like is repeated there; the others any time
    later. Facts are held back only where their truth does not depend on it; all others of an
    entity come in their order. What ``render`` gives no payload for is no delivery.

    ``reported``: facts with a payload so far. ``withheld``: numbers of those that are never sent.
    ``watch`` is called with each step and its payload, the withheld ones included.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        render: Render,
        faults: Faults,
        watch: Callable[[Step, Payload, bool], object] | None = None,
    ) -> None:
        self._steps, self._render, self._faults = steps, render, faults
        self._watch = watch
        self._chance = random.Random(f"faults of {faults.seed}")  # noqa: S311 - repeatable
        self._held: list[tuple[Micros, int, Delivery]] = []
        self._holds = 0
        self.withheld = array("I")
        self.reported = 0

    def __iter__(self) -> Iterator[Delivery]:
        held = self._held
        for number, step in enumerate(self._steps):
            while held and held[0][0] <= step.due:
                yield heappop(held)[2]
            yield from self._of(number, step)
        while held:
            yield heappop(held)[2]

    def _of(self, number: int, step: Step) -> Iterator[Delivery]:
        """Yield what is sent at once; hold the rest."""
        faults, draw = self._faults, self._chance.random
        fact, due = step.fact, step.due
        payload = self._render(fact)
        if payload is None:
            return
        self.reported += 1
        # Every fault is drawn for every fact, so that one knob does not change what others hit.
        lost, late, reorder, answer, malformed, repeat, wait, gap = (
            draw(), draw(), draw(), draw(), draw(), draw(), draw(), draw(),
        )  # fmt: skip
        is_lost = lost < faults.lost and can_be_lost(fact)
        if self._watch is not None:
            self._watch(step, payload, is_lost)
        if is_lost:
            self.withheld.append(number)
            return
        entity = entity_number(fact)
        first = Delivery(
            number, step, payload, due, Kind.FACT, entity, loses_answer=answer < faults.lost_answers
        )
        if (late < faults.late or reorder < faults.reorder) and can_wait(fact):
            low, high = MOST_REORDERED, max(MOST_REORDERED, faults.longest)
            if late >= faults.late:
                low, high = 0, MOST_REORDERED
            first.due = due + low + int(wait * (high - low))
            self._hold(first)
        else:
            yield first
        if malformed < faults.malformed:
            yield Delivery(number, step, _broken(payload), due, Kind.MALFORMED, entity)
        if repeat < faults.duplicates:
            again = Delivery(number, step, payload, first.due, Kind.REPEAT, entity)
            if has_own_time(fact):
                again.due += int(gap * faults.longest)
                self._hold(again)
            else:
                yield again

    def _hold(self, delivery: Delivery) -> None:
        self._holds += 1
        heappush(self._held, (delivery.due, self._holds, delivery))


def entity_number(fact: Fact) -> int:
    """Return the same 32 bits for the facts of one entity, in every process."""
    shop, kind, number = entity_key(fact)
    return crc32(f"{shop}/{kind}:{number}".encode())


def _broken(payload: Payload) -> Payload:
    """Cut a body in half, as a broken connection of the sender would."""
    body = payload.body[: len(payload.body) // 2]
    return Payload(payload.event, body, payload.content_type, payload.query)
