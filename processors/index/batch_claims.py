"""What a batch has decided so far, beside what the index says: none of it is written yet."""

from bisect import insort
from typing import Any

from processors.dedupe import Said
from processors.index.run_set import Entry, newest
from schemas.envelopes import RawDelivery


class Claims:
    """Canonical outcomes decided in one batch, before they are written; ``entities``: their own."""

    def __init__(self) -> None:
        self._unsorted: list[tuple[RawDelivery, Entry]] = []
        """Most batches hold nothing that could repeat them: then these are never sorted."""
        self._digests: set[bytes] = set()
        self.entities: set[bytes] = set()
        self._same: dict[bytes, list[Entry]] = {}
        self._latest: dict[bytes, list[Entry]] = {}
        self._replays: dict[str, list[Entry]] = {}

    def add(self, raw: RawDelivery, entry: Entry) -> None:
        """One more."""
        self._unsorted.append((raw, entry))
        self._digests.add(entry[1])
        self.entities.add(raw.key)

    def _sort(self) -> None:
        for raw, entry in self._unsorted:
            _insert(self._same, entry[1], entry)
            if raw.replay_of is not None:
                _insert(self._replays, raw.delivery_id, entry)
            else:
                _insert(self._latest, raw.key, entry)
        self._unsorted.clear()

    def same(self, digest: bytes, below: int) -> Said | None:
        """That with this digest and the greatest raw offset below ``below``."""
        if digest not in self._digests:
            return None
        self._sort()
        return newest(self._same.get(digest), below)

    def latest(self, entity: bytes, below: int) -> Said | None:
        """The entity's with the greatest raw offset below ``below``; no replay."""
        self._sort()
        return newest(self._latest.get(entity), below)

    def replayed(self, delivery_id: str, below: int) -> Said | None:
        """A replayed delivery's with the greatest raw offset below ``below``."""
        self._sort()
        return newest(self._replays.get(delivery_id), below)


def _insert(here: dict[Any, list[Entry]], under: bytes | str, entry: Entry) -> None:
    entries = here.get(under)
    if entries is None:
        here[under] = [entry]
    else:
        insort(entries, entry)
