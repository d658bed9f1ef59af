"""Every row of the answer table, and the raw record behind a 200."""

import asyncio
import gzip
import json
import os
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest

from ingest.app import create_app
from ingest.heartbeat import Pulse, beat
from ingest.http.access_log import LINES_A_SECOND, AccessLog
from ingest.http.limits import RECORD_OVERHEAD, InFlight, Quotas
from ingest.publisher import MemoryPublisher
from ingest.signatures import hmac_base64, hmac_hex
from runtime import metrics, metrics_page
from runtime.health import Health
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas.json_records import heartbeats
from schemas.platforms import PLATFORMS

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

    def __init__(self, path: Any, settings: Any = SETTINGS) -> None:
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
            access_log=AccessLog(lambda: self.now[0], self),
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://ingress"
        )

    def info(self, _event: Any, **fields: Any) -> None:
        self.lines.append(fields)

    async def post(self, path: Any, body: Any = b"{}", **headers: Any) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=body, headers=sent)

    async def spiffy(self, body: Any = CART, secret: Any = b"old-secret", **headers: Any) -> Any:
        proof = {"x_spiffy_hmac_sha256": hmac_base64(secret, body).decode()}
        sent = {"x_spiffy_topic": "carts/create"} | proof | headers
        return await self.post("/hooks/spiffy/johns", body, **sent)

    @property
    def record(self) -> Any:
        (record,) = self.publisher.records
        return record

    @property
    def headers(self) -> Any:
        return {name: value.decode() for name, value in self.record.headers}


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - what is watched knows no event
        await asyncio.sleep(0.005)


@pytest.fixture
def path(tmp_path: Any) -> Any:
    path = tmp_path / "shops.toml"
    path.write_text(SHOPS)
    return path


@pytest.fixture
async def house(path: Any) -> Any:
    made = House(path)
    yield made
    await made.client.aclose()
    assert made.in_flight.held == 0, "bytes in flight were not given back"


async def test_a_delivery_is_answered_with_its_id(house: Any) -> None:
    answer = await house.spiffy()

    assert answer.status_code == 200
    assert {"delivery": house.headers["hookline-delivery"]} == answer.json()
    assert uuid.UUID(answer.json()["delivery"]).version == 7


async def test_the_raw_record_holds_the_bytes_as_received_and_all_headers(house: Any) -> None:
    await house.spiffy(content_type="application/json")

    headers = house.headers
    received = int(headers.pop("hookline-received-us"))
    headers.pop("hookline-delivery")
    assert (
        house.record.topic,
        house.record.key,
        house.record.value,
    ) == ("t_hookline.webhooks", b"spiffy/johns/cart:ee", CART)
    assert headers == {
        "hookline-source": "spiffy",
        "hookline-shop": "johns",
        "hookline-event": "carts/create",
        "hookline-content-type": "application/json",
        "hookline-content-encoding": "identity",
        "hookline-query": "",
    }
    assert 1_600_000_000_000_000 < received < 9_000_000_000_000_000


async def test_both_active_secrets_are_taken(house: Any) -> None:
    assert (await house.spiffy(secret=b"new-secret")).status_code == 200


async def test_the_later_spelling_of_spiffys_headers_is_taken(house: Any) -> None:
    body = b'{"id":5}'
    proof = hmac_base64(b"old-secret", body).decode()
    await house.post(
        "/hooks/spiffy/johns",
        body,
        x_spiffy_hmac_sha256=proof,
        x_spiffy_stores_topic="orders/create",
        x_spiffy_stores_shop_domain="other.spiffystores.com",
    )

    assert (
        house.headers["hookline-event"],
        house.headers["hookline-shop-header"],
    ) == ("orders/create", "other.spiffystores.com")


@pytest.mark.parametrize("name", ["x-spiffy-hmac-sha256", "X-Spiffy-Stores-Hmac-Sha256"])
@pytest.mark.parametrize("secret", [b"old-secret", b"new-secret"])
@pytest.mark.parametrize(
    "encode",
    [hmac_base64, hmac_hex, lambda *parts: hmac_hex(*parts).upper()],
    ids=["base64", "hexadecimal", "HEXADECIMAL"],
)
async def test_one_signature_under_either_name_in_either_encoding_proves(
    house: Any, name: Any, secret: Any, encode: Any
) -> None:
    headers = {
        "X-Spiffy-Stores-Topic": "orders/create",
        "X-Spiffy-Stores-Shop-Domain": "johns.spiffystores.com",
        "X-Spiffy-Stores-Order-Id": "5",
        "X-Spiffy-Stores-ID": "77",
        name: encode(secret, b'{"id":5}').decode(),
    }
    answer = await house.client.post("/hooks/spiffy/johns", content=b'{"id":5}', headers=headers)

    assert answer.status_code == 200
    assert house.record.key == b"spiffy/johns/order:5"
    assert house.headers["hookline-event"] == "orders/create"


