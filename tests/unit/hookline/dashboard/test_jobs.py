"""Jobs: one at a time, their progress, their ends."""

import threading
from collections import Counter
from typing import Any

import pytest

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.dashboard.letters.jobs import REPLAYING, BusyError, Job, Jobs, JobState, Settled


class Held:
    """Work that settles a letter each time that it is let."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.let = threading.Semaphore(0)
        self.fails = fails

    async def __call__(self, progress: Progress) -> Settled:
        for number in range(1, 4):
            self.let.acquire()
            if self.fails is not None:
                raise self.fails
            progress(REPLAYING, number, 3)
        return Settled(3, Counter({"its delivery is canonical": 2}))

    def go_on(self) -> None:
        for _ in range(3):
            self.let.release()


def started(jobs: Jobs, work: Any) -> Job:
    return jobs.start("replay", "anna", {"letters": ["0:1"]}, work, lambda _: None)


def test_a_job_runs_alone_and_shows_what_it_did() -> None:
    ended: list[tuple[Job, JobState]] = []
    jobs, work = Jobs(lambda job, state: ended.append((job, state))), Held()
    job = started(jobs, work)
    with pytest.raises(BusyError) as busy:
        started(jobs, Held())
    assert busy.value.job == job.id
    assert jobs.running is job
    work.go_on()
    jobs.wait(30)
    assert ended == [(job, JobState.DONE)]
    assert (job.state, job.settled, job.skipped) == (
        JobState.DONE, 3, {"its delivery is canonical": 2},
    )  # fmt: skip
    assert jobs.running is None
    assert jobs.get(job.id) is job
    assert jobs.get("nothing") is None


def test_a_cancelled_job_ends_after_its_batch() -> None:
    jobs, work = Jobs(), Held()
    job = started(jobs, work)
    job.is_cancelled = True
    work.go_on()
    jobs.wait(30)
    assert (job.state, job.settled) == (JobState.CANCELLED, 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(CommandError("no answer of postgresql://a:hunter2@db"), "no answer of"),
     (ZeroDivisionError("a secret"), "a fault of Hookline")],
)  # fmt: skip
def test_a_job_that_fails_shows_why_and_no_password(error: Exception, reason: str) -> None:
    jobs, work = Jobs(), Held(error)
    job = started(jobs, work)
    work.go_on()
    jobs.wait(30)
    assert job.state is JobState.FAILED
    assert reason in (job.error or "")
    assert "hunter2" not in (job.error or "")
    assert "a secret" not in (job.error or "")


def test_what_cannot_be_noted_is_not_begun() -> None:
    jobs = Jobs()

    def fails(_: str) -> None:
        raise CommandError("the disk is full")

    with pytest.raises(CommandError):
        jobs.start("replay", "anna", {}, Held(), fails)
    assert jobs.running is None


def test_the_end_of_the_dashboard_stops_a_job() -> None:
    jobs, work = Jobs(), Held()
    job = started(jobs, work)
    work.let.release()
    closing = threading.Thread(target=jobs.close)
    closing.start()
    work.go_on()
    closing.join()
    assert job.state in (JobState.CANCELLED, JobState.DONE)
    assert job.ended_at is not None
