"""Asks for a login before anything is read, where the dashboard is reached from other machines."""

import json
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hookline.dashboard.login.door import Door

LOGIN = "/login"
_OPEN = ("/static/", "/vendored/")
_OPEN_PATHS = (LOGIN, "/readyz")


class Gate:
    """Finds who asks, for the pages behind it: ``request.state.visitor``."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        visitor = self._door.visitor(connection)
        scope.setdefault("state", {})["visitor"] = visitor
        path = str(scope["path"])
        is_open = path in _OPEN_PATHS or path.startswith(_OPEN)
        if visitor.user or is_open or not self._door.reading_needs_login:
            await self._app(scope, receive, send)
            return
        await _refusal(scope, connection)(scope, receive, send)


def _refusal(scope: Scope, connection: HTTPConnection) -> Response:
    path = connection.url.path
    if path.endswith(".json") or scope["method"] not in ("GET", "HEAD"):
        body = {"error": "a login is needed", "remedy": f"log in at {LOGIN}"}
        return Response(json.dumps(body), HTTPStatus.UNAUTHORIZED, media_type="application/json")
    return RedirectResponse(f"{LOGIN}?{login_query(connection)}", HTTPStatus.SEE_OTHER)


def login_query(connection: HTTPConnection) -> str:
    """Return the query of the login that leads back to where one was."""
    query = connection.url.query
    back = connection.url.path + (f"?{query}" if query else "")
    return urlencode({"next": back})