async def test_a_repeated_header_that_is_no_signature_does_not_matter(house: Any) -> None:
    headers = [*SIGNED.items(), ("x-spiffy-topic", "carts/create"), ("via", "1.1 a"), ("via", "b")]
    answer = await house.client.post("/hooks/spiffy/johns", content=CART, headers=headers)

    assert answer.status_code == 200


async def test_a_shop_header_that_agrees_is_not_recorded(house: Any) -> None:
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
async def test_each_platform_is_taken_by_its_own_proof(
    house: Any, path_: Any, headers: Any, key: Any
) -> None:
    body = b'{"type":"order","action":"created","data":{"id":1},"Id":1,"id":1}'

    assert (await house.post(path_, body, **headers)).status_code == 200
    assert key == house.record.key


async def test_a_hex_signature_is_taken(house: Any) -> None:
    proof = hmac_hex(b"hex-secret", b"{}").decode()

    assert (await house.post("/hooks/shoprocket/hexed", x_signature=proof)).status_code == 200


@pytest.mark.parametrize("event", sorted(PLATFORMS["ciklik"].events_in_url))
async def test_all_of_cikliks_urls_are_taken(house: Any, event: Any) -> None:
    await house.post(f"/hooks/ciklik/box/box-token/{event}", b'{"id":1}')

    assert event == house.headers["hookline-event"]


async def test_a_token_is_compared_unquoted_and_query_secrets_are_not_stored(house: Any) -> None:
    await house.post("/hooks/gooten/prints/prints%2Dtoken?orderid=1&token=x&a=prints-token")

    assert house.headers["hookline-query"] == "orderid=1"


@pytest.mark.parametrize(
    ("trace", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("hello", False),
    ],
)
async def test_a_valid_traceparent_is_passed_on(house: Any, trace: Any, kept: Any) -> None:
    await house.post(GOOTEN, traceparent=trace)

    assert kept == ("traceparent" in house.headers)


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"\xff\xfe", b'{"Id":', b"[]", b'"x"', os.urandom(300)]
)
async def test_content_never_fails_a_proved_delivery(house: Any, body: Any) -> None:
    assert (await house.post(GOOTEN, body)).status_code == 200
    assert body == house.record.value
    assert house.record.key.startswith(b"gooten/prints/body:")


async def test_an_unknown_event_in_a_header_is_content(house: Any) -> None:
    assert (await house.spiffy(x_spiffy_topic="moons/wane")).status_code == 200
    assert house.headers["hookline-event"] == "moons/wane"


async def test_a_gzip_body_is_stored_as_received_and_keyed_by_its_content(house: Any) -> None:
    body = gzip.compress(CART)

    assert (await house.spiffy(body, content_encoding="gzip")).status_code == 200
    assert (body, b"spiffy/johns/cart:ee") == (house.record.value, house.record.key)
    assert house.headers["hookline-content-encoding"] == "gzip"


