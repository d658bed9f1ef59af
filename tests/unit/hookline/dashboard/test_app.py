"""Answers: their headers, their errors, and who may ask."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient
from typer.testing import CliRunner

from hookline.cli import app
from hookline.console.errors import CommandError
from hookline.dashboard.app import create
from hookline.dashboard.database import BusyError, Database, Session
from hookline.dashboard.errors import trouble_of
from hookline.stack_address import StackAddress
from runtime.settings import Settings

PAGES = ("/now", "/journey", "/shops", "/shops/spiffy/johns", "/carts", "/customers")
HOSTILE = "\x1b[2J\u202e<script>alert(1)</script>"


def client(fails: Callable[[], Session]) -> TestClient:
    """A client of a dashboard whose database fails as given."""
    stack = StackAddress(Settings(shops_file="/nowhere/shops.toml"), "", "", "")
    return TestClient(
        create(stack, Database(fails)), base_url="http://127.0.0.1:8900", follow_redirects=False
    )


def failing(error: Exception) -> TestClient:
    def fails() -> Session:
        raise error

    return client(fails)


@pytest.mark.parametrize("path", [*PAGES, "/", "/nope", "/carts?days=3", "/static/style.css",
                                  "/vendored/htmx.min.js", "/readyz", "/carts.json"])  # fmt: skip
def test_every_answer_forbids_what_is_not_from_here(path: str) -> None:
    headers = failing(CommandError("away")).get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "nonce" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    is_file = path.startswith(("/static", "/vendored"))
    assert headers["cache-control"] == ("no-cache" if is_file else "no-store")


@pytest.mark.parametrize("path", PAGES)
def test_a_database_that_is_away_is_a_page_with_a_remedy(path: str) -> None:
    answer = failing(CommandError(f"PostgreSQL does not answer: {HOSTILE}")).get(path)
    assert answer.status_code == 503
    assert "PostgreSQL cannot be read" in answer.text
    assert "hookline status" in answer.text
    assert "Traceback" not in answer.text
    assert "<script>alert" not in answer.text
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    assert r"\x1b[2J\u202e&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (psycopg.OperationalError("no route"), 503, "PostgreSQL cannot be read"),
        (psycopg.errors.QueryCanceled("time"), 503, "took too long"),
        (psycopg.errors.UndefinedTable("freshness"), 503, "hookline migrate"),
        (psycopg.errors.UndefinedColumn("x"), 503, "hookline migrate"),
        (BusyError("busy"), 503, "Busy"),
        (ZeroDivisionError("a secret of a bug"), 500, "This page failed"),
    ],
)
def test_an_error_is_a_page_of_its_own(error: Exception, status: int, text: str) -> None:
    answer = failing(error).get("/carts")
    assert (answer.status_code, text in answer.text) == (status, True)
    assert "a secret of a bug" not in answer.text
    as_json = failing(error).get("/carts.json")
    assert as_json.status_code == status
    assert set(as_json.json()) == {"error", "remedy"}


def test_a_password_in_a_message_is_not_shown() -> None:
    error = CommandError("postgresql://reader:hunter2@db/hookline does not answer")
    assert "hunter2" not in failing(error).get("/now").text
    assert "hunter2" not in failing(error).get("/now.json").text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nope", 404), ("/shops/spiffy", 404), ("/shops/UPPER/x", 404), ("/carts?shop=x", 400),
     ("/static/../app.py", 404), ("/static/%2e%2e/app.py", 404), ("/vendored/", 404)],
)  # fmt: skip
def test_what_there_is_not_is_not_found_or_refused(path: str, status: int) -> None:
    assert failing(CommandError("away")).get(path).status_code == status


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8900", ""])
def test_a_name_that_is_not_this_machines_is_refused(host: str) -> None:
    answer = failing(CommandError("away")).get("/now", headers={"host": host})
    assert answer.status_code == 400
    assert "Hookline" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8900", "localhost", "[::1]:8900"])
def test_the_names_of_this_machine_are_answered(host: str) -> None:
    assert failing(CommandError("away")).get("/readyz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_no_page_of_figures_takes_anything(method: str) -> None:
    assert failing(CommandError("away")).request(method, "/carts").status_code == 405


@pytest.mark.parametrize(("path", "methods"), [("/carts", {"GET", "HEAD"}), ("/logout", {"POST"})])
def test_a_wrong_method_is_told_the_right_ones(path: str, methods: set[str]) -> None:
    answer = failing(CommandError("away")).request("PUT", path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == methods


def test_a_form_that_is_cut_off_is_no_fault_of_ours() -> None:
    trouble = trouble_of(ClientDisconnect())
    assert trouble is not None
    assert trouble.status == 400


def test_the_first_page_is_now() -> None:
    answer = failing(CommandError("away")).get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/now")


def test_it_is_ready_whatever_the_database_does() -> None:
    answer = failing(CommandError("away")).get("/readyz")
    assert (answer.status_code, json.loads(answer.text)["waiting"]) == (200, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::", "example.com"])
def test_without_a_login_it_listens_on_this_machine_only(host: str) -> None:
    reader = {"HOOKLINE_READER_URL": "postgresql://nobody@127.0.0.1:9/nothing"}
    result: Any = CliRunner().invoke(app, ["dashboard", "--host", host], env=reader)
    assert isinstance(result.exception, CommandError)
    assert "has no login" in str(result.exception)
