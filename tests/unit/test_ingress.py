"""Every row of the answer table, and the raw record behind a 200."""

import asyncio
import gzip
import json
import os
import uuid
from dataclasses import replace

import httpx
import pytest

from ingest.app import create_app
from ingest.heartbeat import beat
from ingest.journal import LINES_A_SECOND, Journal
from ingest.limits import RECORD_OVERHEAD, InFlight, Quotas
from ingest.publisher import MemoryPublisher
from ingest.signatures import hmac_base64, hmac_hex
from ingest.sources import CIKLIK_EVENTS
from runtime.health import Health
from runtime.settings import Settings
from runtime.shops import ShopBook
from schemas import heartbeats

SHOPS = """
[[shops]]
source = "run-free"
id = "boots"
secrets = ["boots-token"]
currency = "USD"
[[shops]]
source = "shoprocket"
id = "rocket"
secrets = ["rocket-secret"]
proof = "header"
proof_header = "X-Shoprocket-Secret"
[[shops]]
source = "shoprocket"
id = "hexed"
secrets = ["hex-secret"]
proof = "hmac-sha256-hex"
proof_header = "X-Signature"
[[shops]]
source = "spiffy"
id = "johns"
secrets = ["old-secret", "new-secret"]
currency = "AUD"
[[shops]]
source = "ciklik"
id = "box"
secrets = ["box-token"]
currency = "EUR"
[[shops]]
source = "gooten"
id = "prints"
secrets = ["prints-token"]
quota = 2
[[shops]]
source = "gooten"
id = "unset"
secrets = ["env:HOOKLINE_TEST_NOT_SET"]
"""
CART = b'{"id":"ee","token":"ee","line_items":[]}'
GOOTEN = "/hooks/gooten/prints/prints-token"
BOOTS = "/hooks/run-free/boots/boots-token"
SETTINGS = Settings(
    prefix="t_", max_body=2000, body_timeout=0.2, produce_timeout=0.2, max_in_flight=20_000
)


class House:
    """The application with its parts within reach."""

    def __init__(self, path, settings=SETTINGS):
        self.publisher = MemoryPublisher()
        self.health = Health()
        self.in_flight = InFlight(settings.max_in_flight)
        self.now = [0.0]
        self.lines = []
        self.shops = ShopBook(path)
        self.app = create_app(
            settings,
            self.shops,
            self.publisher,
            self.health,
            in_flight=self.in_flight,
            quotas=Quotas(lambda: self.now[0]),
            journal=Journal(lambda: self.now[0], self),
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://ingress"
        )

    def info(self, _event, **fields):
        self.lines.append(fields)

    async def post(self, path, body=b"{}", **headers):
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=body, headers=told)

    async def spiffy(self, body=CART, secret=b"old-secret", **headers):
        proof = {"x_spiffy_hmac_sha256": hmac_base64(secret, body).decode()}
        told = {"x_spiffy_topic": "carts/create"} | proof | headers
        return await self.post("/hooks/spiffy/johns", body, **told)

    @property
    def record(self):
        (record,) = self.publisher.records
        return record

    @property
    def headers(self):
        return {name: value.decode() for name, value in self.record.headers}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "shops.toml"
    path.write_text(SHOPS)
    return path


@pytest.fixture
async def house(path):
    made = House(path)
    yield made
    await made.client.aclose()
    assert 0 == made.in_flight.held, "bytes in flight were not given back"


async def test_a_delivery_is_answered_with_its_id(house):
    answer = await house.spiffy()

    assert 200 == answer.status_code
    assert {"delivery": house.headers["hookline-delivery"]} == answer.json()
    assert 7 == uuid.UUID(answer.json()["delivery"]).version


