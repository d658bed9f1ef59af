"""What became of each fact: bounds of its received_at, from the answers of the ingress."""

import time
from array import array
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import BinaryIO

import msgspec

from hookline.simulate.sending.schedule import Delivery, Kind
from hookline.simulate.truth.received import Received
from hookline.simulate.world.facts import Micros, Step, entity_key

_encode = msgspec.json.encode


class Outcome(IntEnum):
    """What became of a fact. ``UNSETTLED``: sent, perhaps stored, never answered with 200."""

    UNSENT = 0
    ACCEPTED = 1
    REFUSED = 2
    UNSETTLED = 3


class Journal:
    """Outcomes by number of the step, 25 bytes each: the facts can be made again.

    ``lines``: a file that gets a line of JSON for each delivery that has ended.
    """

    def __init__(self, lines: BinaryIO | None = None) -> None:
        self._lines = lines
        self._outcomes = bytearray()
        self._earliest = array("q")
        self._latest = array("q")
        self._order = array("q")
        self._accepted = 0

    def accepted(self, delivery: Delivery, identifier: bytes) -> bool:
        """Note a 200 with the id of the delivery; True if its fact was not accepted before.

        Raises ValueError for an id that is no UUIDv7.
        """
        latest = received_ms(identifier) * 1000 + 999
        is_first = False
        if delivery.kind is not Kind.MALFORMED:
            number = delivery.number
            self._reach(number)
            is_first = self._outcomes[number] != Outcome.ACCEPTED
            if is_first:
                self._outcomes[number] = Outcome.ACCEPTED
                self._accepted += 1
                self._order[number] = self._accepted
                earliest = latest - 999
                if delivery.unsure_since is not None:  # an earlier attempt may be the one
                    earliest = min(earliest, int(delivery.unsure_since * 1000 - 1) * 1000)
                self._earliest[number], self._latest[number] = earliest, latest
        if self._lines is not None:
            self._write(delivery, "200", identifier.decode())
        return is_first

    def refused(self, delivery: Delivery, status: str) -> None:
        """Note an answer after which nobody tries again."""
        self._end(delivery, Outcome.REFUSED, status)

    def unsettled(self, delivery: Delivery) -> None:
        """Note that the sender has given up; whether an attempt was stored is unknown."""
        unknown = delivery.unsure_since is not None
        self._end(delivery, Outcome.UNSETTLED if unknown else Outcome.UNSENT, "none")

    def count(self, outcome: Outcome) -> int:
        """Return how many facts have this outcome."""
        return self._outcomes.count(outcome)

    def received(self, steps: Iterable[Step]) -> Iterator[Received]:
        """Yield the accepted facts of the run's steps, which are the same as when it was sent.

        Their numbers rise within an entity in the order of acceptance.
        """
        for number, step in zip(range(len(self._outcomes)), steps, strict=False):
            if self._outcomes[number] == Outcome.ACCEPTED:
                earliest, latest = self._earliest[number], self._latest[number]
                yield Received(step.fact, earliest, latest, self._order[number])

    def bounds(self, number: int) -> tuple[Micros, Micros] | None:
        """Return the bounds of a fact's received_at; None if it was not accepted."""
        if number >= len(self._outcomes) or self._outcomes[number] != Outcome.ACCEPTED:
            return None
        return self._earliest[number], self._latest[number]

    def _reach(self, number: int) -> None:
        missing = number + 1 - len(self._outcomes)
        if missing > 0:
            self._outcomes.extend(bytes(missing))
            for each in (self._earliest, self._latest, self._order):
                each.frombytes(bytes(8 * missing))

    def _end(self, delivery: Delivery, outcome: Outcome, status: str) -> None:
        if delivery.kind is not Kind.MALFORMED:
            self._reach(delivery.number)
            if self._outcomes[delivery.number] != Outcome.ACCEPTED:
                self._outcomes[delivery.number] = outcome
        if self._lines is not None:
            self._write(delivery, status, None)

    def _write(self, delivery: Delivery, status: str, identifier: str | None) -> None:
        shop, kind, number = entity_key(delivery.step.fact)
        line = {
            "step": delivery.number,
            "kind": delivery.kind,
            "entity": f"{shop}/{kind}:{number}",
            "event": delivery.payload.event,
            "due": delivery.due,
            "status": status,
            "delivery": identifier,
            "attempts": delivery.attempts,
            "seconds": round(time.monotonic() - delivery.sent, 4),
        }
        if self._lines is not None:
            self._lines.write(_encode(line) + b"\n")


def received_ms(identifier: bytes) -> int:
    """Return the time in a delivery's id, in milliseconds: a UUIDv7 begins with it.

    Raises ValueError for another id.
    """
    if len(identifier) != 36 or identifier[14:15] != b"7":  # noqa: PLR2004 - text of a UUID
        raise ValueError(f"the ingress answered with {identifier!r}, which is no UUIDv7")
    return int(identifier[:8] + identifier[9:13], 16)
