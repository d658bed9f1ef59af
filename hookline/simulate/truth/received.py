"""What the truth is computed from: the facts that were accepted, and when."""

from dataclasses import dataclass

from hookline.simulate.world.facts import Fact, Micros


@dataclass(frozen=True, slots=True)
class Received:
    """A fact whose delivery was accepted; repeats of the same delivery are one.

    ``earliest`` and ``latest``: bounds of its ``received_at``. They are less than a millisecond
    apart where the first answer came, and further where an answer was lost and it is unknown
    which attempt was stored. ``number`` counts the facts of one entity in the order of acceptance:
    the sender has one delivery of an entity on its way at a time.
    """

    fact: Fact
    earliest: Micros
    latest: Micros
    number: int
