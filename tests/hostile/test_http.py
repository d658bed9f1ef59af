"""HTTP that two parsers would read in two ways: refused, or read in the one way."""

import asyncio
import contextlib
import socket

import pytest

from ingest.http.bounded_protocol import MAX_HEAD, MAX_PIPELINED
from schemas import envelopes
from tests.hostile.cases import case
from tests.hostile.house import GOOD, GOOTEN
from tests.served import Served, peak, request, status, statuses

SECTION = "HTTP itself"
CHUNKED = b"2\r\n{}\r\n0\r\n\r\n"
INNER = request(b"inner", path=GOOTEN)


def framed(*headers: str, body: bytes = CHUNKED, version: str = "1.1") -> bytes:
    """A request whose framing is given by these headers alone."""
    sent = request(body, *headers, path=GOOTEN, length=-1)
    return sent.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)


SMUGGLED = {
    "CL.TE": framed("Content-Length: 12", "Transfer-Encoding: chunked"),
    "TE.CL": framed("Transfer-Encoding: chunked", "Content-Length: 12"),
    "CL.TE with an offer": framed(
        "Content-Length: 12",
        "Transfer-Encoding: chunked",
        "Connection: Upgrade",
        "Upgrade: h2c",
    ),
    "CL.CL": framed("Content-Length: 2", "Content-Length: 12"),
    "CL.CL alike": framed("Content-Length: 2", "Content-Length: 2"),
    "a list": framed("Content-Length: 2, 2"),
    "plus": framed("Content-Length: +2"),
    "minus": framed("Content-Length: -2"),
    "hex": framed("Content-Length: 0x2"),
    "beyond 64 bits": framed("Content-Length: 18446744073709551618"),
    "a space": framed("Content-Length: 1 2"),
    "TE.TE": framed("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "TE twice": framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "TE list": framed("Transfer-Encoding: chunked, identity"),
    "TE unknown": framed("Transfer-Encoding: xchunked"),
    "TE tab": framed("Transfer-Encoding: \x0bchunked"),
    "TE quoted": framed('Transfer-Encoding: "chunked"'),
    "TE space": framed("Transfer-Encoding : chunked"),
    "TE folded": framed("Transfer-Encoding:\r\n chunked"),
    "chunk size of letters": framed("Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "chunk size of 2^64": framed(
        "Transfer-Encoding: chunked", body=b"10000000000000002\r\n{}\r\n0\r\n\r\n"
    ),
    "chunk size below zero": framed("Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n"),
    "chunks by bare LF": framed("Transfer-Encoding: chunked", body=b"2\n{}\n0\n\n"),
    "chunk longer than declared": framed(
        "Transfer-Encoding: chunked", body=b"2\r\n{}}\r\n0\r\n\r\n"
    ),
    "length in a trailer": framed(
        "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"
    ),
    "head by bare LF": request(b"{}", path=GOOTEN).replace(b"\r\n", b"\n"),
}


@case(
    SECTION,
    "smuggling: CL with TE, two lengths, `+2`, `0x2`, 2^64, TE twice or disguised, broken chunks",
    "400, and the connection is closed",
)
@pytest.mark.parametrize("name", SMUGGLED)
async def test_ambiguous_framing_is_400_and_nothing_after_it_is_read(
    served: Served, name: str
) -> None:
    assert statuses(await served.exchange_all(SMUGGLED[name] + INNER)) == [400]
    assert served.bodies == []


@case(SECTION, "`Transfer-Encoding: gzip, chunked`, `identity, chunked`", 501)
@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "chunked;q=1"])
async def test_another_transfer_coding_is_refused(served: Served, coding: str) -> None:
    answer = await served.exchange(framed(f"Transfer-Encoding: {coding}"))

    assert status(answer) in (400, 501)
    assert served.bodies == []