async def test_the_raw_record_holds_the_bytes_as_received_and_all_headers(house):
    await house.spiffy(content_type="application/json")

    headers = house.headers
    received = int(headers.pop("hookline-received-us"))
    headers.pop("hookline-delivery")
    assert ("t_hookline.webhooks", b"spiffy/johns/cart:ee", CART) == (
        house.record.topic,
        house.record.key,
        house.record.value,
    )
    assert {
        "hookline-source": "spiffy",
        "hookline-shop": "johns",
        "hookline-event": "carts/create",
        "hookline-content-type": "application/json",
        "hookline-content-encoding": "identity",
        "hookline-query": "",
    } == headers
    assert 1_600_000_000_000_000 < received < 9_000_000_000_000_000


async def test_both_active_secrets_are_taken(house):
    assert 200 == (await house.spiffy(secret=b"new-secret")).status_code


async def test_the_later_spelling_of_spiffys_headers_is_taken(house):
    body = b'{"id":5}'
    proof = hmac_base64(b"old-secret", body).decode()
    await house.post(
        "/hooks/spiffy/johns",
        body,
        x_spiffy_hmac_sha256=proof,
        x_spiffy_stores_topic="orders/create",
        x_spiffy_stores_shop_domain="other.spiffystores.com",
    )

    assert ("orders/create", "other.spiffystores.com") == (
        house.headers["hookline-event"],
        house.headers["hookline-shop-header"],
    )


async def test_a_shop_header_that_agrees_is_not_recorded(house):
    await house.spiffy(x_spiffy_shop_domain="johns.spiffystores.com")

    assert "hookline-shop-header" not in house.headers


@pytest.mark.parametrize(
    ("path_", "headers", "key"),
    [
        (BOOTS, {}, b"run-free/boots/order:1"),
        (BOOTS + "/", {}, b"run-free/boots/order:1"),
        (
            "/hooks/shoprocket/rocket",
            {"x_shoprocket_secret": "rocket-secret"},
            b"shoprocket/rocket/order:1",
        ),
        (GOOTEN + "/?orderid=9", {}, b"gooten/prints/order:1"),
        ("/hooks/ciklik/box/box-token/created_user", {}, b"ciklik/box/customer:1"),
    ],
)
async def test_each_platform_is_taken_by_its_own_proof(house, path_, headers, key):
    body = b'{"type":"order","action":"created","data":{"id":1},"Id":1,"id":1}'

    assert 200 == (await house.post(path_, body, **headers)).status_code
    assert key == house.record.key


async def test_a_hex_signature_is_taken(house):
    proof = hmac_hex(b"hex-secret", b"{}").decode()

    assert 200 == (await house.post("/hooks/shoprocket/hexed", x_signature=proof)).status_code


@pytest.mark.parametrize("event", sorted(CIKLIK_EVENTS))
async def test_all_of_cikliks_urls_are_taken(house, event):
    await house.post(f"/hooks/ciklik/box/box-token/{event}", b'{"id":1}')

    assert event == house.headers["hookline-event"]


async def test_a_token_is_compared_unquoted_and_query_secrets_are_not_stored(house):
    await house.post("/hooks/gooten/prints/prints%2Dtoken?orderid=1&token=x&a=prints-token")

    assert "orderid=1" == house.headers["hookline-query"]


@pytest.mark.parametrize(
    ("trace", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("hello", False),
    ],
)
async def test_a_valid_traceparent_is_passed_on(house, trace, kept):
    await house.post(GOOTEN, traceparent=trace)

    assert kept == ("traceparent" in house.headers)


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"\xff\xfe", b'{"Id":', b"[]", b'"x"', os.urandom(300)]
)
async def test_content_never_fails_a_proved_delivery(house, body):
    assert 200 == (await house.post(GOOTEN, body)).status_code
    assert body == house.record.value
    assert house.record.key.startswith(b"gooten/prints/body:")


async def test_an_unknown_word_in_a_header_is_content(house):
    assert 200 == (await house.spiffy(x_spiffy_topic="moons/wane")).status_code
    assert "moons/wane" == house.headers["hookline-event"]


