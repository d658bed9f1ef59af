"""What a page shows where it cannot show its figures: the reason and the remedy."""

from dataclasses import dataclass
from http import HTTPStatus

import psycopg
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hookline.console.errors import CommandError, error_message
from hookline.dashboard.database import BusyError
from hookline.dashboard.filters import FilterError
from runtime.logs import without_passwords


@dataclass(frozen=True, slots=True)
class Trouble:
    """A page that is not the one that was asked for."""

    status: HTTPStatus
    title: str
    reason: str
    remedy: str


class TroubleError(Exception):
    """A page cannot be shown; ``trouble`` is shown instead."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


_BY_KIND: tuple[tuple[tuple[type[Exception], ...], Trouble], ...] = (
    (
        (ClientDisconnect,),
        Trouble(
            HTTPStatus.BAD_REQUEST, "Not understood", "The form was cut off.", "Send it again."
        ),
    ),
    (
        (psycopg.errors.QueryCanceled,),
        Trouble(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The query took too long",
            "A query of this page was ended at its time limit, so that it holds nobody up.",
            "Choose a shorter period or one shop; docs/tables.md describes how to keep the rows"
            " of large views.",
        ),
    ),
    (
        (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn),
        Trouble(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The tables are not of this version",
            "The database has no such table or column.",
            "Run `hookline migrate`, or start the version of Hookline that these tables are of.",
        ),
    ),
)


def trouble_of(error: Exception) -> Trouble | None:
    """Return what to show for an error; None for a bug."""
    if isinstance(error, TroubleError):
        return error.trouble
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, FilterError):
        remedy = "Correct the address, or choose the filter on the page."
        return Trouble(HTTPStatus.BAD_REQUEST, "No such filter", str(error), remedy)
    if isinstance(error, BusyError):
        return Trouble(HTTPStatus.SERVICE_UNAVAILABLE, "Busy", str(error), "Load the page again.")
    for kinds, trouble in _BY_KIND:
        if isinstance(error, kinds):
            return trouble
    return _of_postgres(error) if isinstance(error, CommandError | psycopg.Error) else None


def _of_postgres(error: Exception) -> Trouble:
    return Trouble(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "PostgreSQL cannot be read",
        without_passwords(error_message(error) or str(error)),
        "See whether it runs (`hookline status`), and whether HOOKLINE_READER_URL names it with a"
        " user who has the role hookline_reader. The page tries again when it is loaded.",
    )


def _of_http(error: HTTPException) -> Trouble:
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.NOT_FOUND:
        detail = error.detail if error.detail != status.phrase else "There is no such page."
        return Trouble(status, "Not found", detail, "Choose a page above.")
    return Trouble(status, status.phrase, error.detail, "Choose a page above.")
