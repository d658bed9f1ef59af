"""Streams of events: what they say, how many there are, and that they end."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient

from hookline.console.errors import CommandError
from hookline.dashboard.app import create
from hookline.dashboard.database import Database, Session
from hookline.dashboard.events import MAX_STREAMS, VIEWS, Streams
from hookline.stack_address import StackAddress
from runtime.settings import Settings


class Stamped(Database):
    """A database whose fences are given; None: it cannot be read."""

    def __init__(self) -> None:
        self.stored: dict[str, int] | None = {"hookline.carts": 1, "hookline.payments": 1}

    def read(self, key: Any, work: Any) -> dict[str, Any]:
        del key, work
        if self.stored is None:
            raise CommandError("PostgreSQL does not answer")
        return {"stamps": sorted(self.stored.items())}


async def following(events: AsyncIterator[str]) -> str:
    """The next event that is no comment."""
    async for event in events:
        if not event.startswith(":"):
            return event.partition("\n")[0]
    return "end"


async def test_a_stream_says_that_its_view_changed_and_nothing_of_other_topics() -> None:
    database = Stamped()
    streams = Streams(database, period=0.001)
    events = streams.events("carts")
    assert [await following(events), await following(events)] == ["retry: 5000", "event: ready"]
    assert database.stored is not None
    database.stored["hookline.payments"] = 2
    waiting = asyncio.ensure_future(following(events))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    database.stored["hookline.carts"] = 2
    assert await waiting == "event: changed"


async def test_a_database_that_goes_away_and_comes_back_is_a_change() -> None:
    database = Stamped()
    events = Streams(database, period=0.001).events("now")
    await following(events)
    await following(events)
    stored, database.stored = database.stored, None
    assert await following(events) == "event: changed"
    database.stored = stored
    assert await following(events) == "event: changed"


async def test_streams_end_when_the_server_stops() -> None:
    streams = Streams(Stamped(), period=60)
    events = streams.events("now")
    await following(events)
    await following(events)
    waiting = asyncio.ensure_future(following(events))
    await asyncio.sleep(0)
    streams.stop()
    assert await waiting == "end"


def asked(view: str) -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "query_string": f"view={view}".encode(),
        "headers": [],
    }
    return Request(scope)


async def test_more_streams_than_the_bound_are_refused_until_one_ends() -> None:
    streams = Streams(Stamped(), period=0.001)
    opened = [await streams.answer(asked("now")) for _ in range(MAX_STREAMS)]
    refused = await streams.answer(asked("now"))
    assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert refused.headers["retry-after"]
    streams.stop()

    async def receive() -> Any:
        await asyncio.sleep(60)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    for each in opened:
        await each(scope, receive, send)
    assert streams.open == 0
    assert sent[0]["status"] == HTTPStatus.OK


async def test_a_request_for_the_headers_alone_opens_no_stream() -> None:
    streams = Streams(Stamped(), period=0.001)
    request = asked("now")
    request.scope["method"] = "HEAD"
    answer = await streams.answer(request)
    assert (answer.status_code, answer.media_type) == (HTTPStatus.OK, "text/event-stream")
    assert streams.open == 0


def test_every_page_that_names_a_view_has_its_stream_and_others_are_refused() -> None:
    def never() -> Session:
        raise AssertionError

    app: Starlette = create(StackAddress(Settings(), "", "", ""), Database(never))
    client = TestClient(app, base_url="http://127.0.0.1")
    assert client.get("/events?view=nothing").status_code == HTTPStatus.BAD_REQUEST
    assert client.get("/events").status_code == HTTPStatus.BAD_REQUEST
    app.state.streams.stop()
    answer = client.get("/events?view=now")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_a_page(view: str) -> None:
    app = create(StackAddress(Settings(), "", "", ""), Stamped())
    assert f"/{view}" in {getattr(route, "path", "") for route in app.routes}
