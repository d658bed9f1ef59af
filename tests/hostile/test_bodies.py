"""Bodies of every size and speed: what is not whole is not stored, and memory stays flat."""

import asyncio
import gzip
import zlib

import pytest

from schemas.topics import MAX_BODY
from tests.hostile.cases import case
from tests.hostile.house import GOOD, GOOTEN, SETTINGS, SPIFFY, dead, judged, signed
from tests.served import Served, peak, request, status, statuses

SIZES = "Bodies"
PACKED = "Compressed bodies"
CHUNK_RECORDS = b"x" * 65536
WHOLE = gzip.compress(GOOD, mtime=0)  # tests are named by it, so it must not hold the time
GIB = 1 << 30


@case(SIZES, "a proved body of 0 bytes", 200, "as received; dead letter `malformed-body` at `@0`")
async def test_an_empty_body_is_stored(served: Served) -> None:
    assert await judged(served, request(b"", path=GOOTEN)) == dead("malformed-body", "@0")
    assert served.bodies == [b""]


@case(SIZES, "neither a length nor chunks: no body", 200, "as an empty body")
async def test_a_request_without_a_body_is_an_empty_one(served: Served) -> None:
    assert status(await served.exchange(request(path=GOOTEN, length=-1))) == 200
    assert served.bodies == [b""]


@case(SIZES, "a body of 1 MiB", 200, "as received")
async def test_a_body_of_one_mebibyte_is_taken(served: Served) -> None:
    body = GOOD.ljust(MAX_BODY)

    assert status(await served.exchange(request(body, path=GOOTEN))) == 200
    assert served.bodies == [body]


@case(SIZES, "a body of 1 MiB and one byte, declared or chunked", 413)
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_of_one_byte_more_is_413(served: Served, is_chunked: bool) -> None:
    body = b" " * (MAX_BODY + 1)
    sent = request(body, path=GOOTEN)
    if is_chunked:
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        sent = request(chunked, "Transfer-Encoding: chunked", path=GOOTEN, length=-1)

    assert status(await served.exchange(sent)) == 413
    assert served.bodies == []


@case(SIZES, "1 GiB in chunks, or a declared length of 1 GiB", "413 at 1 MiB; cut off, memory flat")
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_gibibyte_is_cut_off_with_memory_flat(served: Served, is_chunked: bool) -> None:
    reader, writer = await served.open()
    head = ("Transfer-Encoding: chunked",) if is_chunked else (f"Content-Length: {GIB}",)
    writer.write(request(b"", *head, path=GOOTEN, length=-1))
    answering = asyncio.create_task(served.read(reader))
    before, sent = peak(), 0
    try:
        while sent < GIB:
            writer.write(b"10000\r\n%s\r\n" % CHUNK_RECORDS if is_chunked else CHUNK_RECORDS)
            await writer.drain()
            sent += len(CHUNK_RECORDS)
    except ConnectionError:
        pass

    assert status(await answering) == 413
    assert sent < GIB // 8, "the server went on reading"
    assert peak() - before < 30_000_000
    assert served.bodies == []


@case(SIZES, "fewer bytes than declared, then the end of the connection", "nothing")
async def test_a_body_shorter_than_declared_leaves_nothing(served: Served) -> None:
    reader, writer = await served.open()
    writer.write(request(GOOD, path=GOOTEN, length=len(GOOD) + 1))
    writer.write_eof()

    assert await served.read(reader) == b""
    assert served.bodies == []


@case(SIZES, "more bytes than declared", "200 for what was declared, then the connection is closed",
      "the declared bytes; refused with a signature, which is of all bytes")  # fmt: skip
async def test_more_than_declared_is_never_read_as_a_body(served: Served) -> None:
    sent = request(GOOD + GOOD, path=GOOTEN, length=len(GOOD))
    assert statuses(await served.exchange_all(sent)) == [200]
    signing = request(GOOD * 2, signed(GOOD * 2), path=SPIFFY, length=len(GOOD))
    assert statuses(await served.exchange_all(signing)) == [401]

    assert served.bodies == [GOOD]


