"""Dead letters settled from the page of a real dashboard: by who logged in, each letter once."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.dashboard.login import passwords
from runtime.settings import Settings
from schemas.envelopes import Reason, Reject
from tests import senders
from tests.conftest import LiveStack, run_apart
from tests.integration.commands.test_dead_letters import (
    NOW,
    House,
    append_letters,
    canonical,
    settled_audit,
)
from tests.pipeline import running
from tests.raw import Raw, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

PASSWORD = "correct horse battery"
LONG = bool(os.environ.get("LONG"))
MANY = 10_000 if LONG else 600
"""Letters of three causes that are replayed while a processor is killed."""
CAUSES = (
    Reject(Reason.INVALID_PAYLOAD, "data.subtotal", "not a number"),
    Reject(Reason.OUT_OF_RANGE, "data.items[0].price", "too precise"),
    Reject(Reason.INTERNAL_ERROR, "", "ZeroDivisionError"),
)


class Desk:
    """`hookline dashboard` as a process, and a browser of it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=60)
        self._folder = folder

    def post(self, form: str, /, *, origin: str | None = None, **fields: str) -> httpx.Response:
        return self.client.post(form, data=fields, headers={"origin": origin or self.url})

    def log_in(self) -> str:
        """Log in; the token of the session's forms."""
        answer = self.post("/login", password=PASSWORD, next="/dead-letters")
        assert (answer.status_code, answer.headers["location"]) == (303, "/dead-letters")
        page = self.client.get("/dead-letters").text
        found = re.search(r'name="token" value="([0-9a-f]+)"', page)
        assert found is not None
        return found[1]

    def start(self, form: str, /, **fields: str) -> str:
        """Start a job by its form; its path."""
        answer = self.post(form, **fields)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def ended(self, job: str, seconds: float = 300) -> Any:
        deadline = time.monotonic() + seconds
        while (page := self.client.get(f"{job}.json").json())["state"] == "running":
            assert time.monotonic() < deadline, page
            time.sleep(0.2)
        assert self.client.get(job).status_code == 200
        return page

    def followed(self, job: str, seconds: float = 60) -> Any:
        """What became of a job's replays, once all of them are processed."""
        deadline = time.monotonic() + seconds
        while (became := self.client.get(f"{job}.json").json()["became"])["waiting"]:
            assert time.monotonic() < deadline, became
            time.sleep(0.5)
        return became

    def review(self, **fields: str) -> Any:
        return self.client.get("/dead-letters/settle.json", params=fields).json()

    def letters(self, query: str = "") -> Any:
        return self.client.get(f"/dead-letters.json{query}").json()

    def audited(self) -> list[dict[str, Any]]:
        text = (self._folder / "dashboard-audit.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


@contextmanager
def desk(settings: Settings, reader_url: str, folder: Path) -> Iterator[Desk]:
    folder.mkdir()
    variables = {
        **settings.environment(),
        "HOOKLINE_READER_URL": reader_url,
        "HOOKLINE_DASHBOARD_PASSWORD_HASH": passwords.hashed(PASSWORD),
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-P", "-m", "hookline", "dashboard", "--port", "0"]
    with subprocess.Popen(
        command, env=variables, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().partition("  ")[2]
            assert url.startswith("http://127.0.0.1:")
            visited = Desk(url, folder)
            with visited.client:
                yield visited
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def letters(count: int) -> list[tuple[Raw, Reject]]:
    return [
        (
            Raw(
                "run-free", senders.SHOP, f"order:{number}", senders.NumberedOrder(number, NOW).body
            ),
            CAUSES[number % 3],
        )
        for number in range(count)
    ]


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    return prepared(replace(stack.settings(), shops_file=str(shops)))


def group_of(page: Any, reason: str) -> dict[str, str]:
    """The fields of the form of one group, as its page has them."""
    [group] = [each for each in page["groups"] if each["reason"] == reason]
    return {
        "shop": group["shop"], "reason": reason, "path": group["path"],
        "until": str(page["until_ms"]),
    }  # fmt: skip


def test_a_group_is_replayed_one_letter_discarded_and_the_rest_refused_to_strangers(
    settings: Settings, stack: LiveStack, tmp_path: Path
) -> None:
    given = letters(9)
    run_apart(append_letters(settings, given))
    with (
        desk(settings, stack.reader_url, tmp_path / "desk") as visited,
        running(settings, tmp_path / "logs") as pipeline,
    ):
        house = House(pipeline, Path(settings.shops_file))
        group = group_of(visited.letters(), "invalid-payload")
        for path in ("/dead-letters/replay", "/dead-letters/discard"):
            assert visited.post(path, **group, because="a test").status_code == 403
        token = visited.log_in()
        refused = [
            visited.post("/dead-letters/replay", **group),
            visited.post("/dead-letters/replay", **group, token="0" * 64),
            visited.post(
                "/dead-letters/replay", **group, token=token, origin="http://evil.example"
            ),
        ]
        assert [answer.status_code for answer in refused] == [403] * 3
        assert visited.letters()["total"] == 9

        before = visited.review(**group)
        assert (before["total"], before["tried"], before["would_be_events"]) == (3, 3, 3)
        path = visited.start("/dead-letters/replay", **group, token=token, rate="50")
        job = visited.ended(path)
        assert (job["state"], job["settled"], job["skipped"]) == ("done", 3, {})
        became = visited.followed(path)
        assert (became["followed"], became["events"], became["refused"]) == (3, 3, 0)
        assert visited.review(**group)["total"] == 0
        found = house.outcomes(9 + 3)
        assert len(canonical(found, settings)) == 3

        other = visited.letters()["letters"][0]["letter"]
        assert f"/dead-letters/{other}" in visited.client.get("/dead-letters").text
        job = visited.ended(
            visited.start("/dead-letters/discard", letter=other, token=token, because="a test")
        )
        assert (job["state"], job["settled"]) == ("done", 1)
        assert visited.letters()["total"] == 5
        one = visited.client.get(f"/dead-letters/{other}.json").json()
        assert (one["state"], one["state_reason"]) == ("discarded", "a test")
        assert visited.letters("?state=replayed")["total"] == 3
        assert len(house.say("dead", "list")) == 5

        lines = visited.audited()
        assert [line["action"] for line in lines] == [
            "refused", "refused", "login", "refused", "refused", "refused",
            "replay", "replay ended", "discard", "discard ended",
        ]  # fmt: skip
        begun, ended = lines[6:8]
        assert begun["filter"] == {
            "shop": group["shop"], "reason": "invalid-payload", "path": "data.subtotal",
        }  # fmt: skip
        assert (begun["user"], ended["settled"], ended["job"]) == ("operator", 3, begun["job"])
        assert (begun["count"], lines[8]["count"]) == (3, 1)
        assert (lines[8]["letters"], lines[8]["because"]) == ([other], "a test")


def test_what_is_refused_again_is_foreseen_and_found_from_the_page_of_its_job(
    settings: Settings, stack: LiveStack, tmp_path: Path
) -> None:
    good = letters(2)
    broken = [
        (
            Raw("run-free", senders.SHOP, f"order:{number}", b'{"data": {"name": "Anna" 7}}'),
            Reject(Reason.INVALID_PAYLOAD, "data.subtotal", "not a number"),
        )
        for number in (100, 101)
    ]
    run_apart(append_letters(settings, [*good, *broken]))
    with (
        desk(settings, stack.reader_url, tmp_path / "desk") as visited,
        running(settings, tmp_path / "logs"),
    ):
        token = visited.log_in()
        everything = {"until": str(visited.letters()["until_ms"])}
        before = visited.review(**everything)
        assert (before["tried"], before["would_be_events"], before["would_be_refused"]) == (4, 2, 2)
        assert before["refused_as"] == [{"reason": "malformed-body", "path": "@", "letters": 2}]
        path = visited.start("/dead-letters/replay", **everything, token=token)
        assert visited.ended(path)["settled"] == 4
        became = visited.followed(path)
        assert (became["events"], became["refused"], became["waiting"]) == (2, 2, 0)
        again = visited.letters()
        assert sorted(became["letters"]) == sorted(each["letter"] for each in again["letters"])
        page = visited.client.get(path).text
        assert "reason=malformed-body" in page
        for name in became["letters"]:
            assert f'href="/dead-letters/{name}"' in page
            one = visited.client.get(f"/dead-letters/{name}").text
            assert "byte 25 of 28" in one
            assert "Anna" not in one
            assert 'class="primary">Discard this letter' in one


def test_a_group_is_settled_from_the_page_now_with_six_clicks_and_a_login(
    settings: Settings, stack: LiveStack, tmp_path: Path
) -> None:
    run_apart(append_letters(settings, letters(9)))
    with desk(settings, stack.reader_url, tmp_path / "desk") as visited:

        def link(page: str, pattern: str) -> str:
            found = re.search(rf'href="({pattern})"', page)
            assert found is not None, pattern
            return found[1].replace("&amp;", "&")

        now = visited.client.get("/now").text
        listed = visited.client.get(link(now, "/dead-letters")).text  # click 1
        group = link(listed, r"/dead-letters\?[^\"]*reason=out-of-range[^\"]*path=[^\"]*")
        settle = link(visited.client.get(group).text, r"/dead-letters/settle[^\"]*")  # click 2
        login = link(
            visited.client.get(settle).text, r"/login\?next=%2Fdead-letters%2Fsettle[^\"]*"
        )
        page = visited.client.get(login).text  # clicks 3 and 4
        back = re.search(r'name="next" value="([^"]*)"', page)
        assert back is not None
        answer = visited.post(
            "/login", password=PASSWORD, next=back[1].replace("&amp;", "&")
        )  # click 5
        assert answer.headers["location"] == settle
        form = visited.client.get(answer.headers["location"]).text
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        job = visited.start("/dead-letters/replay", **fields)  # click 6
        assert visited.ended(job)["settled"] == 3


def test_a_job_can_be_cancelled_and_another_waits_until_then(
    settings: Settings, stack: LiveStack, tmp_path: Path
) -> None:
    run_apart(append_letters(settings, letters(30)))
    with desk(settings, stack.reader_url, tmp_path / "desk") as visited:
        token = visited.log_in()
        everything = {"until": str(visited.letters()["until_ms"]), "token": token}
        job = visited.start("/dead-letters/replay", **everything, rate="2")
        second = visited.post("/dead-letters/replay", **everything)
        assert (second.status_code, "Another job runs" in second.text) == (409, True)
        visited.start(f"{job}/cancel", token=token)
        ended = visited.ended(job)
        assert ended["state"] == "cancelled"
        assert ended["settled"] < 30
        # What it left is replayed by the next, and nothing twice.
        rest = visited.ended(visited.start("/dead-letters/replay", **everything))
        assert rest["state"] == "done"
        assert ended["settled"] + rest["settled"] + sum(rest["skipped"].values()) == 30
        assert visited.letters()["total"] == 0


def test_letters_replayed_from_the_page_while_a_processor_is_killed_are_each_one_event(
    settings: Settings, stack: LiveStack, tmp_path: Path
) -> None:
    given = letters(MANY)
    run_apart(append_letters(settings, given))
    with (
        desk(settings, stack.reader_url, tmp_path / "desk") as visited,
        running(settings, tmp_path / "logs", processors=2) as pipeline,
    ):
        house = House(pipeline, Path(settings.shops_file))
        token = visited.log_in()
        page = visited.letters()
        counts = sorted(each["letters"] for each in page["groups"])
        assert (sum(counts), len(counts), counts[-1] - counts[0] <= 1) == (MANY, 3, True)
        stopping = threading.Event()

        def kills() -> None:
            while not stopping.wait(2.0):
                pipeline.kill("process-1")

        killing = threading.Thread(target=kills)
        killing.start()
        try:
            for reason in ("invalid-payload", "out-of-range", "internal-error"):
                form = group_of(page, reason)
                job = visited.start("/dead-letters/replay", **form, token=token, rate="1000")
                assert visited.ended(job)["state"] == "done"
        finally:
            stopping.set()
            killing.join()
        found = run_apart(wait_for_outcomes(settings, 2 * MANY, 300))
        expected = Counter({raw.delivery_id: 1 for raw, _ in given})
        assert canonical(found, settings) == expected
        audit = settled_audit(house)
        # As received they are dead letters; replays are counted apart, and none was a duplicate.
        kinds = ("accepted", "dead_letters", "replays", "duplicates", "missing", "balanced")
        assert [audit[kind] for kind in kinds] == [MANY, MANY, MANY, 0, 0, True]
        assert visited.letters()["total"] == 0
