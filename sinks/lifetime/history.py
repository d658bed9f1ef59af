"""Since when a shop's history is whole: its first delivery, or what an import states. Pure."""

from typing import NamedTuple

from schemas.events import Meta, Micros


class Statement(NamedTuple):
    """An import's statement of how far back it reaches. Of several the newest counts.

    ``version``: (append time, partition, offset) of the raw record that states it.
    """

    version: tuple[int, int, int]
    history_from: Micros


class ShopHistory(NamedTuple):
    """What a shop's events show of its history.

    ``first_received_at``: when its first delivery was received that no import wrote.
    """

    first_received_at: Micros | None = None
    stated: Statement | None = None

    @property
    def whole_since(self) -> Micros | None:
        """The time from which on nothing is missing; None where nothing shows it."""
        stated = None if self.stated is None else self.stated.history_from
        return min((at for at in (self.first_received_at, stated) if at is not None), default=None)

    def __or__(self, other: "ShopHistory") -> "ShopHistory":
        """Return what both show together, in any order."""
        firsts = [at for at in (self.first_received_at, other.first_received_at) if at is not None]
        stated = [each for each in (self.stated, other.stated) if each is not None]
        return ShopHistory(min(firsts, default=None), max(stated, default=None))


def history_of(meta: Meta) -> ShopHistory:
    """Return what one event shows."""
    if meta.import_id is None:
        return ShopHistory(meta.received_at)
    if meta.history_from is None:
        return _NOTHING
    version = meta.raw_appended_at, meta.raw_partition, meta.raw_offset
    return ShopHistory(None, Statement(version, meta.history_from))


_NOTHING = ShopHistory()
