"""Paths, queries and headers that point elsewhere, or are too many."""

import pytest

from ingest.http.bounded_protocol import MAX_HEAD
from schemas.envelopes import QUERY
from tests.hostile.cases import case
from tests.hostile.house import GOOD, GOOTEN, judged, spiffy
from tests.served import Served, request, status

SECTION = "Paths, queries and headers"
PATHS = {
    "/hooks/../metrics": 404,
    "/hooks/gooten/../../metrics": 404,
    "/hooks/gooten/../gooten/prints/t0ken-of-prints": 404,
    "/hooks/gooten/%2e%2e/%2e%2e/readyz": 404,
    "/hooks/gooten/prints/..": 401,
    "/hooks/gooten%2fprints%2ft0ken-of-prints": 404,
    "/hooks/gooten/prints%2ft0ken-of-prints": 401,
    "/hooks/gooten/prints%00/t0ken-of-prints": 401,
    "/hooks/gooten/prints/t0ken-of-prints%00": 401,
    "/hooks/gooten/prints/t0ken-of-prints%0d%0aX: y": 400,
    "/hooks/gooten%00/prints/t0ken-of-prints": 404,
    "/%68ooks/gooten/prints/t0ken-of-prints": 404,
    "//hooks/gooten/prints/t0ken-of-prints": 404,
    "/hooks//gooten/prints/t0ken-of-prints": 404,
    "/hooks/gooten//prints/t0ken-of-prints": 404,
    "/hooks\\gooten\\prints\\t0ken-of-prints": 404,
    "/hooks/gooten/prints/t0ken-of-prints/more": 404,
    "/hooks/gooten/prints;x/t0ken-of-prints": 401,
    "/hooks/GOOTEN/prints/t0ken-of-prints": 404,
    "/hooks/gooten/%ff%fe/t0ken-of-prints": 401,
    "/hooks/g\xf6\xf6ten/prints/t0ken-of-prints": 400,
    "/hooks/gooten/pri nts/t0ken-of-prints": 400,
    "http://elsewhere/hooks/gooten/prints/wrong": 401,
    "http://elsewhere": 400,
    "*": 404,
}


@case(
    SECTION,
    "`..`, `%2e%2e`, `%2f`, `%00`, `//`, `\\\\`, other bytes in a path",
    "404 without a route, 401 without a shop, 400 if it is no path",
)
@pytest.mark.parametrize("path", PATHS)
async def test_a_path_leads_nowhere_else(served: Served, path: str) -> None:
    assert status(await served.exchange(request(GOOD, path=path))) == PATHS[path]
    assert served.bodies == []


@case(SECTION, "a path of 17 kB, of 200 kB, of 10,000 parts", 431)
@pytest.mark.parametrize("more", ["x" * 17_000, "x" * 200_000, "/x" * 10_000])
async def test_a_very_long_path_is_431(served: Served, more: str) -> None:
    assert status(await served.exchange(request(GOOD, path=GOOTEN + more))) == 431
    assert served.bodies == []


BOMBS = {
    "pairs": "a=1&" * 3500,
    "ampersands": "&" * 15_000,
    "percent": "%25" * 5000,
    "broken percent": "%zz%" * 3500,
    "brackets": "a" + "[x]" * 5000,
    "one name": "x" * 15_000 + "=1",
}


@case(SECTION, "a query of thousands of pairs, of signs, of broken escapes", 200,
      "the body as received, the query at most three times as long")  # fmt: skip
@pytest.mark.parametrize("name", BOMBS)
async def test_a_query_bomb_is_a_query(served: Served, name: str) -> None:
    answer = await served.exchange(request(GOOD, path=f"{GOOTEN}?{BOMBS[name]}"))

    assert status(answer) == 200
    assert len(dict(served.record.headers)[QUERY]) <= 3 * MAX_HEAD


@case(SECTION, "a query over 16 KiB", 431)
async def test_a_query_over_its_bound_is_431(served: Served) -> None:
    answer = await served.exchange(request(GOOD, path=f"{GOOTEN}?{'a=1&' * 5000}"))

    assert status(answer) == 431
    assert served.bodies == []


@case(SECTION, "secrets in the query of a proved delivery", 200, "the query without them")
async def test_secrets_in_a_query_are_not_stored(served: Served) -> None:
    query = "orderid=7&token=a&api_key=b&X-Signature=c&x=t0ken-of-prints&x=t0ken%2Dof-prints"
    await served.exchange(request(GOOD, path=f"{GOOTEN}?{query}"))

    assert dict(served.record.headers)[QUERY] == b"orderid=7"


@case(SECTION, "10,000 headers, one of 100 kB, names without values", 431)
@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: 1" for number in range(10_000)],
        ["X: " + "x" * 100_000],
        ["x" * 100_000 + ": 1"],
        ["X:"] * 40_000,
        [f"Cookie: {'a=b; ' * 20_000}"],
    ],
)
async def test_a_flood_of_headers_is_431(served: Served, headers: list[str]) -> None:
    assert status(await served.exchange(request(GOOD, *headers, path=GOOTEN))) == 431
    assert served.bodies == []


@case(SECTION, "control characters, a folded line, a bare CR or LF, a space before the colon", 400)
@pytest.mark.parametrize(
    "header",
    ["X: a\0b", "X: a\x0bb\x7f\x01", "X: a\r\n b", "X: a\rY: b", "X: a\nY: b", "X : a", ": a", "X"],
)
async def test_a_malformed_header_is_400(served: Served, header: str) -> None:
    assert status(await served.exchange(request(GOOD, header, path=GOOTEN))) == 400
    assert served.bodies == []


@case(SECTION, "an event name of 10,000 characters, of markup, of other bytes", 200,
      "as received; dead letter `unknown-event`")  # fmt: skip
@pytest.mark.parametrize("name", ["x" * 10_000, "<script>alert(1)</script>", "\xff\xfe", "../../x"])
async def test_a_strange_event_name_is_an_unknown_event(served: Served, name: str) -> None:
    result = await judged(served, spiffy(b'{"id": 5}', topic=name))

    assert (result.kind, result.reason) == ("dead-letter", "unknown-event")


@case(SECTION, "GET, PUT, DELETE, TRACE, OPTIONS, methods that do not exist", "405 or 400")
@pytest.mark.parametrize(
    ("method", "expected"),
    [("GET", 405), ("PUT", 405), ("DELETE", 405), ("TRACE", 405), ("OPTIONS", 405),
     ("PROPFIND", 405), ("post", 400), ("BREW", 400), ("POST\tX", 400)],
)  # fmt: skip
async def test_only_post_is_taken(served: Served, method: str, expected: int) -> None:
    answer = await served.exchange(request(GOOD, path=GOOTEN, method=method))

    assert status(answer) == expected
    assert served.bodies == []
