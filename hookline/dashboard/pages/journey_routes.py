"""The routes of Journey: the page, its JSON, and the search box, which no URL has to hold."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hookline.console import output
from hookline.dashboard.errors import Trouble, trouble_of
from hookline.dashboard.pages import journey
from hookline.dashboard.pages.journey import Searches
from hookline.journey.model import Answer, Journey

_LONGEST_FORM = 4096
"""Bytes of a form."""


class Render(Protocol):
    """Renders a template of the dashboard."""

    def __call__(
        self, request: Request, template: str, status: HTTPStatus, **values: Any
    ) -> Response:
        """Return the page."""


class JourneyRoutes:
    """Answers searches. ``fresh``: reads up to when the tables are whole, for the page's top."""

    def __init__(
        self,
        searches: Searches,
        render: Render,
        on_error: Callable[[Request, Exception], Response],
        fresh: Callable[[], Any],
    ) -> None:
        self._searches = searches
        self._render = render
        self._on_error = on_error
        self._fresh = fresh

    def routes(self) -> list[Route]:
        """Build the routes."""
        return [
            Route("/journey.json", self._json, methods=["GET"]),
            Route("/journey", self._page, methods=["GET"]),
            Route("/journey", self._searched, methods=["POST"]),
        ]

    def _json(self, request: Request) -> Response:
        """Answer as JSON. It runs in a thread, as do the others: a search blocks."""
        try:
            if (other := self._private(request)) is not None:
                return other
            asked = journey.question(request.query_params)
            answer = self._searches.answer(asked) if asked.text else None
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is a page
            return self._on_error(request, error)
        text = output.to_json(journey.page(asked, answer))
        return Response(text, journey.status(answer), media_type="application/json")

    def _page(self, request: Request) -> Response:
        try:
            if (other := self._private(request)) is not None:
                return other
            asked = journey.question(request.query_params)
            fresh = self._fresh()
        except Exception as error:  # noqa: BLE001 - see above
            return self._on_error(request, error)
        answer: Answer | None = None
        trouble: Trouble | None = None
        try:
            answer = self._searches.answer(asked) if asked.text else None
        except Exception as error:  # noqa: BLE001 - see above
            if (trouble := trouble_of(error)) is None:
                return self._on_error(request, error)
        return self._render(
            request,
            "journey",
            journey.status(answer) if trouble is None else trouble.status,
            asked=asked,
            page=journey.page(asked, answer),
            answer=answer,
            stations=journey.stations(answer) if isinstance(answer, Journey) else [],
            is_open=isinstance(answer, Journey) and journey.is_open(answer),
            trouble=trouble,
            fresh=fresh,
        )

    async def _searched(self, request: Request) -> Response:
        """Go on to the URL of what the form looks for; an address is hashed, and in no URL."""
        try:
            text = await _text_of_form(request)
            if text:
                text = await run_in_threadpool(self._searches.text_for_url, text)
        except Exception as error:  # noqa: BLE001 - see above
            return self._on_error(request, error)
        return RedirectResponse(_url("/journey", q=text), HTTPStatus.SEE_OTHER)

    def _private(self, request: Request) -> Response | None:
        """Go on to a URL without an address, where this one has one; None for any other."""
        asked = journey.question(request.query_params)
        if not asked.text:
            return None
        if (text := self._searches.text_for_url(asked.text)) == asked.text:
            return None
        given = {**request.query_params, "q": text}
        return RedirectResponse(_url(request.url.path, **given), HTTPStatus.SEE_OTHER)


async def _text_of_form(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise journey.too_long()
    text = parse_qs(body.decode("utf-8", "replace")).get("q", [""])[0].strip()
    if len(text) > journey.LONGEST:
        raise journey.too_long()
    return text


def _url(path: str, **query: str) -> str:
    kept = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path
