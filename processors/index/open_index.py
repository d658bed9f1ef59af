"""The index of a partition that a processor has open."""

from dataclasses import dataclass

from processors.index.partition_index import PartitionIndex


@dataclass(slots=True)
class OpenIndex:
    """An index and how far back it reaches. ``is_stale``: another process may have written."""

    index: PartitionIndex
    window_ms: int
    is_stale: bool = False

    def is_usable(self, due: int, window_ms: int) -> bool:
        """Whether processing can start at raw offset ``due`` with this index.

        It has forgotten the outcomes of records below its ``committed``, and its digests reach
        back only over the window that it was opened with.
        """
        return self.index.committed <= due and self.window_ms >= window_ms
