"""Times on the command line: a date and time, or a duration before now."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from hookline.console.errors import CommandError
from schemas.shops import ShopsError, seconds


def milliseconds(text: str, clock: Callable[[], float] = time.time) -> int:
    """Unix milliseconds of ``2026-05-01``, ``2026-05-01T12:00+02:00`` (UTC if no zone), ``90m``.

    Times before 1970 are 0: Kafka has none. Raises CommandError for anything else.
    """
    try:
        ago = seconds(text, "")
    except ShopsError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise CommandError(
                f'{text!r} is not a time: write "90m", "24h" or "7d" for that long ago, or'
                ' "2026-05-01T12:00" (UTC without an offset)'
            ) from None
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    else:
        at = clock() - ago
    return max(0, int(at * 1000))


def duration(text: str) -> int:
    """Seconds of ``30s``, ``5m`` or ``1h``. Raises CommandError for anything else."""
    try:
        return seconds(text, "")
    except ShopsError:
        raise CommandError(f'{text!r} is not a duration: write "30s", "5m" or "1h"') from None