async def test_a_gzip_body_is_stored_as_received_and_keyed_by_its_content(house):
    body = gzip.compress(CART)

    assert 200 == (await house.spiffy(body, content_encoding="gzip")).status_code
    assert (body, b"spiffy/johns/cart:ee") == (house.record.value, house.record.key)
    assert "gzip" == house.headers["hookline-content-encoding"]


async def test_a_body_that_is_no_gzip_stream_is_stored(house):
    assert 200 == (await house.post(GOOTEN, b'{"Id":1}', content_encoding="gzip")).status_code
    assert (b'{"Id":1}', "gzip") == (
        house.record.value,
        house.headers["hookline-content-encoding"],
    )
    assert house.record.key.startswith(b"gooten/prints/body:")


SIGNED = {"x-spiffy-hmac-sha256": hmac_base64(b"old-secret", CART).decode()}
UNPROVED = {
    "unknown shop": ("/hooks/spiffy/nobody", SIGNED),
    "unknown shop with a token": ("/hooks/gooten/nobody/prints-token", {}),
    "no signature": ("/hooks/spiffy/johns", {}),
    "wrong signature": ("/hooks/spiffy/johns", {"x-spiffy-hmac-sha256": "AAAA"}),
    "signature twice": (
        "/hooks/spiffy/johns",
        [*SIGNED.items(), *SIGNED.items()],
    ),
    "right and wrong signature": (
        "/hooks/spiffy/johns",
        [*SIGNED.items(), ("x-spiffy-hmac-sha256", "AAAA")],
    ),
    "signature and a token": ("/hooks/spiffy/johns/old-secret", SIGNED),
    "token instead of a signature": ("/hooks/spiffy/johns/old-secret", {}),
    "no token": ("/hooks/gooten/prints", {}),
    "wrong token": ("/hooks/gooten/prints/wrong", {}),
    "another shop's token": ("/hooks/gooten/prints/boots-token", {}),
    "token of another source": ("/hooks/gooten/boots/boots-token", {}),
    "no header": ("/hooks/shoprocket/rocket", {}),
    "ciklik without token": ("/hooks/ciklik/box/created_user", {}),
    "ciklik wrong token, unknown event": ("/hooks/ciklik/box/wrong/created_moon", {}),
}


@pytest.mark.parametrize("name", UNPROVED)
async def test_an_unproved_delivery_is_refused_alike_and_leaves_nothing(house, name):
    path_, headers = UNPROVED[name]
    answer = await house.client.post(path_, content=CART, headers=headers)

    assert (401, '{"error":"unknown shop, or no valid proof of origin"}') == (
        answer.status_code,
        answer.text,
    )
    assert {"content-type", "content-length"} == set(answer.headers)
    assert [] == house.publisher.records


async def test_a_tampered_body_is_refused(house):
    tampered = CART.replace(b"ee", b"ef")
    answer = await house.spiffy(
        tampered, x_spiffy_hmac_sha256=hmac_base64(b"old-secret", CART).decode()
    )

    assert 401 == answer.status_code
    assert [] == house.publisher.records


@pytest.mark.parametrize(
    "path_",
    [
        "/hooks/nobody/shop",
        "/hooks/spiffy",
        "/hooks/",
        "/hooks/spiffy/johns/a/b",
        "/hooks/gooten/prints/prints-token/more",
        "/hooks/ciklik/box/box-token/created_moon",
        "/hooks/ciklik/box/box-token/created_user/more",
        "/elsewhere",
    ],
)
async def test_an_unknown_route_or_url_event_is_404(house, path_):
    assert 404 == (await house.post(path_)).status_code
    assert [] == house.publisher.records


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_another_method_is_405(house, method):
    answer = await house.client.request(method, GOOTEN)

    assert (405, "POST") == (answer.status_code, answer.headers["allow"])


async def _slowly(pieces, pause):
    for piece in pieces:
        yield piece
        await asyncio.sleep(pause)


async def test_a_body_slower_than_the_deadline_is_408(house):
    answer = await house.client.post(GOOTEN, content=_slowly([b"{", b"}", b" ", b" "], 0.09))

    assert 408 == answer.status_code
    assert [] == house.publisher.records


