"""The ingress behind its real server and a real socket."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.app import serve
from ingest.http.bounded_protocol import MAX_HEAD
from ingest.publisher import KafkaPublisher
from runtime.health import Health
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from tests.served import Served, peak, serving, status
from tests.served import request as request_to

SHOPS = '[[shops]]\nsource = "gooten"\nid = "prints"\nsecrets = ["t0ken"]\n'
PATH = "/hooks/gooten/prints/t0ken"
SETTINGS = Settings(port=0, body_timeout=0.3, produce_timeout=0.3, max_body=200_000)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    path = tmp_path / "shops.toml"
    path.write_text(SHOPS)
    async with serving(SETTINGS, path) as running:
        yield running


def request(body: bytes = b"", *headers: str, path: str = PATH, **rest: Any) -> bytes:
    return request_to(body, *headers, path=path, **rest)


async def test_a_body_with_a_length_is_taken(served: Any) -> None:
    answer = await served.exchange(request(b'{"Id":1}'))

    assert status(answer) == 200
    assert len(json.loads(answer.rpartition(b"\r\n")[2])["delivery"]) == 36
    assert served.bodies == [b'{"Id":1}']


async def test_a_chunked_body_is_taken_whole(served: Any) -> None:
    chunked = b'3\r\n{"I\r\n5\r\nd":1}\r\n0\r\n\r\n'
    answer = await served.exchange(request(chunked, "Transfer-Encoding: chunked", length=-1))

    assert status(answer) == 200
    assert served.bodies == [b'{"Id":1}']


async def test_pipelined_deliveries_are_answered_in_order(served: Any) -> None:
    reader, writer = await served.open()
    writer.write(request(b"1") + request(b"2", path=PATH + "x") + request(b"3"))
    answer = b""
    while answer.count(b"HTTP/1.1") < 3 or not answer.endswith(b"}"):
        answer += await reader.read(65536)

    assert [status(b"HTTP/1.1" + part) for part in answer.split(b"HTTP/1.1")[1:]] == [200, 401, 200]
    assert served.bodies == [b"1", b"3"]


OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")


async def test_an_offer_to_upgrade_does_not_lose_the_body(served: Any) -> None:
    """Java's client makes this offer with every first request in the clear."""
    answer = await served.exchange(request(b'{"Id":1}', *OFFER))

    assert status(answer) == 200
    assert served.bodies == [b'{"Id":1}']


async def test_a_body_after_an_offer_to_upgrade_may_come_in_chunks(served: Any) -> None:
    reader, writer = await served.open()
    whole = request(b'{"Id":1}', *OFFER)
    for position in range(0, len(whole), 50):
        writer.write(whole[position : position + 50])
        await writer.drain()
        await asyncio.sleep(0.005)
    first = await served.read(reader)
    writer.write(request(b"second"))
    second = await served.read(reader)

    assert (status(first), status(second)) == (200, 200)
    assert served.bodies == [b'{"Id":1}', b"second"]


async def test_a_tunnel_is_405(served: Any) -> None:
    assert status(await served.exchange(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")) == 405


async def test_what_is_no_http_is_400(served: Any) -> None:
    assert status(await served.exchange(b"hello\r\n\r\n")) == 400


async def test_a_client_that_expects_100_gets_it_only_if_its_head_is_accepted(served: Any) -> None:
    reader, writer = await served.open()
    writer.write(request(b"", "Expect: 100-continue", length=2))
    first = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"{}")
    answer = await served.read(reader)
    refused = await served.exchange(
        request(b"", "Expect: 100-continue", path="/hooks/x/y", length=2)
    )

    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert status(answer) == 200
    assert status(refused) == 404


async def test_a_sender_that_leaves_in_the_middle_leaves_nothing(served: Any) -> None:
    _, writer = await served.open()
    writer.write(request(b'{"Id":', length=8))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)

    assert served.bodies == []


