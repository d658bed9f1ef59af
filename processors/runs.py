"""Sorted runs of (key, offset, time, digest) in numpy: an index that stays small.

A dict costs 119 bytes an entry; a run costs 40, and is looked up a batch at a time.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from processors.dedupe import Said

ENTRY = np.dtype(
    [("key", "u8"), ("offset", "i8"), ("high", "u8"), ("low", "u8"), ("time", "i8")], align=False
)
SORT_AT = 16_384
"""Entries that are kept unsorted in a dict before they become a run."""

Run = npt.NDArray[np.void]


def halves(digest: bytes) -> tuple[int, int]:
    """A digest as two unsigned 64-bit integers."""
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def _sorted(run: Run) -> Run:
    """In order of key and offset, each entry once."""
    run = run[np.lexsort((run["offset"], run["key"]))]
    kept: Run = run[np.append(True, run[1:] != run[:-1])]
    return kept


class Runs:
    """A multimap from a 64-bit key to what was said under it.

    New entries wait in a dict; ``SORT_AT`` of them become a run, and runs of like size are
    merged, so that a million entries stand in a few runs.
    """

    def __init__(self) -> None:
        self._fresh: dict[int, list[Said]] = {}
        self._fresh_count = 0
        self._runs: list[Run] = []

    def __len__(self) -> int:
        return self._fresh_count + sum(len(run) for run in self._runs)

    @property
    def nbytes(self) -> int:
        """Bytes of the sorted runs."""
        return sum(run.nbytes for run in self._runs)

    def add(self, key: int, said: Said) -> None:
        """Remember one entry. Copies of it, one for each slot, may wait for the next run."""
        entries = self._fresh.setdefault(key, [])
        if not entries or entries[-1] != said:
            entries.append(said)
            self._fresh_count += 1

    def settle(self) -> None:
        """Sort what waits, if it is much. Call between batches: candidates go stale."""
        if self._fresh_count < SORT_AT:
            return
        run = np.fromiter(
            (
                (key, said.raw_offset, *halves(said.digest), said.appended_ms)
                for key, entries in self._fresh.items()
                for said in entries
            ),
            dtype=ENTRY,
            count=self._fresh_count,
        )
        run = _sorted(run)
        self._fresh, self._fresh_count = {}, 0
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = _sorted(np.concatenate([self._runs.pop(), run]))
        self._runs.append(run)

    def forget_before(self, time_ms: int) -> None:
        """Drop what is older than any question can reach."""
        self._runs = [
            run for run in (run[run["time"] >= time_ms] for run in self._runs) if len(run)
        ]

    def candidates(self, keys: list[int]) -> "Candidates":
        """What the sorted runs hold under each of these keys, found in one pass."""
        wanted = np.array(keys, dtype="u8")
        spans = []
        for run in self._runs:
            column = np.ascontiguousarray(run["key"])
            spans.append(
                (run, np.searchsorted(column, wanted), np.searchsorted(column, wanted, "right"))
            )
        return Candidates(self._fresh, spans)


class Candidates:
    """Entries for one batch of keys; what is added meanwhile is seen too."""

    def __init__(
        self,
        fresh: dict[int, list[Said]],
        spans: list[tuple[Run, npt.NDArray[np.intp], npt.NDArray[np.intp]]],
    ) -> None:
        self._fresh = fresh
        self._hits: dict[int, list[tuple[Run, int, int]]] = {}
        for run, left, right in spans:
            for position in np.flatnonzero(left < right):
                index = int(position)
                self._hits.setdefault(index, []).append((run, int(left[index]), int(right[index])))

    def under(self, position: int, key: int) -> Iterator[Said]:
        """All entries under the key that stood at ``position`` in the batch."""
        for run, left, right in self._hits.get(position, ()):
            for entry in run[left:right]:
                yield Said(
                    raw_offset=int(entry["offset"]),
                    appended_ms=int(entry["time"]),
                    digest=int(entry["high"]).to_bytes(8, "big")
                    + int(entry["low"]).to_bytes(8, "big"),
                )
        yield from self._fresh.get(key, ())
