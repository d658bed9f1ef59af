"""XML that expands or fetches: never parsed further than its declaration."""

import http.server
import threading
from pathlib import Path

import pytest

from schemas.topics import MAX_BODY
from tests.example_files import FOLDER
from tests.hostile.cases import case
from tests.hostile.house import CANONICAL, Result, dead, judged, spiffy
from tests.served import Served

SECTION = "XML"
ORDER = (FOLDER / "spiffy" / "orders-create-xml.xml").read_bytes()
DECLARATION, _, ROOT = ORDER.partition(b"\n")


def hostile(dtd: bytes, text: bytes = b"#1001") -> bytes:
    """The order with a document type before it and ``text`` as its name."""
    assert ORDER.count(b"<name>#1001</name>") == 1
    return DECLARATION + dtd + ROOT.replace(b"<name>#1001<", b"<name>" + text + b"<")


def laughs(levels: int = 10) -> bytes:
    """Entities of entities: ten to the power of ``levels`` times three letters."""
    entities = [
        b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10 if level else b"lol")
        for level in range(levels)
    ]
    return hostile(b"<!DOCTYPE order [" + b"".join(entities) + b"]>", b"&l%d;" % (levels - 1))


REFUSED = dead("unsupported-format", "@0")


async def result_of(served: Served, body: bytes) -> Result:
    return await judged(served, spiffy(body))


async def test_the_order_itself_is_an_event(served: Served) -> None:
    assert await result_of(served, ORDER) == CANONICAL


@case(SECTION, "entities that expand to 10^10 letters, or one of 100 kB 1,000 times", 200,
      "as received; dead letter `unsupported-format`")  # fmt: skip
@pytest.mark.parametrize(
    "body",
    [
        laughs(),
        hostile(b'<!DOCTYPE o [<!ENTITY a "' + b"x" * 100_000 + b'">]>', b"&a;" * 1000),
        hostile(b"<!DOCTYPE o [<!ENTITY % a \"<!ENTITY b 'x'>\"> %a;]>", b"&b;"),
    ],
)
async def test_entities_are_not_expanded(served: Served, body: bytes) -> None:
    assert await result_of(served, body) == REFUSED


@case(SECTION, "an external entity: a file, or a page inside the network", 200,
      "as received; nothing is opened or fetched; dead letter `unsupported-format`")  # fmt: skip
async def test_nothing_is_fetched(served: Served, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    secret = tmp_path / "secret"
    secret.write_text("a secret")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as inside:
        threading.Thread(target=inside.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{inside.server_port}/".encode()
        for uri in (secret.as_uri().encode(), url):
            for dtd in (
                b'<!DOCTYPE o [<!ENTITY e SYSTEM "%s">]>' % uri,
                b'<!DOCTYPE o [<!ENTITY %% e SYSTEM "%s"> %%e;]>' % uri,
                b'<!DOCTYPE o SYSTEM "%s">' % uri,
                b'<!DOCTYPE o PUBLIC "x" "%s">' % uri,
            ):
                served.publisher.records.clear()
                assert await result_of(served, hostile(dtd, b"&e;")) == REFUSED
        inside.shutdown()

    assert asked == []


@case(
    SECTION,
    "a document type without any entity",
    200,
    "as received; dead letter `unsupported-format`",
)
async def test_a_document_type_is_refused(served: Served) -> None:
    assert await result_of(served, hostile(b"<!DOCTYPE order>")) == REFUSED


@case(SECTION, "an undeclared entity; XInclude; processing instructions", 200,
      "as received; the first is malformed, the others are ignored")  # fmt: skip
async def test_includes_and_instructions_are_not_followed(served: Served) -> None:
    result = await result_of(served, hostile(b"", b"&nobody;"))
    assert result.reason == "malformed-body"
    served.publisher.records.clear()
    include = b'<?xml-stylesheet href="file:///etc/passwd"?>'
    within = b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'
    body = hostile(include).replace(b"<order>", b"<order>" + within)
    assert await result_of(served, body) == CANONICAL


@case(SECTION, "100,000 levels, or 200,000 empty elements", 200,
      "as received, keyed by its bytes; a dead letter with its path")  # fmt: skip
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<a>" * 100_000 + b"</a>" * 100_000, "out-of-range"),
        (b"<a>" * 100_000, "out-of-range"),
        (b"<a>" * 50_000, "malformed-body"),
        (b"<order>" + b"<a/>" * 200_000 + b"</order>", "out-of-range"),
    ],
)
async def test_deep_and_wide_documents_are_not_followed(
    served: Served, body: bytes, reason: str
) -> None:
    assert len(body) < MAX_BODY
    result = await result_of(served, body)

    assert (result.kind, result.reason) == ("dead-letter", reason)
    assert served.record.key.startswith(b"spiffy/johns/body:")


@case(SECTION, "an encoding that does not exist, is no text encoding, or is wrong", 200,
      "as received; dead letter `malformed-body`")  # fmt: skip
@pytest.mark.parametrize(
    "name", [b"nonsense", b"zip", b"rot13", b"utf-7", b"idna", b"undefined", b"utf-16", b"../x"]
)
async def test_a_strange_encoding_is_malformed(served: Served, name: bytes) -> None:
    result = await result_of(served, ORDER.replace(b"UTF-8", name))

    assert (result.kind, result.reason) == ("dead-letter", "malformed-body")