async def test_a_body_slower_than_the_deadline_is_408_and_the_connection_closes(
    served: Any,
) -> None:
    reader, writer = await served.open()
    writer.write(request(b"{", length=8))
    answer = await served.read(reader)

    assert status(answer) == 408
    assert served.bodies == []


async def test_a_head_slower_than_the_deadline_is_408(served: Any) -> None:
    assert status(await served.exchange(f"POST {PATH} HTTP/1.1\r\nHost:".encode())) == 408


async def test_a_silent_connection_is_closed(served: Any) -> None:
    reader, _ = await served.open()

    assert await asyncio.wait_for(reader.read(), 3) == b""


@pytest.mark.parametrize(
    "head",
    [
        request(b"", "X-Large: " + "x" * MAX_HEAD),
        request(b"", path=PATH + "?a=" + "x" * MAX_HEAD),
        request(b"", *(f"X-{number}: {'x' * 100}" for number in range(200))),
    ],
)
async def test_a_head_over_its_bound_is_431(served: Any, head: Any) -> None:
    assert status(await served.exchange(head)) == 431


async def test_a_head_without_end_is_cut_off_with_memory_flat(served: Any) -> None:
    reader, writer = await served.open()
    writer.write(f"POST {PATH} HTTP/1.1\r\nX-Large: ".encode())
    sent = 0
    try:
        while sent < 50_000_000:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536
    except ConnectionError:
        pass
    answer = await served.read(reader)

    assert answer == b"" or status(answer) == 431
    assert sent < 10_000_000


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_huge_body_is_413_with_memory_flat(served: Any, is_chunked: Any) -> None:
    chunk = b"x" * 65536
    before = peak()
    reader, writer = await served.open()
    if is_chunked:
        writer.write(request(b"", "Transfer-Encoding: chunked", length=-1))
    else:
        writer.write(request(b"", length=1 << 30))
    answering = asyncio.create_task(served.read(reader))
    sent = 0
    try:
        while sent < 200_000_000:
            writer.write(b"10000\r\n" + chunk + b"\r\n" if is_chunked else chunk)
            await writer.drain()
            sent += len(chunk)
    except ConnectionError:
        pass
    answer = await answering

    assert status(answer) == 413
    assert served.bodies == []
    assert sent < 100_000_000, "the server went on reading"
    assert peak() - before < 30_000_000


async def test_a_refused_sender_that_reads_late_still_gets_its_answer(served: Any) -> None:
    """Clients that write the whole body before they read must not see a reset."""
    reader, writer = await served.open()
    writer.write(request(b"", length=1_000_000))
    for _ in range(10):
        writer.write(b"x" * 100_000)
        await writer.drain()

    assert status(await served.read(reader)) == 413
    writer.close()


async def test_no_answer_names_the_server(served: Any) -> None:
    answer = await served.exchange(request(b"{}"))

    assert b"server:" not in answer.lower()