@case(SIZES, "one byte at a time, slower than 10 s for the whole body", 408)
async def test_a_slow_body_is_408(served: Served) -> None:
    reader, writer = await served.open()
    writer.write(request(b"", path=GOOTEN, length=len(GOOD)))
    answering = asyncio.create_task(served.read(reader))
    while not answering.done():
        writer.write(b" ")
        await asyncio.sleep(SETTINGS.body_timeout / 4)

    assert status(await answering) == 408
    assert served.bodies == []


@case(SIZES, "chunks without end", 408)
async def test_chunks_that_never_end_are_408(served: Served) -> None:
    reader, writer = await served.open()
    writer.write(request(b"2\r\n{}\r\n", "Transfer-Encoding: chunked", path=GOOTEN, length=-1))

    assert status(await served.read(reader)) == 408
    assert served.bodies == []


@case(
    SIZES,
    "a complete body of one-byte chunks, each with an extension",
    200,
    "the bytes of the body",
)
async def test_tiny_chunks_with_extensions_make_one_body(served: Served) -> None:
    chunks = b"".join(b'1;a="b"\r\n%c\r\n' % each for each in GOOD) + b"0\r\n\r\n"
    sent = request(chunks, "Transfer-Encoding: chunked", path=GOOTEN, length=-1)

    assert status(await served.exchange(sent)) == 200
    assert served.bodies == [GOOD]


@case(PACKED, "50 MB of zeros in 50 kB of gzip", 413)
@case(
    PACKED, "gzip of exactly 1 MiB, and of one byte more", "200 and 413", "the first, as received"
)
async def test_a_gzip_bomb_is_413_at_its_bound(served: Served) -> None:
    fits, over, bomb = (gzip.compress(bytes(size)) for size in (MAX_BODY, MAX_BODY + 1, 50_000_000))
    answers = [
        status(await served.exchange(request(body, "Content-Encoding: gzip", path=GOOTEN)))
        for body in (fits, over, bomb)
    ]

    assert len(bomb) < 60_000
    assert answers == [200, 413, 413]
    assert served.bodies == [fits]


@case(PACKED, "gzip within gzip", 200, "as received; opened once: dead letter `malformed-body`")
async def test_nested_gzip_is_opened_once(served: Served) -> None:
    body = gzip.compress(gzip.compress(bytes(50_000_000)))
    sent = request(body, "Content-Encoding: gzip", path=GOOTEN)

    assert await judged(served, sent) == dead("malformed-body", "@1")


@case(PACKED, "`Content-Encoding: gzip, gzip`, repeated, `br`, `deflate`, `zstd`", 415)
@pytest.mark.parametrize(
    "headers",
    [
        ["gzip, gzip"],
        ["gzip", "gzip"],
        ["identity", "gzip"],
        ["br"],
        ["deflate"],
        ["zstd"],
        ["x-gzip"],
    ],
)
async def test_other_encodings_are_415(served: Served, headers: list[str]) -> None:
    lines = [f"Content-Encoding: {each}" for each in headers]
    answer = await served.exchange(request(gzip.compress(GOOD), *lines, path=GOOTEN))

    assert status(answer) == 415
    assert served.bodies == []


@case(PACKED, "50,000 gzip members in 1 MiB", 200, "as received; dead letter `malformed-body`")
async def test_a_stream_of_very_many_members_is_not_followed(served: Served) -> None:
    member = gzip.compress(b"")
    body = member * (MAX_BODY // len(member))
    sent = request(body, "Content-Encoding: gzip", path=GOOTEN)

    assert await judged(served, sent) == dead("malformed-body", "@0")


@case(PACKED, "gzip cut short or with trailing bytes, zlib, or no gzip at all", 200,
      "as received; dead letter `malformed-body`")  # fmt: skip
@pytest.mark.parametrize(
    "body",
    [WHOLE[:-1], WHOLE + b"!", zlib.compress(GOOD), GOOD],
)
async def test_what_is_no_gzip_is_stored(served: Served, body: bytes) -> None:
    sent = request(body, "Content-Encoding: gzip", path=GOOTEN)

    assert await judged(served, sent) == dead("malformed-body", "@0")
