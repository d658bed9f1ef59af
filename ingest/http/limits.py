"""Limits of one ingress: bytes in flight in all, deliveries a second for each shop."""

import math
import time
from collections.abc import Callable

RECORD_OVERHEAD = 2048
"""Bytes of memory that a delivery takes besides its body: headers, key, futures."""


class InFlight:
    """Counts bytes that were read and are not yet acknowledged by Kafka, at most ``limit``."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> bool:
        """Count ``size`` more bytes; return False, counting none, if that exceeds the limit."""
        if self.held + size > self.limit:
            return False
        self.held += size
        return True

    def give(self, size: int) -> None:
        """Uncount bytes."""
        self.held -= size


class Quotas:
    """Token buckets: deliveries a second of each shop, with bursts of one second's worth."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, shop: tuple[str, str], quota: int) -> int:
        """Return 0 if the delivery is within the quota, else whole seconds to wait."""
        now = self._clock()
        tokens, since = self._buckets.get(shop, (float(quota), now))
        tokens = min(float(quota), tokens + (now - since) * quota)
        if tokens < 1:
            self._buckets[shop] = (tokens, now)
            return max(1, math.ceil((1 - tokens) / quota))
        self._buckets[shop] = (tokens - 1, now)
        return 0
