"""The login: hashes, sessions, who is believed, and what a form must have to act."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from hookline.cli import app
from hookline.console.errors import CommandError
from hookline.dashboard.app import create
from hookline.dashboard.database import BusyError, Database, Session
from hookline.dashboard.login import attempts, passwords, sessions
from hookline.dashboard.login.audit import Audit
from hookline.dashboard.login.door import Door, local_path
from hookline.stack_address import StackAddress
from runtime.settings import Settings, SettingsError
from tests import ROOT

PASSWORD = "correct horse battery"
ORIGIN = "http://127.0.0.1:8900"


def cheap_hash(password: str) -> str:
    """Quick to try: the default takes a third of a second."""
    made = passwords.PasswordHash(2, 1, 1, b"s" * 16, b"k" * 32)
    return str(passwords.PasswordHash(2, 1, 1, made.salt, made._derived(password)))


class Visit:
    """A dashboard without servers, and a browser of it."""

    def __init__(
        self, folder: Path, *, reached: bool = False, client: str = "127.0.0.1", **login: str
    ) -> None:
        def away() -> Session:
            raise CommandError("away")

        shops = str(folder / "shops.toml")
        settings = Settings(shops_file=shops, brokers="127.0.0.1:9", **login)
        self.audit_file = folder / "dashboard-audit.jsonl"
        self.door = Door(settings, reading_needs_login=reached)
        self.app = create(
            StackAddress(settings, "http://127.0.0.1:9", "", ""),
            Database(away),
            door=self.door,
            audit=Audit(self.audit_file),
            hosts=["desk.example.com"],
        )
        self.browser = TestClient(
            self.app, base_url=ORIGIN, follow_redirects=False, client=(client, 50_000)
        )

    def post(self, path: str, origin: str | None = ORIGIN, **fields: str) -> Any:
        headers = {} if origin is None else {"origin": origin}
        return self.browser.post(path, data=fields, headers=headers)

    def log_in(self, password: str = PASSWORD, **fields: str) -> Any:
        return self.post("/login", password=password, **fields)

    def token(self) -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.browser.get("/nope").text)
        assert found is not None
        return found[1]

    def audited(self) -> list[dict[str, Any]]:
        if not self.audit_file.exists():
            return []
        return [json.loads(line) for line in self.audit_file.read_text().splitlines()]


@pytest.fixture
def visit(tmp_path: Path) -> Callable[..., Visit]:
    def made(*, password: str = PASSWORD, **given_: Any) -> Visit:
        return Visit(tmp_path, dashboard_password_hash=cheap_hash(password), **given_)

    return made


@given(password=st.text(min_size=12, max_size=40), other=st.text(max_size=40))
def test_a_hash_takes_its_password_and_no_other(password: str, other: str) -> None:
    password, other = (text.encode(errors="ignore").decode() for text in (password, other))
    made = passwords.parse(cheap_hash(password))
    assert made.matches(password)
    assert made.matches(other) == (other == password)
    assert passwords.parse(str(made)) == made


def test_the_command_prints_a_hash_that_the_setting_takes_and_never_the_password() -> None:
    result = CliRunner().invoke(
        app, ["dashboard", "--hash-password"], input=f"{PASSWORD}\n{PASSWORD}\n"
    )
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    [text] = re.findall(r"scrypt:\S+", result.output)
    assert passwords.parse(text).matches(PASSWORD)
    differing: Any = CliRunner().invoke(
        app, ["dashboard", "--hash-password"], input=f"{PASSWORD}\n{PASSWORD}!\n"
    )
    assert "differ" in str(differing.exception)
    short: Any = CliRunner().invoke(app, ["dashboard", "--hash-password"], input="short\nshort\n")
    assert isinstance(short.exception, SettingsError)


def test_without_a_terminal_a_password_is_read_from_a_pipe_without_a_warning() -> None:
    command = [sys.executable, "-m", "hookline", "dashboard", "--hash-password"]
    made = subprocess.run(
        command, input=f"{PASSWORD}\n", capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert passwords.parse(made.stdout.strip()).matches(PASSWORD)
    assert made.stderr == "no terminal: the password is the first line of standard input\n"
    empty = subprocess.run(command, input="", capture_output=True, text=True, check=False, cwd=ROOT)
    assert (empty.returncode, "standard input is empty" in empty.stderr) == (1, True)


@pytest.mark.parametrize(
    "text",
    ["secret", "scrypt:3:1:1:c2FsdHNhbHRzYWx0c2FsdA:a2V5a2V5a2V5a2V5a2V5a2V5", "scrypt:2:1:1::",
     "scrypt:1048576:32:16:c2FsdHNhbHRzYWx0c2FsdA:a2V5a2V5a2V5a2V5a2V5a2V5",
     "bcrypt:2:1:1:c2FsdHNhbHRzYWx0c2FsdA:a2V5a2V5a2V5a2V5a2V5a2V5"],
)  # fmt: skip
def test_what_is_no_hash_or_would_cost_too_much_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="hash-password"):
        Door(Settings(dashboard_password_hash=text))


def test_a_session_lasts_eight_hours_and_ends_at_a_logout() -> None:
    now = [1000.0]
    kept = sessions.Sessions(clock=lambda: now[0])
    cookie = kept.issue("anna")
    session = kept.read(cookie)
    assert session is not None
    assert session.user == "anna"
    now[0] += 8 * 3600 - 1
    assert kept.read(cookie) == session
    now[0] += 1
    assert kept.read(cookie) is None
    other = kept.issue("anna")
    ended = kept.read(other)
    assert ended is not None
    kept.end(ended)
    assert kept.read(other) is None


@given(cookie=st.text(max_size=300), at=st.integers(0, 200), by=st.characters())
def test_no_cookie_but_one_that_was_issued_is_a_session(cookie: str, at: int, by: str) -> None:
    kept = sessions.Sessions()
    assert kept.read(cookie.encode(errors="replace").decode()) is None
    issued = kept.issue("anna")
    changed = issued[:at] + by.encode(errors="replace").decode() + issued[at + 1 :]
    assert changed == issued or kept.read(changed) is None
    assert sessions.Sessions().read(issued) is None


def test_tokens_are_of_one_session() -> None:
    kept = sessions.Sessions()
    assert kept.is_token("a", kept.token("a"))
    assert not kept.is_token("a", kept.token("b"))
    assert not kept.is_token("", kept.token(""))


def test_ten_attempts_a_minute_are_an_addresses_share() -> None:
    now = [0.0]
    counted = attempts.Attempts(lambda: now[0])
    assert [counted.may_try("a") for _ in range(11)] == [True] * 10 + [False]
    assert counted.may_try("b")
    now[0] = 60.0
    assert counted.may_try("a")


def test_attempts_of_very_many_addresses_are_bounded() -> None:
    counted = attempts.Attempts()
    for number in range(attempts.MAX_ADDRESSES + 10):
        counted.may_try(str(number))
    assert len(counted._by_address) == attempts.MAX_ADDRESSES


@pytest.mark.parametrize(
    ("text", "path"),
    [("/carts?days=7", "/carts?days=7"), ("//evil.example", "/now"), ("/\\evil.example", "/now"),
     ("https://evil.example/", "/now"), ("", "/now"), ("/a\nb", "/now"), ("javascript:1", "/now"),
     ("/a\\b", "/now")],
)  # fmt: skip
def test_after_the_login_one_goes_to_a_path_of_ours(text: str, path: str) -> None:
    assert local_path(text) == path


def test_a_login_is_a_strict_cookie_and_leads_back(visit: Callable[..., Visit]) -> None:
    each = visit()
    page = each.browser.get("/login?next=/carts%3Fdays%3D7").text
    assert '<input type="hidden" name="next" value="/carts?days=7">' in page
    answer = each.log_in(next="/carts?days=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/carts?days=7")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=28800" in cookie
    assert "secure" not in cookie
    assert "Log out" in each.browser.get("/nope").text
    assert [line["action"] for line in each.audited()] == ["login"]
    assert each.audited()[0]["address"] == "127.0.0.1"


def test_a_wrong_password_is_refused_and_ten_of_them_are_enough(
    visit: Callable[..., Visit],
) -> None:
    each = visit()
    answers = [each.log_in("wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert "This is not the password" in answers[0].text
    assert "set-cookie" not in answers[0].headers
    assert each.log_in().status_code == 429
    assert "wrong" not in each.audit_file.read_text().replace("wrong password", "")


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1"]
)
def test_a_form_of_another_site_is_refused(visit: Callable[..., Visit], origin: str | None) -> None:
    each = visit()
    assert each.post("/login", origin, password=PASSWORD).status_code == 403
    assert each.log_in().status_code == 303
    token = each.token()
    answer = each.post("/dead-letters/replay", origin, token=token, letter="0:0")
    assert (answer.status_code, "another site" in answer.text) == (403, True)
    assert each.audited()[-1]["action"] == "refused"


@pytest.mark.parametrize("token", ["", "0" * 64, "\N{SNOWMAN}"])
def test_a_form_without_the_sessions_token_is_refused(
    visit: Callable[..., Visit], token: str
) -> None:
    each = visit()
    each.log_in()
    answer = each.post("/dead-letters/discard", token=token, letter="0:0", because="a test")
    assert (answer.status_code, "not of this session" in answer.text) == (403, True)
    line = each.audited()[-1]
    assert (line["action"], line["user"], line["path"]) == (
        "refused", "operator", "/dead-letters/discard",
    )  # fmt: skip


WRITES = (
    "/dead-letters/replay", "/dead-letters/discard", "/dead-letters/jobs/x/cancel", "/logout",
    "/shops/spiffy/johns/test-delivery",
)  # fmt: skip


@pytest.mark.parametrize("path", WRITES)
def test_nobody_writes_without_a_login(visit: Callable[..., Visit], path: str) -> None:
    answer = visit().post(path, letter="0:0", because="a test", token="")
    assert (answer.status_code, "Nobody is logged in" in answer.text) == (403, True)


@pytest.mark.parametrize("path", WRITES)
def test_where_no_login_is_set_writes_say_how_to_set_one(tmp_path: Path, path: str) -> None:
    answer = Visit(tmp_path).post(path, letter="0:0")
    assert answer.status_code == 403
    assert "--hash-password" in answer.text
    assert "--hash-password" in Visit(tmp_path).browser.get("/login").text


def test_a_session_that_was_left_writes_no_more(visit: Callable[..., Visit]) -> None:
    each = visit()
    each.log_in()
    token, cookie = each.token(), each.browser.cookies["hookline_session"]
    assert each.post("/logout", token=token).status_code == 303
    each.browser.cookies.set("hookline_session", cookie)
    assert each.post("/dead-letters/replay", token=token, letter="0:0").status_code == 403


def test_reached_from_elsewhere_everything_needs_a_login(visit: Callable[..., Visit]) -> None:
    each = visit(reached=True)
    answer = each.browser.get("/carts?days=7")
    assert (answer.status_code, answer.headers["location"]) == (
        303, "/login?next=%2Fcarts%3Fdays%3D7",
    )  # fmt: skip
    assert each.browser.get("/carts.json").status_code == 401
    assert each.browser.get("/nope").status_code == 303
    for path in ("/login", "/readyz", "/static/style.css", "/vendored/htmx.min.js"):
        assert each.browser.get(path).status_code == 200
    each.log_in()
    assert each.browser.get("/carts").status_code == 503  # the tables of the test are away
    named = each.browser.get("/readyz", headers={"host": "desk.example.com"})
    assert named.status_code == 200
    assert each.browser.get("/login", headers={"host": "evil.example"}).status_code == 400


PROXIED = {"dashboard_proxy_user_header": "X-Remote-User", "trusted_proxies": "10.0.0.0/8"}


def test_a_proxys_user_is_believed_of_the_proxy_alone(tmp_path: Path) -> None:
    headers = {"x-remote-user": "anna", "x-forwarded-for": "192.0.2.7"}
    proxied = Visit(tmp_path, client="10.1.2.3", **PROXIED)
    page = proxied.browser.get("/nope", headers=headers).text
    assert "anna" in page
    stranger = Visit(tmp_path, client="192.0.2.7", **PROXIED)
    assert "anna" not in stranger.browser.get("/nope", headers=headers).text
    twice = [*headers.items(), ("x-remote-user", "bob")]
    assert 'name="token"' not in proxied.browser.get("/nope", headers=twice).text


def test_a_proxys_user_needs_the_token_of_the_user(tmp_path: Path) -> None:
    each = Visit(tmp_path, client="10.1.2.3", **PROXIED)
    anna = {"x-remote-user": "anna", "origin": ORIGIN}
    token = re.search(r'name="token" value="(\w+)"', each.browser.get("/nope", headers=anna).text)
    assert token is not None
    form = {"token": token[1], "letter": "nothing"}
    answers = [
        each.browser.post("/dead-letters/replay", data=form, headers={**anna, "x-remote-user": who})
        for who in ("anna", "bob")
    ]
    assert [answer.status_code for answer in answers] == [400, 403]


def test_a_cookie_is_secure_where_the_proxy_says_https(tmp_path: Path) -> None:
    each = Visit(
        tmp_path,
        client="10.1.2.3",
        dashboard_password_hash=cheap_hash(PASSWORD),
        trusted_proxies="10.0.0.0/8",
    )
    headers = {
        "x-forwarded-proto": "https", "host": "desk.example.com",
        "origin": "https://desk.example.com",
    }  # fmt: skip
    answer = each.browser.post("/login", data={"password": PASSWORD}, headers=headers)
    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()
    headers["origin"] = "http://desk.example.com"
    assert each.browser.post("/login", data={}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "login",
    [{"dashboard_proxy_user_header": "X-Remote-User"},
     {"dashboard_proxy_user_header": "a b", "trusted_proxies": "10.0.0.1"}],
)  # fmt: skip
def test_a_proxy_header_needs_a_name_and_addresses(login: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        Door(Settings(**login))


def test_what_leaves_no_line_in_the_audit_file_is_not_done(visit: Callable[..., Visit]) -> None:
    each = visit()
    each.audit_file.mkdir()
    answer = each.log_in()
    assert (answer.status_code, "Nothing was done" in answer.text) == (503, True)
    assert "set-cookie" not in answer.headers


def test_a_test_delivery_goes_to_test_shops_only(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    each = visit()
    each.log_in()
    token = each.token()
    shops = tmp_path / "shops.toml"
    shops.write_text(
        "".join(
            f'[[shops]]\nsource = "spiffy"\nid = "{name}"\nsecrets = ["{name} of the tests"]\n'
            f'currency = "USD"\ntimezone = "UTC"\nis_test = {is_test}\n'
            for name, is_test in (("real", "false"), ("try", "true"))
        )
    )
    statuses = {
        shop: each.post(f"/shops/spiffy/{shop}/test-delivery", token=token).status_code
        for shop in ("nobody", "real", "try")
    }
    assert statuses == {"nobody": 404, "real": 409, "try": 503}  # no ingress listens here
    assert [line["shop"] for line in each.audited() if "shop" in line] == ["spiffy/try"]


def test_a_form_that_is_too_large_or_none_is_refused(visit: Callable[..., Visit]) -> None:
    each = visit()
    each.log_in()
    assert each.post("/dead-letters/replay", token="x" * 70_000).status_code == 400
    answer = each.browser.post("/dead-letters/replay", json={}, headers={"origin": ORIGIN})
    assert answer.status_code == 400


def test_many_who_guess_at_once_leave_threads_for_the_pages(tmp_path: Path) -> None:
    door = Visit(tmp_path, dashboard_password_hash=cheap_hash(PASSWORD)).door
    let = threading.Event()

    class Slow:
        def matches(self, password: str) -> bool:
            let.wait()
            return password == PASSWORD

    door._password = Slow()  # type: ignore[assignment]
    threads = [threading.Thread(target=door.is_password, args=("guess",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    while door._pending._value:
        time.sleep(0.001)
    with pytest.raises(BusyError, match="try again"):
        door.is_password("guess")
    let.set()
    for thread in threads:
        thread.join()
    assert door.is_password(PASSWORD)


def test_the_audit_file_holds_the_beginning_of_a_path_alone(visit: Callable[..., Visit]) -> None:
    made = visit()
    assert made.post(f"/dead-letters/jobs/{'x' * 9000}/cancel").status_code == 403
    [line] = made.audited()
    assert len(line["path"]) == 200
