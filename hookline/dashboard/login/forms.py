"""Reads a form that acts: of a page of ours, with the token of its session, by who logged in."""

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.requests import Request

from hookline.dashboard.errors import Trouble, TroubleError
from hookline.dashboard.login.audit import Audit
from hookline.dashboard.login.door import Door, Visitor
from hookline.dashboard.login.passwords import HOW_TO_SET

TOKEN = "token"  # noqa: S105 - the name of the field
MAX_BYTES = 64 << 10
MAX_FIELDS = 50
_LONGEST_PATH = 200
"""Characters of a path in the audit file, which whoever is not logged in can make longer."""
_TYPE = "application/x-www-form-urlencoded"


async def fields(request: Request) -> dict[str, str]:
    """Read the fields of a form. Raises TroubleError for what is none, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise TroubleError(_wrong("A form of this page is needed."))
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise TroubleError(_wrong("The form is too large."))
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise TroubleError(_wrong("The form cannot be read.")) from error
    return dict(pairs)


async def acting(request: Request, door: Door, audit: Audit) -> tuple[Visitor, dict[str, str]]:
    """Return who acts, and the form. Raises TroubleError (403) for whoever may not; it is noted."""
    if not door.is_configured:
        raise TroubleError(NOT_CONFIGURED)
    try:
        return await _verified(request, door)
    except TroubleError as error:
        audit.write(
            request.state.visitor.user,
            "refused",
            path=request.url.path[:_LONGEST_PATH],
            reason=error.trouble.reason,
            address=door.address(request),
        )
        raise


async def _verified(request: Request, door: Door) -> tuple[Visitor, dict[str, str]]:
    visitor: Visitor = request.state.visitor
    if not door.is_own_origin(request):
        raise TroubleError(_refused("The form came from another site, or without an Origin."))
    if not visitor.user:
        raise TroubleError(_refused("Nobody is logged in, or the session has ended."))
    form = await fields(request)
    if not door.is_token(visitor, form.pop(TOKEN, "")):
        raise TroubleError(_refused("The form is not of this session."))
    return visitor, form


def _refused(reason: str) -> Trouble:
    remedy = "Nothing was changed. Log in, load the page again and repeat it there."
    return Trouble(HTTPStatus.FORBIDDEN, "Refused", reason, remedy)


def _wrong(reason: str) -> Trouble:
    return Trouble(HTTPStatus.BAD_REQUEST, "Not understood", reason, "Load the page again.")


NOT_CONFIGURED = Trouble(
    HTTPStatus.FORBIDDEN,
    "No login is set",
    "Nothing is written from here without a login.",
    f"To set a password, {HOW_TO_SET}; docs/dashboard.md also describes the login by a proxy.",
)
