"""Journey: the way of one delivery, or the deliveries of an order, a cart or a person."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import psycopg
from aiokafka.errors import KafkaError

from hookline.console.errors import CommandError, error_message
from hookline.dashboard.database import BusyError, Page
from hookline.dashboard.errors import Trouble, TroubleError
from hookline.dashboard.filters import FilterError
from hookline.journey.entities import without_address
from hookline.journey.model import Answer, Journey, Missing, RowState, Step, VerdictKind
from hookline.journey.search import Options, search
from hookline.journey.search_text import FORMS, parse
from hookline.stack_address import StackAddress
from runtime.contact_key import AnotherKeyError
from runtime.settings import SettingsError

MAXIMA = (20, 100, 500)
"""Deliveries of a list, at most."""
SEARCHES = 4
"""Searches that run at a time; each has a client of Kafka."""
SECONDS = 30
"""A search may take this long; `hookline journey` has no limit."""
LONGEST = 400
"""Characters of a text that is looked for."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What the URL asks for."""

    text: str = ""
    maximum: int = MAXIMA[0]
    with_body: bool = False


def question(query: Mapping[str, str]) -> Question:
    """Read the URL's query. Raises FilterError for a value that there is not."""
    maximum = query.get("max") or str(MAXIMA[0])
    if maximum not in map(str, MAXIMA):
        raise FilterError(f"max: one of {', '.join(map(str, MAXIMA))}")
    if query.get("body", "") not in ("", "1"):
        raise FilterError("body: 1, or left out")
    text = query.get("q", "").strip()
    if len(text) > LONGEST:
        raise too_long()
    return Question(text, int(maximum), query.get("body") == "1")


def too_long() -> FilterError:
    """Return the error for a text that nothing can have as its name."""
    return FilterError(f"q: {LONGEST} characters at most")


class Searches:
    """Runs searches as ``hookline journey`` does, few at a time and each for a limited time."""

    def __init__(self, stack: StackAddress) -> None:
        self._stack = stack
        self._free = threading.BoundedSemaphore(SEARCHES)

    def text_for_url(self, text: str) -> str:
        """Return what finds the same and may be in a URL: an e-mail address is hashed.

        Raises TroubleError, BusyError, psycopg.Error.
        """
        return self._run(lambda: self._without_address(text))

    def answer(self, asked: Question) -> Answer:
        """Return what a text names. Raises TroubleError, BusyError, psycopg.Error."""
        options = Options(asked.maximum, with_body=asked.with_body)
        return self._run(lambda: search(self._stack, asked.text, options))

    async def _without_address(self, text: str) -> str:
        return await without_address(self._stack, parse(text), text)

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if not self._free.acquire(timeout=SECONDS):
            raise BusyError("other searches are under way: try again in a moment")
        try:
            return asyncio.run(_limited(work))
        except (psycopg.Error, TroubleError):
            raise
        except Exception as error:
            trouble = _trouble(error)
            if trouble is None:
                raise
            raise TroubleError(trouble) from error
        finally:
            self._free.release()


async def _limited(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return await asyncio.wait_for(work(), SECONDS)


def _trouble(error: Exception) -> Trouble | None:
    """Return what to show for an error of a search; None for a bug."""
    if isinstance(error, CommandError):
        remedy = f"Give {FORMS}."
        return Trouble(HTTPStatus.BAD_REQUEST, "Nothing is found by this", str(error), remedy)
    if isinstance(error, SettingsError | AnotherKeyError):
        return Trouble(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The address cannot be hashed",
            str(error),
            "Start `hookline dashboard` with the HOOKLINE_CONTACT_KEY of the processors; or give a"
            " customer's key.",
        )
    if isinstance(error, TimeoutError):
        return Trouble(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The search took too long",
            f"It was ended after {SECONDS} seconds, so that it holds nobody up.",
            "Run `hookline journey` with the same text, which has no limit; `--since 1d` ends it"
            " sooner.",
        )
    reason = error_message(error)
    if reason is None and isinstance(error, KafkaError | OSError):
        reason = f"Kafka does not answer ({type(error).__name__})"
    if reason is None:
        return None
    return Trouble(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Kafka cannot be read",
        reason,
        "See whether it runs (`hookline status`), and whether HOOKLINE_BROKERS and"
        " HOOKLINE_REGISTRY_URL of the dashboard name it. The search is tried again when the page"
        " is loaded.",
    )


def page(asked: Question, answer: Answer | None) -> Page:
    """Return what the page and its JSON show; ``answer`` as ``hookline journey --json`` has it."""
    shown: Page = {"at": datetime.now(UTC), "q": asked.text}
    return shown if answer is None else {**shown, **answer.as_dict()}


def status(answer: Answer | None) -> HTTPStatus:
    """Return the status of an answer: what is not there is not found."""
    return HTTPStatus.NOT_FOUND if isinstance(answer, Missing) else HTTPStatus.OK


def is_open(journey: Journey) -> bool:
    """Return whether there is more to come: the page then looks again."""
    return journey.verdict.kind is VerdictKind.PENDING or any(
        row.state is RowState.WAITING for row in journey.rows
    )


@dataclass(frozen=True, slots=True)
class Station:
    """A station of the way: its step, and what is shown. ``share``: of all waits, 0 to 1."""

    kind: str
    step: Step | None
    item: Any
    share: float = 0.0


def stations(journey: Journey) -> list[Station]:
    """Return the stations of a journey in their order; rows come before the signals they cause."""
    waits = [step.wait for step in journey.steps if step.wait and step.wait > 0]
    total = sum(waits)
    steps = iter(journey.steps)

    def station(kind: str, item: Any) -> Station:
        step = next(steps)
        wait = step.wait or 0.0
        return Station(kind, step, item, wait / total if wait > 0 else 0.0)

    way = [station("received", journey.received)]
    if journey.raw is not None:
        way.append(station("raw", journey.raw))
    way.append(station("verdict", journey.verdict))
    way += [station("event", each) for each in journey.events]
    if journey.rows:
        way.append(Station("rows", None, journey.rows))
    way += [station("signal", each) for each in journey.signals_in_order]
    return way
