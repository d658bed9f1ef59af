"""Bodies that wait for their signature: a budget of bytes, and so many for one address.

Where a newcomer finds no room, the one that has waited longest gives way (503): a body of a good
sender follows its head at once, so it is through long before it is the oldest of its crowd.
"""

from collections.abc import Callable, Iterable

PER_ADDRESS = 32
"""Bodies of one address that may wait at a time."""
SHARE = 4
"""The budget is this part of the bytes in flight: a quarter."""


class Waiting:
    """One body that waits. ``give_way`` ends its request."""

    __slots__ = ("address", "give_way", "held")

    def __init__(self, address: str | None, give_way: Callable[[], object]) -> None:
        self.address = address
        self.give_way = give_way
        self.held = 0


class Unproved:
    """Counts the bytes of waiting bodies, at most ``limit``, and the bodies of each address."""

    def __init__(self, limit: int, per_address: int = PER_ADDRESS) -> None:
        self._limit = limit
        self._per_address = per_address
        self.held = 0
        self._oldest_first: dict[Waiting, None] = {}
        self._of_address: dict[str, dict[Waiting, None]] = {}

    def __len__(self) -> int:
        return len(self._oldest_first)

    def enter(self, address: str | None, give_way: Callable[[], object]) -> Waiting:
        """Count a body; the oldest of its address gives way if they are too many.

        ``address`` None: of no address that could be counted.
        """
        waiting = Waiting(address, give_way)
        if address is not None:
            others = self._of_address.setdefault(address, {})
            if len(others) >= self._per_address:
                self._evict(next(iter(others)))
                others = self._of_address.setdefault(address, {})
            others[waiting] = None
        self._oldest_first[waiting] = None
        return waiting

    def take(self, waiting: Waiting, size: int) -> bool:
        """Count more bytes of a body; older ones give way. False if it does not fit alone."""
        if waiting.held + size > self._limit or waiting not in self._oldest_first:
            return False
        while self.held + size > self._limit:
            self._evict(_first_but(self._oldest_first, waiting))
        self.held += size
        waiting.held += size
        return True

    def leave(self, waiting: Waiting) -> None:
        """Uncount a body: it is proved, refused or gone."""
        if self._oldest_first.pop(waiting, waiting) is waiting:
            return  # it gave way before
        self.held -= waiting.held
        if waiting.address is not None:
            others = self._of_address[waiting.address]
            del others[waiting]
            if not others:
                del self._of_address[waiting.address]

    def _evict(self, waiting: Waiting) -> None:
        self.leave(waiting)
        waiting.give_way()


def _first_but(waiting: Iterable[Waiting], other: Waiting) -> Waiting:
    return next(each for each in waiting if each is not other)
