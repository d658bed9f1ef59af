"""What a login may do with dead letters: replay and discard them, as the operator, in jobs."""

from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hookline.console import output
from hookline.console.output import Progress
from hookline.dashboard.errors import Trouble, TroubleError
from hookline.dashboard.filters import FilterError
from hookline.dashboard.letters.acts import Act, chosen_letters, rate_of
from hookline.dashboard.letters.following import Following
from hookline.dashboard.letters.jobs import BusyError, Job, Jobs, JobState, Settled
from hookline.dashboard.letters.pages import open_letters
from hookline.dashboard.letters.reading import LetterReader
from hookline.dashboard.login import forms
from hookline.dashboard.login.audit import Audit
from hookline.dashboard.login.door import Door, Visitor
from hookline.dead_letters.letters import discard
from hookline.dead_letters.replay import replay
from runtime import logs
from runtime.settings import Settings

_LONGEST_REASON = 500
log = logs.get("hookline.dashboard")


class Shows(Protocol):
    """What the pages need of the dashboard."""

    def page(self, request: Request, tab: str, template: str, **values: Any) -> Response:
        """Answer with a page."""

    def guarded(self, view: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """Return the view with an answer for each error."""

    def guarded_form(
        self, view: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the view with an answer for each error."""


class LetterWrites:
    """The forms of dead letters, and the pages of their jobs. ``settings``: the operator's."""

    def __init__(
        self, shows: Shows, settings: Settings, reader: LetterReader, door: Door, audit: Audit
    ) -> None:
        self._shows = shows
        self._settings = settings
        self._reader = reader
        self._door = door
        self._audit = audit
        self.jobs = Jobs(self._ended)

    def routes(self) -> list[Route]:
        """Build the routes: they come before those of single letters."""
        job, form = "/dead-letters/jobs/{job}", self._shows.guarded_form
        return [
            Route("/dead-letters/replay", form(self._replay), methods=["POST"]),
            Route("/dead-letters/discard", form(self._discard), methods=["POST"]),
            Route(f"{job}/cancel", form(self._cancel), methods=["POST"]),
            Route(f"{job}.json", self._shows.guarded(self._job_json)),
            Route(job, self._shows.guarded(self._job)),
        ]

    async def _replay(self, request: Request) -> Response:
        visitor, form = await forms.acting(request, self._door, self._audit)
        chosen = chosen_letters(form)
        rate = rate_of(form.get("rate", ""))
        following = Following()

        async def work(progress: Progress) -> Settled:
            done = await replay(
                self._settings, chosen.letters, progress, rate=rate, result=following.result
            )
            return Settled(len(done.replayed), Counter(done.skipped.values()))

        act = Act("replay", chosen, {"rate": rate}, work, following)
        return await self._start(request, visitor, act)

    async def _discard(self, request: Request) -> Response:
        visitor, form = await forms.acting(request, self._door, self._audit)
        chosen = chosen_letters(form)
        because = form.get("because", "").strip()
        if not because or len(because) > _LONGEST_REASON:
            raise FilterError(f"because: write why, in {_LONGEST_REASON} characters at most")

        async def work(progress: Progress) -> Settled:
            done = await discard(self._settings, chosen.letters, because, progress)
            return Settled(len(done))

        act = Act("discard", chosen, {"because": because}, work)
        return await self._start(request, visitor, act)

    async def _start(self, request: Request, visitor: Visitor, act: Act) -> Response:
        try:
            job = await run_in_threadpool(self._begin, request, visitor, act)
        except BusyError as error:
            raise TroubleError(_busy(error)) from error
        return RedirectResponse(f"/dead-letters/jobs/{job.id}", HTTPStatus.SEE_OTHER)

    def _begin(self, request: Request, visitor: Visitor, act: Act) -> Job:
        """Count the letters and start the job. Raises BusyError, TroubleError."""
        if (other := self.jobs.running) is not None:  # counting would be in vain
            raise BusyError(other.id)
        count = 1
        if (group := act.chosen.group) is not None:
            count = open_letters(self._reader, *group)
        what = {**act.chosen.named, **act.options, "count": count}

        def note(job: str) -> None:
            address = self._door.address(request)
            self._audit.write(visitor.user, act.name, job=job, address=address, **what)

        return self.jobs.start(act.name, visitor.user, what, act.work, note, act.following)

    async def _cancel(self, request: Request) -> Response:
        visitor, _ = await forms.acting(request, self._door, self._audit)
        job = self._found(request)
        self._audit.write(visitor.user, "cancel", job=job.id, address=self._door.address(request))
        job.is_cancelled = True
        return RedirectResponse(f"/dead-letters/jobs/{job.id}", HTTPStatus.SEE_OTHER)

    def _job(self, request: Request) -> Response:
        page = self._job_page(request)
        return self._shows.page(request, "dead-letters", "letters/job", page=page)

    def _job_json(self, request: Request) -> Response:
        text = output.to_json(self._job_page(request))
        return Response(text, HTTPStatus.OK, media_type="application/json")

    def _job_page(self, request: Request) -> dict[str, Any]:
        job = self._found(request)
        page = job.as_dict()
        followed = None
        if job.following is not None and page["state"] != JobState.RUNNING:
            followed = job.following.look(self._reader, job.id)
        return {**page, "became": followed}

    def _found(self, request: Request) -> Job:
        job = self.jobs.get(request.path_params["job"])
        if job is None:
            raise TroubleError(_NO_JOB)
        return job

    def _ended(self, job: Job, state: JobState) -> None:
        self._reader.forget()
        ended = {
            "job": job.id, "state": state.value, "settled": job.settled,
            "skipped": job.skipped, "error": job.error,
        }  # fmt: skip
        try:
            self._audit.write(job.user, f"{job.action} ended", **ended)
        except TroubleError:  # the act itself has its line
            log.exception("no line in the audit file", **ended)


def _busy(error: BusyError) -> Trouble:
    return Trouble(
        HTTPStatus.CONFLICT,
        "Another job runs",
        f"Job {error.job} is not done. One runs at a time, so that each letter is settled once.",
        f"Follow it at /dead-letters/jobs/{error.job}, or cancel it there.",
    )


_NO_JOB = Trouble(
    HTTPStatus.NOT_FOUND,
    "Not found",
    "There is no such job: jobs are known until the dashboard ends.",
    "Its beginning and its end are in dashboard-audit.jsonl; the letters that are left are listed"
    " as open.",
)
