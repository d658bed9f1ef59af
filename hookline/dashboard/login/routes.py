"""The pages of the login. They work without JavaScript."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hookline.dashboard.errors import Trouble, TroubleError
from hookline.dashboard.login import forms
from hookline.dashboard.login.audit import Audit
from hookline.dashboard.login.door import OPERATOR, Door, local_path
from hookline.dashboard.login.gate import LOGIN
from hookline.dashboard.login.sessions import COOKIE, LENGTH

_WRONG = "This is not the password."


class Shows(Protocol):
    """What the login needs of the dashboard."""

    def plain(self, request: Request, template: str, status: HTTPStatus, **values: Any) -> Response:
        """Answer with a page of no tab."""

    def guarded_form(
        self, view: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the view with an answer for each error."""


class LoginRoutes:
    """Logging in and out."""

    def __init__(self, shows: Shows, door: Door, audit: Audit) -> None:
        self._shows = shows
        self._door = door
        self._audit = audit

    def routes(self) -> list[Route]:
        """Build the routes."""
        return [
            Route(LOGIN, self._page, methods=["GET"]),
            Route(LOGIN, self._shows.guarded_form(self._log_in), methods=["POST"]),
            Route("/logout", self._shows.guarded_form(self._log_out), methods=["POST"]),
        ]

    def _page(self, request: Request) -> Response:
        back = local_path(request.query_params.get("next", ""))
        if request.state.visitor.user:
            return RedirectResponse(back, HTTPStatus.SEE_OTHER)
        return self._shows.plain(request, "login", HTTPStatus.OK, back=back, wrong="")

    async def _log_in(self, request: Request) -> Response:
        address = self._door.address(request)
        if not request.state.visitor.has_password:
            raise TroubleError(forms.NOT_CONFIGURED)
        if not self._door.is_own_origin(request):
            raise TroubleError(
                Trouble(HTTPStatus.FORBIDDEN, "Refused",
                        "The form came from another site, or without an Origin.",
                        "Load the page again and log in there.")
            )  # fmt: skip
        if not self._door.attempts.may_try(address):
            self._audit.write("", "login refused: too many attempts", address=address)
            raise TroubleError(_TOO_MANY)
        form = await forms.fields(request)
        back = local_path(form.get("next", ""))
        # In a thread: scrypt takes long on purpose.
        if not await run_in_threadpool(self._door.is_password, form.get("password", "")):
            self._audit.write("", "login refused: wrong password", address=address)
            return await run_in_threadpool(
                self._shows.plain,
                request, "login", HTTPStatus.FORBIDDEN, back=back, wrong=_WRONG,
            )  # fmt: skip
        self._audit.write(OPERATOR, "login", address=address)
        answer = RedirectResponse(back, HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            COOKIE,
            self._door.sessions.issue(OPERATOR),
            max_age=int(LENGTH),
            path="/",
            secure=self._door.is_https(request),
            httponly=True,
            samesite="strict",
        )
        return answer

    async def _log_out(self, request: Request) -> Response:
        visitor, _ = await forms.acting(request, self._door, self._audit)
        if visitor.session is not None:
            self._door.sessions.end(visitor.session)
        self._audit.write(visitor.user, "logout", address=self._door.address(request))
        answer = RedirectResponse("/now", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer


_TOO_MANY = Trouble(
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many attempts",
    "This address has tried ten passwords in a minute.",
    "Wait a minute, then try again.",
)
