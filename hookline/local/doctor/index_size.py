"""How much memory the processors' dedupe indexes need at the rate of the last hour."""

import time
from dataclasses import dataclass
from pathlib import Path

from hookline.local.doctor.finding import Finding
from processors.index.sorted_run import ROW_BYTES
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import shops
from schemas.topics import WEBHOOKS

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class IndexSize:
    """Memory of the dedupe indexes: rate x window x bytes a delivery.

    ``rate``: deliveries a second over the last hour; ``window_s``: dedupe window, seconds.
    """

    rate: float
    window_s: int
    partitions: int

    @property
    def nbytes(self) -> int:
        """Bytes in all processors together after a whole window at this rate."""
        return int(self.rate * self.window_s * ROW_BYTES)

    def __str__(self) -> str:
        return (
            f"{self.rate:.1f} deliveries/s in the last hour x {self.window_s / 3600:g} h window x"
            f" {ROW_BYTES} bytes = {self.nbytes / 1e6:,.1f} MB in all processors together,"
            f" {self.nbytes / 1e6 / self.partitions:,.1f} MB a partition"
        )


async def check(settings: Settings) -> list[Finding]:
    """Show the size. Raises KafkaError, TopicsError."""
    try:
        all_shops = shops.load(Path(settings.shops_file)).values()
    except shops.ShopsError as error:
        return [Finding("dedupe index", "note", f"size unknown: {error}")]
    window_s = max((shop.window for shop in all_shops), default=0)
    return [Finding("dedupe index", "ok", str(await _measure(settings, window_s)))]


async def _measure(settings: Settings, window_s: int) -> IndexSize:
    """Measure the rate of the raw topic in the last hour."""
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[WEBHOOKS]
        hour_ago = int(time.time() * 1000) - HOUR_MS
        since = await log_reader.offsets_since(client, partitions, hour_ago)
        ends = await log_reader.end_offsets(client, partitions)
    count = sum(ends[tp] - since[tp] for tp in partitions)
    return IndexSize(count / (HOUR_MS / 1000), window_s, len(partitions))
