"""How often an address may try a password."""

import threading
import time
from collections import deque
from collections.abc import Callable

LIMIT, WINDOW = 10, 60.0
"""Attempts of one address, in so many seconds."""
MAX_ADDRESSES = 10_000


class Attempts:
    """Counts attempts by address, in a window that moves; the oldest addresses are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_address: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def may_try(self, address: str) -> bool:
        """Count an attempt; False where the address had its share."""
        now = self._clock()
        with self._lock:
            times = self._by_address.pop(address, deque())
            while times and times[0] <= now - WINDOW:
                times.popleft()
            is_allowed = len(times) < LIMIT
            if is_allowed:
                times.append(now)
            self._by_address[address] = times  # the newest is the last
            while len(self._by_address) > MAX_ADDRESSES:
                self._by_address.pop(next(iter(self._by_address)))
        return is_allowed
