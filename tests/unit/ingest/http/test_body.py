"""Reading a body within the limit of bytes in flight."""

from typing import Any

import pytest

from ingest.http.body import Body, BusyError
from ingest.http.limits import InFlight


async def _receive_of(*chunks: Any) -> Any:
    for chunk in chunks[:-1]:
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": chunks[-1], "more_body": False}


async def test_a_body_in_one_chunk_is_not_copied() -> None:
    chunk = b"x" * 1000
    messages = _receive_of(chunk)

    assert chunk is await Body(InFlight(5000)).read(messages.__anext__, 5000)


async def test_a_body_over_the_limit_releases_all_bytes_it_held() -> None:
    in_flight = InFlight(25)
    body = Body(in_flight)
    messages = _receive_of(b"x" * 10, b"x" * 10, b"x" * 10)

    with pytest.raises(BusyError):
        await body.read(messages.__anext__, 100)
    assert in_flight.held == 20
    body.release()
    body.release()
    assert in_flight.held == 0
