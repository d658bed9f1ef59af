"""The shops in force: read from the shops file, again when it changes or on SIGHUP."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from runtime import logs, metrics
from runtime.health import Health
from schemas import shops
from schemas.shops import Shop, ShopsError

log = logs.get("hookline.shops")

CONDITION = "shops file"
_Stamp = tuple[int, int, int]
_ABSENT: _Stamp = (0, 0, 0)


class ShopBook:
    """The shops of one file, by (source, id).

    The first reading raises ShopsError where the file cannot be used; a later one keeps what
    was in force, and says so in the log, on ``hookline_shops_file_broken`` and on /readyz,
    where ``health`` is given. ``version`` goes up with every reading that succeeds.
    """

    def __init__(self, path: str | os.PathLike[str], health: Health | None = None) -> None:
        self.path = Path(path)
        self._health = health or Health()
        self.version = 0
        self.problem: str | None = None
        self._shops: Mapping[tuple[str, str], Shop] = {}
        self._stamp = self._stamped()
        self._take(shops.load(self.path))

    @property
    def shops(self) -> Mapping[tuple[str, str], Shop]:
        """All shops in force: a view that never changes, replaced on reload."""
        return self._shops

    def get(self, source: str, shop: str) -> Shop | None:
        """The shop, or None where there is none."""
        return self._shops.get((source, shop))

    def refresh(self) -> bool:
        """Read the file if it looks changed (one stat call). True if shops were replaced."""
        return self._stamped() != self._stamp and self.reload()

    def reload(self) -> bool:
        """Read the file. True if shops were replaced; False keeps those in force."""
        self._stamp = self._stamped()
        try:
            read = shops.load(self.path)
        except ShopsError as error:
            self._keep(str(error))
            return False
        self._take(read)
        log.info("shops read", file=str(self.path), shops=len(read), version=self.version)
        return True

    async def watch(self, interval: float = 1.0) -> None:
        """Refresh every ``interval`` seconds until cancelled."""
        while True:
            await asyncio.sleep(interval)
            self.refresh()

    def reload_at_hangup(self) -> None:
        """Reload at SIGHUP, which else ends the process. Call it in the main thread's loop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reload)

    def _take(self, read: dict[tuple[str, str], Shop]) -> None:
        self._shops = MappingProxyType(read)
        self.version += 1
        self.problem = None
        self._health.mended(CONDITION)
        metrics.SHOPS.set(len(read))
        metrics.SHOPS_STALE.set(0)
        metrics.SHOPS_RELOADS.labels("read").inc()

    def _keep(self, problem: str) -> None:
        self.problem = problem
        self._health.warn(CONDITION, f"settings before it stay in force: {problem}")
        metrics.SHOPS_STALE.set(1)
        metrics.SHOPS_RELOADS.labels("broken").inc()
        log.error(
            "the shops file cannot be used: the settings before it stay in force",
            file=str(self.path),
            problem=problem,
        )

    def _stamped(self) -> _Stamp:
        try:
            told = self.path.stat()
        except OSError:
            return _ABSENT
        return told.st_mtime_ns, told.st_size, told.st_ino
