"""The application: a route for each page and its JSON, the errors as pages, the headers of all."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hookline.console import output
from hookline.dashboard import filters as url_filters
from hookline.dashboard.database import Database, Page, Query
from hookline.dashboard.errors import Trouble, trouble_of
from hookline.dashboard.events import Streams
from hookline.dashboard.filters import FilterError, Filters
from hookline.dashboard.headers import Headers
from hookline.dashboard.letters.reading import LetterReader
from hookline.dashboard.letters.routes import LetterRoutes
from hookline.dashboard.letters.writes import LetterWrites
from hookline.dashboard.login.audit import FILE, Audit
from hookline.dashboard.login.door import Door
from hookline.dashboard.login.gate import Gate, login_query
from hookline.dashboard.login.routes import LoginRoutes
from hookline.dashboard.pages import carts, customers, now, shops
from hookline.dashboard.pages.journey import Searches
from hookline.dashboard.pages.journey_routes import JourneyRoutes
from hookline.dashboard.pages.sample_delivery import SampleDelivery
from hookline.dashboard.pages.workers import Workers
from hookline.dashboard.templates import TEMPLATES
from hookline.stack_address import StackAddress
from runtime import logs

HOSTS = ("127.0.0.1", "localhost", "::1", "[::1]")
"""Names under which the pages are asked for; others are refused (DNS rebinding)."""
_HERE = Path(__file__).parent
log = logs.get("hookline.dashboard")

View = Callable[[Query, Filters], Page]


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the navigation. ``view`` is None where the page has routes of its own."""

    name: str
    title: str
    view: View | None = None


