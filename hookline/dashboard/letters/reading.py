"""Reads dead letters for the pages: as the reader of the tables, one scan of the topic at a time.

An answer is shared for a time, as those of the tables are, and forgotten after each write.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeVar

from hookline.console.errors import CommandError, error_message
from hookline.dashboard.database import KEPT, MAX_KEPT, REST
from hookline.dashboard.errors import Trouble, TroubleError
from hookline.stack_address import StackAddress
from hookline.tables import reading
from runtime.logs import without_passwords
from runtime.settings import Settings

T = TypeVar("T")
MAX_ANSWERS = 64
WAIT = 30.0
"""Seconds that a page waits for the scan of another one."""


class LetterReader:
    """The dead letters of a stack, read with the reader's URL and as a client without a group."""

    def __init__(self, stack: StackAddress, clock: Callable[[], float] = time.monotonic) -> None:
        self._stack = stack
        self._clock = clock
        self._scanning = threading.Lock()
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    @property
    def settings(self) -> Settings:
        """The settings to read with: the operator's, and of the database the reader's."""
        return replace(self._stack.settings, database_url=self._stack.reader_url)

    def read(
        self,
        key: Hashable,
        work: Callable[[Settings], Coroutine[Any, Any, T]],
        rest: float = REST,
    ) -> T:
        """Return what ``work`` reads, or its recent answer. Raises TroubleError.

        ``rest``: for how many times as long as it took to read an answer is shared.
        """
        answer: T | None = self._recent(key)
        if answer is not None:
            return answer
        if not self._scanning.acquire(timeout=WAIT):
            raise TroubleError(_BUSY)
        try:
            answer = self._recent(key)
            if answer is not None:
                return answer
            answers, began = self._answers, self._clock()  # those of `forget` are others
            answer = run(lambda: self._reading(work))
            ended = self._clock()
            if len(answers) >= MAX_ANSWERS:
                answers.pop(next(iter(answers)))
            answers[key] = ended + min(max(KEPT, rest * (ended - began)), MAX_KEPT), answer
            return answer
        finally:
            self._scanning.release()

    def forget(self) -> None:
        """Forget the answers: letters were settled."""
        self._answers = {}

    def _recent(self, key: Hashable) -> Any:
        until, answer = self._answers.get(key, (0.0, None))
        return answer if self._clock() < until else None

    async def _reading(self, work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
        # As for the tables: a user who may write is refused.
        reading.connect(self._stack.reader_url, self._stack.settings.sql_schema).close()
        return await work(self.settings)


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run commands' work in this thread. Raises TroubleError for what is no bug."""
    try:
        return asyncio.run(work())
    except Exception as error:
        reason = error_message(error)
        if reason is None:
            raise
        raise TroubleError(trouble(without_passwords(reason), error)) from error


def trouble(reason: str, error: Exception) -> Trouble:
    """Return the page of a command's error."""
    if isinstance(error, CommandError) and reason.startswith("no dead letter"):
        return Trouble(HTTPStatus.NOT_FOUND, "Not found", reason, "Choose one of the list.")
    return Trouble(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Dead letters cannot be read",
        reason,
        "See whether Kafka and PostgreSQL run (`hookline status`), and whether HOOKLINE_BROKERS and"
        " HOOKLINE_READER_URL name them. The page tries again when it is loaded.",
    )


_BUSY = Trouble(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Busy",
    "Another page reads the dead letters.",
    "Load the page again.",
)
