"""How much memory the processors' dedupe indexes take: rate x window x bytes."""

import time
from dataclasses import dataclass

from processors.index.sorted_run import ROW_BYTES
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas.topics import WEBHOOKS

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class IndexSize:
    """``rate`` deliveries a second over the last hour; ``window_s`` seconds; ``partitions``."""

    rate: float
    window_s: int
    partitions: int

    @property
    def nbytes(self) -> int:
        """Bytes in all processors together, at this rate for a whole window."""
        return int(self.rate * self.window_s * ROW_BYTES)

    def __str__(self) -> str:
        return (
            f"{self.rate:.1f} deliveries/s in the last hour x {self.window_s / 3600:g} h window x"
            f" {ROW_BYTES} bytes = {self.nbytes / 1e6:,.1f} MB in all processors together,"
            f" {self.nbytes / 1e6 / self.partitions:,.1f} MB a partition"
        )


async def measure(settings: Settings, window_s: int) -> IndexSize:
    """From what the raw topic took in the last hour. Raises CommandError, KafkaError."""
    async with log_reader.consumer(settings) as client:
        at = (await log_reader.places(settings))[WEBHOOKS]
        hour_ago = int(time.time() * 1000) - HOUR_MS
        since = await log_reader.since(client, at, hour_ago)
        ends = await log_reader.ends(client, at)
    count = sum(ends[place] - since[place] for place in at)
    return IndexSize(count / (HOUR_MS / 1000), window_s, len(at))
