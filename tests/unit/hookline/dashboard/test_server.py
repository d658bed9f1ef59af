"""The end of the server: a signal ends streams and jobs, and each job has its last line."""

import asyncio
import os
import signal
import socket
import threading
from typing import Any

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.dashboard import server
from hookline.dashboard.app import create
from hookline.dashboard.database import Database, Session
from hookline.dashboard.letters.jobs import Job, JobState, Settled
from hookline.stack_address import StackAddress
from runtime.settings import Settings


def away() -> Session:
    raise CommandError("away")


def test_a_signal_cancels_the_job_that_runs_and_waits_for_it() -> None:
    app = create(StackAddress(Settings(), "", "", ""), Database(away))
    jobs: Any = app.state.jobs
    ended: list[JobState] = []

    def note(_job: Job, state: JobState) -> None:
        ended.append(state)

    jobs._ended = note
    begun = threading.Event()

    async def work(progress: Progress) -> Settled:
        while True:
            progress("replaying", 1, 2)
            begun.set()
            await asyncio.sleep(0.001)

    def ready() -> None:
        jobs.start("replay", "anna", {}, work, lambda _: None)
        begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(server._serve(app, listener, ready))
    assert ended == [JobState.CANCELLED]