async def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_413(house):
    assert 200 == (await house.post(GOOTEN, b"x" * 2000)).status_code
    assert 413 == (await house.post(GOOTEN, b"x" * 2001)).status_code
    assert (
        413
        == (await house.client.post(GOOTEN, content=_slowly([b"x" * 1999, b"xx"], 0))).status_code
    )
    assert 1 == len(house.publisher.records)


async def test_a_body_too_large_when_inflated_is_413(house):
    body = gzip.compress(b" " * 2001)

    assert 413 == (await house.post(GOOTEN, body, content_encoding="gzip")).status_code
    assert [] == house.publisher.records


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense"])
async def test_another_content_encoding_is_415(house, encoding):
    assert 415 == (await house.post(GOOTEN, content_encoding=encoding)).status_code


@pytest.mark.parametrize("encoding", ["identity", "GZIP", ""])
async def test_identity_and_gzip_are_taken_in_any_case(house, encoding):
    body = gzip.compress(b"{}")

    assert 200 == (await house.post(GOOTEN, body, content_encoding=encoding)).status_code


@pytest.mark.parametrize(
    ("path_", "header"), [(GOOTEN, "x" * 16_400), (GOOTEN + "?a=" + "x" * 16_400, "")]
)
async def test_headers_and_query_over_their_bound_are_431(house, path_, header):
    assert 431 == (await house.post(path_, x_large=header)).status_code


async def test_a_delivery_over_the_quota_is_429_and_taken_later(house):
    statuses = [(await house.post(GOOTEN)).status_code for _ in range(3)]
    refused = await house.post(GOOTEN)
    house.now[0] += 0.5
    later = await house.post(GOOTEN)

    assert [200, 200, 429] == statuses
    assert "1" == refused.headers["retry-after"]
    assert 200 == later.status_code


async def test_an_unproved_delivery_takes_nothing_from_the_quota(house):
    for _ in range(5):
        assert 401 == (await house.post("/hooks/gooten/prints/wrong")).status_code

    assert 200 == (await house.post(GOOTEN)).status_code


async def test_no_acknowledgement_in_time_is_503_and_its_bytes_stay_in_flight(house):
    house.publisher.holds = True
    answer = await house.post(GOOTEN, b"{}")

    assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
    assert 1 == len(house.publisher.records), "it must not be handed over twice"
    assert not house.health.is_ready
    assert 2 + RECORD_OVERHEAD == house.in_flight.held
    house.publisher.acknowledge()
    await asyncio.sleep(0)
    assert 0 == house.in_flight.held


async def test_an_acknowledgement_makes_the_ingress_ready(house):
    assert not house.health.is_ready
    await house.post(BOOTS)

    assert house.health.is_ready


async def test_a_delivery_that_cannot_be_handed_over_is_503(house):
    house.publisher.refuses = "Kafka has not been reached yet"

    assert 503 == (await house.post(GOOTEN)).status_code


async def test_a_record_that_the_producer_gives_up_is_503(house):
    house.publisher.holds = True
    asking = asyncio.create_task(house.post(GOOTEN))
    while not house.publisher.records:
        await asyncio.sleep(0)
    house.publisher.acknowledge(ConnectionError("gone"))

    assert 503 == (await asking).status_code


async def test_bytes_in_flight_over_their_bound_are_503_at_once(house):
    house.publisher.holds = True
    waiting = [asyncio.create_task(house.post(BOOTS, b"x" * 1900)) for _ in range(5)]
    while len(house.publisher.records) < 5:
        await asyncio.sleep(0)
    refused = await house.post(BOOTS, b"x" * 1900)
    held = house.in_flight.held
    house.publisher.acknowledge()
    answers = [await task for task in waiting]

    assert (503, "2") == (refused.status_code, refused.headers["retry-after"])
    assert held <= SETTINGS.max_in_flight
    assert [200] * 5 == [answer.status_code for answer in answers]
    assert 5 == len(house.publisher.records)


