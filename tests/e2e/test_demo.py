"""The demo on real servers, and the commands that it tells its reader to try."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.stack
HOOKLINE = (sys.executable, "-m", "hookline")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a demo that keeps running; afterwards nothing of it may be left."""
    folder = tmp_path_factory.mktemp("demo")
    log = folder.with_suffix(".log")
    with log.open("wb") as out:
        demo = subprocess.Popen(
            [*HOOKLINE, "demo", "--data", str(folder)], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 240
        while "Everything keeps running" not in log.read_text():
            assert demo.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        held = re.search(r"(\d+) of (\d+) expectations hold", log.read_text())
        assert held is not None
        assert held[1] == held[2], log.read_text() + warnings(folder)
        family = psutil.Process(demo.pid).children(recursive=True)
        yield folder
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 0
        assert [process for process in family if process.is_running()] == []
    finally:
        if demo.poll() is None:
            demo.kill()  # the kernel ends what it started
            demo.wait()


def warnings(folder: Path) -> str:
    """What the stages said that was not all well."""
    return "".join(
        f"{path.name}: {line}\n"
        for path in sorted((folder / "logs").glob("*.log"))
        for line in path.read_text(errors="replace").splitlines()
        if re.search(r'"level": "(warning|error|critical)"|\b(WARN|ERROR|FATAL)\b', line)
    )


def said(data: Path, *arguments: str, status: int = 0) -> Any:
    ended = subprocess.run(
        [*HOOKLINE, *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout


def test_the_tables_are_read_as_json_and_with_sql(data: Path) -> None:
    rows = {row["cart_key"]: row for row in json.loads(said(data, "tables", "carts", "--json"))}
    assert rows["run-free/lakeside/cart:1"]["status"] == "RECOVERED"
    counted = said(data, "tables", "--json", "--sql", "select count(*) as n from orders")
    assert json.loads(counted) == [{"n": 9}]


def test_the_read_only_role_changes_nothing(data: Path) -> None:
    said(data, "tables", "--sql", "delete from orders", status=1)


def test_topics_are_counted_and_their_records_decoded(data: Path) -> None:
    counts = {
        entry["topic"]: entry["records"] for entry in json.loads(said(data, "topics", "--json"))
    }
    assert counts["hookline.dead-letters"] == 1
    assert counts["hookline.duplicates"] == 1
    told = said(data, "topics", "tail", "orders", "--from-start", "--no-follow", "--json")
    orders = {
        order["order_id"]: order for order in (json.loads(r)["value"] for r in told.splitlines())
    }
    assert orders["448725"]["discount_total"] == "26.0000"


def test_the_dead_letter_is_listed_and_shown_with_its_original_bytes(data: Path) -> None:
    (letter,) = json.loads(said(data, "dead", "list", "--json"))
    assert (letter["shop"], letter["reason"]) == ("shoprocket/corner", "malformed-body")
    assert re.fullmatch(r"@\d+", letter["path"])
    shown = json.loads(said(data, "dead", "show", letter["letter"], "--json"))
    assert shown["value"].startswith("{")


def test_the_audit_counts_what_is_sent(data: Path) -> None:
    before = json.loads(said(data, "audit", "--json"))
    assert before["balanced"] is True
    sent = said(data, "send", "run-free", "order-created", "--set", "data.id={n}", "--repeat", "5")
    assert sent.count("200 delivery") == 5
    said(data, "send", "gooten", "order-item-changed", "--tamper")
    deadline = time.monotonic() + 30
    while (after := json.loads(said(data, "audit", "--json")))["in_flight"]:
        assert time.monotonic() < deadline
    assert after["accepted"] == before["accepted"] + 5
    assert after["canonical"] == before["canonical"] + 5
    assert after["missing"] == 0
