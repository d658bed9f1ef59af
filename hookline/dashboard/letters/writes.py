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
from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.dashboard.errors import Trouble, TroubleError
from hookline.dashboard.filters import FilterError
from hookline.dashboard.letters.jobs import BusyError, Job, Jobs, JobState, Settled, Work
from hookline.dashboard.letters.query import parse, parse_until
from hookline.dashboard.letters.reading import LetterReader
from hookline.dashboard.login import forms
from hookline.dashboard.login.audit import Audit
from hookline.dashboard.login.door import Door, Visitor
from hookline.dead_letters.letters import LetterFilter, discard, parse_letter_id
from hookline.dead_letters.listing import State
from hookline.dead_letters.replay import replay
from runtime import logs
from runtime.settings import Settings

SLOWEST, FASTEST = 0.1, 100_000.0
"""Letters a second."""
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
        wanted, chosen = _chosen(form)
        rate = _rate(form.get("rate", ""))

        async def work(progress: Progress) -> Settled:
            done = await replay(self._settings, wanted, progress, rate=rate)
            return Settled(len(done.replayed), Counter(done.skipped.values()))

        return await self._start(request, "replay", visitor, {**chosen, "rate": rate}, work)

    async def _discard(self, request: Request) -> Response:
        visitor, form = await forms.acting(request, self._door, self._audit)
        wanted, chosen = _chosen(form)
        because = form.get("because", "").strip()
        if not because or len(because) > _LONGEST_REASON:
            raise FilterError(f"because: write why, in {_LONGEST_REASON} characters at most")

        async def work(progress: Progress) -> Settled:
            return Settled(len(await discard(self._settings, wanted, because, progress)))

        return await self._start(request, "discard", visitor, {**chosen, "because": because}, work)

    async def _start(
        self, request: Request, action: str, visitor: Visitor, chosen: dict[str, Any], work: Work
    ) -> Response:
        def note(job: str) -> None:
            address = self._door.address(request)
            self._audit.write(visitor.user, action, job=job, address=address, **chosen)

        try:
            job = await run_in_threadpool(self.jobs.start, action, visitor.user, chosen, work, note)
        except BusyError as error:
            raise TroubleError(_busy(error)) from error
        return RedirectResponse(f"/dead-letters/jobs/{job.id}", HTTPStatus.SEE_OTHER)

    async def _cancel(self, request: Request) -> Response:
        visitor, _ = await forms.acting(request, self._door, self._audit)
        job = self._found(request)
        self._audit.write(visitor.user, "cancel", job=job.id, address=self._door.address(request))
        job.is_cancelled = True
        return RedirectResponse(f"/dead-letters/jobs/{job.id}", HTTPStatus.SEE_OTHER)

    def _job(self, request: Request) -> Response:
        page = self._found(request).as_dict()
        return self._shows.page(request, "dead-letters", "letters/job", page=page)

    def _job_json(self, request: Request) -> Response:
        text = output.to_json(self._found(request).as_dict())
        return Response(text, HTTPStatus.OK, media_type="application/json")

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


def _chosen(form: dict[str, str]) -> tuple[LetterFilter, dict[str, Any]]:
    """Return the letters that a form names: one, or those of its filter up to a time."""
    if "letter" in form:
        try:
            letter = parse_letter_id(form["letter"])
        except CommandError as error:
            raise FilterError(str(error)) from error
        return LetterFilter(ids=frozenset({letter})), {"letters": [form["letter"]]}
    given = parse(form)
    if given.state is not State.OPEN:
        raise FilterError("state: only open letters can be settled")
    until_ms = parse_until(form.get("until", ""))
    chosen = {"shop": given.shop or None, "reason": given.reason or None, "path": given.path}
    return given.letters(until_ms), {"filter": chosen, "until": output.from_unix_ms(until_ms)}


def _rate(text: str) -> float | None:
    """Read letters a second; nothing is no limit. Raises FilterError."""
    if not text.strip():
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not SLOWEST <= rate <= FASTEST:
        raise FilterError(f"rate: letters a second, {SLOWEST} to {FASTEST:.0f}, or nothing")
    return rate


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