class Dashboard:
    """The pages of one stack."""

    def __init__(self, stack: StackAddress, database: Database, door: Door, audit: Audit) -> None:
        self._stack = stack
        self._database = database
        self.streams = Streams(database)
        self._workers = Workers(stack.metrics)
        reader = LetterReader(stack)
        self.writes = LetterWrites(self, stack.settings, reader, door, audit)
        self._more = (
            LoginRoutes(self, door, audit),
            self.writes,
            LetterRoutes(self, reader),
            SampleDelivery(self, stack, door, audit),
        )
        self._version = metadata.version("hookline")
        self.tabs = (
            Tab("now", "Now", self._now),
            Tab("journey", "Journey"),
            Tab("dead-letters", "Dead letters"),
            Tab("shops", "Shops", self._shops),
            Tab("carts", "Carts", carts.view),
            Tab("customers", "Customers", customers.view),
        )

    def routes(self) -> list[Route | Mount]:
        """Build the routes; a page's JSON has the same path and ``.json``."""
        routes: list[Route | Mount] = [
            Route("/", lambda _request: RedirectResponse("/now", HTTPStatus.SEE_OTHER)),
            Route("/readyz", _readyz),
            Route("/events", self.streams.answer),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
            Mount("/vendored", StaticFiles(directory=_HERE / "vendored")),
        ]
        for more in self._more:
            routes += more.routes()
        for tab in self.tabs:
            if tab.view is None:
                continue
            routes += [
                Route(f"/{tab.name}.json", self._answers(tab, tab.name, is_json=True)),
                Route(f"/{tab.name}", self._answers(tab, tab.name, is_json=False)),
            ]
        routes += self._journey().routes()
        tab = self._tab("shops")
        path = "/shops/{source}/{shop}"
        routes += [
            Route(f"{path}.json", self._answers(tab, "shop", is_json=True)),
            Route(path, self._answers(tab, "shop", is_json=False)),
        ]
        return routes

    def _journey(self) -> JourneyRoutes:
        def fresh() -> Page:
            return self._database.read("freshness", now.freshness)

        def render(request: Request, template: str, status: HTTPStatus, **values: Any) -> Response:
            return self._html(request, template, status, tab=self._tab("journey"), **values)

        return JourneyRoutes(Searches(self._stack), render, self.on_error, fresh)

    def _now(self, query: Query, given: Filters) -> Page:
        return {**now.view(query, given), "pipeline": self._workers.read()}

    def _tab(self, name: str) -> Tab:
        [tab] = [tab for tab in self.tabs if tab.name == name]
        return tab

    def _shops(self, query: Query, given: Filters) -> Page:
        listed, note = shops.configured(Path(self._stack.settings.shops_file))
        return shops.view(query, given, listed, self._stack.ingress_url, note)

    def _answers(self, tab: Tab, template: str, *, is_json: bool) -> Callable[[Request], Response]:
        """Return the handler of one page. It runs in a thread: the database is asked there."""
        return self.guarded(lambda request: self._answer(request, tab, template, is_json=is_json))

    def guarded(self, view: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """Return the view with an answer for each error."""

        def answer(request: Request) -> Response:
            try:
                return view(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, the answer is a page
                return self.on_error(request, error)

        return answer

    def guarded_form(
        self, view: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the view of a form with an answer for each error."""

        async def answer(request: Request) -> Response:
            try:
                return await view(request)
            except Exception as error:  # noqa: BLE001 - as of pages that read
                return await run_in_threadpool(self.on_error, request, error)

        return answer

    def _answer(self, request: Request, tab: Tab, template: str, *, is_json: bool) -> Response:
        given = _filters_of(request)
        if (view := tab.view) is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        page = self._database.read((tab.name, given), lambda query: view(query, given))
        if template == "shop" and not page["shops"]:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No shop has this name.")
        if is_json:
            return Response(output.to_json(page), media_type="application/json")
        again = math.ceil(self._database.seconds_left((tab.name, given)))
        return self.page(request, tab.name, template, page=page, filters=given, again=again)

    def page(self, request: Request, tab: str, template: str, **values: Any) -> Response:
        """Answer with a page under the name of its tab."""
        [of] = [each for each in self.tabs if each.name == tab]
        fresh = self._database.read("freshness", now.freshness)
        return self._html(request, template, HTTPStatus.OK, tab=of, fresh=fresh, **values)

    def on_error(self, request: Request, error: Exception) -> Response:
        """Answer with a page of the reason and the remedy, never with a traceback."""
        trouble = trouble_of(error)
        if trouble is None:
            log.error("page failed", path=request.url.path, exc_info=error)
            trouble = Trouble(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "This page failed",
                "That is a fault of Hookline.",
                "The traceback is in the log of `hookline dashboard`.",
            )
        if request.url.path.endswith(".json"):
            body = {"error": trouble.reason, "remedy": trouble.remedy}
            text, kind = output.to_json(body), "application/json"
            return Response(text, trouble.status, _headers_of(error), media_type=kind)
        page = self._html(request, "error", trouble.status, trouble=trouble, tab=None, fresh=None)
        page.headers.update(_headers_of(error))
        return page

    def plain(
        self, request: Request, template: str, status: HTTPStatus, **values: Any
    ) -> HTMLResponse:
        """Answer with a page of no tab, without reading anything."""
        return self._html(request, template, status, tab=None, fresh=None, **values)

    def _html(
        self, request: Request, template: str, status: HTTPStatus, **values: Any
    ) -> HTMLResponse:
        text = TEMPLATES.get_template(f"{template}.html").render(
            tabs=self.tabs,
            path=request.url.path,
            query=request.url.query,
            version=self._version,
            visitor=request.state.visitor,
            login_query=login_query(request),
            **values,
        )
        return HTMLResponse(text, status)


def create(
    stack: StackAddress,
    database: Database,
    *,
    door: Door | None = None,
    audit: Audit | None = None,
    hosts: Sequence[str] = (),
) -> Starlette:
    """Return the ASGI application of a stack's dashboard.

    ``hosts``: names beside those of this machine under which it is asked for. Without ``door``
    the login is that of the settings, and reading needs none.
    """
    door = door or Door(stack.settings)
    dashboard = Dashboard(stack, database, door, audit or Audit(Path(FILE)))

    app = Starlette(
        routes=dashboard.routes(),
        middleware=[
            Middleware(Headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=[*HOSTS, *hosts], www_redirect=False),
            Middleware(Gate, door=door),
        ],
        exception_handlers={HTTPException: dashboard.on_error},
    )
    app.state.streams = dashboard.streams
    app.state.jobs = dashboard.writes.jobs
    return app


def _filters_of(request: Request) -> Filters:
    """Read the filters of the URL; the shop of a shop's page is in its path."""
    query = dict(request.query_params)
    if "shop" in request.path_params:
        query = {"shop": f"{request.path_params['source']}/{request.path_params['shop']}"}
        try:
            return url_filters.parse(query)
        except FilterError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No shop has this name.") from error
    return url_filters.parse(query)


def _headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers that belong to an error: of a wrong method, which ones there are."""
    return (error.headers or {}) if isinstance(error, HTTPException) else {}


async def _readyz(_request: Request) -> Response:
    """Ready as soon as it serves: a page shows itself what it lacks."""
    return JSONResponse({"ready": True, "waiting": {}, "warnings": {}})
