"""How long delivery waits after a small batch, so that the next one is larger and cheaper."""

IDLE = 1.0
"""Seconds without a record after which fetches are long again."""
SMALL_BATCH = 500
"""Records; a batch of fewer costs more per record."""
PAUSE, PAUSE_TOGETHER = 0.02, 0.05
"""Shortest pause in seconds; longer for a stage that handles batches together."""
PAUSE_PER_RECORD, LONGEST_PAUSE = 0.0005, 0.1
"""Seconds for each record of the small batch, and at most: the busier, the more a pause saves."""
REFETCH_TIMEOUT = 0.02
"""Seconds to wait for further records after a pause, beyond the first few fetched."""


def batch_pause(count: int, *, is_together: bool) -> float:
    """Return the seconds to wait after a batch of ``count`` records; 0 for a large one."""
    if not 0 < count < SMALL_BATCH:
        return 0.0
    shortest = PAUSE_TOGETHER if is_together else PAUSE
    return min(max(shortest, count * PAUSE_PER_RECORD), LONGEST_PAUSE)