@case(SECTION, "a second request hidden in a body", "one answer", "the body as received")
async def test_a_request_within_a_body_is_a_body(served: Served) -> None:
    answer = await served.exchange(request(INNER, path=GOOTEN))

    assert statuses(answer) == [200]
    assert served.bodies == [INNER]


@case(SECTION, "three pipelined requests, one of them wrong", "three answers in their order",
      "the right ones, in their order")  # fmt: skip
async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    sent = [
        request(b"1", path=GOOTEN),
        request(b"2", path=GOOTEN + "x"),
        request(b"3", path=GOOTEN),
    ]
    reader, writer = await served.open()
    writer.write(b"".join(sent))
    answers = b""
    while len(statuses(answers)) < 3 or not answers.endswith(b"}"):
        answers += await reader.read(65536)

    assert statuses(answers) == [200, 401, 200]
    assert served.bodies == [b"1", b"3"]


@case(SECTION, "a thousand pipelined requests at once",
      "the first 17 in order, the last of them with `Connection: close`",
      "what was answered 200")  # fmt: skip
async def test_a_flood_of_pipelined_requests_is_cut(served: Served) -> None:
    answers = await served.exchange_all(request(GOOD, path=GOOTEN) * 1000)

    assert statuses(answers) == [200] * (MAX_PIPELINED + 1)
    assert answers.count(b"connection: close") == 1
    assert len(served.bodies) == MAX_PIPELINED + 1


@case(SECTION, "a large body after a request that is still being answered",
      "the first, then the connection is closed", "the first")  # fmt: skip
async def test_a_large_body_does_not_wait_unread(served: Served) -> None:
    served.publisher.holds = True
    reader, writer = await served.open()
    writer.write(request(b"1", path=GOOTEN) + request(b"", path=GOOTEN, length=1_000_000))
    for _ in range(10):
        writer.write(b"x" * MAX_HEAD)
        await asyncio.sleep(0.01)
    served.publisher.acknowledge()
    answers = await reader.read()

    assert statuses(answers) == [200]
    assert served.bodies == [b"1"]


@case(SECTION, "requests without end by a sender that reads no answer", "closed after 10 s")
async def test_a_sender_that_reads_no_answer_is_cut_off(served: Served) -> None:
    (listening,) = served.server.servers[0].sockets
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # few answers fill it
    _, writer = await served.open()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    while not served.server.server_state.connections:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.01)
    for connection in served.server.server_state.connections:
        connection.transport.set_write_buffer_limits(0)  # type: ignore[union-attr]
    ask = request(path=GOOTEN + "x")

    async def ask_on() -> None:
        while True:
            writer.write(ask * MAX_PIPELINED)
            await writer.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(ask_on(), 30)


@case(SECTION, "garbage after a complete request", "the answer to the complete one, then closed",
      "the complete one")  # fmt: skip
