"""Reads for the pages: few sessions, one snapshot for a page, answers shared for a time.

However many tabs are open, a page costs the database at most a share of one core: an answer is
shared for at least ``KEPT`` seconds, and for ``REST`` times as long as it took to read.
"""

import queue
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from hookline.tables.queries import Rows

CONNECTIONS = 4
"""Sessions of the database that are open at most."""
TIMEOUT_MS = 20_000
"""Milliseconds that one query of a page may take."""
KEPT = 2.0
REST = 20.0
MAX_KEPT = 300.0
"""Seconds that an answer is shared at most."""
MAX_ANSWERS = 256

Page = dict[str, Any]
"""What a page shows, by name."""


class Query(Protocol):
    """Runs one of our own queries: statement, parameters by name."""

    def __call__(self, statement: str, parameters: dict[str, Any] | None = None) -> Rows:
        """Return its rows. Raises psycopg.Error."""


class Session(Protocol):
    """What the pages need of ``hookline.tables.queries.Reader``."""

    def query(self, statement: str, parameters: dict[str, Any] | None = None) -> Rows:
        """Return the rows of one query. Raises psycopg.Error."""

    def snapshot(self, timeout_ms: int) -> AbstractContextManager[None]:
        """Run the queries of the block in one read-only snapshot."""

    def close(self) -> None:
        """End the session."""


@dataclass(slots=True)
class _Answer:
    """The answer to one question. Its lock is held while it is read."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    page: Page | None = None
    until: float = 0.0


class BusyError(Exception):
    """All sessions are in use for longer than a reader would wait."""


class Database:
    """The tables of a stack, read by few sessions at a time.

    ``open_session`` opens one as a user who can only read.
    """

    def __init__(
        self, open_session: Callable[[], Session], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open = open_session
        self._clock = clock
        self._idle: queue.LifoQueue[Session] = queue.LifoQueue()
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._answers: dict[Hashable, _Answer] = {}
        self._lock = threading.Lock()

    def read(self, key: Hashable, work: Callable[[Query], Page]) -> Page:
        """Return what ``work`` makes of one snapshot, or its recent answer for the same ``key``.

        Raises CommandError where there is no URL, no server or a user who may write, BusyError,
        psycopg.Error.
        """
        answer = self._answer(key)
        with answer.lock:
            began = self._clock()
            if answer.page is None or began >= answer.until:
                answer.page = self._snapshot(work)
                ended = self._clock()
                answer.until = ended + min(max(KEPT, REST * (ended - began)), MAX_KEPT)
            return answer.page

    def seconds_left(self, key: Hashable) -> float:
        """Return for how long the answer of a ``key`` is still shared; 0 where there is none."""
        with self._lock:
            answer = self._answers.get(key)
        return 0.0 if answer is None else max(0.0, answer.until - self._clock())

    def close(self) -> None:
        """Close the idle sessions."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _answer(self, key: Hashable) -> _Answer:
        with self._lock:
            if len(self._answers) >= MAX_ANSWERS and key not in self._answers:
                # The oldest goes; whoever reads it still holds it.
                self._answers.pop(next(iter(self._answers)))
            return self._answers.setdefault(key, _Answer())

    def _snapshot(self, work: Callable[[Query], Page]) -> Page:
        if not self._free.acquire(timeout=TIMEOUT_MS / 1000):
            raise BusyError("the database is busy with other pages: try again in a moment")
        try:
            return self._with_session(work)
        finally:
            self._free.release()

    def _with_session(self, work: Callable[[Query], Page]) -> Page:
        try:
            session, is_kept = self._idle.get_nowait(), True
        except queue.Empty:
            session, is_kept = self._open(), False
        try:
            page = self._run(session, work)
        except BaseException as error:
            session.close()
            # A session that ended while it was idle: a new one shows whether the server is there.
            if is_kept and type(error).__name__ in _ENDED:
                self.close()
                return self._with_session(work)
            raise
        self._idle.put(session)
        return page

    @staticmethod
    def _run(session: Session, work: Callable[[Query], Page]) -> Page:
        with session.snapshot(TIMEOUT_MS):
            return work(session.query)


_ENDED = frozenset({"OperationalError", "AdminShutdown", "IdleSessionTimeout", "InterfaceError"})
"""Errors of a session that had ended before it was used again."""
