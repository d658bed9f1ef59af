"""Instants that are known within bounds, and decisions that the bounds leave open."""

from dataclasses import dataclass

from hookline.simulate.world.facts import SECOND, Micros


class UndecidedError(Exception):
    """The bounds of the times leave open what the tables must hold; the message is about what."""


@dataclass(frozen=True, slots=True)
class Span:
    """An instant between two others, both included, in microseconds since the epoch."""

    first: Micros
    last: Micros

    @classmethod
    def at(cls, instant: Micros) -> "Span":
        """Return an instant that is known."""
        return cls(instant, instant)

    def after(self, seconds: int) -> "Span":
        """Return the instant so many seconds later."""
        return Span(self.first + seconds * SECOND, self.last + seconds * SECOND)

    def holds(self, instant: Micros) -> bool:
        """Whether it may be that instant."""
        return self.first <= instant <= self.last


def earlier(one: Span, other: Span, what: str) -> bool:
    """Return whether one instant is before the other; at one known instant it is not.

    Raises UndecidedError where the bounds overlap.
    """
    if one.last < other.first:
        return True
    if one.first > other.last or one == other == Span.at(one.first):
        return False
    raise UndecidedError(what)


def earliest(one: Span, other: Span) -> Span:
    """Return the earlier of two instants, within bounds: either may be it where they overlap."""
    return Span(min(one.first, other.first), min(one.last, other.last))


def latest(one: Span, other: Span) -> Span:
    """Return the later of two instants, within bounds."""
    return Span(max(one.first, other.first), max(one.last, other.last))


def difference(one: Span, other: Span) -> Span:
    """Return how much later ``one`` is than ``other``, within bounds."""
    return Span(one.first - other.last, one.last - other.first)