async def test_a_secret_that_cannot_be_resolved_is_503_and_never_401(house):
    """The sender's proof may be right: it must keep the delivery and come again."""
    assert 503 == (await house.post("/hooks/gooten/unset/x")).status_code


async def test_a_rotated_secret_is_in_force_once_the_shops_are_read_again(house, path):
    assert 200 == (await house.post(BOOTS)).status_code
    path.write_text(SHOPS.replace("boots-token", "boots-token-2"))
    house.shops.refresh()

    assert 401 == (await house.post(BOOTS)).status_code
    assert 200 == (await house.post(BOOTS + "-2")).status_code


async def test_the_pages_stand_beside_the_hooks(house):
    await house.post(BOOTS)
    page = (await house.client.get("/metrics")).text

    assert 200 == (await house.client.get("/healthz")).status_code
    assert 200 == (await house.client.get("/readyz")).status_code
    assert 'hookline_ingress_accepted_total{shop="boots",source="run-free"}' in page


async def test_refusals_are_logged_by_route_template(house):
    await house.post("/hooks/gooten/prints/a-wrong-token?orderid=5")
    await house.post("/hooks/ciklik/box/a-wrong-token/created_user")
    await house.post(BOOTS)

    assert [
        {"method": "POST", "route": "/hooks/gooten/{shop}/{token}", "status": 401},
        {"method": "POST", "route": "/hooks/ciklik/{shop}/{token}/{event}", "status": 401},
    ] == house.lines


async def test_a_flood_of_refusals_is_counted_and_not_logged_line_by_line(house):
    for _ in range(LINES_A_SECOND + 7):
        await house.post("/hooks/nobody/x")
    house.now[0] += 1
    await house.post("/hooks/nobody/x")

    assert LINES_A_SECOND + 1 == len(house.lines)
    assert 7 == house.lines[-1]["unlogged"]


async def test_heartbeats_tell_counts_and_that_kafka_acknowledges(house):
    settings = replace(SETTINGS, ingress_heartbeat=0.01)
    from ingest.heartbeat import Pulse  # noqa: PLC0415 - beside its use

    pulse = Pulse(house.health)
    task = asyncio.create_task(
        beat(settings, house.publisher, pulse, house.in_flight, lambda: {"gooten/prints": 3})
    )
    while len(house.publisher.records) < 2:
        await asyncio.sleep(0.005)
    assert house.health.is_ready
    pulse.overdue("a delivery was not acknowledged")
    seen = len(house.publisher.records)
    while len(house.publisher.records) < seen + 2:
        await asyncio.sleep(0.005)
    task.cancel()

    told = [heartbeats.decode(record.value) for record in house.publisher.records]
    assert {"t_hookline.ingress"} == {record.topic for record in house.publisher.records}
    assert 1 == len({(beat_.ingress, beat_.started) for beat_ in told})
    assert {"gooten/prints": 3} == told[0].accepted
    assert [True, True] == [beat_.healthy for beat_ in told[:2]]
    assert 1 == sum(not beat_.healthy for beat_ in told)
    assert "healthy" in json.loads(house.publisher.records[0].value)


async def test_no_second_heartbeat_is_sent_while_the_first_is_unanswered(house):
    from ingest.heartbeat import Pulse  # noqa: PLC0415 - beside its use

    settings = replace(SETTINGS, ingress_heartbeat=0.01, produce_timeout=0.02)
    house.publisher.holds = True
    task = asyncio.create_task(
        beat(settings, house.publisher, Pulse(house.health), house.in_flight, dict)
    )
    await asyncio.sleep(0.2)
    waiting = len(house.publisher.records)
    ready = house.health.is_ready
    house.publisher.holds = False
    house.publisher.acknowledge()
    while len(house.publisher.records) < 2:
        await asyncio.sleep(0.005)
    task.cancel()

    assert (1, False) == (waiting, ready)
    assert house.health.is_ready
