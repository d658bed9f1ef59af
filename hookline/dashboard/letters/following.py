"""Follows what the replays of a job became: those of its last letters, while its page is read."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hookline.dashboard.errors import TroubleError
from hookline.dashboard.letters.reading import LetterReader
from hookline.dead_letters.replay import ReplayResult
from hookline.dead_letters.replay_fates import ReplayFates
from runtime.settings import Settings

REST = 4.0
"""A look is shared for so many times as long as it took: it reads only what is new."""
FOLLOWED = 100
"""Replays of a job that are followed, the last ones."""


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


class Following:
    """The replays of one job. ``result``: filled by the job, also of one that is stopped."""

    def __init__(self, clock: Callable[[], int] = _now_ms) -> None:
        self.result = ReplayResult()
        self._clock = clock
        self._times: deque[tuple[int, int]] = deque([(0, clock())], maxlen=2 * FOLLOWED)
        self._fates: ReplayFates | None = None

    def note(self, done: int) -> None:
        """Note that so many letters are replayed by now."""
        self._times.append((done, self._clock()))

    def since_ms(self) -> int:
        """Return a time (ms) at which none of the followed letters was replayed yet."""
        before = len(self.result.replayed) - FOLLOWED
        times = [at for done, at in self._times if done <= before]
        return times[-1] if times else self._times[0][1]

    def look(self, reader: LetterReader, job: str) -> dict[str, Any] | None:
        """Return what became of the replays by now; None of a job that has replayed none.

        ``note`` is set where that cannot be read now.
        """
        if not self.result.replayed:
            return None
        if self._fates is None:
            self._fates = ReplayFates(self.result.replayed[-FOLLOWED:], self.since_ms())
        fates = self._fates

        async def work(settings: Settings) -> dict[str, Any]:
            await fates.look(settings)
            return await fates.as_dict()

        try:
            return {**reader.read(("job", job), work, REST), "note": None}
        except TroubleError as error:
            return {"note": error.trouble.reason}
