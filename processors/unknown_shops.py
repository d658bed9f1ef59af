"""Waits for shops that the ingress knows and this process does not know yet.

A shop is often added to the shops file of one host before it is added to that of another. Its
first deliveries then reach a processor that has not heard of it: they are not at fault, so they
wait for the file. Only after ``patience`` do they become dead letters, which a replay settles.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from runtime import logs
from runtime.health import Health
from runtime.shop_book import ShopBook

log = logs.get("hookline.processors")

POLL = 0.5
"""Seconds between looks at the shops file."""
NAMED = 3
"""Shops that a message names at most."""
ShopKey = tuple[str, str]
"""Source and shop."""
_REMEMBERED = 10_000
"""Unknown shops for which a wait is remembered; further ones are not waited for."""


class UnknownShops:
    """When each unknown shop was first met, by ``clock`` (seconds)."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._first_met: dict[ShopKey, float] = {}

    def awaited(self, unknown: Iterable[ShopKey]) -> list[str]:
        """Return those of the unknown shops that are still waited for, as source/shop."""
        now = self._clock()
        names = []
        for key in unknown:
            if len(self._first_met) < _REMEMBERED:
                self._first_met.setdefault(key, now)
            if now - self._first_met.get(key, float("-inf")) < self._patience:
                names.append("/".join(key))
        return sorted(names)

    def forget(self, known: Iterable[ShopKey]) -> None:
        """Forget shops that have become known: should they go again, they are waited for again."""
        for key in self._first_met.keys() & set(known):
            del self._first_met[key]


class ShopWait:
    """Waits for unknown shops, at most ``patience`` seconds each, not ready meanwhile."""

    def __init__(self, patience: float, shops: ShopBook, health: Health) -> None:
        self._unknown = UnknownShops(patience)
        self._shops, self._health = shops, health
        self._logged: set[str] = set()

    async def wait(self, unknown: Iterable[ShopKey]) -> bool:
        """Wait a moment if any of these shops may yet appear; False once none is waited for."""
        awaited = self._unknown.awaited(unknown)
        if not awaited:
            self._health.met("shops")
            return False
        names = ", ".join(awaited[:NAMED]) + (", ..." if len(awaited) > NAMED else "")
        if names not in self._logged:
            self._logged = {*self._logged, names} if len(self._logged) < NAMED else {names}
            log.warning("deliveries wait for their shop", file=str(self._shops.path), shops=names)
        self._health.waiting("shops", f"not in {self._shops.path} yet: {names}")
        await asyncio.sleep(POLL)
        self._shops.refresh()
        self._unknown.forget(self._shops.shops)
        return True
