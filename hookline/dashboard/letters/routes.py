"""The addresses of the dead letters' pages, and of their JSON."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookline.console import output
from hookline.console.errors import CommandError
from hookline.dashboard.filters import FilterError
from hookline.dashboard.letters import pages
from hookline.dashboard.letters.query import LetterQuery, parse, parse_until
from hookline.dashboard.letters.reading import LetterReader
from hookline.dashboard.letters.review import review
from hookline.dead_letters.letters import parse_letter_id
from hookline.dead_letters.listing import State

View = Callable[[Request], Response]


class Shows(Protocol):
    """What the pages need of the dashboard."""

    def page(self, request: Request, tab: str, template: str, **values: Any) -> Response:
        """Answer with a page."""

    def guarded(self, view: View) -> View:
        """Return the view with an answer for each error."""


class LetterRoutes:
    """The pages that read."""

    def __init__(self, shows: Shows, reader: LetterReader) -> None:
        self._shows = shows
        self._reader = reader

    def routes(self) -> list[Route]:
        """Build the routes."""
        one = "/dead-letters/{letter}"
        return [
            Route("/dead-letters.json", self._shows.guarded(self._list_json)),
            Route("/dead-letters", self._shows.guarded(self._list)),
            Route("/dead-letters/settle.json", self._shows.guarded(self._review_json)),
            Route("/dead-letters/settle", self._shows.guarded(self._review)),
            Route(f"{one}.json", self._shows.guarded(self._letter_json)),
            Route(one, self._shows.guarded(self._letter)),
        ]

    def _list(self, request: Request) -> Response:
        given = parse(request.query_params)
        page = pages.letters(self._reader, given)
        states = [each.value for each in State]
        return self._shows.page(
            request, "dead-letters", "letters/list", page=page, given=given, states=states
        )

    def _list_json(self, request: Request) -> Response:
        return _json(pages.letters(self._reader, parse(request.query_params)))

    def _review(self, request: Request) -> Response:
        given, page = self._reviewed(request)
        return self._shows.page(request, "dead-letters", "letters/settle", page=page, given=given)

    def _review_json(self, request: Request) -> Response:
        return _json(self._reviewed(request)[1])

    def _reviewed(self, request: Request) -> tuple[LetterQuery, pages.Page]:
        given = parse(request.query_params)
        if given.state is not State.OPEN:
            raise FilterError("state: only open letters can be settled")
        until_ms = parse_until(request.query_params.get("until", ""))
        return given, review(self._reader, given, until_ms)

    def _letter(self, request: Request) -> Response:
        return self._shows.page(
            request, "dead-letters", "letters/letter", page=self._found(request)
        )

    def _letter_json(self, request: Request) -> Response:
        page = self._found(request)
        return _json({name: value for name, value in page.items() if name != "lit"})

    def _found(self, request: Request) -> pages.Page:
        try:
            letter_id = parse_letter_id(request.path_params["letter"])
        except CommandError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        return pages.letter(self._reader, letter_id)


def _json(page: pages.Page) -> Response:
    return Response(output.to_json(page), HTTPStatus.OK, media_type="application/json")
