"""The headers of every answer: nothing from elsewhere, no inline script or style, no frame."""

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # under no-referrer a form of ours has the Origin null
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FILES = ("/static/", "/vendored/")


class Headers:
    """Adds the headers to every answer; pages are kept by no cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_of(scope))
            await send(message)

        await self._app(scope, receive, with_headers)


def _of(scope: Scope) -> dict[str, Any]:
    path = str(scope.get("path", ""))
    return {**HEADERS, "Cache-Control": "no-cache" if path.startswith(_FILES) else "no-store"}
