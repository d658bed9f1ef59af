"""A request on a connection that was just closed fails as any request on a broken one.

asyncio ignores what is written to a closed connection; uvloop raises RuntimeError. aiokafka learns
of a broker's end some turns of the loop later, and takes a RuntimeError in between for none of
Kafka's errors: the task that it hits ends. Where that is the one that fetches metadata, each
request of the client that needs metadata then waits for ever.
"""

from typing import Any

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class Connection(AIOKafkaConnection):  # type: ignore[misc]
    """A connection to a broker: replaces aiokafka's."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request; returns the awaitable of its answer. Raises KafkaConnectionError."""
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            raise self._broken(error) from error

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        try:
            return super()._send_sasl_token(payload, expect_response)
        except RuntimeError as error:
            raise self._broken(error) from error

    def _broken(self, error: RuntimeError) -> Exception:
        """Return what to raise: ``error`` itself unless the connection is closed."""
        if self._writer is None or not self._writer.is_closing():
            return error
        self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        broken: Exception = KafkaConnectionError(
            f"Connection at {self.host}:{self.port} broken: {error}"
        )
        return broken


def install() -> None:
    """Let all clients connect by this class."""
    conn.AIOKafkaConnection = Connection
