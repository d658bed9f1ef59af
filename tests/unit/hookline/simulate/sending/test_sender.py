"""The sender against a small server with a script: retries, refusals, cuts, order."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from hookline.shops.config_file import shop_of
from hookline.simulate.sending import connection as connections
from hookline.simulate.sending.faults import Faults
from hookline.simulate.sending.journal import Journal, Outcome
from hookline.simulate.sending.requests import Signer, hosts, shop_settings
from hookline.simulate.sending.schedule import Schedule
from hookline.simulate.sending.sender import Sender
from hookline.simulate.sending.tally import Tally
from hookline.simulate.world.facts import Step
from ingest.ids import new_delivery
from tests.unit.hookline.simulate.sending.simple_facts import cart, order, render, shop, steps

CUT = b""
SHOPS = [shop("run-free"), shop("spiffy"), shop("ciklik")]


def ok() -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 51\r\n\r\n"
        b'{"delivery":"%b"}'
    ) % new_delivery()[0]


def refusal(status: str, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f'HTTP/1.1 {status} X\r\n{lines}Content-Length: 13\r\n\r\n{{"error":"x"}}'.encode()


Script = Callable[[int, bytes], bytes]
"""(how often this body came before, the request) -> the answer; CUT closes the connection."""


@dataclass
class Server:
    """``bodies``: in the order in which they came; ``together``: entities seen at one time."""

    script: Script
    slow: float = 0.0
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    together: int = 0
    busy: Counter[bytes] = field(default_factory=Counter)
    seen: Counter[bytes] = field(default_factory=Counter)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
                body = await reader.readexactly(length)
                self.heads.append(head)
                self.bodies.append(body)
                self.came.set()
                entity = body.partition(b',"changed"')[0]
                self.busy[entity] += 1
                self.together = max(self.together, self.busy[entity])
                if self.slow:
                    await asyncio.sleep(self.slow)
                answer = self.script(self.seen[body], head + body)
                self.seen[body] += 1
                self.busy[entity] -= 1
                if answer == CUT:
                    return
                half = len(answer) // 2
                writer.write(answer[:half])
                await asyncio.sleep(0)
                writer.write(answer[half:])
                if b"onnection: close" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(script: Script, slow: float = 0.0) -> AsyncIterator[Server]:
    one = Server(script, slow)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()


@dataclass
class Sent:
    journal: Journal
    tally: Tally
    all_ended: bool


async def send(
    server: Server,
    history: list[Step],
    faults: Faults | None = None,
    *,
    patience: float = 30.0,
    is_paced: bool = False,
    tally: Tally | None = None,
) -> Sent:
    signer = Signer({(each.source, each.id): shop_of(shop_settings(each)) for each in SHOPS})
    journal, tally = Journal(), tally or Tally()
    sender = Sender(
        hosts([server.url]),
        signer,
        journal,
        tally,
        connections=4,
        patience=patience,
        is_paced=is_paced,
    )
    ended = await sender.run(Schedule(history, render, faults or Faults()))
    return Sent(journal, tally, ended)


@pytest.fixture(autouse=True)
def _quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_FIRST_WAIT", 0.02)


HISTORY = steps([order(SHOPS[number % 3], number % 20, number) for number in range(200)], 0)


def in_order(bodies: list[bytes]) -> bool:
    """Whether the states of each entity came in their order."""
    by_entity = defaultdict(list)
    for body in bodies:
        entity, _, rest = body.partition(b',"changed":')
        by_entity[entity].append(int(rest[:-1]))
    return all(states == sorted(states) for states in by_entity.values())


async def test_all_are_accepted_once_in_the_order_of_their_entities() -> None:
    async with serving(lambda _before, _request: ok()) as server:
        sent = await send(server, HISTORY)
    assert sent.all_ended
    assert sent.tally.accepted == sent.journal.count(Outcome.ACCEPTED) == len(HISTORY)
    assert len(server.bodies) == len(HISTORY)
    assert in_order(server.bodies)


async def test_a_503_is_tried_again_until_200_and_its_entity_s_later_states_wait() -> None:
    async with serving(
        lambda before, _request: ok() if before == 2 else refusal("503", "Retry-After: 0")
    ) as server:
        sent = await send(server, HISTORY)
    assert sent.tally.accepted == len(HISTORY)
    assert sent.tally.retried == 2 * len(HISTORY)
    assert in_order(server.bodies)


async def test_after_a_503_the_bounds_reach_back_to_the_first_attempt_and_after_a_429_not() -> None:
    spans = {}
    for status in ("503", "429"):

        def first_refused(before: int, _request: bytes, status: str = status) -> bytes:
            return ok() if before else refusal(status)

        async with serving(first_refused) as server:
            sent = await send(server, HISTORY[:1])
        bounds = sent.journal.bounds(0)
        assert bounds is not None
        spans[status] = bounds[1] - bounds[0]
    assert spans["429"] == 999
    assert spans["503"] >= 20_000


async def test_retry_after_is_waited_for() -> None:
    async with serving(
        lambda before, _request: ok() if before else refusal("429", "retry-after: 1")
    ) as server:
        sent = await send(server, HISTORY[:1])
    assert sent.tally.seconds >= 1.0


async def test_a_cut_connection_is_opened_again_and_nothing_is_lost() -> None:
    async with serving(lambda before, _request: ok() if before else CUT) as server:
        sent = await send(server, HISTORY[:40])
    assert sent.all_ended
    assert sent.tally.accepted == 40
    assert sent.tally.answers["connection closed"] == 40
    assert in_order(server.bodies)


async def test_an_answer_that_closes_its_connection_is_an_answer() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 51\r\n\r\n"
    async with serving(
        lambda _before, _request: closing + ok().partition(b"\r\n\r\n")[2]
    ) as server:
        sent = await send(server, HISTORY[:40])
    assert sent.tally.accepted == 40
    assert len(server.bodies) == 40


async def test_a_4xx_is_final_and_reported_with_its_text() -> None:
    async with serving(lambda _before, _request: refusal("413")) as server:
        sent = await send(server, HISTORY[:3])
    assert sent.all_ended
    assert sent.journal.count(Outcome.REFUSED) == sent.tally.refused == 3
    text = '413 ciklik/sim-1-ciklik updated_checkoutorder: {"error":"x"}'
    assert text in sent.tally.refusals
    assert len(server.bodies) == 3


async def test_a_shop_that_is_new_to_the_ingress_is_tried_again_and_later_it_is_refused() -> None:
    async with serving(lambda before, _request: ok() if before else refusal("401")) as server:
        assert (await send(server, HISTORY[:3])).tally.accepted == 3
        old = Tally()
        old.began -= connections.NEW_SHOP_GRACE
        late = steps([order(SHOPS[0], 99, 1)])
        assert (await send(server, late, tally=old)).tally.refused == 1


async def test_lost_answers_are_stored_and_sent_again() -> None:
    async with serving(lambda _before, _request: ok()) as server:
        sent = await send(server, HISTORY, Faults(lost_answers=0.5))
    cut = sent.tally.answers["cut by us"]
    assert 60 < cut < 140
    assert sent.tally.accepted == len(HISTORY)
    assert len(server.bodies) == len(HISTORY) + cut


async def test_two_deliveries_of_one_entity_are_never_on_their_way_together() -> None:
    history = steps([cart(SHOPS[0], number % 2, number) for number in range(30)], 0)
    async with serving(lambda _before, _request: ok(), slow=0.002) as server:
        await send(server, history, Faults(duplicates=1.0))
    assert server.together == 1


async def test_repeats_and_broken_copies_are_counted_apart_from_facts() -> None:
    async with serving(lambda _before, _request: ok()) as server:
        faults = Faults(duplicates=1.0, malformed=1.0, longest=1000)
        sent = await send(server, HISTORY, faults)
    tally = sent.tally
    assert (tally.accepted, tally.repeated, tally.malformed) == (200, 200, 200)


async def test_without_a_server_patience_ends_and_facts_are_unsent() -> None:
    async with serving(lambda _before, _request: ok()) as server:
        pass
    sent = await send(server, HISTORY[:5], patience=0.3)
    assert not sent.all_ended
    assert sent.journal.count(Outcome.ACCEPTED) == sent.journal.count(Outcome.UNSETTLED) == 0


async def test_a_server_that_never_stores_leaves_facts_unsettled() -> None:
    async with serving(lambda _before, _request: refusal("500")) as server:
        sent = await send(server, HISTORY[:5], patience=0.3)
    assert not sent.all_ended
    assert sent.journal.count(Outcome.UNSETTLED) > 0


async def test_an_answer_that_never_comes_is_given_up_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "ANSWER_TIMEOUT", 0.2)
    async with serving(lambda _before, _request: ok(), slow=1.0) as server:
        sending = asyncio.create_task(send(server, HISTORY[:1]))
        await server.came.wait()
        server.slow = 0.0
        sent = await sending
    assert sent.tally.accepted == 1
    assert sent.tally.answers["no answer in time"] == 1


async def test_a_paced_delivery_is_not_sent_before_it_is_due() -> None:
    history = steps([order(SHOPS[0], number, number) for number in range(5)], 50_000)
    async with serving(lambda _before, _request: ok()) as server:
        sent = await send(server, history, is_paced=True)
    assert sent.tally.seconds >= 0.2


async def test_requests_are_proved_as_their_platforms_prove_them() -> None:
    async with serving(lambda _before, _request: ok()) as server:
        await send(server, HISTORY[:3])
    by_path = {head.split(b" ")[1].decode(): head for head in server.heads}
    secret = SHOPS[0].secret
    assert set(by_path) == {
        f"/hooks/run-free/sim-1-run-free/{secret}",
        "/hooks/spiffy/sim-1-spiffy",
        f"/hooks/ciklik/sim-1-ciklik/{secret}/updated_checkoutorder",
    }
    spiffy = by_path["/hooks/spiffy/sim-1-spiffy"]
    assert b"x-spiffy-topic: orders/updated\r\n" in spiffy
    assert spiffy.count(b"x-spiffy-hmac-sha256: ") == 1
