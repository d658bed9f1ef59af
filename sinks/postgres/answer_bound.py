"""A bound on how long a session waits for one answer of the database."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import AsyncConnection

_MARGIN = 15.0
"""Seconds beyond the server's own bound on a statement, which a stopped server does not keep."""


class AnswerBound:
    """Cuts a session off that gets no answer within ``seconds``; None cuts nothing off.

    The process of a server can be stopped while its kernel still acknowledges packets: then
    neither the server's timeouts nor those of TCP end a wait.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.is_cut = False
        self._answered_at = 0.0

    @classmethod
    def of(cls, statement_timeout: str) -> "AnswerBound":
        """Derive the bound from PostgreSQL's setting: ``30s``, ``200ms``, or ``0`` for none."""
        if statement_timeout == "0":
            return cls(None)
        if statement_timeout.endswith("ms"):
            return cls(float(statement_timeout.removesuffix("ms")) / 1000 + _MARGIN)
        return cls(float(statement_timeout.removesuffix("s")) + _MARGIN)

    def answered(self) -> None:
        """Begin to wait anew."""
        self._answered_at = asyncio.get_running_loop().time()

    @contextmanager
    def watching(self, connection: AsyncConnection[Any]) -> Iterator[None]:
        """Watch a session while statements are sent over it."""
        self.is_cut = False
        if self.seconds is None:
            yield
            return
        self.answered()
        watching = asyncio.ensure_future(self._watch(connection, self.seconds))
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self, connection: AsyncConnection[Any], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        # The deadline moves with each answer.
        while (left := self._answered_at + seconds - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
        self.is_cut = True
        _cut(connection)


def _cut(connection: AsyncConnection[Any]) -> None:
    """End the session's socket, so that whoever waits for it sees the loss.

    Cancelling the wait would not do: the driver then waits for the server to cancel.
    """
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)