@pytest.mark.parametrize("garbage", [b"\0\1\2", b"}", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"])
async def test_garbage_after_a_delivery_does_not_cost_its_answer(
    served: Served, garbage: bytes
) -> None:
    answers = await served.exchange_all(request(GOOD, path=GOOTEN) + garbage)

    assert statuses(answers) == [200]
    assert served.bodies == [GOOD]


@case(SECTION, "trailers with another encoding, type, event or shop", 200,
      "the body as received, processed by its head")  # fmt: skip
async def test_trailers_are_ignored(served: Served) -> None:
    trailers = b"Content-Encoding: gzip\r\nContent-Type: evil\r\nConnection: Upgrade\r\nUpgrade: x"
    body = CHUNKED[:-2] + trailers + b"\r\n\r\n"
    answer = await served.exchange(framed("Transfer-Encoding: chunked", body=body))
    headers = dict(served.record.headers)

    assert status(answer) == 200
    assert headers[envelopes.CONTENT_ENCODING] == b"identity"
    assert headers[envelopes.CONTENT_TYPE] == b""


@case(SECTION, "trailers, or a chunk's extension, without end", "431 at 16 KiB, memory flat")
@pytest.mark.parametrize(
    ("begin", "chunk"),
    [
        (CHUNKED[:-2], b"X-A: bbbbbbbbbbbbbbbbbbbb\r\n" * 2500),
        (CHUNKED[:-2] + b"X: ", b"x" * 65536),
        (b"2;", b"x" * 65536),
        (b"2;a=", b'"' + b"x" * 65536),
    ],
)
async def test_what_is_no_body_is_bounded(served: Served, begin: bytes, chunk: bytes) -> None:
    before, sent = peak(), 0
    reader, writer = await served.open()
    writer.write(framed("Transfer-Encoding: chunked", body=begin))
    with contextlib.suppress(ConnectionError):
        while sent < 60_000_000:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
    assert sent < 60_000_000, "the server went on reading"
    answer = await served.read(reader)

    assert answer == b"" or status(answer) == 431
    assert peak() - before < 20_000_000
    assert served.bodies == []


@case(SECTION, "HTTP/0.9, HTTP/9.9, the preface of HTTP/2, TLS, SSH, other bytes",
      "505 or 400, or 408 if the head does not end")  # fmt: skip
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (f"POST {GOOTEN}\r\n\r\n".encode(), 505),
        (f"GET {GOOTEN}\r\n\r\n".encode(), 505),
        (f"GET {GOOTEN}\r\n".encode(), 408),
        (framed("Content-Length: 2", body=b"{}", version="9.9"), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (bytes.fromhex("16030100a5010000a10303") + bytes(160), 400),
        (b"SSH-2.0-OpenSSH_9.9\r\n", 400),
        (b"\0" * 100, 400),
    ],
)
async def test_another_protocol_is_refused(served: Served, sent: bytes, expected: int) -> None:
    assert statuses(await served.exchange_all(sent)) == [expected]
    assert served.bodies == []


GOOD_REQUEST = request(b"{}", path=GOOTEN)
ODD = {
    "no Host": GOOD_REQUEST.replace(b"Host: x\r\n", b""),
    "two Hosts": GOOD_REQUEST.replace(b"Host: x\r\n", b"Host: x\r\nHost: y\r\n"),
    "two Hosts alike": GOOD_REQUEST.replace(b"Host: x\r\n", b"Host: x\r\nhost: x\r\n"),
    "two Hosts in HTTP/1.0": framed("Host: y", "Content-Length: 2", body=b"{}", version="1.0"),
    "HTTP/2.0": framed("Content-Length: 2", body=b"{}", version="2.0"),
    "HTTP/1.0 with chunks": framed("Transfer-Encoding: chunked", version="1.0"),
    "HTTP/1.0 with chunks and a length": framed(
        "Transfer-Encoding: chunked", "Content-Length: 12", version="1.0"
    ),
    "no Host and an offer": GOOD_REQUEST.replace(
        b"Host: x\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    ),
    "two Hosts for a page": b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
}


@case(SECTION, "no Host or two, HTTP/2.0 as a version, chunks in HTTP/1.0",
      "400, and the connection is closed")  # fmt: skip
@pytest.mark.parametrize("name", ODD)
async def test_what_proxies_read_in_other_ways_is_400(served: Served, name: str) -> None:
    assert statuses(await served.exchange_all(ODD[name] + INNER)) == [400]
    assert served.bodies == []


@case(SECTION, "HTTP/1.0 without a Host", "200, then closed", "as received")
async def test_the_older_http_needs_no_host(served: Served) -> None:
    sent = framed("Content-Length: 2", body=b"{}", version="1.0").replace(b"Host: x\r\n", b"")

    assert statuses(await served.exchange_all(sent)) == [200]
    assert served.bodies == [b"{}"]


@case(SECTION, "HTTP/1.0", "200, then closed", "as received")
async def test_the_older_http_is_taken(served: Served) -> None:
    answers = await served.exchange_all(framed("Content-Length: 2", body=b"{}", version="1.0"))

    assert statuses(answers) == [200]
    assert served.bodies == [b"{}"]
