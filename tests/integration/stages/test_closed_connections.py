"""What is sent on a connection that closes at this moment fails as an error of Kafka's.

Each part of aiokafka's client tries again after such an error, and ends by any other: a client
whose metadata are fetched no more waits for ever.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

import runtime.kafka  # noqa: F401 - clients connect by our class from here on
from tests.conftest import LiveStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(60)]

RESET = struct.pack("ii", 1, 0)
"""Socket option: closing resets the connection, as a kernel does for a killed broker."""


class Relay:
    """Stands between a client and a broker, and resets the connection when asked."""

    def __init__(self, broker: str) -> None:
        self._host, self._port = broker.split(":")
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(self._host, int(self._port))
        self.writers = [writer, requests]
        await asyncio.gather(self._pass_on(reader, requests), self._pass_on(answers, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    def reset(self) -> None:
        client, broker = self.writers
        client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.transport.abort()
        broker.transport.abort()


async def first_failure(send: Callable[[], Any]) -> Exception:
    """Send in each turn of the loop until it is refused; return the reason."""
    answers = []
    try:
        while True:
            answers.append(asyncio.ensure_future(send()))
            await asyncio.sleep(0)
    except Exception as error:  # noqa: BLE001 - the test says which it must be
        await asyncio.gather(*answers, return_exceptions=True)
        return error


@pytest.mark.parametrize("loop", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("request_of", ["client", "sasl"])
def test_a_request_on_a_connection_that_was_just_reset_fails_as_an_error_of_kafka(
    stack: LiveStack, loop: Any, request_of: str
) -> None:
    async def failed() -> Exception:
        relay = Relay(stack.brokers)
        async with await asyncio.start_server(relay, "127.0.0.1") as server:
            connection = await create_conn(*server.sockets[0].getsockname())
            assert (await connection.send(MetadataRequest([]))).brokers
            relay.reset()
            return await first_failure(
                lambda: (
                    connection.send(MetadataRequest([]))
                    if request_of == "client"
                    else connection._send_sasl_token(b"token")
                )
            )

    assert isinstance(loop(failed()), KafkaConnectionError)
