"""What is proved before the body, who waits for a signature, and who gives way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.http.unproved import PER_ADDRESS
from tests.hostile.cases import case
from tests.hostile.house import GOOD, GOOTEN, SETTINGS, SHOPS, SPIFFY, signed, spiffy
from tests.served import Served, request, serving, status

SECTION = "Connections"
PATIENT = replace(SETTINGS, body_timeout=5.0, max_in_flight=4 << 20)


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Served]:
    """An ingress whose senders have time, with a quarter of 4 MiB for the unproved."""
    path = tmp_path / "shops.toml"
    path.write_text(SHOPS)
    async with serving(PATIENT, path) as running:
        yield running


async def begun(served: Served, sent: bytes) -> asyncio.Task[bytes]:
    """A request of which so much is sent, and its answer to come."""
    reader, writer = await served.open()
    writer.write(sent)
    await writer.drain()
    return asyncio.create_task(served.read(reader, patience=10.0))


async def settled(*tasks: asyncio.Task[bytes]) -> list[int]:
    """The statuses of those that are answered, once nothing more happens for a moment."""
    await asyncio.sleep(0.3)
    return [status(task.result()) for task in tasks if task.done()]


@contextlib.asynccontextmanager
async def ended(tasks: list[asyncio.Task[bytes]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@case(SECTION, "a wrong token in the URL, and the head of a body of 1 MiB",
      "401 before any of the body is there")  # fmt: skip
@pytest.mark.parametrize("path", [GOOTEN + "x", "/hooks/gooten/nobody/x", SPIFFY + "/key-of-johns"])
async def test_a_wrong_token_is_refused_before_the_body(patient: Served, path: str) -> None:
    answering = await begun(patient, request(b"", path=path, length=1 << 20))

    assert status(await asyncio.wait_for(answering, 2)) == 401
    assert patient.bodies == []


@case(SECTION, "more bodies from one address that wait for their signature than may",
      "503 for the oldest of that address; proved ones go on", "the good senders'")  # fmt: skip
async def test_one_address_has_so_many_unproved_bodies(patient: Served) -> None:
    waiting = [
        await begun(patient, request(b"", signed(b""), path=SPIFFY, length=1000))
        for _ in range(PER_ADDRESS + 3)
    ]
    proved = [await begun(patient, request(b"", path=GOOTEN, length=2)) for _ in range(3)]
    async with ended([*waiting, *proved]):
        assert await settled(*waiting) == [503] * 3
        assert all(task.done() for task in waiting[:3])
        assert await settled(*proved) == []
        whole = await patient.exchange(spiffy(GOOD))
        assert status(whole) == 200  # its body came with its head: it never waits
    assert patient.bodies == [GOOD]


@case(SECTION, "more unproved bodies than may wait, from an address that has proved something",
      "503 for the oldest of that address, as for any other", "the good senders'")  # fmt: skip
async def test_an_address_that_has_proved_something_has_no_more_unproved_bodies(
    patient: Served,
) -> None:
    """Strangers share addresses with good senders."""
    assert status(await patient.exchange(spiffy(GOOD))) == 200
    waiting = [
        await begun(patient, request(b"", signed(b""), path=SPIFFY, length=1000))
        for _ in range(PER_ADDRESS + 3)
    ]
    async with ended(waiting):
        assert await settled(*waiting) == [503] * 3


@case(SECTION, "unproved bodies beyond their budget, a quarter of the bytes in flight",
      "503 for those that have waited longest", "the good senders'")  # fmt: skip
async def test_unproved_bodies_push_each_other_out_and_nobody_else(patient: Served) -> None:
    part = b"x" * 300_000
    waiting = [
        await begun(patient, request(part, signed(b""), path=SPIFFY, length=400_000))
        for _ in range(6)
    ]
    reader, writer = await patient.open()
    head, _, body = spiffy(GOOD).partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")  # a good sender whose body follows its head
    await writer.drain()
    await asyncio.sleep(0.1)
    async with ended(waiting):
        assert await settled(*waiting) == [503] * 3
        assert [task.done() for task in waiting] == [True] * 3 + [False] * 3
        writer.write(body)
        assert status(await patient.read(reader)) == 200
        large = request(b"y" * 900_000, path=GOOTEN)
        assert status(await patient.exchange(large)) == 200
    assert patient.bodies == [GOOD, b"y" * 900_000]


@case(SECTION, "a complete request, then the end of sending (`shutdown(SHUT_WR)`)", 200,
      "as received")  # fmt: skip
@pytest.mark.parametrize("pause", [0.0, 0.1])
async def test_a_half_closed_sender_is_answered(served: Served, pause: float) -> None:
    served.publisher.holds = pause > 0
    reader, writer = await served.open()
    writer.write(request(GOOD, path=GOOTEN) + request(b"2", path=GOOTEN) + b"POST /hooks")
    writer.write_eof()
    await asyncio.sleep(pause)
    for _ in range(3):  # each once it is sent
        served.publisher.acknowledge()
        await asyncio.sleep(0.02)
    served.publisher.holds = False
    async with asyncio.timeout(3):
        answers = await reader.read()

    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.count(b"connection: close") == 1
    assert served.bodies == [GOOD, b"2"]


@case(SECTION, "a part of a request, then the end of sending", "nothing: closed")
async def test_a_half_closed_sender_of_half_a_request_is_closed(served: Served) -> None:
    for sent in (b"", request(GOOD, path=GOOTEN)[:-3], b"POST / HTTP/1.1\r\nX"):
        reader, writer = await served.open()
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(3):
            assert await reader.read() == b""
    assert served.bodies == []
