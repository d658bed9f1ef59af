"""Replays and discards in the background: one at a time, each with an id, a progress, a cancel.

The work is that of `hookline dead replay` and `discard`. It stops between two batches; what was
done stays done, and the same job can be started again: each letter is settled once.
"""

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from hookline.console.errors import error_message
from hookline.console.output import Progress
from hookline.dashboard.letters.following import Following
from runtime import logs
from runtime.logs import without_passwords

KEPT_JOBS = 50
STOP_WAIT = 5.0
"""Seconds that a job has to stop at the end of the dashboard; what it leaves is repeated."""
log = logs.get("hookline.dashboard.jobs")


class JobState(StrEnum):
    """How a job is."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class BusyError(Exception):
    """Another job runs. ``job``: its id."""

    def __init__(self, job: str) -> None:
        super().__init__(f"job {job} runs")
        self.job = job


class _CancelledError(Exception):
    """Raised in the work, between two batches."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the work did: how many letters it settled, and why it skipped how many."""

    count: int
    skipped: Counter[str] = field(default_factory=Counter)


Work = Callable[[Progress], Coroutine[Any, Any, Settled]]


@dataclass(slots=True)
class Job:
    """One job, while it runs and afterwards. ``what``, ``done`` and ``total`` are its progress."""

    id: str
    action: str
    user: str
    chosen: dict[str, Any]
    started_at: datetime
    state: JobState = JobState.RUNNING
    what: str = "begins"
    done: int = 0
    total: int = 0
    settled: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    ended_at: datetime | None = None
    is_cancelled: bool = False
    following: Following | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what its page shows."""
        names = (
            "id", "action", "user", "chosen", "started_at", "what", "done", "total", "settled",
            "skipped", "error", "ended_at", "is_cancelled",
        )  # fmt: skip
        fields = {name: getattr(self, name) for name in names}
        return {**fields, "state": self.state.value, "at": datetime.now(UTC)}


class Jobs:
    """The jobs of one dashboard.

    ``ended`` is called with each that ends and its last state, in its thread, before the job
    itself shows that state.
    """

    def __init__(self, ended: Callable[[Job, JobState], None] = lambda _job, _state: None) -> None:
        self._ended = ended
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> Job | None:
        """The job that runs."""
        jobs = list(self._jobs.values())
        return next((job for job in jobs if job.state is JobState.RUNNING), None)

    def get(self, job_id: str) -> Job | None:
        """Return a job; None where there is none, or it is long ago."""
        return self._jobs.get(job_id)

    def start(
        self,
        action: str,
        user: str,
        chosen: dict[str, Any],
        work: Work,
        note: Callable[[str], None],
        following: Following | None = None,
    ) -> Job:
        """Start a job. ``note`` is called with its id before anything is done.

        ``following``: what follows its replays.

        Raises BusyError, and what ``note`` raises.
        """
        with self._lock:
            if (other := self.running) is not None:
                raise BusyError(other.id)
            job = Job(
                secrets.token_hex(4), action, user, chosen, datetime.now(UTC), following=following
            )
            note(job.id)
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT_JOBS:
                self._jobs.pop(next(iter(self._jobs)))
            # No job holds up the end of the process: a killed replay is simply repeated.
            self._thread = threading.Thread(target=self._run, args=(job, work), daemon=True)
            self._thread.start()
        return job

    def close(self) -> None:
        """Stop the job that runs."""
        if (job := self.running) is not None:
            job.is_cancelled = True
        self.wait(STOP_WAIT)

    def wait(self, seconds: float) -> None:
        """Wait for the end of the job that runs, so long at most."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, job: Job, work: Work) -> None:
        def progress(what: str, done: int, total: int) -> None:
            job.what, job.done, job.total = what, done, total
            if what in (REPLAYING, DISCARDING):
                job.settled = done
            if what == REPLAYING and job.following is not None:
                job.following.note(done)
            if job.is_cancelled:
                raise _CancelledError

        state = JobState.FAILED
        try:
            settled = asyncio.run(work(progress))
            job.settled, job.skipped = settled.count, dict(settled.skipped)
            state = JobState.DONE
        except _CancelledError:
            state = JobState.CANCELLED
        except Exception as error:
            reason = error_message(error)
            if reason is None:
                log.exception("job failed", job=job.id)
                reason = "that is a fault of Hookline: its traceback is in the dashboard's log"
            job.error = without_passwords(reason)
        finally:
            job.ended_at = datetime.now(UTC)
            try:
                self._ended(job, state)
            finally:
                job.state = state


REPLAYING, DISCARDING = "replaying", "discarding"
"""What the work reports while it settles letters."""
