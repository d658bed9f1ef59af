"""The process: looks, turns what it finds into messages, and lets the channels deliver them."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from hookline.console.errors import error_message
from hookline.notify import incidents
from hookline.notify.conditions.condition import Condition
from hookline.notify.incidents import Reading
from hookline.notify.reader import ReadTables
from hookline.notify.sending.outbox import Outbox
from hookline.notify.settings import NotifySettings
from runtime import logs

SHOPS_REST = 20.0
"""The shops are looked at again after so many times what it took: a share of one core."""
_log = logs.get("hookline.notify")

ReadDrift = Callable[[int], list[Condition]]
"""Compares the payloads as of a time in ms; it may take minutes."""


class Notifier:
    """Looks every ``interval`` and keeps every message until each channel has taken it.

    ``read_drift``: None where Kafka is not known, so that payloads cannot be compared.
    """

    def __init__(
        self,
        outbox: Outbox,
        read: ReadTables,
        read_drift: ReadDrift | None,
        settings: NotifySettings,
        clock: Callable[[], datetime],
    ) -> None:
        self.outbox = outbox
        self._read, self._read_drift = read, read_drift
        self._settings, self._clock = settings, clock
        self._shops_at = 0.0
        self._drift: threading.Thread | None = None
        self._stopped = threading.Event()

    def look(self, *, with_shops: bool = True) -> None:
        """Look at the tables once, and let what is to be reported wait for its channels."""
        self.apply(self._read(with_shops=with_shops))

    def apply(self, reading: Reading) -> None:
        """Turn what was found into incidents and messages."""
        outbox = self.outbox
        with outbox.changed:
            outbox.state.incidents, messages = incidents.advance(
                outbox.state.incidents,
                reading,
                timedelta(seconds=self._settings.repeat),
                self._settings.ignored,
            )
            outbox.add(messages)
        for each in messages:
            _log.info(each.type, alert=each.alert, shop=each.shop or None, what=each.what)

    def run(self) -> None:
        """Look and deliver until ``stop``."""
        threads = [
            threading.Thread(target=self.outbox.run, args=(name,), daemon=True, name=name)
            for name in self.outbox.channels
        ]
        for thread in threads:
            thread.start()
        while not self._stopped.is_set():
            self._look_in_turn()
            self._stopped.wait(self._settings.interval)
        self.outbox.stop()
        for thread in threads:
            thread.join(3.0)

    def stop(self) -> None:
        """End ``run``."""
        self._stopped.set()

    def look_at_payloads(self) -> None:
        """Compare the payloads now; a failure is tried again at the next turn."""
        if self._read_drift is None:
            return
        at = self._clock()
        try:
            found = self._read_drift(int(at.timestamp() * 1000))
        except Exception as error:
            if (reason := error_message(error)) is None:
                raise
            _log.warning("payloads cannot be compared", reason=reason)
            return
        with self.outbox.changed:
            self.outbox.state.drift_at = at
        self.apply(Reading(at=at, scopes=frozenset({"drift"}), conditions=tuple(found)))

    def is_drift_due(self) -> bool:
        """Whether the payloads are to be compared again."""
        every, last = self._settings.drift_interval, self.outbox.state.drift_at
        if self._read_drift is None or every == 0:
            return False
        if last is None:
            return True
        ago = (self._clock() - last).total_seconds()
        return ago >= every or ago < 0  # the clock was set back

    def _look_in_turn(self) -> None:
        began = time.monotonic()
        with_shops = began >= self._shops_at
        self.look(with_shops=with_shops)
        took = time.monotonic() - began
        if with_shops:
            self._shops_at = began + max(self._settings.shops_interval, SHOPS_REST * took)
        if self.is_drift_due() and (self._drift is None or not self._drift.is_alive()):
            # It reads two days of the raw topic: nothing else waits for it.
            self._drift = threading.Thread(target=self.look_at_payloads, daemon=True, name="drift")
            self._drift.start()