async def test_a_body_that_is_no_gzip_stream_is_stored(house: Any) -> None:
    assert (await house.post(GOOTEN, b'{"Id":1}', content_encoding="gzip")).status_code == 200
    assert (
        house.record.value,
        house.headers["hookline-content-encoding"],
    ) == (b'{"Id":1}', "gzip")
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
    "signature under both names": (
        "/hooks/spiffy/johns",
        [*SIGNED.items(), ("x-spiffy-stores-hmac-sha256", SIGNED["x-spiffy-hmac-sha256"])],
    ),
    "right and wrong signature under the two names": (
        "/hooks/spiffy/johns",
        [("x-spiffy-hmac-sha256", "AAAA"), ("x-spiffy-stores-hmac-sha256", *SIGNED.values())],
    ),
    "an empty signature beside the right one": (
        "/hooks/spiffy/johns",
        [*SIGNED.items(), ("x-spiffy-stores-hmac-sha256", "")],
    ),
    "the second name twice": (
        "/hooks/spiffy/johns",
        [("x-spiffy-stores-hmac-sha256", *SIGNED.values())] * 2,
    ),
    "both encodings": (
        "/hooks/spiffy/johns",
        [*SIGNED.items(), ("x-spiffy-hmac-sha256", hmac_hex(b"old-secret", CART).decode())],
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
async def test_an_unproved_delivery_is_refused_alike_and_leaves_nothing(
    house: Any, name: Any
) -> None:
    path_, headers = UNPROVED[name]
    answer = await house.client.post(path_, content=CART, headers=headers)

    assert (
        answer.status_code,
        answer.text,
    ) == (401, '{"error":"unknown shop, or no valid proof of origin"}')
    # Refused before the body is read, which is then dropped; a Ciklik URL ends in its event.
    by_token = path_.count("/") > (4 if "ciklik" in path_ else 3)
    more = {"connection"} if by_token else set()
    assert {"content-type", "content-length", *more} == set(answer.headers)
    assert house.publisher.records == []


async def test_a_tampered_body_is_refused(house: Any) -> None:
    tampered = CART.replace(b"ee", b"ef")
    answer = await house.spiffy(
        tampered, x_spiffy_hmac_sha256=hmac_base64(b"old-secret", CART).decode()
    )

    assert answer.status_code == 401
    assert house.publisher.records == []


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
async def test_an_unknown_route_or_url_event_is_404(house: Any, path_: Any) -> None:
    assert (await house.post(path_)).status_code == 404
    assert house.publisher.records == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_another_method_is_405(house: Any, method: Any) -> None:
    answer = await house.client.request(method, GOOTEN)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def _slowly(chunks: Any, pause: Any) -> Any:
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(pause)


async def test_a_body_slower_than_the_deadline_is_408(house: Any) -> None:
    answer = await house.client.post(GOOTEN, content=_slowly([b"{", b"}", b" ", b" "], 0.09))

    assert answer.status_code == 408
    assert house.publisher.records == []


async def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_413(house: Any) -> None:
    assert (await house.post(GOOTEN, b"x" * 2000)).status_code == 200
    assert (await house.post(GOOTEN, b"x" * 2001)).status_code == 413
    assert (
        await house.client.post(GOOTEN, content=_slowly([b"x" * 1999, b"xx"], 0))
    ).status_code == 413
    assert len(house.publisher.records) == 1


async def test_a_body_too_large_when_inflated_is_413(house: Any) -> None:
    body = gzip.compress(b" " * 2001)

    assert (await house.post(GOOTEN, body, content_encoding="gzip")).status_code == 413
    assert house.publisher.records == []


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense"])
async def test_another_content_encoding_is_415(house: Any, encoding: Any) -> None:
    assert (await house.post(GOOTEN, content_encoding=encoding)).status_code == 415


@pytest.mark.parametrize("encoding", ["identity", "GZIP", ""])
async def test_identity_and_gzip_are_taken_in_any_case(house: Any, encoding: Any) -> None:
    body = gzip.compress(b"{}")

    assert (await house.post(GOOTEN, body, content_encoding=encoding)).status_code == 200


@pytest.mark.parametrize(
    ("path_", "header"), [(GOOTEN, "x" * 16_400), (GOOTEN + "?a=" + "x" * 16_400, "")]
)
async def test_headers_and_query_over_their_bound_are_431(
    house: Any, path_: Any, header: Any
) -> None:
    assert (await house.post(path_, x_large=header)).status_code == 431


async def test_a_delivery_over_the_quota_is_429_and_taken_later(house: Any) -> None:
    statuses = [(await house.post(GOOTEN)).status_code for _ in range(3)]
    refused = await house.post(GOOTEN)
    house.now[0] += 0.5
    later = await house.post(GOOTEN)

    assert statuses == [200, 200, 429]
    assert refused.headers["retry-after"] == "1"
    assert later.status_code == 200


async def test_an_unproved_delivery_takes_nothing_from_the_quota(house: Any) -> None:
    for _ in range(5):
        assert (await house.post("/hooks/gooten/prints/wrong")).status_code == 401

    assert (await house.post(GOOTEN)).status_code == 200


async def test_no_acknowledgement_in_time_is_503_and_its_bytes_stay_in_flight(house: Any) -> None:
    house.publisher.holds = True
    answer = await house.post(GOOTEN, b"{}")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert len(house.publisher.records) == 1, "it must not be sent twice"
    assert not house.health.is_ready
    assert house.in_flight.held == 2 + RECORD_OVERHEAD
    house.publisher.acknowledge()
    await asyncio.sleep(0)
    assert house.in_flight.held == 0


async def test_an_acknowledgement_makes_the_ingress_ready(house: Any) -> None:
    assert not house.health.is_ready
    await house.post(BOOTS)

    assert house.health.is_ready


async def test_a_delivery_that_cannot_be_sent_is_503(house: Any) -> None:
    house.publisher.refuses = "Kafka has not been reached yet"

    assert (await house.post(GOOTEN)).status_code == 503


async def test_a_record_that_the_producer_gives_up_is_503(house: Any) -> None:
    house.publisher.holds = True
    asking = asyncio.create_task(house.post(GOOTEN))
    await until(lambda: house.publisher.records)
    house.publisher.acknowledge(ConnectionError("gone"))

    assert (await asking).status_code == 503


async def test_bytes_in_flight_over_their_bound_are_503_at_once(house: Any) -> None:
    house.publisher.holds = True
    waiting = [asyncio.create_task(house.post(BOOTS, b"x" * 1900)) for _ in range(5)]
    await until(lambda: len(house.publisher.records) >= 5)
    refused = await house.post(BOOTS, b"x" * 1900)
    held = house.in_flight.held
    house.publisher.acknowledge()
    answers = [await task for task in waiting]

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert held <= SETTINGS.max_in_flight
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(house.publisher.records) == 5


async def test_a_secret_that_cannot_be_resolved_is_503_and_never_401(house: Any) -> None:
    """The sender's proof may be right: it must keep the delivery and retry."""
    assert (await house.post("/hooks/gooten/unset/x")).status_code == 503


async def test_a_rotated_secret_is_in_force_once_the_shops_are_read_again(
    house: Any, path: Any
) -> None:
    assert (await house.post(BOOTS)).status_code == 200
    path.write_text(SHOPS.replace("boots-token", "boots-token-2"))
    house.shops.refresh()

    assert (await house.post(BOOTS)).status_code == 401
    assert (await house.post(BOOTS + "-2")).status_code == 200


async def test_the_port_of_the_webhooks_says_only_that_the_process_is_alive(house: Any) -> None:
    alive = await house.client.get("/healthz")

    assert (alive.status_code, alive.json()) == (200, {"alive": True})
    for path in ("/metrics", "/readyz", "/healthz/more", "/"):
        assert (await house.client.get(path)).status_code == 404


async def test_accepted_deliveries_are_counted_by_shop(house: Any) -> None:
    await house.post(BOOTS)
    page = metrics_page.render(metrics.INGEST).decode()

    assert 'hookline_ingress_accepted_total{shop="boots",source="run-free"}' in page


async def test_refusals_are_logged_by_route_template(house: Any) -> None:
    await house.post("/hooks/gooten/prints/a-wrong-token?orderid=5")
    await house.post("/hooks/ciklik/box/a-wrong-token/created_user")
    await house.post(BOOTS)

    assert house.lines == [
        {"method": "POST", "route": "/hooks/gooten/{shop}/{token}", "status": 401},
        {"method": "POST", "route": "/hooks/ciklik/{shop}/{token}/{event}", "status": 401},
    ]


async def test_a_flood_of_refusals_is_counted_and_not_logged_line_by_line(house: Any) -> None:
    for _ in range(LINES_A_SECOND + 7):
        await house.post("/hooks/nobody/x")
    house.now[0] += 1
    await house.post("/hooks/nobody/x")

    assert len(house.lines) == LINES_A_SECOND + 1
    assert house.lines[-1]["unlogged"] == 7


async def test_heartbeats_hold_counts_and_whether_kafka_acknowledges(house: Any) -> None:
    settings = replace(SETTINGS, ingress_heartbeat=0.01)
    pulse = Pulse(house.health)
    task = asyncio.create_task(
        beat(settings, house.publisher, pulse, house.in_flight, lambda: {"gooten/prints": 3})
    )
    await until(lambda: len(house.publisher.records) >= 2)
    assert house.health.is_ready
    pulse.overdue("a delivery was not acknowledged")
    seen = len(house.publisher.records)
    await until(lambda: len(house.publisher.records) >= seen + 2)
    task.cancel()

    beats = [heartbeats.decode(record.value) for record in house.publisher.records]
    assert {"t_hookline.ingress"} == {record.topic for record in house.publisher.records}
    assert len({(beat_.ingress, beat_.started) for beat_ in beats}) == 1
    assert beats[0].accepted == {"gooten/prints": 3}
    assert [beat_.healthy for beat_ in beats[:2]] == [True, True]
    assert sum(not beat_.healthy for beat_ in beats) == 1
    assert "healthy" in json.loads(house.publisher.records[0].value)


async def test_no_second_heartbeat_is_sent_while_the_first_is_unanswered(house: Any) -> None:
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
    await until(lambda: len(house.publisher.records) >= 2)
    task.cancel()

    assert (waiting, ready) == (1, False)
    assert house.health.is_ready