def without_names(answer: bytes) -> list[bytes]:
    """The lines of an answer, sorted, without its date, and a delivery's id as ``?``."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.lower().split(b"\r\n") if not line.startswith(b"date:")]
    return [*sorted(lines), re.sub(rb'(?<="delivery":")[0-9a-f-]{36}', b"?", body)]


@pytest.mark.parametrize(
    ("wanted", "whole"),
    [
        (200, request(b'{"Id":1}')),
        (200, request(b'{"Id":1}', "Connection: close")),
        (200, request(b'{"Id":1}').replace(b"HTTP/1.1", b"HTTP/1.0")),
        (401, request(b"{}", "Connection: close", path=PATH + "x")),
        (404, request(b"{}", path="/hooks/x/y")),
        (405, request(b"{}", method="PUT")),
        (413, request(b"x" * 200_001)),
        (415, request(b"{}", "Content-Encoding: br")),
        (405, request(b"{}", path="/healthz")),
    ],
)
async def test_a_request_in_one_segment_is_answered_as_one_in_two(
    served: Any, wanted: int, whole: bytes
) -> None:
    in_one = await served.exchange(whole)
    reader, writer = await served.open()
    writer.write(whole[:-1])
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(whole[-1:])
    in_two = await served.read(reader)

    assert status(in_one) == wanted
    assert without_names(in_one) == without_names(in_two)
    assert len(served.bodies) == 2 * (wanted == 200)


async def test_a_wrong_token_costs_the_connection_only_while_the_body_is_on_its_way(
    served: Any,
) -> None:
    whole = request(b"{}", path=PATH + "x")
    in_one = await served.exchange(whole)
    in_two = await served.exchange(whole[:-1])

    assert (status(in_one), status(in_two)) == (401, 401)
    assert b"connection: close" not in in_one
    assert b"connection: close" in in_two
    assert served.bodies == []


async def test_nobody_is_answered_200_before_kafka_has_acknowledged(served: Any) -> None:
    served.publisher.holds = True
    reader, writer = await served.open()
    writer.write(request(b"1"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    served.publisher.acknowledge()

    assert status(await served.read(reader)) == 200
    assert served.bodies == [b"1"]


async def test_an_acknowledgement_that_comes_late_is_503_and_answered_once(served: Any) -> None:
    served.publisher.holds = True
    reader, writer = await served.open()
    writer.write(request(b"1"))
    first = await served.read(reader)
    served.publisher.acknowledge()
    served.publisher.holds = False
    writer.write(request(b"2"))
    second = await served.read(reader)

    assert (status(first), status(second)) == (503, 200)
    assert served.bodies == [b"1", b"2"]


async def test_a_record_that_is_given_up_is_503(served: Any) -> None:
    served.publisher.holds = True
    reader, writer = await served.open()
    writer.write(request(b"1"))
    await asyncio.sleep(0.05)
    served.publisher.acknowledge(ValueError("given up"))

    assert status(await served.read(reader)) == 503


async def test_a_sender_that_leaves_before_the_acknowledgement_harms_nobody(served: Any) -> None:
    served.publisher.holds = True
    _, writer = await served.open()
    writer.write(request(b"1"))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)
    served.publisher.acknowledge()
    served.publisher.holds = False

    assert status(await served.exchange(request(b"2"))) == 200
    assert served.bodies == [b"1", b"2"]


async def test_a_bug_is_500_and_the_delivery_is_not_taken_twice(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def send(record: Any) -> None:
        calls.append(record)
        raise AttributeError("a bug")

    monkeypatch.setattr(served.publisher, "send", send)

    assert status(await served.exchange(request(b"1"))) == 500
    assert len(calls) == 1


async def test_an_idle_connection_is_closed_after_its_answer(served: Any) -> None:
    served.server.config.timeout_keep_alive = 0.1
    for path in (PATH, PATH + "x"):
        assert b"HTTP/1.1" in await served.exchange_all(request(b"1", path=path))


async def test_a_connection_stays_while_it_is_used_and_is_closed_once_it_is_not(
    served: Any,
) -> None:
    served.server.config.timeout_keep_alive = 0.3
    reader, writer = await served.open()
    for _ in range(6):  # twice as long as it may rest
        writer.write(request(b"1"))
        assert status(await served.read(reader)) == 200
        await asyncio.sleep(0.1)
    async with asyncio.timeout(5):
        assert await reader.read() == b""

    assert len(served.bodies) == 6


async def test_a_port_in_use_is_an_error_that_names_the_setting(served: Any, tmp_path: Any) -> None:
    settings = replace(SETTINGS, port=served.server.port, brokers="127.0.0.1:1")
    book = ShopBook(tmp_path / "shops.toml")
    with pytest.raises(OSError, match="HOOKLINE_PORT"):
        await serve(settings, book, KafkaPublisher(settings), Health())
