"""What was done from the dashboard: a line of JSON for each act, in a file and in the log."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from hookline.console import output
from hookline.dashboard.errors import Trouble, TroubleError
from runtime import logs
from runtime.process.private_files import open_private

FILE = "dashboard-audit.jsonl"
log = logs.get("hookline.dashboard.audit")


def _now() -> datetime:
    return datetime.now(UTC)


class Audit:
    """Appends to the file of a data folder."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    def write(self, user: str, action: str, **what: Any) -> None:
        """Note an act. Raises TroubleError where the file cannot be written: nothing is done then.

        ``what``: ids or count of letters, filter, reason, the address that asked.
        """
        line = {"time": self._clock(), "user": user, "action": action, **what}
        log.info("dashboard act", user=user, action=action, **what)
        try:
            with self._lock, open_private(self._path, "a") as file:
                file.write(output.to_json(line) + "\n")
        except OSError as error:
            raise TroubleError(_not_written(self._path, error)) from error


def _not_written(path: Path, error: OSError) -> Trouble:
    return Trouble(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Nothing was done",
        f"{path} cannot be written ({error.strerror}), and what leaves no line there is not done.",
        "Make room on the disk, or give the user of the dashboard the right to write it.",
    )
