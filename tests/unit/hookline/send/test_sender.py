"""What ``hookline send`` puts on the wire: bodies, proofs, and the answers that it repeats on."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from hookline.console.errors import CommandError
from hookline.send import examples, sender
from hookline.send.json_edits import parse_edit
from ingest.sources import SOURCES
from schemas.shops import Shop, load
from tests import ROOT

SHOPS = {shop.source: shop for shop in load(ROOT / "shops.example.toml").values()}
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@contextmanager
def answering(*answers: tuple[int, dict[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn; the paths that it was asked for."""
    left = list(answers)
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(self.path)
            status, headers = left.pop(0)
            body = b'{"delivery":"d-1"}'
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_every_platform_has_examples_and_each_can_be_sent() -> None:
    for source in SOURCES:
        assert examples.names(source)
        for name in examples.names(source):
            found = examples.load(source, name)
            url, headers, body = sender.request("http://x", SHOPS[source], found)
            assert url.startswith(f"http://x/hooks/{source}/{SHOPS[source].id}")
            assert headers["content-type"] in ("application/json", "application/xml")
            assert body == found.body


def test_events_told_outside_the_body_keep_the_platforms_own_spelling() -> None:
    assert examples.load("spiffy", "carts-create").event == "carts/create"
    assert examples.load("spiffy", "carts-create-xml").event == "carts/create"
    assert examples.load("ciklik", "created_checkoutorder-renewal").event == (
        "created_checkoutorder"
    )
    assert examples.load("ciklik", "created-checkoutorder").event == "created_checkoutorder"
    assert examples.load("run-free", "order-created").event == ""


def test_without_changes_the_bytes_are_sent_as_they_stand() -> None:
    found = examples.load("ciklik", "created_checkoutorder")
    assert sender.edited(found, [], SHOPS["ciklik"]).body == found.body


def test_numbers_that_are_not_changed_keep_their_exact_text() -> None:
    found = examples.load("spiffy", "carts-create")
    body = sender.edited(found, [parse_edit("line_items[0].quantity=4")], SHOPS["spiffy"]).body
    assert b'"product_id": 327475578523353102' in body
    found = examples.load("ciklik", "created_checkoutorder")
    body = sender.edited(found, [parse_edit("status=pending")], SHOPS["ciklik"]).body
    assert b'"tax": 0.000' in body
    changed = json.loads(found.body) | {"status": "pending"}
    assert json.loads(body) == changed


def test_a_time_without_a_zone_is_written_in_the_shops() -> None:
    shop = load(ROOT / "shops.example.toml")["shoprocket", "corner"]
    found = examples.load("shoprocket", "order-created")
    body = sender.edited(found, [parse_edit("data.created_at=now")], shop, NOW).body
    assert json.loads(body)["data"]["created_at"] == "2026-03-04 05:06:07"


def test_spiffy_is_signed_over_the_body_and_a_tampered_body_is_not() -> None:
    found = examples.load("spiffy", "carts-create")
    for tampered in (False, True):
        _, headers, body = sender.request("http://x", SHOPS["spiffy"], found, tampered=tampered)
        made = hmac.digest(b"demo-johns-signing-key", body, hashlib.sha256)
        proved = headers["x-spiffy-hmac-sha256"] == base64.b64encode(made).decode()
        assert proved is not tampered
        assert headers["x-spiffy-topic"] == "carts/create"


def test_a_token_stands_in_the_url_and_a_tampered_one_is_another() -> None:
    found = examples.load("ciklik", "abandoned_cart")
    url, _, _ = sender.request("http://x/", SHOPS["ciklik"], found)
    assert url == "http://x/hooks/ciklik/winebox/demo-winebox-token/abandoned_cart"
    url, _, _ = sender.request("http://x/", SHOPS["ciklik"], found, tampered=True)
    assert "/demo-winebox-token/" not in url


def test_gooten_names_its_order_in_the_query_too() -> None:
    found = sender.with_query(examples.load("gooten", "order-item-changed"))
    assert found.query == "orderid=Magic7-501"


def test_a_malformed_body_parses_no_more() -> None:
    found = sender.malformed(examples.load("run-free", "order-created"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(found.body)


def test_a_secret_that_leads_nowhere_is_named() -> None:
    shop = Shop(source="gooten", id="x", secrets=("env:HOOKLINE_TEST_NOT_SET",))
    with pytest.raises(CommandError, match="HOOKLINE_TEST_NOT_SET"):
        sender.request("http://x", shop, examples.load("gooten", "order-item-changed"))


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("ebay", "order", "there is run-free, shoprocket"),
        ("run-free", "refund", "there is cart-change, cart-change-emptied, customer-created"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(source: str, name: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        examples.load(source, name)


def test_a_file_of_ones_own_is_sent_as_the_event(tmp_path: Path) -> None:
    mine = tmp_path / "mine.xml"
    mine.write_bytes(b"<cart/>")
    found = examples.load("spiffy", "carts-update", mine)
    assert (found.event, found.content_type, found.body) == (
        "carts/update",
        "application/xml",
        b"<cart/>",
    )


def test_a_platform_sends_again_when_it_is_told_to_come_back() -> None:
    found = examples.load("run-free", "cart-change")
    with answering((503, {"retry-after": "0"}), (429, {"retry-after": "0"}), (200, {})) as server:
        url, asked = server
        with sender.Sender(url, retries=3) as client:
            answer = client.send(SHOPS["run-free"], found)
    assert (answer.status, answer.delivery, answer.attempts) == (200, "d-1", 3)
    assert len(set(asked)) == 1


@pytest.mark.parametrize("status", [401, 404, 413, 503])
def test_an_answer_that_stands_is_given_back(status: int) -> None:
    found = examples.load("run-free", "cart-change")
    with answering((status, {})) as (url, _), sender.Sender(url) as client:
        answer = client.send(SHOPS["run-free"], found)
    assert (answer.status, answer.delivery, answer.is_accepted) == (status, None, False)


def test_no_answer_is_an_error() -> None:
    found = examples.load("run-free", "cart-change")
    with (
        sender.Sender("http://127.0.0.1:9", retries=0) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.send(SHOPS["run-free"], found)
