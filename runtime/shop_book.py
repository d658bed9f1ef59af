"""The configured shops: the shops file, reloaded when it changes and on SIGHUP."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from runtime import logs, metrics
from runtime.health import Health
from schemas import shops
from schemas.shops import Shop, ShopsError

log = logs.get("hookline.shops")

CONDITION = "shops file"
_Stamp = tuple[int, int, int]  # modification time in ns, size, inode
_ABSENT: _Stamp = (0, 0, 0)


class ShopBook:
    """The shops of one file, by (source, id).

    The first load raises ShopsError where the file cannot be used. A reload that fails keeps the
    current shops and reports it in the log, on ``hookline_shops_file_broken`` and, where
    ``health`` is given, on /readyz. ``shops`` is an immutable view, replaced on reload; ``version``
    increases with every load that succeeds. ``with_secrets``: for who checks proofs; others keep
    no references to secrets, and take a file that has none.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        health: Health | None = None,
        *,
        with_secrets: bool = True,
    ) -> None:
        self.path = Path(path)
        self._with_secrets = with_secrets
        self._health = health or Health()
        self.version = 0
        self.shops: Mapping[tuple[str, str], Shop] = {}
        self._stamp = self._current_stamp()
        self._replace(self._load())

    def get(self, source: str, shop: str) -> Shop | None:
        """Return the shop; None where it is not configured."""
        return self.shops.get((source, shop))

    def refresh(self) -> bool:
        """Reload if the file looks changed (one stat call). True if shops were replaced."""
        return self._current_stamp() != self._stamp and self.reload()

    def reload(self) -> bool:
        """Read the file. True if shops were replaced; False keeps the current ones."""
        self._stamp = self._current_stamp()
        try:
            loaded = self._load()
        except ShopsError as error:
            self._keep(str(error))
            return False
        self._replace(loaded)
        log.info("shops read", file=str(self.path), shops=len(loaded), version=self.version)
        return True

    async def watch(self, interval: float = 1.0) -> None:
        """Refresh every ``interval`` seconds until cancelled."""
        while True:
            await asyncio.sleep(interval)
            self.refresh()

    def reload_at_hangup(self) -> None:
        """Reload on SIGHUP. Call it in the main thread's loop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reload)

    def _load(self) -> dict[tuple[str, str], Shop]:
        loaded = shops.load(self.path, needs_secrets=self._with_secrets)
        if self._with_secrets:
            return loaded
        return {key: replace(shop, secrets=()) for key, shop in loaded.items()}

    def _replace(self, loaded: dict[tuple[str, str], Shop]) -> None:
        self.shops = MappingProxyType(loaded)
        self.version += 1
        if not loaded:
            log.warning("no shops: every delivery is refused", file=str(self.path))
        self._health.clear_warning(CONDITION)
        metrics.SHOPS.set(len(loaded))
        metrics.SHOPS_STALE.set(0)
        metrics.SHOPS_RELOADS.labels("read").inc()

    def _keep(self, problem: str) -> None:
        self._health.warn(CONDITION, f"the previous shops stay in force: {problem}")
        metrics.SHOPS_STALE.set(1)
        metrics.SHOPS_RELOADS.labels("broken").inc()
        log.error(
            "the shops file cannot be used: the previous shops stay in force",
            file=str(self.path),
            problem=problem,
        )

    def _current_stamp(self) -> _Stamp:
        try:
            stat = self.path.stat()
        except OSError:
            return _ABSENT
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
